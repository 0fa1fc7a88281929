"""Fixtures that several test files share."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

import pytest
from compiled import ROOT, compiled

STORY = ROOT / "models" / "story"


def trained(name: str, source: Path) -> Path:
    """A trained model of the repository, exported: once for all test processes, and again only when model or exporter change."""
    if importlib.util.find_spec("optimum") is None:
        pytest.skip("needs the extra kaoken[export]")
    digest = hashlib.sha256()
    for path in sorted([*source.glob("*.json"), *source.glob("*.safetensors"), *(ROOT / "kaoken" / "export").glob("*.py")]):
        digest.update(path.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"kaoken-tests-{os.getuid()}" / f"{name}-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        target = folder / f"{name}-onnx"
        if not any(target.glob("*.onnx")):
            from kaoken.export import export

            export(name, target)
    return target


@pytest.fixture(scope="session")
def story_onnx() -> Path:
    """The trained story model."""
    return trained("story", STORY)


@pytest.fixture(scope="session")
def story_t5_onnx() -> Path:
    """The trained model that puts stories into another tense: an encoder-decoder."""
    return trained("story-t5", STORY.parent / "story_t5")


@pytest.fixture(scope="session")
def story_t5(story_t5_onnx: Path) -> Path:
    """It, compiled and built."""
    return compiled(str(story_t5_onnx), name="story_t5")


@pytest.fixture(scope="session")
def story(story_onnx: Path) -> Path:
    """The story model, compiled and built."""
    return compiled(str(story_onnx), name="story")
