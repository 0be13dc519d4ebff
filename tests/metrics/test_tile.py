"""Tile: the suite's algorithm against its twin on random masks, the protocol's example, and the documented intention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import tile as twin
from scipy import ndimage

from cambench.metrics.core import tile

Mask = NDArray[np.bool_]


def picture(height: int, width: int) -> NDArray[np.float64]:
    """Every pixel has a value of its own."""
    return (np.arange(3 * height * width).reshape(3, height, width) + 1) / (3 * height * width + 1)


def rectangle(size: int, rows: tuple[int, int], columns: tuple[int, int]) -> Mask:
    """True on the first … last rows and columns."""
    mask = np.zeros((size, size), dtype=bool)
    mask[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = True
    return mask


def blobs(seed: int, size: int = 24) -> Mask:
    """A random mask of a few parts, of many sizes: a threshold on smoothed noise, at times one rectangle."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        a, b = np.sort(rng.integers(0, size, (2, 2)), axis=1)
        return rectangle(size, (a[0], a[1]), (b[0], b[1]))
    smooth = ndimage.gaussian_filter(rng.normal(size=(size, size)), rng.uniform(1, 4))
    return smooth > np.quantile(smooth, rng.uniform(0.3, 0.98))


@pytest.mark.parametrize("name", ["official", "adjacent"])
def test_random_masks_give_what_the_twin_gives(name: str) -> None:
    changed = 0
    for seed in range(120):
        mask, image = blobs(seed), picture(24, 24)
        found = getattr(tile, name)(image, mask)
        np.testing.assert_array_equal(found, getattr(twin, name)(image, mask), err_msg=str(seed))
        changed += bool((found != image).any())
        np.testing.assert_array_equal(image, picture(24, 24))
    assert changed > 100


@pytest.mark.parametrize("name", ["official", "adjacent"])
@pytest.mark.parametrize("shape", [(16, 24), (24, 16)])
def test_pictures_need_not_be_square(name: str, shape: tuple[int, int]) -> None:
    for seed in range(30):
        mask = blobs(seed)[: shape[0], : shape[1]]
        found = getattr(tile, name)(picture(*shape), mask)
        np.testing.assert_array_equal(found, getattr(twin, name)(picture(*shape), mask), err_msg=str(seed))


def test_the_example_of_the_spec() -> None:
    """ContrastiveCAM protocol §6.7: rows 40..77, columns 120..147 get the transposed rows 120..147, columns 40..77."""
    image = picture(224, 224)
    found = tile.official(image, rectangle(224, (40, 79), (120, 149)))
    expected = image.copy()
    expected[:, 40:78, 120:148] = image[:, 120:148, 40:78].transpose(0, 2, 1)
    np.testing.assert_array_equal(found, expected)


def test_the_mirrored_patch_is_often_taken() -> None:
    """ContrastiveCAM protocol §2: 41 of 129 random masks (of another draw) get the transposed mirrored patch."""
    mirrored, counted = 0, 0
    for seed in range(600):
        mask = blobs(seed, 48)
        parts = tile.components(mask)
        if len(parts) != 1:
            continue
        (x0, r), (y0, c) = parts[0]
        if r - 1 > x0 and c - 1 > y0:
            image = picture(48, 48)
            patch = image[:, y0 : c - 1, x0 : r - 1].transpose(0, 2, 1)
            mirrored += np.array_equal(tile.official(image, mask)[:, x0 : r - 1, y0 : c - 1], patch)
            counted += 1
    assert counted > 100 and 0.15 < mirrored / counted < 0.5


def test_lines_and_pairs_of_lines_are_left_alone() -> None:
    for rows, columns in (((5, 5), (2, 9)), ((2, 9), (5, 5)), ((5, 6), (2, 9))):
        np.testing.assert_array_equal(tile.official(picture(16, 16), rectangle(16, rows, columns)), picture(16, 16))
    empty = np.zeros((16, 16), dtype=bool)
    for edit in (tile.official, tile.adjacent):
        np.testing.assert_array_equal(edit(picture(16, 16), empty), picture(16, 16))


def test_without_a_source_the_object_is_black_by_the_suite_and_gray_as_documented() -> None:
    full = np.ones((8, 8), dtype=bool)
    found = tile.official(picture(8, 8), full)
    assert (found[:, :6, :6] == 0).all() and (found[:, 6:] == picture(8, 8)[:, 6:]).all()
    assert (tile.adjacent(picture(8, 8), full) == 0.5).all()


def test_the_neighbour_of_a_box_by_hand() -> None:
    """A 2×3 box with two free columns at its right, one at its left, one row above and none beneath."""
    image, mask = picture(3, 6), np.zeros((3, 6), dtype=bool)
    mask[1:, 1:4] = True
    found = tile.adjacent(image, mask)
    np.testing.assert_array_equal(found[:, 1:, 1:4], image[:, 1:, [4, 5, 4]])
    mask[1, 5] = True  # one free column is left, 2 pixels; the row above has 3
    (first, _) = tile.components(mask)
    assert first == ((1, 2), (1, 3))
    np.testing.assert_array_equal(tile.adjacent(image, mask)[:, 1:, 1:4], image[:, [0, 0], 1:4])


def test_accuracy_looks_at_the_edited_images() -> None:
    image = torch.zeros(2, 3, 16, 16)
    image[:, :, 4:8, 4:8] = 5.0
    mask = torch.zeros(2, 16, 16, dtype=torch.bool)
    mask[0, 4:8, 4:8] = True

    def bright(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.mean((1, 2, 3)), torch.full((len(x),), 0.2)], 1)

    label = torch.zeros(2, dtype=torch.long)
    found = tile.measure(bright, image, label, mask)
    assert found["adjacent"].tolist() == [0, 1] and found["official"].tolist() == [1, 1]
    moved = tile.edited(image, mask, tile.adjacent)
    assert torch.equal(moved[1], image[1]) and float(moved[0].abs().max()) == 0
