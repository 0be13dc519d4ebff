"""The metrics on ContrastiveCAMs: loop-by-loop twins, hand-sized maps, and what does not count."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from reference import contrastive_cam as twin
from torch import Tensor

from cambench import maps as steps
from cambench.contrastive import reconstructed
from cambench.metrics import INDEX, find_metric
from cambench.metrics.core import contrastive_cam_iou, grad_cam_iou, hires_cam_iou, redundancy
from cambench.metrics.core.contrastive import RULES, contrastive, otsu, predicted
from cambench.metrics.statistics import summarise
from cambench.vocabulary import CambenchError

IMAGE = torch.zeros(6, 3, 21, 21)
LABEL = torch.tensor([0, 3, 1, 2, 0, 3])


def class_maps() -> Tensor:
    """Maps of 6 images and 4 classes on a 7×5 grid, some shifted as a whole."""
    g = torch.Generator().manual_seed(0)
    found = torch.randn(6, 4, 7, 5, generator=g, dtype=torch.float64)
    return found + 2 * torch.randn(6, 1, 7, 5, generator=g, dtype=torch.float64)


def masks() -> Tensor:
    """A rectangle on each image's pixels."""
    mask = torch.zeros(6, 21, 21, dtype=torch.bool)
    for n in range(6):
        mask[n, 2 * n : 2 * n + 7, 3 : 9 + n] = True
    return mask


def core(n: int) -> np.ndarray:
    return twin.grid_mask(masks()[n].numpy(), 7, 5)


def logits(_: Tensor) -> Tensor:
    """Those of `class_maps` with a bias that changes some predictions."""
    return class_maps().sum((2, 3)) + torch.tensor([0.0, 9.0, -9.0, 4.0])


@pytest.mark.parametrize("over", ["mean", "sum", "reconstructed", "own"])
@pytest.mark.parametrize("sign", ["cells", "region", "signed"])
def test_every_reading_of_redundancy_matches_its_twin(over: str, sign: str) -> None:
    entry = find_metric(f"redundancy:over={over},sign={sign}")
    found = entry.measure(IMAGE, LABEL, masks(), lambda _: class_maps(), logits)
    for n in range(6):
        expected = twin.redundancy(class_maps()[n].numpy(), int(LABEL[n]), core(n), over, sign)
        for name, value in expected.items():
            assert float(found[name][n]) == pytest.approx(value, rel=1e-9), name


def test_redundancy_of_the_predicted_class() -> None:
    found = find_metric("redundancy:of=predicted").measure(IMAGE, LABEL, masks(), lambda _: class_maps(), logits)
    predicted_classes = logits(IMAGE).argmax(1)
    assert int((predicted_classes != LABEL).sum()) > 0
    for n in range(6):
        expected = twin.redundancy(class_maps()[n].numpy(), int(predicted_classes[n]), core(n))
        assert float(found["core"][n]) == pytest.approx(expected["core"]) and not torch.isnan(found["gamma"][n])


def test_readings_differ_as_they_must() -> None:
    """Σ = (C − 1)·mean; |Σ| ≤ Σ|·|; of two classes the reconstructed map is half their difference."""
    one, several = (
        redundancy.measure(IMAGE, LABEL, masks(), lambda _: class_maps(), logits, over=o) for o in ("mean", "sum")
    )
    torch.testing.assert_close(several["core"], 3 * one["core"])
    region = redundancy.measure(IMAGE, LABEL, masks(), lambda _: class_maps(), logits, sign="region")
    assert bool((region["core"] <= one["core"]).all()) and bool((region["core"] < one["core"]).any())
    pair, labels = class_maps()[:, :2], LABEL % 2
    halves = [redundancy.measure(IMAGE, labels, masks(), lambda _: pair, logits, over=o) for o in ("mean", "reconstructed")]
    torch.testing.assert_close(halves[1]["non-core"], halves[0]["non-core"] / 2)


def test_redundancy_by_hand() -> None:
    """Two classes, two cells: D = (3, −2); the left cell is the object."""
    found = torch.tensor([[[[4.0, -1.0]], [[1.0, 1.0]]], [[[0.0, 0.0]], [[1.0, 1.0]]]])
    mask = torch.tensor([[[True, False]]]).expand(2, 1, 2)
    columns = redundancy.measure(IMAGE[:2], torch.tensor([0, 0]), mask, lambda _: found, logits)
    first = {name: float(column[0]) for name, column in columns.items()}
    assert (first["core"], first["non-core"], first["core-signed"], first["non-core-signed"]) == (3, 2, 3, -2)
    assert first["gamma"] == pytest.approx(2.5 / 17**0.5) and columns["counted"].tolist() == [True, False]


