"""The pages on adding something are done as they stand, in a copy of the repository: so many files; what they try works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

PAGES = sorted((ROOT / "docs" / "how-to").glob("add-*.md"))
STEP = re.compile(r"^\*\*\d\. `(?P<file>[^`]+)`\*\*(?P<how>[^\n]*)\n\n```\w+\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
NUMBERS = {"One file": 1, "two files": 2, "Three files": 3, "Four files": 4}
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "runs", "heatmaps", "records", ".*_cache", "__pycache__")


def done(file: Path, how: str, text: str) -> None:
    """One step of a page: a new file, lines at a file's end, or an entry at the beginning of an index."""
    if "at its end" in how:
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    elif index := re.search(r"in `(\w+)`", how):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (opening,) = [n for n, line in enumerate(lines) if re.match(rf"{index[1]}\b.*=", line)]
        opening += next(n for n, line in enumerate(lines[opening:]) if line.rstrip().endswith("{"))
        file.write_text("".join([*lines[: opening + 1], text, *lines[opening + 1 :]]), encoding="utf-8")
    else:
        assert "(new)" in how and not file.exists(), f"{file}: expected (new), in `INDEX` or at its end, got {how}"
        file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_as_many_files_as_it_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = [step["file"] for step in STEP.finditer(text)]
    (said,) = [number for words, number in NUMBERS.items() if f"**{words}**" in text]
    assert len(set(files)) == len(files) == said


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with what every page adds."""
    copy = tmp_path_factory.mktemp("how-to") / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    for page in PAGES:
        for step in STEP.finditer(page.read_text(encoding="utf-8")):
            done(copy / step["file"], step["how"], step["text"])
    return copy


def tries(page: Path) -> list[str]:
    """What a page has the reader type in the end."""
    (block,) = re.findall(r"^Try it:\n\n```\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return block.splitlines()


def typed(copy: Path, *words: str) -> tuple[int, str]:
    """Type a command in the copy. -> its exit code, and the end of what it prints."""
    command, environment = [sys.executable, "-m", *words], {**os.environ, "PYTHONPATH": str(copy)}
    ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, f"{' '.join(words)}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_commands_work(page: Path, copy: Path) -> None:
    for command in [command for command in tries(page) if command.startswith("cambench")]:
        code, printed = typed(copy, *command.split())
        assert code in ((0, 3) if command.startswith("cambench data where") else (0,)), printed  # 3: the set is not here


def test_their_tests_pass(copy: Path) -> None:
    """Those of all pages in one process."""
    files = [command.split()[1] for page in PAGES for command in tries(page) if command.startswith("pytest")]
    code, printed = typed(copy, "pytest", *files, "-n", "0", "-q")
    assert len(files) == 4 and code == 0, printed
