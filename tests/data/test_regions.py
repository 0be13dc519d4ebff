"""A marked pixel, its box, its part and its segmentation move together through every view."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cambench.data.loader import train_batches
from cambench.data.regions import (
    boxes_in_view,
    check_source,
    load_regions,
    region_source,
    regions_in_view,
    size_of,
)
from cambench.data.views import View, draws
from cambench.vocabulary import DataError, Dataset, Sample

SIZE = (60, 44)
MARK = (24, 16, 34, 30)  # half-open: columns 24..33, rows 16..29
BOXES = {"half-open": (24.0, 16.0, 34.0, 30.0), "inclusive": (24.0, 16.0, 33.0, 29.0), "one-based": (25.0, 17.0, 34.0, 30.0)}
VIEWS = [
    View("random-resized-crop", 64, scale=(0.3, 1.0), flip=0.5),
    View("squash-random-crop", 40, resize=46, flip=0.5),
    View("resize-center-crop", 32),
    View("resize", 50),
    View("resize", 50, flip=1.0),
    View("full", 88),
]


def marked(tmp_path: Path, convention: str) -> Dataset:
    """Eight copies of a black picture with a white rectangle, its box and its mask."""
    pixels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    pixels[MARK[1] : MARK[3], MARK[0] : MARK[2]] = 255
    Image.fromarray(pixels).save(tmp_path / "mark.png")
    box = BOXES[convention]
    sample = Sample("mark", tmp_path / "mark.png", 0, (box,), None, (), tmp_path / "mark.png")
    samples = tuple(replace(sample, id=str(i)) for i in range(8))
    return Dataset("marked", "test", tmp_path, ("mark",), samples, convention)  # type: ignore[arg-type]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("convention", list(BOXES))
def test_pixels_box_and_mask_agree(tmp_path: Path, view: View, packed: bool, convention: str) -> None:
    dataset = marked(tmp_path, convention)
    plain = replace(view, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    cache = tmp_path / "c" if packed else None
    (batch,) = train_batches(dataset, {"v": plain}, batch_size=8, seed=4, epoch=2, workers=0, cache=cache)
    seen = set()
    for i, row in enumerate(batch.rows):
        uniform = draws(torch.tensor([row]), seed=4, epoch=2, view="v") if view.random else None
        image = batch.image[i, 0].numpy()
        mask = regions_in_view(dataset, row, view, "segmentation", uniform) == dataset.samples[row].label
        assert mask.shape == image.shape and np.abs((image > 0.5).astype(int) - mask).sum() <= 4 * max(image.shape)
        ((x0, y0, x1, y1),) = boxes_in_view(dataset, row, view, uniform)
        rows, columns = np.nonzero(image > 0.5)
        assert np.abs(np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) - [x0, y0, x1, y1]).max() <= 1
        seen.add(round(x0))
    assert len(seen) > 1 or not view.random or view.flip == 1.0


def test_what_a_view_cuts_off_is_left_out(tmp_path: Path) -> None:
    dataset = marked(tmp_path, "inclusive")
    samples = (replace(dataset.samples[0], boxes=((0.0, 0.0, 3.0, 3.0), (0.0, 0.0, 30.0, 30.0))),)
    dataset = replace(dataset, samples=samples)
    view = View("resize-center-crop", 44, resize=44)  # columns 8..51 of the picture
    assert boxes_in_view(dataset, 0, view) == [(0.0, 0.0, 23.0, 31.0)]


def test_boxes_below_the_banner_are_clipped(tmp_path: Path) -> None:
    dataset = replace(marked(tmp_path, "one-based"), banner=20)
    assert size_of(dataset, 0) == (60, 24)
    assert boxes_in_view(dataset, 0, View("full", 24)) == [(24.0, 16.0, 34.0, 24.0)]


def test_boxes_on_a_stated_size_are_brought_to_the_picture(tmp_path: Path) -> None:
    dataset = marked(tmp_path, "half-open")
    half = replace(dataset.samples[0], size=(30, 22), boxes=((12.0, 8.0, 17.0, 15.0),))
    assert boxes_in_view(replace(dataset, samples=(half,)), 0, View("full", 44)) == [(24.0, 16.0, 34.0, 30.0)]


def test_regions_come_from_segmentations_boxes_or_a_folder(tmp_path: Path) -> None:
    dataset = marked(tmp_path, "half-open")
    view = View("full", SIZE[1])
    (tmp_path / "masks").mkdir()
    half = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    half[:, :30] = 3
    Image.fromarray(half).save(tmp_path / "masks" / "mark.png")
    expected = np.full((SIZE[1], SIZE[0]), -1)
    expected[MARK[1] : MARK[3], MARK[0] : MARK[2]] = 0
    for source in ("segmentation", "boxes"):
        assert (regions_in_view(dataset, 0, view, source) == expected).all()
    assert (regions_in_view(dataset, 0, view, str(tmp_path / "masks")) == np.where(half > 0, 0, -1)).all()
    wide = regions_in_view(dataset, 0, View("resize", 20), "segmentation", dilated=True) == 0
    near = regions_in_view(dataset, 0, View("resize", 20), "segmentation") == 0
    assert (wide >= near).all() and wide.sum() > near.sum()


def test_a_box_shows_the_label_on_every_pixel_that_it_touches(tmp_path: Path) -> None:
    dataset = marked(tmp_path, "half-open")
    one = replace(dataset, samples=(replace(dataset.samples[0], boxes=((2.75, 3.25, 5.25, 6.0),)),))
    expected = np.full((SIZE[1], SIZE[0]), -1)
    expected[3:6, 2:6] = 0
    assert (load_regions(one, 0, "boxes") == expected).all()


@pytest.mark.parametrize("source", ["segmentation", "boxes"])
def test_a_class_that_a_label_map_cannot_hold_is_refused(tmp_path: Path, source: str) -> None:
    dataset = marked(tmp_path, "half-open")
    for label in (2**15 - 1, 2**15):
        one = replace(dataset, samples=(replace(dataset.samples[0], label=label),))
        if label < 2**15:
            assert load_regions(one, 0, source).max() == label
            continue
        with pytest.raises(DataError, match="class 32768: expected one below 32,768 where regions are looked at"):
            load_regions(one, 0, source)


def test_an_image_without_a_region_is_named(tmp_path: Path) -> None:
    dataset = marked(tmp_path, "half-open")
    bare = replace(dataset, samples=(replace(dataset.samples[0], segmentation=None, boxes=()),))
    assert region_source(dataset) == "segmentation" and region_source(bare) is None
    for source in ("segmentation", "boxes", str(tmp_path / "nowhere")):
        with pytest.raises(DataError, match="got none for 0"):
            check_source(bare, source)
    with pytest.raises(DataError, match=r"mask of the picture's 60x44 pixels, got 5x5"):
        Image.fromarray(np.ones((5, 5), np.uint8)).save(tmp_path / "small.png")
        regions_in_view(
            replace(dataset, samples=(replace(dataset.samples[0], segmentation=tmp_path / "small.png"),)),
            0, VIEWS[2], "segmentation",
        )  # fmt: skip