def test_the_share_of_the_core_is_a_ratio_of_means() -> None:
    columns = {name: torch.tensor([1.0, 1.0]) for name in redundancy.VARIANTS if name != "core-share"}
    columns |= {"core": torch.tensor([1.0, 9.0]), "non-core": torch.tensor([3.0, 7.0])}
    assert redundancy.mean(columns)["core-share"] == pytest.approx(10 / 20)


def test_variants_have_units_and_directions_of_their_own() -> None:
    entry = INDEX["redundancy"]
    shown = {variant: (entry.unit_of(variant), entry.direction(variant)) for variant in entry.variants}
    assert shown["core"] == shown["core-signed"] == ("logit", "up") and shown["non-core"] == ("logit", "down")
    assert shown["core-share"] == ("ratio", "up") and shown["gamma"] == ("ratio", "none")
    assert INDEX["top1-tile"].direction("official") == "down"


def test_a_map_that_all_classes_share_changes_no_contrast() -> None:
    shared = 5 * torch.randn(6, 1, 7, 5, dtype=torch.float64)
    for measure in (partial(redundancy.measure, predict=logits), contrastive_cam_iou.measure):
        one = measure(IMAGE, LABEL, masks(), lambda _: class_maps())
        other = measure(IMAGE, LABEL, masks(), lambda _: class_maps() + shared)
        for name in one.keys() - {"gamma"}:
            torch.testing.assert_close(one[name].double(), other[name].double())


def test_contrastive_maps_by_hand() -> None:
    found = torch.tensor([[[[1.0]], [[4.0]], [[6.0]]]])
    assert contrastive(found, torch.tensor([1])).flatten().tolist() == [3, -2]
    assert float(reconstructed(found, torch.tensor([1]))) == pytest.approx((3 + 0 - 2) / 3)
    with pytest.raises(CambenchError, match="at least 2 classes, got 1"):
        contrastive(found[:, :1], torch.tensor([0]))


@pytest.mark.parametrize("score", ["iou", "dice"])
@pytest.mark.parametrize("rule", RULES)
def test_overlap_matches_its_twin(rule: str, score: str) -> None:
    metric = find_metric(f"contrastive-cam-iou:score={score}")
    found = metric.measure(IMAGE, LABEL, masks(), lambda _: class_maps())
    for n in range(6):
        values = class_maps()[n].numpy()
        own = twin.region(twin.reconstructed(values, int(LABEL[n])), rule)
        assert float(found[rule][n]) == pytest.approx(getattr(twin, score)(own, core(n)), abs=1e-12)
    assert len(set(found[rule].tolist())) > 1


def test_pairwise_overlap_is_the_mean_over_the_other_classes() -> None:
    found = contrastive_cam_iou.measure(IMAGE, LABEL, masks(), lambda _: class_maps())
    for n in range(6):
        values, t = class_maps()[n].numpy(), int(LABEL[n])
        pairs = [twin.iou(twin.region(values[t] - values[c], "0.5"), core(n)) for c in range(4) if c != t]
        assert float(found["pairwise"][n]) == pytest.approx(sum(pairs) / 3)


def test_rules_by_hand() -> None:
    line = torch.tensor([[[-3.0, 0.0, 0.9, 2.0, 5.0, 10.0]]])
    expected = {"0.5": 2, "sign": 4, "0.1": 3, "0.2": 3, "0.3": 2, "otsu": 2}
    assert {rule: int(predicted(line, rule).sum()) for rule in RULES} == expected
    for nothing in (torch.full((1, 2, 2), 3.0), torch.full((1, 2, 2), -1.0), -torch.ones(1, 2, 2).cumsum(1)):
        assert not any(bool(predicted(nothing, rule).any()) for rule in RULES)


def test_otsu_parts_two_groups_whatever_the_scale() -> None:
    g = torch.Generator().manual_seed(1)
    values = torch.rand(20, 6, 6, generator=g, dtype=torch.float64) - 0.3
    found = otsu(values)
    for n in range(20):
        assert (found[n].numpy() == twin.region(values[n].numpy(), "otsu")).all()
    assert torch.equal(found, otsu(1e-6 * values))
    assert otsu(torch.tensor([[[1.0, 1.1, 9.0, 9.2, 8.9]]])).tolist() == [[[False, False, True, True, True]]]


def test_a_perfect_map_overlaps_wholly_and_one_without_a_positive_value_not_at_all() -> None:
    found = torch.zeros(2, 2, 7, 7, dtype=torch.float64)
    found[0, 0] = torch.from_numpy(twin.grid_mask(masks()[0].numpy(), 7, 7))
    found[1, 0] = -1
    columns = contrastive_cam_iou.measure(IMAGE[:2], torch.tensor([0, 0]), masks()[[0, 0]], lambda _: found)
    for name in contrastive_cam_iou.VARIANTS:
        assert columns[name].tolist() == [1, 0], name


