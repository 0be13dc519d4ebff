"""The sweeps of relative foreground sensitivity over levels of noise: hand-sized, and beside a slow twin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from reference import contrastive_cam as twin
from torch import Tensor

from cambench.metrics import INDEX, find_metric
from cambench.metrics.core import rfs
from cambench.metrics.statistics import summarise
from cambench.pixels import to_input, to_pixels

LEVELS = {"linf": (0.125, 0.25, 0.375, 0.5, 0.625, 0.75), "l2": (30, 60, 90, 120, 150, 180)}
NAMES = [(norm, level) for norm, levels in LEVELS.items() for level in levels]


def generators(rows: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in rows]


def looked_at(
    image: Tensor, mask: Tensor, rows: list[int], trials: int = 1
) -> Iterator[tuple[int, str, str, float, Tensor]]:
    """(trial, side, norm, level, pixels of the copies) in the order in which the network is asked."""
    seen: list[Tensor] = []

    def look(x: Tensor) -> Tensor:
        seen.append(to_pixels(x))
        return torch.zeros(len(x), 2)

    rfs.sweep(look, image, torch.zeros(len(image), dtype=torch.long), mask, generators(rows), trials=trials)
    places = [(t, side, *name) for t in range(trials) for side in ("fg", "bg") for name in NAMES]
    assert len(seen) == len(places) == 24 * trials
    return ((*place, x) for place, x in zip(places, seen, strict=True))


def test_copies_are_those_of_the_slow_twin() -> None:
    rng, rows = np.random.default_rng(0), [3, 4]
    pixels, mask = rng.random((2, 3, 40, 30)), rng.random((2, 40, 30)) < np.array([0.2, 0.7])[:, None, None]
    drawn = [torch.stack([torch.randn(3, 40, 30, generator=g) for _ in range(2)]).double().numpy() for g in generators(rows)]
    image = to_input(torch.from_numpy(pixels))
    for trial, side, norm, level, copies in looked_at(image, torch.from_numpy(mask), rows, trials=2):
        for i, copy in enumerate(copies.numpy()):
            expected = twin.noisy_copies(pixels[i], mask[i], drawn[i][trial], norm, level)[("fg", "bg").index(side)]
            np.testing.assert_allclose(copy, expected, rtol=1e-6, atol=1e-12, err_msg=f"{side} {norm}/{level}")


def test_l2_noise_has_its_norm_on_both_sides_and_linf_noise_its_deviation() -> None:
    """A quarter of a gray image of 400×400: noise of norm 30 has deviations of 0.09 and 0.05 there: nothing is clipped."""
    image, mask = torch.full((1, 3, 400, 400), 0.5, dtype=torch.float64), torch.zeros(1, 400, 400, dtype=torch.bool)
    mask[0, :100] = True
    for _, side, norm, level, copies in looked_at(to_input(image), mask, [0]):
        noise, there = (copies - 0.5)[0], mask[0] if side == "fg" else ~mask[0]
        assert not noise[:, ~there].abs().gt(1e-12).any() and abs(float(noise.mean())) < 0.01
        if norm == "l2" and level == 30:
            assert float(noise.norm()) == pytest.approx(30, rel=1e-6)
        if norm == "linf" and level == 0.125:
            assert float(noise[:, there].std()) == pytest.approx(0.125, rel=0.01)


def test_scaled_noise_by_hand() -> None:
    noise = torch.zeros(2, 3, 2, 2, dtype=torch.float64)
    noise[0, 0, 0, 0], noise[0, 2, 1, 1] = 3, -4
    found = rfs.unit(noise)
    assert float(found[0, 0, 0, 0]) == pytest.approx(0.6) and float(found[0, 2, 1, 1]) == pytest.approx(-0.8)
    assert not found[1].any(), "no region, no noise: 0/0 is not NaN"
    mask = torch.tensor([[[True, False], [False, False]], [[True, True], [True, True]]])
    parts = rfs.parted(noise, mask)
    assert parts["fg"][0].sum() == 3 and parts["bg"][0].sum() == -4


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_mask_and_its_complement_swap_the_sides(share: float) -> None:
    """Noise on the object is made as noise around it is: from the same draws, at the same level, by the same scaling."""
    g = torch.Generator().manual_seed(0)
    image, mask = to_input(torch.rand(8, 3, 12, 12, generator=g)), torch.rand(8, 12, 12, generator=g) < share
    label, weight = torch.arange(8) % 3, torch.randn(432, 3, generator=g)
    one, other = (
        rfs.sweep(lambda x: x.flatten(1) @ weight, image, label, m, generators(list(range(8)))) for m in (mask, ~mask)
    )
    for variant in rfs.VARIANTS:
        assert torch.equal(one[f"{variant}/fg"], other[f"{variant}/bg"])
        assert torch.equal(one[f"{variant}/bg"], other[f"{variant}/fg"])
    values, swapped = rfs.mean_sweep(one), rfs.mean_sweep(other)
    assert values == pytest.approx({v: -x for v, x in swapped.items()}) and any(values.values())


@pytest.mark.parametrize("trials", [1, 2])
def test_every_level_by_hand(trials: int) -> None:
    """Class 1 where the left half of a gray image deviates by more than 0.34.

    Clipped to [0, 1], deviations of 0.375 and 0.5 shrink to 0.31 and 0.36. Norms of 30 and 60 are deviations of 0.38 and
    0.77 over the half's 3·64·32 values, and shrink to 0.31 and 0.41.
    """
    image, mask = to_input(torch.full((2, 3, 64, 64), 0.5)), torch.zeros(2, 64, 64, dtype=torch.bool)
    mask[:, :, :32] = True

    def predict(x: Tensor) -> Tensor:
        return torch.stack([torch.full((len(x),), 0.34), to_pixels(x)[:, :, :, :32].flatten(1).std(1)], 1)

    found = rfs.sweep(predict, image, torch.tensor([0, 1]), mask, generators([0, 1]), trials=trials)
    assert set(found) == {f"{norm}/{level}/{side}" for norm, level in NAMES for side in ("fg", "bg")} | {"label"}
    for norm, level in NAMES:
        seen = level >= {"linf": 0.5, "l2": 60}[norm]
        assert found[f"{norm}/{level}/fg"].tolist() == [1 - seen, seen], (norm, level)
        assert found[f"{norm}/{level}/bg"].tolist() == [1, 0]


def test_the_default_level_of_the_sweep_is_the_metric_itself() -> None:
    g = torch.Generator().manual_seed(1)
    image, mask = to_input(torch.rand(5, 3, 9, 9, generator=g)), torch.rand(5, 9, 9, generator=g) < 0.3
    label, weight = torch.arange(5) % 2, torch.randn(243, 2, generator=g)
    arguments = (lambda x: x.flatten(1) @ weight, image, label, mask)
    alone, swept = (f(*arguments, generators([1, 2, 3, 4, 5])) for f in (rfs.measure, rfs.sweep))
    assert all(torch.equal(alone[side], swept[f"linf/0.25/{side}"]) for side in ("fg", "bg"))
    assert rfs.mean(alone)[""] == rfs.mean_sweep(swept)["linf/0.25"]


def test_the_index_offers_the_sweep_beside_the_metric() -> None:
    metric = find_metric("rfs_sweep")
    assert metric.variants == tuple(f"{norm}/{level}" for norm, level in NAMES)
    assert (metric.input, metric.printing.unit, metric.printing.decimals) == (INDEX["rfs"].input, "ratio", 3)
    assert INDEX["rfs"].variants == ("",)
    hits = {f"{v}/{side}": torch.tensor([x, x, x]) for v in rfs.VARIANTS for side, x in (("fg", 0.5), ("bg", 0.9))}
    hits |= {"l2/60/bg": torch.ones(3), "l2/60/fg": torch.zeros(3), "label": torch.tensor([0, 0, 4])}
    values = summarise(metric, hits, lambda: torch.Generator().manual_seed(0))
    assert list(values) == list(metric.variants)
    assert values["l2/60"].value == 1 and values["linf/0.75"].value == pytest.approx(2 / 3) and values["l2/60"].n == 3
