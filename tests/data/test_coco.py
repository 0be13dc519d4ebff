"""COCO's masks: run lengths, polygons, what is a region of an image, and what cannot be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data.boxes_miniature import BITS, SQUARE, instances, put
from data.miniatures import own_folder
from reference.coco import inside, packed, runs

from cambench.data import annotated, coco, load
from cambench.data.regions import SEGMENTATION, load_regions, region_source
from cambench.vocabulary import DataError, Dataset


def split(root: Path) -> Dataset:
    return load(f"folder:{root}", "eval", root)


def test_run_lengths_in_both_spellings() -> None:
    assert coco.unpacked("61X13mN000`0") == [6, 1, 40, 4, 5, 4, 5, 4, 21], "the example of COCO's own code"
    generator = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = (generator.random((37, 90)) < share).astype(int)
        counts = runs(mask.tolist())
        assert coco.unpacked(packed(counts)) == counts
        assert np.array_equal(coco.from_runs(counts, 37, 90), mask == 1)


def test_a_pixel_of_a_polygon_has_its_centre_in_it() -> None:
    star = [(2.2, 1.3), (17.9, 14.1), (9.4, 3.7), (3.1, 18.6), (11.8, 9.9)]
    expected = [[inside(star, x + 0.5, y + 0.5) for x in range(20)] for y in range(22)]
    assert np.array_equal(coco.polygons([[v for corner in star for v in corner]], (22, 20)), np.array(expected))
    square = coco.polygons([[2, 3, 6, 3, 6, 8, 2, 8], [-5, -5, 1, -5, 1, 1, -5, 1]], (10, 9))
    assert square.sum() == 4 * 5 + 1 and square[3:8, 2:6].all() and square[0, 0], "two parts; what is outside is cut off"


@pytest.mark.parametrize(
    "segmentation",
    [SQUARE, {"size": [30, 40], "counts": runs(BITS.tolist())}, {"size": [30, 40], "counts": packed(runs(BITS.tolist()))}],
)
def test_a_mask_is_a_region_of_its_image(segmentation: object, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    held = instances(("ant/0.png", "ant"), ("bee/1.png", "bee"), segmentation=segmentation)
    held["annotations"].append({**held["annotations"][1], "id": 99, "segmentation": [[20, 20, 30, 20, 30, 25, 20, 25]]})
    path = put(root / "masks.json", held)
    dataset = split(root)
    assert region_source(dataset) == SEGMENTATION and dataset.samples[0].segmentation == path / "0"
    assert np.array_equal(load_regions(dataset, 0, SEGMENTATION), np.where(BITS, 0, -1))
    both = load_regions(dataset, 3, SEGMENTATION)
    assert both[20:25, 20:30].min() == 1 and (both == 1).sum() == BITS.sum() + 50, "two bees"
    before = annotated.digest(dataset, SEGMENTATION)
    assert annotated.digest(split(root), SEGMENTATION) == before
    held["annotations"][0]["segmentation"] = [[0, 0, 5, 0, 5, 5]]
    put(path, held)
    changed = split(root)
    assert annotated.digest(changed, SEGMENTATION) != before and (load_regions(changed, 0, SEGMENTATION) == 0).sum() == 15
    del held["annotations"][2]["segmentation"]
    put(path, held)
    assert split(root).samples[3].segmentation is None, "one of its two bees has no mask"


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (
            [[1, 2, 3, 4]],
            "expected polygons or run lengths, got none that can be drawn .a polygon of 2 corners",
        ),
        ([["a", "b"]], "annotation 50: expected polygons"),
        ({"size": [30, 40], "counts": [3, 4]}, "runs of 7 pixels for 40x30"),
        ({"size": [30, 40], "counts": "X"}, "a text that ends within a number"),
        ({"size": [3, 4], "counts": [12]}, "annotation 50: expected a mask of 40x30, got 4x3"),
        ({"counts": [3]}, "annotation 50: expected polygons"),
        ([[0, 0, 10**400, 0, 3, 3]], "annotation 50: expected polygons .* too large"),
        ({"size": [30, 40], "counts": [10**30]}, "annotation 50: expected polygons .* too large"),
        ({"size": [30, 40], "counts": [2**62, 2**62, 2**62, 2**62, 1200]}, "annotation 50: .*runs of 1200 pixels for 40x30"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "at most 134,217,728 in all"),
        ({"size": [-30, -40], "counts": [1200]}, "sides of -40 and -30"),
        ({"size": [30, 40], "counts": "o" * 99}, "a number of more than 60 bits"),
    ],
)
def test_a_mask_that_cannot_be_drawn_is_one_line(segmentation: object, message: str, tmp_path: Path) -> None:
    root = own_folder(tmp_path / "mine")
    put(root / "a.json", instances(("ant/0.png", "ant"), segmentation=segmentation))
    with pytest.raises(DataError, match=message):
        load_regions(split(root), 0, SEGMENTATION)
