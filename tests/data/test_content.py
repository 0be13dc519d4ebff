"""Contents decide: digests are of bytes, remembered as long as a file is as it was, and never of names, sizes or dates."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from data.miniatures import own_folder

from cambench.data import annotated, content, load, settled
from cambench.data.packed import packed_array
from cambench.vocabulary import DataError, Dataset, file_digest, file_digests


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own for what is remembered."""
    monkeypatch.setenv("CAMBENCH_CACHE", str(tmp_path / "memory"))
    return tmp_path / "memory"


def aged(*paths: Path) -> None:
    """Wait until the files are old enough to be remembered."""
    newest = max(path.stat().st_ctime_ns for path in paths)
    time.sleep(max(0.0, 1.05 - (time.time_ns() - newest) / 1e9))


def bitmaps(root: Path, first: bytes = b"a", second: bytes = b"b") -> str:
    """Two classes of one image each, of the same size and date."""
    from PIL import Image

    for name, kind in (("x", first), ("y", second)):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.frombytes("RGB", (4, 4), kind * 48).save(root / name / "0.bmp")
        os.utime(root / name / "0.bmp", (10**9, 10**9))
    return f"folder:{root}"


def test_equal_names_sizes_and_dates_are_not_equal_images(tmp_path: Path) -> None:
    one, other = (load(bitmaps(tmp_path / n / "mine", *c), "eval", tmp_path) for n, c in (("1", b"ab"), ("2", b"cd"))
                  for c in [(c[:1], c[1:])])  # fmt: skip
    assert [s.path.stat().st_size for s in one.samples] == [s.path.stat().st_size for s in other.samples]
    assert one.fingerprint != other.fingerprint
    again = load(bitmaps(tmp_path / "3" / "mine", b"a", b"b"), "eval", tmp_path)
    assert again.fingerprint == one.fingerprint, "wherever it lies"


def test_swapped_folders_are_told_apart_though_every_path_size_and_date_stays(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    name = bitmaps(root)
    aged(root / "x" / "0.bmp", root / "y" / "0.bmp")
    before = load(name, "eval", tmp_path)
    first = packed_array(before, tmp_path / "c")
    assert first is not None and before.fingerprint
    (root / "x").rename(root / "z")
    (root / "y").rename(root / "x")
    (root / "z").rename(root / "y")
    after = load(name, "eval", tmp_path)
    pixels = packed_array(after, tmp_path / "c")
    assert after.fingerprint != before.fingerprint
    assert pixels is not None and pixels[0].equal(first[1]) and not pixels[0].equal(first[0])


def test_a_file_is_read_once_and_again_when_it_changes(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(content, "file_digests", lambda paths: read.extend(paths) or file_digests(paths))
    paths = [tmp_path / f"{i}.bin" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * 100)
    aged(*paths)
    first = content.digests(paths)
    assert content.digests([*paths, paths[0]]) == [*first, first[0]] and sorted(read) == paths
    assert len(list((memory / "contents").iterdir())) == 1
    stamp = paths[1].stat()
    paths[1].write_bytes(b"z" * 100)
    os.utime(paths[1], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    read.clear()
    assert content.digests(paths)[1] == file_digest(paths[1]) != first[1], "same size, same date"
    assert read == [paths[1]]


def test_a_file_that_has_just_been_written_is_read_again(tmp_path: Path) -> None:
    """A clock that ticks every few milliseconds would not tell the second writing from the first."""
    path = tmp_path / "young.bin"
    for i in range(20):
        path.write_bytes(bytes([i]) * 10)
        assert content.digests([path]) == [file_digest(path)]


def test_a_place_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CAMBENCH_CACHE", str(tmp_path / "file"))
    path = tmp_path / "a.bin"
    path.write_bytes(b"a")
    aged(path)
    with caplog.at_level("INFO", "cambench.data"):
        assert content.digests([path]) == content.digests([path]) == [file_digest(path)]
    assert caplog.text.count("are read again at every command") == 1


def test_what_cannot_be_kept_leaves_nothing_behind(tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bitmaps(tmp_path / "images")
    images = sorted((tmp_path / "images").rglob("*.bmp"))
    aged(*images)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "the disk is full")

    monkeypatch.setattr(Path, "replace", full)
    content.cannot_keep.cache_clear()
    assert content.digests(images) == file_digests(images)
    assert not [path for path in memory.rglob("*") if path.is_file()]


def test_a_damaged_memory_is_made_again_and_a_missing_file_is_named(tmp_path: Path, memory: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"a")
    aged(path)
    content.digests([path])
    (kept,) = (memory / "contents").iterdir()
    kept.write_text("[1")
    assert content.digests([path]) == [file_digest(path)] and kept.read_text().startswith("{")
    with pytest.raises(DataError, match=r"gone\.bin: expected a file"):
        content.digests([tmp_path / "gone.bin"])


def test_annotations_are_told_by_their_own_contents(tmp_path: Path) -> None:
    data = load(f"folder:{own_folder(tmp_path / 'mine')}", "eval", tmp_path)
    (tmp_path / "masks").mkdir()

    def masked(value: int) -> Dataset:
        from PIL import Image

        samples = []
        for i, sample in enumerate(data.samples):
            path = tmp_path / "masks" / f"{i}.bmp"
            Image.new("L", (4, 4), value).save(path)
            samples.append(replace(sample, segmentation=path, boxes=((0, 0, 3, 3),)))
        return replace(data, samples=tuple(samples))

    kinds = ("segmentation", "boxes", "parts")
    first = {kind: annotated.digest(masked(1), kind) for kind in kinds}
    second = {kind: annotated.digest(masked(2), kind) for kind in kinds}
    assert {kind for kind in kinds if first[kind] != second[kind]} == {"segmentation"}, "of the same size"
    both = masked(2)
    moved = replace(both, samples=tuple(replace(s, boxes=((1, 0, 3, 3),)) for s in both.samples))
    assert {kind for kind in kinds if annotated.digest(moved, kind) != second[kind]} == {"boxes"}
    assert moved.fingerprint == both.fingerprint == data.fingerprint, "annotations are no part of the images"


def test_a_relative_path_is_found_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_folder(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    dataset = load("folder:mine", "eval", tmp_path)
    assert dataset.origin["spec"] == settled("folder:mine") == f"folder:{tmp_path / 'mine'}"
    assert (dataset.name, dataset.kind) == ("folder:mine", "folder")