def test_an_empty_mask_does_not_count() -> None:
    mask = masks()
    mask[2] = False
    heatmap = torch.rand(6, 21, 21)
    for columns in (
        contrastive_cam_iou.measure(IMAGE, LABEL, mask, lambda _: class_maps()),
        grad_cam_iou.measure(IMAGE, heatmap, mask),
    ):
        assert columns["counted"].tolist() == [True, True, False, True, True, True]
        others = [v for k, v in columns.items() if k != "counted"]
        assert all(bool(v[2].isnan()) and int(v.isnan().sum()) == 1 for v in others)


def test_grad_cam_overlap_by_hand() -> None:
    heatmap = torch.tensor([[[0.5, 0.49], [0.9, 1.0]], [[0.0, 0.1], [0.2, 0.3]]])
    mask = torch.tensor([[[True, True], [True, False]]] * 2)
    found = grad_cam_iou.measure(IMAGE[:2], heatmap, mask)[""]
    assert float(found[0]) == pytest.approx(2 / 4) and 0 < float(found[1]) < 1e-9
    with pytest.raises(CambenchError, match="Grad-CAM heatmaps: expected finite values"):
        grad_cam_iou.measure(IMAGE[:2], heatmap * torch.nan, mask)


def test_grad_cams_dice_and_density_match_loops() -> None:
    heatmap = torch.rand(6, 21, 21, generator=torch.Generator().manual_seed(3))
    mask = masks()
    mask[4] = True
    found = {
        score: find_metric(f"grad-cam-iou:score={score},threshold=0.7").measure(IMAGE, heatmap, mask)
        for score in ("iou", "dice", "delta-density")
    }
    for n in range(6):
        pointed, own = (heatmap[n] >= 0.7).numpy(), mask[n].numpy()
        assert float(found["iou"][""][n]) == pytest.approx(twin.iou(pointed, own), abs=1e-9)
        assert float(found["dice"][""][n]) == pytest.approx(twin.dice(pointed, own), abs=1e-9)
        inside = [float(v) for v, m in zip(heatmap[n].flatten(), own.flatten(), strict=True) if m]
        outside = [float(v) for v, m in zip(heatmap[n].flatten(), own.flatten(), strict=True) if not m]
        if outside:
            density = sum(inside) / len(inside) - sum(outside) / len(outside)
            assert float(found["delta-density"][""][n]) == pytest.approx(density, abs=1e-9)
    assert found["dice"]["counted"].all() and found["delta-density"]["counted"].tolist() == [True] * 4 + [False, True]
    assert bool(found["delta-density"][""][4].isnan())


def test_grad_cam_maps_are_scaled_before_and_after_resizing() -> None:
    """The largest value shrinks when a small map is enlarged, and the second scaling makes it 1 again."""
    raw = torch.zeros(1, 7, 7)
    raw[0, 3, 3], raw[0, 0, 0] = 4.0, -9.0
    once = steps.apply(raw, INDEX["grad-cam-iou"].maps.steps[:3], (28, 28))
    twice = steps.apply(raw, INDEX["grad-cam-iou"].maps.steps, (28, 28))
    assert float(once.max()) == pytest.approx((7 / 8) ** 2, rel=1e-5) and float(twice.max()) == pytest.approx(1, rel=1e-6)
    assert float(twice.min()) == 0 and torch.allclose(twice, once / (7 / 8) ** 2, atol=1e-5)


@pytest.mark.parametrize("score", ["iou", "dice"])
def test_hires_cam_overlap_is_a_mean_over_pairs(score: str) -> None:
    regions = torch.full((3, 21, 21), -1)
    regions[0, :9, :9], regions[0, 12:, 4:], regions[1, 5:8, 5:8] = 2, 0, 1
    labels = [(0, 2), (1,), (3,)]  # the class of the third image shows nowhere
    metric = find_metric(f"hires-cam-iou:score={score}")
    found = metric.measure(IMAGE[:3], labels, regions, lambda _: class_maps()[:3])
    pairs = []
    for n, i in ((0, 0), (0, 2), (1, 1)):
        core_i = twin.grid_mask((regions[n] == i).numpy(), 7, 5)
        pairs.append(getattr(twin, score)(twin.region(class_maps()[n, i].numpy(), "0.5"), core_i))
    assert found["pairs"].tolist() == [2, 1, 0] and found["counted"].tolist() == [True, True, False]
    kept = {k: v[:2] for k, v in found.items()}
    assert hires_cam_iou.mean(kept)["0.5"] == pytest.approx(sum(pairs) / 3) and sum(pairs) > 0
    value = summarise(metric, kept, lambda: torch.Generator().manual_seed(0))["0.5"]
    assert value.value == pytest.approx(100 * sum(pairs) / 3) and value.n == 2
