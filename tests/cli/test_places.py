"""Places and terminals that refuse: one line, or it works."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from data.miniatures import own_folder
from typed import Typed

from cambench import files
from cambench.cli.streams import HANDLER, forgive
from cambench.store.runs import Run, find_run
from cambench.vocabulary import CambenchError

ROOT = Path(__file__).parents[2]


def a_run(results: Path, name: str = "cub-ce", **info: object) -> Run:
    facts = {"kind": "trained", "method": "ce", "dataset": "Ünïcødé 鳥 ± −1", "arch": "resnet8", "seed": 0, "finished": True}
    return Run(results / "runs" / name).save(**(facts | info))


def test_a_results_root_that_is_a_file(typed: Typed, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine", parts=("train", "val"))
    (tmp_path / "results").write_text("")
    small = ["--arch", "resnet8", "--set", "model.init=scratch", "--set", "input.size=32", "--epochs", "1"]
    said = typed("train", "ce", "-d", f"folder:{root}", *small, "--results", tmp_path / "results")
    assert said.code == 1 and "Traceback" not in said.err
    assert said.err.splitlines()[-1].startswith(f"error: cannot write {tmp_path / 'results'}")
    assert said.err.endswith(
        "a part of its path is a file where a folder is expected; choose another --results (or --out, --html).\n"
    )


@pytest.mark.parametrize(
    ("code", "reason"), [(errno.EROFS, "its disk is read-only"), (errno.EACCES, "it is read-only for you")]
)
def test_a_place_that_is_read_only(
    code: int, reason: str, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *args: object, **options: object) -> None:
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CambenchError, match=f"cannot write .*run.json: {reason}; choose another --results"):
        a_run(tmp_path)
    with pytest.raises(CambenchError, match=reason), files.atomic_folder(tmp_path / "x"):
        pass
    said = typed("data", "make", "synthbirds", tmp_path / "a" / "b", "--classes", "2")
    assert said.code == 1 and said.err == f"error: {tmp_path / 'a'}: {os.strerror(code)} (--debug shows where)\n"


def test_a_name_with_a_line_break_is_still_one_line(typed: Typed, tmp_path: Path) -> None:
    said = typed("data", "check", f"folder:{tmp_path}/two\nlines")
    assert said.code == 3 and said.err.count("\n") == 1 and "two\\nlines" in said.err


def test_a_page_that_is_a_folder(typed: Typed, tmp_path: Path) -> None:
    for command in (["report"], ["reproduce", "cgc/6"]):
        said = typed(*command, "--html", tmp_path, "--results", tmp_path)
        assert said.code == 2
        assert said.err == f"error: --html {tmp_path}: expected the page's file, got a folder; say {tmp_path}/report.html.\n"


def test_a_run_named_from_inside_runs_is_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "results")
    for folder, name in (
        (run.path.parent, "cub-ce"),
        (run.path, "."),
        (run.path, "../cub-ce"),
        (tmp_path, "results/runs/cub-ce"),
    ):
        monkeypatch.chdir(folder)
        found = find_run(name, Path("results"))
        assert found.path == run.path and found.name == "cub-ce" and found.path.parents[1] == tmp_path / "results"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_that_lacks_characters(encoding: str, tmp_path: Path) -> None:
    a_run(tmp_path, input={"size": "Ünïcødé 鳥 ± −1"})
    environment = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": encoding, "CAMBENCH_RESULTS": str(tmp_path)}
    others = (["ls", "metrics"], ["report", "cgc/6"], ["report", "cgc/6", "--latex"], ["eval", "--help"])
    for arguments in (["ls", "runs"], *(others if encoding == "ascii" else ())):
        command = [sys.executable, "-m", "cambench", *arguments]
        done = subprocess.run(command, capture_output=True, env=environment, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        text = done.stdout.decode(encoding)
        if arguments == ["ls", "runs"]:
            assert {"ascii": "?n?c?d? ? +- -1", "latin-1": "Ünïcødé ? ± -1"}.get(encoding, "Ünïcødé ? ± -1") in text


def test_a_minus_never_vanishes() -> None:
    forgive()
    assert "66.1 ± 0.2 (−1.5 …)".encode("ascii", HANDLER) == b"66.1 +- 0.2 (-1.5 ...)"
    assert "66.1 ± 0.2 (−1.5)".encode("latin-1", HANDLER) == "66.1 ± 0.2 (-1.5)".encode("latin-1")
