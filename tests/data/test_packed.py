"""The memory-mapped array: made once, whole or not at all, only for small images of one size."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import own_folder, picture

from cambench.data import load, packed
from cambench.data.decode import pixels
from cambench.vocabulary import CambenchError, DataError, Dataset


@pytest.fixture
def even(tmp_path: Path) -> Dataset:
    return load(f"folder:{own_folder(tmp_path / 'even', per_class=3)}", "eval", tmp_path)


def test_it_holds_every_picture_and_is_made_once(even: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = packed.packed_array(even, tmp_path / "c")
    assert array is not None and array.shape == (9, 30, 40, 3)
    assert np.array_equal(array.numpy(), np.stack([pixels(s.path) for s in even.samples]))
    monkeypatch.setattr(packed, "write", lambda *_: pytest.fail("decoded again"))
    assert packed.packed_array(even, tmp_path / "c") is not None


def test_images_of_two_sizes_or_too_many_bytes_are_not_packed(even: Dataset, tmp_path: Path) -> None:
    assert packed.packed_array(even, tmp_path / "c", limit=9 * 30 * 40 * 3 - 1) is None
    assert not (tmp_path / "c").exists()
    picture(tmp_path / "even" / "ant" / "1.png", (41, 30))
    other = load(f"folder:{tmp_path / 'even'}", "eval", tmp_path)
    assert packed.packed_array(other, tmp_path / "c") is None


def test_an_odd_image_between_the_probes_is_found_once(
    even: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "even" / "ant" / "1.png", (41, 30))
    other = load(f"folder:{tmp_path / 'even'}", "eval", tmp_path)
    monkeypatch.setattr(packed, "PROBES", 2)
    assert packed.packed_array(other, tmp_path / "c") is None
    (marker,) = (tmp_path / "c").iterdir()
    assert marker.suffix == ".mixed" and "1.png: another size than 40x30" in marker.read_text()
    monkeypatch.setattr(packed, "write", lambda *_: pytest.fail("decoded again"))
    assert packed.packed_array(other, tmp_path / "c") is None


def test_an_unreadable_image_leaves_nothing_behind(even: Dataset, tmp_path: Path) -> None:
    path = even.samples[5].path
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"bee.2.png: expected a readable image"):
        packed.packed_array(load(f"folder:{tmp_path / 'even'}", "eval", tmp_path), tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


def test_a_full_disk_is_one_clear_error(even: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(CambenchError, match=r"no room for the decoded images \(0 MiB\); free some space"):
        packed.packed_array(even, tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENODEV, errno.EOPNOTSUPP])
def test_a_file_system_that_maps_no_files_is_named(
    even: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(packed, "open_memmap", refused)
    with pytest.raises(
        CambenchError, match=rf"\.npy: expected a file system that can map .* got {os.strerror(code)}; keep the"
    ):
        packed.packed_array(even, tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_a_damaged_file_is_named(even: Dataset, tmp_path: Path, damage: str) -> None:
    packed.packed_array(even, tmp_path / "c")
    path = tmp_path / "c" / f"{even.fingerprint}.npy"
    path.write_bytes(path.read_bytes()[:500] if damage == "truncated" else b"something else")
    with pytest.raises(CambenchError, match=r"\.npy: expected the pixels of 9 images, got .*; delete the file"):
        packed.packed_array(even, tmp_path / "c")
