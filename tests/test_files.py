"""What a killed process leaves of its writing: it goes with the next write, and a folder that was put aside comes back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from forked import die, killed, started

from cambench.data import packed
from cambench.data.synthbirds import make
from cambench.files import alive, atomic_folder, atomic_path, clear, remove_folder, write_text


def in_a_file(path: Path) -> None:
    """Die within a file."""
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        die()


def in_a_folder(path: Path) -> None:
    """Die within a folder."""
    with atomic_folder(path) as temporary:
        (temporary / "a").write_text("half")
        die()


def in_an_array(path: Path) -> None:
    """Die while an image is decoded."""
    packed.write(path, (4, 3), np.uint8, lambda row: die())  # type: ignore[arg-type, return-value]


def in_a_removal(path: Path) -> None:
    """Die before the first file of a folder is gone."""
    path.mkdir()
    (path / "run.json").write_text("{}")
    shutil.rmtree = lambda *_: die()  # type: ignore[assignment]
    remove_folder(path)


def in_a_data_set(path: Path) -> None:
    """Die after the first image."""
    make(path, classes=2, per_class=1, test_per_class=1, size=32, progress=lambda *_: die())


DEATHS = (in_a_file, in_a_folder, in_an_array, in_a_removal, in_a_data_set)


@pytest.mark.parametrize("death", DEATHS)
def test_what_a_killed_process_left_goes_with_the_next_write_beside_it(
    death: Callable[[Path], None], tmp_path: Path
) -> None:
    killed(death, tmp_path / "big")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".big.")
    assert not [*tmp_path.glob("*/run.json")], "nobody takes it for a run"
    write_text(tmp_path / "other", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_what_others_are_writing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that is alive, of another machine, of another container; and names that are not ours."""
    killed(in_a_file, tmp_path / "a")
    (left,) = tmp_path.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "another")
        clear(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "readlink", lambda _: "pid:[1]")
        clear(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        patch.setattr(os, "kill", lambda *_: pytest.fail("Windows would end it"))
        assert alive(int(left.name.split(".")[-2]))
    assert left.exists()
    own = left.with_name(left.name.replace(left.name.split(".")[-2], str(os.getppid())))
    for name in (own.name, ".tmp", "..tmp", ".a.tmp", ".a.host.1.tmp", left.name.replace(".tmp", "0123456789.tmp")):
        (tmp_path / name).touch()
    clear(tmp_path)
    assert not left.exists() and len([*tmp_path.iterdir()]) == 6


def between_the_renames(path: Path) -> None:
    """Die once the old folder is aside, before the new one has its place."""
    rename = Path.rename
    Path.rename = lambda self, target: die() if self.name == "new" else rename(self, target)  # type: ignore[method-assign]
    with atomic_folder(path) as temporary:
        (temporary / "a").write_text("new")


@pytest.mark.parametrize("number", ["another", "the same"])
def test_a_folder_that_was_put_aside_by_a_killed_process_comes_back(
    number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path) as temporary:
        (temporary / "a").write_text("old")
    process = started(between_the_renames, path)
    process.join()
    assert not path.exists()
    if number == "the same":
        monkeypatch.setattr(os, "getpid", lambda: process.pid)
    with pytest.raises(ZeroDivisionError), atomic_folder(path):
        assert (path / "a").read_text() == "old"
        raise ZeroDivisionError
    assert [*tmp_path.iterdir()] == [path] and (path / "a").read_text() == "old"
