"""Every page on adding something is done as it stands, in a copy of the repository: so many files; what it tries works."""

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
def test_a_page_is_true(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    steps = list(STEP.finditer(text))
    (said,) = [number for words, number in NUMBERS.items() if f"**{words}**" in text]
    assert len({step["file"] for step in steps}) == len(steps) == said
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    for step in steps:
        done(copy / step["file"], step["how"], step["text"])
    (tries,) = re.findall(r"^Try it:\n\n```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for command in tries.splitlines():
        words = [sys.executable, "-m", *command.split(), *(["-n", "0", "-q"] if command.startswith("pytest") else [])]
        ran = subprocess.run(
            words, cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True, check=False
        )
        expected = (0, 3) if command.startswith("cambench data where") else (0,)  # 3: the set is not here
        assert ran.returncode in expected, f"{command}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}"
