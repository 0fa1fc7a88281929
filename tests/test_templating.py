"""Compiled templates are kept where the user has a cache, and nothing depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kaoken.emit.templating import FOLDER, templates


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    templates.cache_clear()
    yield
    templates.cache_clear()


def test_a_template_is_compiled_into_the_cache_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAOKEN_CACHE", str(tmp_path))
    source = templates().get_template("norm.mako").source
    (kept,) = tmp_path.rglob("norm.mako.py")
    first = kept.stat().st_mtime_ns
    templates.cache_clear()
    assert templates().get_template("norm.mako").source == source == (FOLDER / "norm.mako").read_text()
    assert kept.stat().st_mtime_ns == first


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("KAOKEN_CACHE", str(tmp_path / "file"))
    assert templates().get_template("norm.mako").source


def test_a_cache_that_others_own_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAOKEN_CACHE", str(tmp_path))
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    assert templates().get_template("norm.mako").source
    assert not list(tmp_path.rglob("*.py"))
