"""Files of heatmaps: as written, small, and a clear error for what is damaged."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest

from cambench.store import schema
from cambench.store.heatmaps import CHUNK, open_heatmaps, pack, read_heatmaps, write_heatmaps
from cambench.store.parts import Column, Parts
from cambench.vocabulary import CambenchError


def heatmap_arrays(*shapes: tuple[int, int]) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Random maps of the given grids, and the arrays of their file."""
    rng = np.random.default_rng(0)
    maps = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    packed = [pack(m[None]) for m in maps]
    n = len(shapes)
    arrays = {
        "values": np.concatenate([p["values"] for p in packed]),
        "grid": np.concatenate([p["grid"] for p in packed]),
        "target": np.arange(n, dtype=np.int32),
        "prediction": np.zeros(n, dtype=np.int32),
        "logits": rng.standard_normal((n, 4)).astype(np.float32),
        "id": np.array([f"image {i}".encode() for i in range(n)]),
    }
    return maps, arrays


def column_of(arrays: dict[str, np.ndarray]) -> Column:
    """The arrays as those of a single part."""
    return lambda name: [arrays[name]]


@pytest.mark.parametrize("shapes", [[(7, 7)] * 3, [(7, 7), (7, 9), (5, 7)]], ids=["one grid", "ragged"])
def test_heatmaps_come_back_as_written(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    maps, arrays = heatmap_arrays(*shapes)
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {"run": "r"}, {}, column_of(arrays))
    found = read_heatmaps(path)
    assert all(np.array_equal(a, b) for a, b in zip(found.maps, maps, strict=True))
    assert [m.tolist() for m in found.maps.take([2, 0])] == [maps[2].tolist(), maps[0].tolist()]
    assert np.array_equal(found.maps[1], maps[1]) and len(found.maps) == len(found.logits) == 3
    assert np.array_equal(np.stack(list(found.logits)), arrays["logits"])
    assert found.ids == ["image 0", "image 1", "image 2"]
    assert found.job == {"run": "r"}
    assert found.target.tolist() == [0, 1, 2]
    with open_heatmaps(path) as opened:
        assert list(opened) == found.ids and opened.job == found.job
        assert all(np.array_equal(opened[image], m) for image, m in zip(found.ids, maps, strict=True))


@pytest.mark.parametrize("sizes", [[(3, 2)], [(3, 2), (2, 4)]], ids=["one grid", "ragged"])
def test_rows_stay_in_the_file_until_they_are_asked_for(tmp_path: Path, sizes: list[tuple[int, int]]) -> None:
    maps, arrays = heatmap_arrays(*(sizes[i % len(sizes)] for i in range(CHUNK + 3)))
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {}, {}, column_of(arrays))
    read = read_heatmaps(path)
    kept = sum(value.nbytes for value in vars(read.maps).values() if isinstance(value, np.ndarray))
    assert kept <= 16 * len(maps), "of a map no more is held than where it lies"
    assert all(np.array_equal(a, b) for a, b in zip(read.maps, maps, strict=True)), "in several pieces"
    path.unlink()
    with pytest.raises(CambenchError, match=r"maps\.h5: expected a heatmap file, found none there"):
        read.maps[0]


def in_parts(path: Path, arrays: dict[str, np.ndarray], n: int) -> Parts:
    """The arrays as parts of n images."""
    parts, ends = Parts(path, "job"), np.concatenate([[0], np.cumsum(arrays["grid"].prod(1))])
    for start in range(0, len(arrays["grid"]), n):
        chunk = range(start, min(start + n, len(arrays["grid"])))
        rows = {name: array[chunk.start : chunk.stop] for name, array in arrays.items() if name != "values"}
        parts.write(chunk, {"values": arrays["values"][ends[chunk.start] : ends[chunk.stop]], **rows})
        parts.add([chunk])
    return parts


@pytest.mark.parametrize("n", [64, 256, 288])
@pytest.mark.parametrize("sizes", [[(7, 7)], [(40, 40)], [(7, 7), (7, 9)]], ids=["one grid", "large", "ragged"])
def test_a_file_from_parts_is_that_of_whole_arrays_to_the_byte(tmp_path: Path, sizes: list[tuple[int, int]], n: int) -> None:
    """Chunks of a data set, which a part may cut; a large one is larger than HDF5's cache."""
    _, arrays = heatmap_arrays(*(sizes[i % len(sizes)] for i in range(700)))
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {"run": "r"}, {}, in_parts(path, arrays, n).column)
    one_grid = {"maps": arrays["values"].reshape(-1, *sizes[0])} if len(sizes) == 1 else {}
    sets = one_grid or {"maps": arrays["values"], "grid": arrays["grid"]}
    whole = BytesIO()
    with h5py.File(whole, "w", libver="latest") as f:
        f.attrs["schema"], f.attrs["job"], f.attrs["origin"] = schema.HEATMAPS, '{"run": "r"}', "{}"
        for name, array in {**sets, **{k: arrays[k] for k in ("target", "prediction", "logits")}}.items():
            rows = 256 if array.ndim > 1 else 256 * 49
            f.create_dataset(name, data=array, chunks=(rows, *array.shape[1:]) if len(array) > rows else None)
        f.create_dataset("id", data=arrays["id"], chunks=True, compression="gzip", shuffle=True)
    assert path.read_bytes() == whole.getvalue()


def test_of_parts_two_are_in_memory_and_the_file(tmp_path: Path) -> None:
    path, (_, arrays) = tmp_path / "maps.h5", heatmap_arrays(*[(64, 64)] * 256)
    parts, size = in_parts(path, arrays, 16), arrays["values"].nbytes
    tracemalloc.start()
    try:
        write_heatmaps(path, {}, {}, parts.column)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size < peak < 1.5 * size


def test_a_7x7_heatmap_takes_at_most_220_bytes_without_logits(tmp_path: Path) -> None:
    _, arrays = heatmap_arrays(*[(7, 7)] * 2000)
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {"run": "r"}, {}, column_of(arrays))
    assert (path.stat().st_size - arrays["logits"].nbytes) / 2000 <= 220


def test_truncated_and_foreign_heatmap_files_are_named(tmp_path: Path) -> None:
    _, arrays = heatmap_arrays((7, 7), (7, 7))
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {}, {}, column_of(arrays))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CambenchError, match=r"maps\.h5: expected a heatmap file.*cambench explain"):
        read_heatmaps(path)
    with pytest.raises(CambenchError, match=r"maps\.h5: expected a heatmap file.*cambench explain"), open_heatmaps(path):
        pass
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as f:
        f["x"] = [1]
    with pytest.raises(CambenchError, match=r"foreign\.h5: not a heatmap file of schema"):
        read_heatmaps(foreign)
