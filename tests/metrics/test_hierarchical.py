"""Statistics over seeds and images against enumeration, definitions and worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import hierarchical as twin
from torch import Tensor

from cambench import seeds
from cambench.metrics import INDEX, statistics
from cambench.metrics.hierarchical import (
    LEAST,
    Effect,
    means_drawn,
    of_rows,
    of_seeds,
    of_statistics,
    seeds_needed,
    students_p,
    students_power,
)
from cambench.metrics.statistics import drawn_columns
from cambench.vocabulary import CambenchError

NAN = float("nan")


def generator() -> torch.Generator:
    return seeds.generator("paired")


def rows(*values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("table", [[[1.0, 2.0, 6.0], [0.0, 5.0, 1.0]], [[1.0, NAN, 6.0], [0.0, 5.0, 1.0]]])
def test_draws_are_those_of_the_enumeration(table: list[list[float]]) -> None:
    if any(map(math.isnan, table[0])):
        with pytest.raises(CambenchError, match="a draw of 3 images without"):
            of_rows(rows(*table), generator())
        return
    exact = twin.outcomes(table)
    effect = of_rows(rows(*table), generator(), draws=60_000)
    assert effect.drawn is not None
    assert float(effect.drawn.mean()) == pytest.approx(np.mean(exact), abs=0.02)
    assert float(effect.drawn.var()) == pytest.approx(np.var(exact), rel=0.03)
    for share in (0.05, 0.25, 0.75, 0.95):
        value = float(np.quantile(exact, share)) + 1e-9
        assert float((effect.drawn <= value).double().mean()) == pytest.approx(np.mean(np.array(exact) <= value), abs=0.01)


def test_means_of_drawn_images_go_by_the_definition() -> None:
    table = [[1.0, NAN, 6.0, 2.0], [0.0, 5.0, 1.0, 3.0], [NAN, 1.0, 1.0, 2.0]]
    drawn = torch.randint(4, (300, 4), generator=generator()).tolist()
    plain = [[None if math.isnan(v) else v for v in row] for row in table]
    fits = [all(any(row[i] is not None for i in images) for row in plain) for images in drawn]
    kept = fits.index(False) if False in fits else len(fits)
    assert kept > 5, "enough draws before the first that leaves a seed without images"
    expected = [[twin.mean_of_drawn(row, images) for row in plain] for images in drawn[:kept]]
    full = torch.randint(4, (kept, 4), generator=generator())
    assert full.tolist() == drawn[:kept]
    assert torch.allclose(means_drawn(rows(*table), generator(), kept), torch.tensor(expected, dtype=torch.float64))


def test_the_interval_over_seeds_is_students() -> None:
    table = rows([2.0, 4.0], [3.0, 5.0], [7.0, 9.0])
    effect = of_rows(table, generator())
    assert effect.by_seed == (3.0, 4.0, 8.0) and effect.difference == 5.0 and effect.images == 2
    assert effect.over_seeds == pytest.approx(twin.student([3.0, 4.0, 8.0]))
    assert of_rows(table[:2], generator()).over_seeds is None, "two seeds have none"


def test_one_seed_is_what_compare_says() -> None:
    a, b = (torch.from_numpy(np.random.default_rng(s).normal(s / 5, 1, 40)) for s in (1, 2))
    paired = statistics.compare(a, b, generator())
    effect = of_rows((a - b)[None], generator())
    assert (effect.difference, effect.interval, effect.p(), effect.over_seeds) == (
        pytest.approx(paired.difference),
        paired.interval,
        paired.p,
        None,
    )
    shifted = statistics.compare(a + 1.5, b, generator())
    assert of_rows((a + 1.5 - b)[None], generator()).p(1.5) == pytest.approx(effect.p()) != shifted.p


def test_images_that_are_hard_for_all_networks_do_not_vanish_with_seeds() -> None:
    # every seed has the same differences: more seeds tell nothing new, and the interval stays as wide as one seed's
    row = np.random.default_rng(0).normal(0.2, 1, 100).tolist()
    one, ten = of_rows(rows(row), generator()), of_rows(rows(*[row] * 10), generator())
    width = [ends[1] - ends[0] for ends in (one.interval, ten.interval) if ends]
    assert width[1] == pytest.approx(width[0], rel=0.1) and ten.image_error == pytest.approx(one.image_error, rel=0.1)
    assert ten.over_seeds == pytest.approx((ten.difference, ten.difference)), "over the seeds alone nothing varies"


def test_seeds_that_disagree_widen_what_images_alone_would_say() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (3, 400))
    effect = of_rows(torch.from_numpy(noise + np.array([[-1.0], [1.0], [3.0]])), generator())
    assert effect.interval is not None and effect.interval[0] < 0 < effect.interval[1] and effect.image_error < 0.01


def test_p_is_the_larger_one() -> None:
    table = torch.from_numpy(np.random.default_rng(2).normal(0.5, 1, (4, 60)))
    effect = of_rows(table, generator())
    assert effect.drawn is not None
    by_draws = twin.bootstrap_p(effect.drawn.tolist(), 0.1)
    assert effect.p(0.1) == pytest.approx(max(by_draws, students_p(effect.by_seed, 0.1)))
    # t = (2 − 0)/(1/√3) = 3.46 of 2 degrees of freedom: p = 1 − t/√(t² + 2)
    t = 2 * math.sqrt(3)
    assert students_p([1.0, 2.0, 3.0], 0.0) == pytest.approx(1 - t / math.sqrt(t * t + 2))
    assert students_p([2.0, 2.0], 2.0) == 1.0 and students_p([2.0, 2.0], 0.0) == 0.0


def test_p_of_the_draws_by_hand() -> None:
    # two seeds have no t test; of four draws one is not above 0, two are not above ¾ and none reaches 5
    effect = Effect((0.25, 1.0), 5, (-1.0, 2.0), None, drawn=torch.tensor([-1.0, 0.5, 1.0, 2.0]))
    assert effect.p() == pytest.approx(2 * (1 + 1) / (1 + 4))
    assert effect.p(0.75) == 1.0 and effect.p(5.0) == effect.p(-5.0) == pytest.approx(2 * (1 + 0) / (1 + 4))


def test_a_statistic_that_is_no_mean_is_drawn_with_its_images() -> None:
    table = [np.random.default_rng(s).normal(1, 1, 50) for s in range(3)]
    means = of_rows(torch.from_numpy(np.stack(table)), generator(), draws=400)
    tensors = [torch.from_numpy(row) for row in table]
    effect = of_statistics([lambda drawn, row=row: row[drawn].mean(1).tolist() for row in tensors], 50, generator())
    assert effect.by_seed == pytest.approx(means.by_seed) and effect.over_seeds == pytest.approx(means.over_seeds)
    assert effect.interval == pytest.approx(means.interval, abs=0.15)
    alone = of_statistics([lambda drawn: [2.0]], 1, generator())
    assert alone.interval is None and alone.p() is None, "one image has no interval"


def test_what_no_images_stand_behind() -> None:
    effect = of_seeds([3.0, 4.0, 8.0])
    assert (effect.images, effect.interval) == (0, None) and effect.over_seeds == pytest.approx(twin.student([3, 4, 8]))
    assert effect.intervals == [effect.over_seeds] and of_seeds([3.0]).p() is None


def test_seeds_that_would_decide() -> None:
    # d̄/s = 1: a one-sample t test of 10 values has a power of .803, of 9 one of .75
    assert students_power(math.sqrt(10), 10) == pytest.approx(0.8031, abs=1e-3)
    assert seeds_needed(Effect((0.0, 2.0, 1.0), 5, None, None)) == 10
    assert seeds_needed(Effect((0.0, 2.0, 1.0), 5, None, None), threshold=1.0) is None, "no difference, no number"
    assert seeds_needed(Effect((1.0, 1.0, 1.0), 5, None, None, image_error=0.4)) is None, "1 < 2.8·0.4: images lack"
    assert seeds_needed(Effect((1.0, 1.0, 1.0), 5, None, None, image_error=0.3)) == LEAST
    assert seeds_needed(Effect((1.0,), 5, None, None)) == LEAST


@pytest.mark.parametrize("name", sorted(name for name, metric in INDEX.items() if metric.rows.averages))
def test_draws_of_averages_are_draws_of_rows(name: str) -> None:
    numbers = np.random.default_rng(3)
    columns = {
        "max-box-acc": {d: torch.from_numpy(numbers.random((12, 40)) < 0.6) for d in ("0.3", "0.5", "0.7")},
        "px-ap": {
            k: torch.from_numpy(numbers.integers(0, 3, (12, 30)) * (numbers.random(30) < 0.7))
            for k in ("positive", "negative")
        },
    }[name]
    columns["label"] = torch.from_numpy(numbers.integers(0, 5, 12))
    drawn = torch.from_numpy(numbers.integers(0, 12, (9, 12)))
    mean = INDEX[name].rows.mean
    assert mean is not None
    by_rows, by_averages = ([mean(own) for own in drawn_columns(columns, drawn, averages)] for averages in (False, True))
    assert len(by_rows) == len(by_averages) == 9
    for own, other in zip(by_rows, by_averages, strict=True):
        assert own == pytest.approx(other, rel=1e-12)


def test_a_draw_of_which_the_statistic_says_nothing_is_left_out() -> None:
    row = torch.arange(6, dtype=torch.float64)

    def of_first(drawn: Tensor) -> list[float]:
        return [float(row[own].mean()) if 0 in own else float("nan") for own in drawn]

    made = of_statistics([of_first], 6, generator(), draws=200)
    drawn = torch.stack([torch.randint(6, (6,), generator=again) for again in [generator()] for _ in range(200)])
    means = torch.tensor(of_first(drawn), dtype=torch.float64)
    assert 20 < int(means.isnan().sum()) < 100 and made.drawn is not None
    assert sorted(made.drawn.tolist()) == sorted(means[~means.isnan()].tolist()), "the other draws, and only these"
    with pytest.raises(CambenchError, match="finite"):
        of_statistics([lambda own: [2.0 if len(own) == 1 else float("nan")] * len(own)], 6, generator())
    with pytest.raises(CambenchError, match="finite"):
        of_statistics([lambda own: [float("nan") if len(own) == 1 else 2.0] * len(own)], 6, generator())
