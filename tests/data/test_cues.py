"""Cues: parts, pairs and masks against slow twins, by hand, on synthbirds by construction, and the 191 pairs of CUB."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import differing
from PIL import Image
from reference import cues as slow

from cambench.data import cues, synthbirds
from cambench.data.cub import attribute_names, read
from cambench.data.synthbirds.attributes import NAMES
from cambench.data.synthbirds.species import species
from cambench.vocabulary import DataError, Sample


def word(part: int) -> str | None:
    return cues.PARTS[part - 1] if part else None


def test_every_attribute_of_cub_speaks_of_the_part_of_the_specifications_table() -> None:
    assert [word(cues.part_of(name)) for name in NAMES] == [slow.part_of(name) for name in NAMES]
    counts = Counter(word(cues.part_of(name)) for name in NAMES)
    assert counts == {"head": 112, "back": 19, "belly": 19, "breast": 19, "tail": 40, "leg": 16, "wing": 24, None: 63}
    with pytest.raises(DataError, match="head and wing"):
        cues.part_of("has_head_wing::plain")


def test_pairs_are_those_of_the_loop() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0, 100, 312)
    attributes = np.stack([np.where(rng.random(312) < 0.005, rng.uniform(0, 100, 312), base) for _ in range(12)])
    attributes[3, 5], attributes[4, 5] = 50.0, 49.999  # from 50 on it is there
    found = [(p.a, p.b, {cues.PARTS[i - 1] for i in p.parts}) for p in cues.cue_pairs(attributes, NAMES)]
    assert sorted(found, key=str) == sorted(slow.pairs(attributes.tolist(), list(NAMES)), key=str) and len(found) > 5
    sizes = [len(parts) for _, _, parts in found]
    assert sizes == sorted(sizes) and {1, 2, 3} >= set(sizes)
    for percent, pairs in ((50.0, [cues.Pair(0, 1, (2,))]), (49.999, [])):
        assert cues.cue_pairs(np.array([[percent], [0.0]]), ["has_back_color::blue"]) == pairs
    with pytest.raises(DataError, match="312 columns"):
        cues.cue_pairs(attributes[:, :311], NAMES)


def test_the_birds_differ_in_the_parts_in_which_they_are_made_to_differ(tmp_path: Path) -> None:
    root = synthbirds.make(tmp_path / "synthbirds", classes=10, per_class=1, test_per_class=1, size=48)
    dataset = read(root, "test")
    found = {
        (p.a, p.b): {cues.PARTS[i - 1] for i in p.parts}
        for p in cues.cue_pairs(np.array(dataset.attributes), attribute_names(root))
    }
    birds = species(10)
    made = {(a, b): set(differing(birds[a], birds[b])) for a, b in combinations(range(10), 2)}
    assert found == {pair: parts for pair, parts in made.items() if len(parts) <= 3}
    assert Counter(map(len, found.values())) == {1: 5, 2: 4, 3: 4}


def test_the_published_pairs_of_cub_have_this_layout() -> None:
    with (Path(__file__).parent / "calm_cub_pairs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pairs = [
        cues.Pair(
            int(r["class_id_a"]) - 1,
            int(r["class_id_b"]) - 1,
            tuple(sorted(cues.PARTS.index(p) + 1 for p in r["parts"].split("+"))),
        )
        for r in rows
    ]
    assert Counter(len(p.parts) for p in pairs) == {1: 31, 2: 64, 3: 96}
    assert all(p.a < p.b for p in pairs) and len({c for p in pairs for c in (p.a, p.b)}) == 89
    assert pairs == sorted(pairs, key=lambda p: (len(p.parts), p.a, p.b)), "the order in which they are measured"
    assert cues.Pair(22, 29, (1, 7)) in pairs, "the paper's example, classes 023 and 030: head and wing"
    # a matrix of attributes with exactly these differences gives them back
    counts = Counter(p.parts for p in pairs)
    group = {
        part: f"has_{name}::x"
        for part, name in zip(range(1, 8), ("bill", "back", "belly", "breast", "tail", "leg", "wing"), strict=True)
    }
    for parts in counts:
        two = np.zeros((2, 7))
        two[1, [p - 1 for p in parts]] = 100
        assert cues.cue_pairs(two, list(group.values())) == [cues.Pair(0, 1, parts)]


def test_key_points_are_scaled_grouped_and_truncated() -> None:
    parts = ((2, 10.0, 10.0), (15, 21.0, 30.0), (12, 99.0, 50.0), (8, 9.0, 49.9), (14, 0.0, 0.0), (1, 50.0, 25.0))
    sample = Sample("a", Path("a.jpg"), 0, parts=parts)
    # 100×50 onto 10×10: the head is the mean of (1, 2) and (2.1, 6) -> (1.55, 4); the legs stay two
    assert cues.points_of(sample, (100, 50), 10) == [(1, 1, 4), (2, 5, 5), (5, 0, 0), (6, 0, 9), (6, 9, 10)]
    assert cues.points_of(Sample("a", Path("a.jpg"), 0), (100, 50), 10) == []
    legs = Sample("a", Path("a.jpg"), 0, parts=((12, 3.0, 1.0), (8, 7.0, 2.0)))
    assert cues.points_of(legs, (10, 10), 10) == [(6, 7, 2), (6, 3, 1)], "in the order of the key points, not of places"
    every = tuple((n, 1.0, 1.0) for n in range(1, 16))
    assert [p for p, _, _ in cues.points_of(Sample("a", Path("a.jpg"), 0, parts=every), (9, 9), 9)] == [
        1,
        2,
        3,
        4,
        5,
        6,
        6,
        7,
        7,
    ]


def test_every_pixel_takes_the_part_of_its_nearest_point() -> None:
    # on a line of five: head at x = 0, tail at x = 4; the middle is equally far from both and goes to the head
    assert cues.nearest_part([(1, 0, 0), (5, 4, 0)], 5)[0].tolist() == [1, 1, 1, 5, 5]
    assert cues.nearest_part([(2, 0, 0), (7, 0, 4)], 5)[:, 0].tolist() == [2, 2, 2, 7, 7], "rows are y"
    rng = np.random.default_rng(0)
    for count in (1, 3, 9):
        points = sorted((int(rng.integers(1, 8)), *rng.integers(0, 18, 2).tolist()) for _ in range(count))
        assert cues.nearest_part(points, 16).tolist() == slow.nearest(points, 16)
    with pytest.raises(DataError, match="visible key point"):
        cues.nearest_part([], 4)


def test_a_cue_is_the_nearest_part_within_the_foreground(tmp_path: Path) -> None:
    nearest = np.array([[1, 1, 7], [2, 2, 7]], dtype=np.int8)
    foreground = np.array([[True, False, True], [True, True, False]])
    assert cues.cue_mask(nearest, (1, 7), foreground).tolist() == [[True, False, True], [False, False, False]]
    grey = np.zeros((4, 8), dtype=np.uint8)
    grey[:, 4:] = 51  # one annotator of five: it counts
    Image.fromarray(grey).save(tmp_path / "a.png")
    sample = Sample("a", tmp_path / "a.jpg", 0, segmentation=tmp_path / "a.png")
    found = cues.foreground_of(sample, 4)
    assert found.shape == (4, 4) and found[:, 2:].all() and not found[:, 0].any()
    with pytest.raises(DataError, match="segmentation"):
        cues.foreground_of(Sample("a", tmp_path / "a.jpg", 0), 4)
