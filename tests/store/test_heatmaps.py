"""Files of heatmaps: as written, small, and a clear error for what is damaged."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from cambench.store.heatmaps import CHUNK, open_heatmaps, pack, read_heatmaps, write_heatmaps
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


@pytest.mark.parametrize("shapes", [[(7, 7)] * 3, [(7, 7), (7, 9), (5, 7)]], ids=["one grid", "ragged"])
def test_heatmaps_come_back_as_written(tmp_path: Path, shapes: list[tuple[int, int]]) -> None:
    maps, arrays = heatmap_arrays(*shapes)
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {"run": "r"}, {}, arrays)
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
    write_heatmaps(path, {}, {}, arrays)
    read = read_heatmaps(path)
    kept = sum(value.nbytes for value in vars(read.maps).values() if isinstance(value, np.ndarray))
    assert kept <= 16 * len(maps), "of a map no more is held than where it lies"
    assert all(np.array_equal(a, b) for a, b in zip(read.maps, maps, strict=True)), "in several pieces"
    path.unlink()
    with pytest.raises(CambenchError, match=r"maps\.h5: expected a heatmap file, found none there"):
        read.maps[0]


def test_a_7x7_heatmap_takes_at_most_220_bytes_without_logits(tmp_path: Path) -> None:
    _, arrays = heatmap_arrays(*[(7, 7)] * 2000)
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {"run": "r"}, {}, arrays)
    assert (path.stat().st_size - arrays["logits"].nbytes) / 2000 <= 220


def test_truncated_and_foreign_heatmap_files_are_named(tmp_path: Path) -> None:
    _, arrays = heatmap_arrays((7, 7), (7, 7))
    path = tmp_path / "maps.h5"
    write_heatmaps(path, {}, {}, arrays)
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
