"""Relevance mass and rank accuracy against loops over pixels, by hand, and at their edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import relevance as slow
from torch import Tensor

from cambench import maps
from cambench.metrics import find_metric
from cambench.metrics.localisation import content_heatmap
from cambench.metrics.localisation.relevance import mass, rank
from cambench.vocabulary import IGNORED, CambenchError

LABELS = torch.tensor([0, 1, 2, 0])


def scenes(size: tuple[int, int] = (6, 7)) -> tuple[Tensor, Tensor]:
    """Four signed maps, and regions of three classes, of nothing and of what is ignored."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(4, *size))), torch.from_numpy(rng.integers(-2, 3, (4, *size)))


def test_they_are_the_loops_over_pixels() -> None:
    heatmap, regions = scenes()
    positive = maps.apply(heatmap, find_metric("relevance-mass").maps.steps, (6, 7))
    of_mass, of_rank = mass(positive, LABELS, regions), rank(heatmap, LABELS, regions)
    for i, label in enumerate(LABELS.tolist()):
        objects, ignored = (regions[i] == label).numpy(), (regions[i] == IGNORED).numpy()
        assert float(of_mass[""][i]) == pytest.approx(slow.mass(positive[i].numpy(), objects, ignored), rel=1e-9)
        assert float(of_rank[""][i]) == pytest.approx(slow.rank(heatmap[i].numpy(), objects, ignored), rel=1e-9)
    assert of_mass["counted"].all() and of_rank["counted"].all()


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_equally_high_pixels_stand_in_every_order(levels: int) -> None:
    rng = np.random.default_rng(levels)
    heatmap, objects = rng.integers(0, levels, (5, 2, 3)).astype(float), rng.random((5, 2, 3)) < 0.5
    objects[:, 0, 0] = True
    rows = rank(torch.from_numpy(heatmap), torch.zeros(5, dtype=torch.long), torch.from_numpy(objects.astype(int) - 1))
    expected = [slow.rank_of_ties(h, o) for h, o in zip(heatmap, objects, strict=True)]
    assert rows[""].tolist() == pytest.approx(expected)


def test_mass_is_content_heatmaps_share_of_the_same_pixels() -> None:
    heatmap, regions = scenes()
    regions = regions.clamp(min=-1)
    known = heatmap.clamp(min=0)
    rows = mass(known, LABELS, regions)[""]
    assert torch.equal(rows, content_heatmap.measure(known, regions == LABELS[:, None, None]))


def test_by_hand() -> None:
    heatmap = torch.tensor([[[4.0, 3.0], [2.0, 1.0]]])
    for marked, of_mass, of_rank in [((0, 0), 0.4, 1.0), ((1, 1), 0.1, 0.0), ((slice(None), 0), 0.6, 0.5)]:
        regions = torch.full((1, 2, 2), -1)
        regions[0][marked] = 0
        assert mass(heatmap, LABELS[:1], regions)[""].tolist() == pytest.approx([of_mass])
        assert rank(heatmap, LABELS[:1], regions)[""].tolist() == [of_rank]
        assert rank(heatmap - 9, LABELS[:1], regions)[""].tolist() == [of_rank], "signed: the order alone counts"


def test_what_is_ignored_counts_on_neither_side() -> None:
    heatmap = torch.tensor([[[9.0, 3.0], [2.0, 1.0]]])
    regions = torch.tensor([[[IGNORED, 0], [-1, -1]]])
    assert mass(heatmap, LABELS[:1], regions)[""].tolist() == [0.5]
    assert rank(heatmap, LABELS[:1], regions)[""].tolist() == [1.0]


def test_a_constant_map_scores_the_objects_share_of_the_image() -> None:
    regions = torch.full((1, 10, 10), -1)
    regions[0, :3, :4] = 0
    for rows in (mass(torch.ones(1, 10, 10), LABELS[:1], regions), rank(torch.full((1, 10, 10), -2.0), LABELS[:1], regions)):
        assert rows[""].tolist() == pytest.approx([0.12])


def test_images_without_relevance_or_without_the_object_do_not_count() -> None:
    regions = torch.zeros(3, 2, 2, dtype=torch.long)
    regions[2] = 1  # shows another class
    heatmap = torch.stack([torch.ones(2, 2), torch.zeros(2, 2), torch.ones(2, 2)])
    label = torch.zeros(3, dtype=torch.long)
    rows = mass(heatmap, label, regions)
    assert rows["counted"].tolist() == [True, False, False] and rows[""].isnan().tolist() == [False, True, True]
    rows = rank(heatmap, label, regions)
    assert rows["counted"].tolist() == [True, True, False] and rows[""].isnan().tolist() == [False, False, True]


@pytest.mark.parametrize("measure", [mass, rank])
def test_wrong_arguments_are_refused(measure) -> None:
    regions = torch.zeros(1, 2, 2, dtype=torch.long)
    with pytest.raises(CambenchError, match="expected heatmap and mask of one shape"):
        measure(torch.ones(1, 2, 3), LABELS[:1], regions)
    with pytest.raises(CambenchError, match="heatmaps: expected finite values, got NaN or infinity in 1 of 1 rows"):
        measure(torch.tensor([[[torch.nan, 1.0], [1.0, 1.0]]]), LABELS[:1], regions)


def test_their_entries() -> None:
    for name in ("relevance-mass", "relevance-rank"):
        metric = find_metric(name)
        assert metric.regions and not metric.at_annotation and metric.passes == 1
        assert find_metric(f"{name}-accuracy") is metric
