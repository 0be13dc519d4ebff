"""Masks in training: they follow the pixels through either pixel source, keep the object in crops, are never absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cambench import geometry
from cambench.data import masks as sources
from cambench.data.loader import train_batches
from cambench.data.plan import Masks, Plan
from cambench.data.regions import check_source, load_regions
from cambench.data.views import View, draws, windows
from cambench.vocabulary import Batch, DataError, Dataset, Sample

RANDOM = View("random-resized-crop", 24, scale=(0.05, 0.4), flip=0.5, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
EVALUATION = View("squash-center-crop", 24, resize=28)
N = 24


def dataset(root: Path, *, sizes: tuple[tuple[int, int], ...] = ((48, 40),), empty: bool = False) -> Dataset:
    """24 pictures that are white on the object and black elsewhere, in two classes, and their masks."""
    root.mkdir(parents=True, exist_ok=True)
    samples = []
    for n in range(N):
        width, height = sizes[n % len(sizes)]
        pixels = np.zeros((height, width), np.uint8)
        if not empty:
            top, left = n % (height - 12), (7 * n) % (width - 12)
            pixels[top : top + 10, left : left + 12] = 255
        path = root / f"m{n}.png"
        Image.fromarray(pixels).save(path)
        samples.append(Sample(f"m{n}", path, n % 2, segmentation=path))
    return Dataset("masked", "train", root, ("a", "b"), tuple(samples))


def masked(data: Dataset, source: str = "segmentation", view: View = RANDOM, **settings: Any) -> list[Batch]:
    """One epoch with masks."""
    known = Masks(data, source, sources.fingerprint(data, source), EVALUATION, settings.pop("redraw", 10))
    options = {"batch_size": 7, "seed": 3, "epoch": 1, "workers": 0, **settings}
    return list(train_batches(data, {"crop": view, "query": EVALUATION}, masks=known, **options))


@pytest.mark.parametrize("packed", [False, True])
def test_regions_follow_the_pixels_and_every_crop_shows_its_object(tmp_path: Path, packed: bool) -> None:
    data = dataset(tmp_path / "d")
    redrawn = fallen_back = 0
    for batch in masked(data, cache=tmp_path / "c" if packed else None):
        assert batch.regions is not None and batch.regions.dtype == torch.int64 and batch.regions.shape[1:] == (24, 24)
        own = batch.regions == batch.label[:, None, None]
        assert bool((own | (batch.regions == -1)).all()) and bool(own.flatten(1).any(1).all())
        white = batch.views["crop"][:, 0] > 0.5
        assert float((white != own).float().mean()) < 0.06  # half a pixel along the edge
        uniform = draws(torch.tensor(batch.rows), seed=3, epoch=1, view="crop")
        first, _ = windows(RANDOM, torch.full((len(own),), 40), torch.full((len(own),), 48), uniform)
        whole = torch.stack([torch.from_numpy(load_regions(data, row, "segmentation")) for row in batch.rows])
        moved = geometry.resample_mask(whole, first, (24, 24))
        shows = (moved >= 0).flatten(1).any(1)
        redrawn += int((~shows).sum())
        last = windows(EVALUATION, torch.full((len(own),), 40), torch.full((len(own),), 48))[0]
        size_then = (geometry.resample_mask(whole, last, (24, 24)) >= 0).flatten(1).sum(1)
        fallen_back += int(((own.flatten(1).sum(1) - size_then).abs() <= 2)[~shows].sum())
        assert torch.equal(moved[shows].long(), batch.regions[shows])  # a crop that shows its object is left as it was
    assert redrawn > 3 and fallen_back < redrawn / 2  # new crops of another size, not at once the evaluation's window


@pytest.mark.parametrize("packed", [False, True])
def test_crops_are_those_of_a_pass_without_masks_unless_they_are_drawn_anew(tmp_path: Path, packed: bool) -> None:
    data, cache = dataset(tmp_path / "d"), tmp_path / "c" if packed else None
    options: dict[str, Any] = {"batch_size": 7, "seed": 3, "epoch": 1, "workers": 0, "cache": cache}
    plain = list(train_batches(data, {"crop": RANDOM, "query": EVALUATION}, **options))
    same, anew = masked(data, cache=cache, redraw=0), masked(data, cache=cache, redraw=10)
    assert all(torch.equal(a.views["crop"], b.views["crop"]) for a, b in zip(plain, same, strict=True))
    empty = torch.cat([~(batch.regions >= 0).flatten(1).any(1) for batch in same if batch.regions is not None])
    changed = torch.cat([(a.views["crop"] != b.views["crop"]).flatten(1).any(1) for a, b in zip(same, anew, strict=True)])
    assert torch.equal(empty, changed) and 3 < int(empty.sum()) < N


def test_both_sources_any_workers_and_any_batch_give_the_same_regions(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d")
    passes = [
        {},
        {"cache": tmp_path / "c"},
        {"workers": 2},
        {"batch_size": 24},
        {"stop": 2},
        {"cache": tmp_path / "c", "stop": 2},
    ]
    by_row = [
        {row: r for b in masked(data, **p) for row, r in zip(b.rows, b.regions, strict=True)}  # type: ignore[arg-type]
        for p in passes
    ]
    for other in by_row[1:]:
        assert all(torch.equal(by_row[0][row], r) for row, r in other.items())
    assert list((tmp_path / "c").glob("*.regions.npy"))
    again = {row: r for b in masked(data, epoch=2) for row, r in zip(b.rows, b.regions, strict=True)}  # type: ignore[arg-type]
    assert any(not torch.equal(by_row[0][row], again[row]) for row in again)


def test_pictures_of_several_sizes(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d", sizes=((48, 40), (30, 60), (50, 26)))
    for batch in masked(data, cache=tmp_path / "c"):
        own = batch.regions == batch.label[:, None, None]
        assert bool(own.flatten(1).any(1).all())
        assert float(((batch.views["crop"][:, 0] > 0.5) != own).float().mean()) < 0.08


@pytest.mark.parametrize("packed", [False, True])
def test_an_image_without_its_object_falls_back_to_the_evaluation_window(tmp_path: Path, packed: bool) -> None:
    data = dataset(tmp_path / "d", empty=True)
    for batch in masked(data, cache=tmp_path / "c" if packed else None):
        assert bool((batch.regions == -1).all())
        plan = Plan((batch.rows,), {"crop": RANDOM}, 3, 1, Masks(data, "segmentation", "", EVALUATION, 10))
        whole = torch.full((len(batch.rows), 40, 48), -1, dtype=torch.int16)
        found, _ = sources.focused(plan, batch.rows, whole)
        expected = windows(EVALUATION, torch.full((1,), 40), torch.full((1,), 48))[0]
        for name in ("top", "left", "height", "width"):
            assert bool(((getattr(found, name) - getattr(expected, name)).abs() <= 1).all())
        assert not bool(found.flip.any())


def test_several_right_classes_count_together_and_reach_the_batch(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d")
    several = replace(data, multilabel=True, samples=tuple(replace(s, labels=(0, 1)) for s in data.samples))
    (batch,) = masked(several, batch_size=99)
    assert batch.targets is not None and bool((batch.targets == 1).all()) and batch.targets.shape == (N, 2)
    (single,) = masked(data, batch_size=99)
    assert single.targets is None


def test_where_there_are_no_boxes_the_tight_box_of_the_segmentation_serves(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d")
    path = data.samples[5].segmentation
    assert path is not None
    pixels = np.zeros((40, 48), np.uint8)
    pixels[3, 10], pixels[9, 4] = 255, 255
    Image.fromarray(pixels).save(path)
    expected = np.full((40, 48), -1)
    expected[3:10, 4:11] = 1
    assert np.array_equal(load_regions(data, 5, "boxes"), expected)
    boxed = replace(data, samples=tuple(replace(s, boxes=((1.0, 1.0, 4.0, 3.0),)) for s in data.samples))
    assert int((load_regions(boxed, 5, "boxes") == 1).sum()) == 4 * 3


def test_a_missing_mask_is_named_and_a_folders_files_decide_its_digits(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d")
    folder = tmp_path / "d" / "sam"
    assert sources.source_of(data, "sam") == str(folder) and sources.source_of(data, "boxes") == "boxes"
    folder.mkdir()
    for sample in data.samples[3:]:
        Image.open(sample.path).save(folder / f"{sample.path.stem}.png")
    with pytest.raises(DataError, match=r"a PNG of its file's stem in .*sam for each image, got none for m0, m1, m2\."):
        check_source(data, str(folder))
    for sample in data.samples[:3]:
        Image.open(sample.path).save(folder / f"{sample.path.stem}.png")
    check_source(data, str(folder))
    first = sources.fingerprint(data, str(folder))
    assert first == sources.fingerprint(data, str(folder)) != sources.fingerprint(data, "segmentation")
    masked(data, str(folder))
    Image.new("L", (48, 40), 1).save(folder / "m0.png")
    assert sources.fingerprint(replace(data), str(folder)) != first, "another look at the data"
