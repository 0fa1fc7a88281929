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


@pytest.fixture(scope="session")
def story_onnx() -> Path:
    """The trained story model, exported: once for all test processes, and again only when model or exporter change."""
    if importlib.util.find_spec("optimum") is None:
        pytest.skip("needs the extra kaoken[export]")
    digest = hashlib.sha256()
    for path in sorted([*STORY.glob("*.json"), *STORY.glob("*.safetensors"), *(ROOT / "kaoken" / "export").glob("*.py")]):
        digest.update(path.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"kaoken-tests-{os.getuid()}" / f"story-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "story-onnx" / "model.onnx").is_file():
            from kaoken.export import export

            export("story", folder / "story-onnx")
    return folder / "story-onnx"


@pytest.fixture(scope="session")
def story(story_onnx: Path) -> Path:
    """The story model, compiled and built."""
    return compiled(str(story_onnx), name="story")
