"""CGC losses: slow twin (value and gradient), hand values, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import cgc as twin
from torch import Tensor

from cambench import geometry
from cambench.losses.cgc import cgc_loss, consistency_maps, grouped_cgc_loss, heatmap, paired_windows, positive_pair_loss
from cambench.vocabulary import UsageError

ANCHORS = ["released", "printed"]


def pairs(n: int = 5, p: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two float64 batches of non-negative maps."""
    g = torch.Generator().manual_seed(seed)
    return torch.rand(n, p, generator=g, dtype=torch.float64), torch.rand(n, p, generator=g, dtype=torch.float64)


def numeric_gradient(f, x: np.ndarray) -> np.ndarray:
    """Central differences."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        out[i] = (f(up) - f(down)) / 2e-6
    return out


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_cgc_loss_matches_its_twin(anchor: str, temperature: float) -> None:
    a, b = pairs()
    expected = twin.cgc_losses(a.numpy(), b.numpy(), temperature, anchor)
    rows = cgc_loss(a, b, temperature, anchor)
    torch.testing.assert_close(rows, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("anchor", ANCHORS)
def test_gradient_of_cgc_loss_matches_its_twin(anchor: str) -> None:
    a, b = (x.requires_grad_() for x in pairs(4, 6))
    got = torch.autograd.grad(cgc_loss(a, b, 0.5, anchor).mean(), (a, b))
    fixed_a, fixed_b = a.detach().numpy(), b.detach().numpy()
    by_a = numeric_gradient(lambda x: np.mean(twin.cgc_losses(x, fixed_b, 0.5, anchor)), fixed_a)
    by_b = numeric_gradient(lambda x: np.mean(twin.cgc_losses(fixed_a, x, 0.5, anchor)), fixed_b)
    np.testing.assert_allclose(got[0].numpy(), by_a, atol=1e-8)
    np.testing.assert_allclose(got[1].numpy(), by_b, atol=1e-8)


@pytest.mark.parametrize("anchor", ANCHORS)
def test_identical_maps_give_the_logarithm_of_the_group(anchor: str) -> None:
    a = torch.rand(1, 9, dtype=torch.float64).expand(32, 9)
    assert float(cgc_loss(a, a, 0.5, anchor).mean()) == pytest.approx(math.log(32), abs=1e-12)


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize(("n", "temperature"), [(32, 0.5), (5, 0.1)])
def test_perfect_positives_and_orthogonal_negatives_give_the_best_value(anchor: str, n: int, temperature: float) -> None:
    a = torch.eye(n, dtype=torch.float64)
    best = math.log(1 + (n - 1) * math.exp(-1 / temperature))
    assert float(cgc_loss(3 * a, 7 * a, temperature, anchor).mean()) == pytest.approx(best, abs=1e-12)


def test_orthogonal_positives_and_equal_negatives_give_the_worst_released_value() -> None:
    a, b = torch.zeros(32, 2), torch.zeros(32, 2)
    a[:, 0], b[:, 1] = 1, 1
    assert float(cgc_loss(a, b).mean()) == pytest.approx(math.log(1 + 31 * math.e**2), abs=1e-5)
    assert math.log(1 + 31 * math.e**2) == pytest.approx(5.438, abs=1e-3)


def test_both_anchors_agree_where_the_pairs_agree_and_differ_elsewhere() -> None:
    a, b = pairs()
    torch.testing.assert_close(cgc_loss(a, a, 0.5, "released"), cgc_loss(a, a, 0.5, "printed"), rtol=0, atol=1e-12)
    assert bool(((cgc_loss(a, b, 0.5, "released") - cgc_loss(a, b, 0.5, "printed")).abs() > 1e-4).any())


def test_hand_value_of_two_pairs() -> None:
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    b = torch.tensor([[1.0, 1.0], [0.0, 5.0]])
    half = math.sqrt(0.5)
    released = [math.log(1 + math.exp((0 - half) / 0.5)), math.log(1 + math.exp((0 - 1) / 0.5))]
    paper = [math.log(1 + math.exp((half - half) / 0.5)), math.log(1 + math.exp((0 - 1) / 0.5))]
    assert cgc_loss(a, b, 0.5, "released").tolist() == pytest.approx(released, abs=1e-6)
    assert cgc_loss(a, b, 0.5, "printed").tolist() == pytest.approx(paper, abs=1e-6)


def test_groups_are_consecutive_and_a_rest_of_one_is_dropped() -> None:
    a, b = pairs(7)
    by_hand = [float(cgc_loss(a[s : s + 3], b[s : s + 3]).mean()) for s in (0, 3)]
    assert float(grouped_cgc_loss(a, b, 3)) == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert float(grouped_cgc_loss(a, b, 3, reduction="sum")) == pytest.approx(3 * sum(by_hand), rel=1e-12)
    rest_of_two = [float(cgc_loss(a[s : s + 5], b[s : s + 5]).mean()) for s in (0, 5)]
    assert float(grouped_cgc_loss(a, b, 5)) == pytest.approx(np.mean(rest_of_two), rel=1e-12)
    assert float(grouped_cgc_loss(a, b, 64)) == pytest.approx(float(cgc_loss(a, b).mean()), rel=1e-12)


def test_a_batch_without_any_group_costs_nothing_and_can_be_differentiated() -> None:
    a = torch.rand(1, 4, requires_grad=True)
    loss = grouped_cgc_loss(a, a.detach(), 64)
    loss.backward()
    assert loss.item() == 0 and torch.equal(a.grad, torch.zeros(1, 4))


@pytest.mark.parametrize("variant", ["squared", "released"])
def test_positive_pair_loss_matches_its_twin(variant: str) -> None:
    a, b = pairs()
    assert float(positive_pair_loss(a, b, variant)) == pytest.approx(
        twin.positive_pair(a.numpy(), b.numpy(), variant), rel=1e-12
    )


def test_positive_pair_loss_is_two_minus_twice_the_cosine() -> None:
    a, b = pairs()
    cosine = torch.nn.functional.cosine_similarity(a, b)
    assert float(positive_pair_loss(a, b)) == pytest.approx(float((2 - 2 * cosine).mean()), rel=1e-12)
    assert float(positive_pair_loss(a, b, "released")) == pytest.approx(float((2 - 2 * cosine).mean()) / 12, rel=1e-12)


@pytest.mark.parametrize("size", [(8, 8), (9, 13)])
def test_heatmap_and_transform_match_their_twins(size: tuple[int, int]) -> None:
    g = torch.Generator().manual_seed(1)
    changed, query = (torch.randn(4, 3, 3, generator=g, dtype=torch.float64) for _ in range(2))
    boxes = [(0, 0, *size), (2, 1, 5, 6), (3, 3, 1, 1), (size[0] - 4, size[1] - 3, 4, 3)]
    flips = [False, True, False, True]
    columns = [torch.tensor([float(b[i]) for b in boxes], dtype=torch.float64) for i in range(4)]
    windows = geometry.Windows(*columns, torch.tensor(flips))
    a, b = consistency_maps(changed, query, windows, size)
    for i in range(4):
        full = twin.heatmap(query[i].numpy(), size)
        np.testing.assert_allclose(heatmap(query[i : i + 1], size)[0].numpy(), full, rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(a[i].view(size).numpy(), twin.heatmap(changed[i].numpy(), size), rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(b[i].view(size).numpy(), twin.transform(full, boxes[i], flips[i]), rtol=1e-10, atol=1e-15)


def test_the_whole_window_changes_nothing() -> None:
    raw = torch.randn(3, 4, 4, dtype=torch.float64)
    a, b = consistency_maps(raw, raw, geometry.whole(3, 16, 16), (16, 16))
    torch.testing.assert_close(a, b, rtol=1e-12, atol=0)


def test_heatmaps_sum_to_one_and_an_empty_one_is_uniform_with_zero_gradient() -> None:
    raw = torch.stack([torch.rand(3, 3), -torch.rand(3, 3)]).requires_grad_()
    maps = heatmap(raw, (16, 16))
    assert maps.sum((1, 2)).tolist()[0] == pytest.approx(1, abs=1e-3)
    assert bool((maps[1] == 1e-8).all())
    a = maps.flatten(1)
    loss = cgc_loss(a, a.detach().flip(1)).mean()
    (gradient,) = torch.autograd.grad(loss, raw)
    assert math.isfinite(loss.item()) and bool(torch.isfinite(gradient).all())
    assert torch.equal(gradient[1], torch.zeros(3, 3)) and bool(gradient[0].abs().sum() > 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_and_half_precision_inputs_still_compute_in_float32(dtype: torch.dtype) -> None:
    raw = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    windows = paired_windows(4, (16, 16), torch.Generator().manual_seed(0))
    plain = consistency_maps(raw.float(), raw.flip(0).float(), windows, (16, 16))
    with torch.autocast("cpu", torch.bfloat16):
        maps = consistency_maps(raw, raw.flip(0), windows, (16, 16))
        loss = cgc_loss(*maps)
    assert loss.dtype == maps[0].dtype == torch.float32
    torch.testing.assert_close(maps, plain, rtol=0, atol=0)
    torch.testing.assert_close(loss, cgc_loss(*plain), rtol=0, atol=0)


def test_windows_of_pairs_lie_inside_the_query_and_flip_at_the_asked_rate() -> None:
    windows = paired_windows(2000, (20, 30), torch.Generator().manual_seed(0), flip=0.25)
    assert bool(((windows.top >= 0) & (windows.top + windows.height <= 20)).all())
    assert bool(((windows.left >= 0) & (windows.left + windows.width <= 30)).all())
    assert windows.clipped and float(windows.flip.double().mean()) == pytest.approx(0.25, abs=0.04)
    again = paired_windows(2000, (20, 30), torch.Generator().manual_seed(0), flip=0.25)
    assert torch.equal(windows.top, again.top) and torch.equal(windows.flip, again.flip)


def test_inputs_are_not_modified() -> None:
    a, b = pairs()
    before = a.clone(), b.clone()
    cgc_loss(a, b)
    positive_pair_loss(a, b)
    assert torch.equal(a, before[0]) and torch.equal(b, before[1])


def test_wrong_names_and_shapes_are_refused() -> None:
    a, b = pairs()
    with pytest.raises(UsageError, match="released or printed, got 'both'"):
        cgc_loss(a, b, 0.5, "both")
    with pytest.raises(UsageError, match=r"\(5, 12\) and \(4, 12\)"):
        cgc_loss(a, b[:4])
    with pytest.raises(UsageError, match="squared or released"):
        positive_pair_loss(a, b, "paper")
