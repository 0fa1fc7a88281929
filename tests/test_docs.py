"""The documents hold: their links lead somewhere, their files exist, their programs build and run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from c_build import WARNINGS, compiler
from compiled import ROOT

from kaoken.cli import main

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = re.findall(r"`((?:kaoken|runtime|tests|benchmarks|models|scripts|docs)/[\w./-]+)`", prose)
    # A compiled folder has a `kaoken/` of its own, with copies of the runtime.
    missing += [name for name in named if not (ROOT / name).exists() and not (ROOT / "runtime" / Path(name).name).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documents_are_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every indented `kaoken ...` line names a command and options that exist."""
    for command, rest in re.findall(r"^\s+(?:\$ )?kaoken ([a-z]+)(.*)$", page.read_text(), re.MULTILINE):
        capsys.readouterr()
        assert main([command, "--help"]) == 0, command
        options = set(re.findall(r"(?<=\s)(--[a-z-]+)", rest.split(" #")[0]))
        assert options <= set(re.findall(r"--[a-z-]+", capsys.readouterr().out)), (command, rest)


def program(language: str) -> str:
    """The one program in that language that the page about the generated folder has."""
    found = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "generated-folder.md").read_text(), re.DOTALL)
    (text,) = [block for block in found if "int main" in block]
    return text


def test_the_documented_c_program_builds_and_writes(story: Path, tmp_path: Path) -> None:
    folder = tmp_path / "story"
    shutil.copytree(story, folder, ignore=shutil.ignore_patterns("build"))
    (folder / "hello.c").write_text(program("c"))
    line = f"{compiler()} -O1 {' '.join(WARNINGS)} *.c kaoken/*.c -lm -lpthread -o hello"
    subprocess.run(["sh", "-c", line], cwd=folder, check=True)
    done = subprocess.run(["./hello"], cwd=folder, check=True, capture_output=True, text=True)
    size, text = done.stdout.split("\n", 1)
    assert re.fullmatch(r"needs \d+ bytes beside the weights", size)
    assert text.startswith("Once upon a time") and len(text.split()) > 40


def test_the_documented_cpp_program_builds_and_writes(story: Path, tmp_path: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler")
    (tmp_path / "main.cpp").write_text(program("cpp"))
    library = story / "build"
    line = [
        "c++",
        "-std=c++17",
        "-O1",
        "-Wall",
        "-Wextra",
        f"-I{story}",
        "main.cpp",
        f"-L{library}",
        "-lstory",
        f"-Wl,-rpath,{library}",
    ]
    subprocess.run([*line, "-o", "main"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "main"], cwd=story, check=True, capture_output=True, text=True)
    assert len(done.stdout.split()) > 20
