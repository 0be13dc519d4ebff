"""MATLAB files that are damaged are refused before SciPy's reader, which they would crash, sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import cell_array, struct_array
from scipy.io import savemat

from cambench.data import matlab
from cambench.vocabulary import DataError

CONTENT = {
    "rows": struct_array(("name", "box"), [("a", np.eye(2)), ("b", np.array([1.5 + 2j]))]),
    "cells": cell_array("text", cell_array(np.arange(3)), np.zeros((0, 0))),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_whole_files_are_read(tmp_path: Path, compressed: bool) -> None:
    savemat(tmp_path / "x.mat", CONTENT, do_compression=compressed)
    first, second = matlab.structs(tmp_path / "x.mat", "rows", {"name": str, "box": object})
    assert first["name"] == "a" and first["box"].tolist() == [[1, 0], [0, 1]] and second["box"] == 1.5 + 2j
    text, inner, empty = matlab.mat(tmp_path / "x.mat", "cells")
    assert text == "text" and inner.tolist() == [0, 1, 2] and empty.size == 0


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """A change of the last place where the old bytes stand."""

    def change(data: bytes) -> bytes:
        before, found, after = data.rpartition(old)
        assert found
        return before + new + after

    return change


FLAGS = b"\x06\0\0\0\x08\0\0\0"
"""The tag of a matrix's flags, whose first byte is its class."""
SHAPE = b"\x05\0\0\0\x08\0\0\0"
"""The tag of its two dimensions."""
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "an unknown type": (swapped(b"\x06\0\0\0\x08\0\0\0", b"\x2a\0\0\0\x08\0\0\0"), "unknown type 42"),
    "an unknown class": (swapped(FLAGS + b"\x06", FLAGS + b"\x63"), "class 99"),
    "sparse without its parts": (swapped(FLAGS + b"\x06", FLAGS + b"\x05"), "class 5"),
    "cut": (lambda data: data[:-20], "of which"),
    "larger than its file": (swapped(SHAPE + b"\x02\0\0\0", SHAPE + b"\xff\xff\xff\x7f"), "the dimensions"),
    "another format": (lambda data: b"\0\0\0\0" + data, "not of version 5"),
    "empty": (lambda data: b"", "not of version 5"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_refused(tmp_path: Path, kind: str) -> None:
    change, said = DAMAGE[kind]
    path = tmp_path / "x.mat"
    savemat(path, CONTENT)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=f"x.mat: expected a MATLAB file, got .*{said}"):
        matlab.mat(path, "rows")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "LARGEST", 1000)
    savemat(tmp_path / "x.mat", {"rows": np.zeros(10_000)}, do_compression=True)
    with pytest.raises(DataError, match="a variable of more than 1000 bytes"):
        matlab.mat(tmp_path / "x.mat", "rows")
