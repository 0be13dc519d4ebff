"""Paired statistics against enumeration, definitions and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import paired as twin
from scipy import stats

from cambench import seeds
from cambench.metrics.statistics import compare, holm, wilcoxon
from cambench.vocabulary import CambenchError


def drawn(seed: int, n: int, shift: float = 0.3) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, n)


@pytest.mark.parametrize("seed", range(4))
def test_wilcoxon_without_ties_is_the_enumeration(seed: int) -> None:
    differences = drawn(seed, 9)
    assert wilcoxon(differences) == pytest.approx(twin.exact_p(differences.tolist()), abs=1e-12)


def test_wilcoxon_by_hand() -> None:
    # ranks of |d| 1, 2, 3, all positive: of 8 signs one gives the sum 6, one the sum 0: p = 2/8
    assert wilcoxon(np.array([0.1, 0.2, 0.3])) == pytest.approx(0.25)
    assert wilcoxon(np.array([0.1, 0.2, 0.3, 0.0])) == pytest.approx(0.25), "a zero is left out"
    assert wilcoxon(np.zeros(5)) == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_with_ties_is_the_enumeration(seed: int) -> None:
    ties = np.random.default_rng(seed).integers(-2, 4, 11) / 4
    assert wilcoxon(ties) == pytest.approx(twin.exact_p(ties.tolist()), abs=1e-12)


def test_twelve_equal_differences_of_one_sign_are_two_of_all_choices() -> None:
    assert wilcoxon(np.full(12, 0.5)) == pytest.approx(2 / 2**12, rel=1e-12)
    assert twin.normal_p([0.5] * 12) == pytest.approx(0.00053, rel=0.01), "here the approximation happens to be near"
    graded = np.array([0.5, 0.5, 1, 1, 1, 1.5, 2, 2, 2.5, 3, 3, 4])
    assert wilcoxon(graded) == pytest.approx(2 / 2**12, rel=1e-12)
    assert twin.normal_p(graded.tolist()) > 0.002, "four times as large"


@pytest.mark.parametrize("n", [30, 50])
def test_wilcoxon_without_ties_is_scipys_exact_test(n: int) -> None:
    differences = drawn(n, n, 0.4)
    assert wilcoxon(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_wilcoxon_of_many_images_is_the_normal_approximation(seed: int) -> None:
    ties = np.random.default_rng(seed).integers(-2, 4, 80) / 4
    assert wilcoxon(ties) == pytest.approx(twin.normal_p(ties.tolist()), rel=1e-10)
    hits = np.random.default_rng(seed).integers(-1, 2, 90).astype(float)
    assert wilcoxon(hits) == pytest.approx(twin.normal_p(hits.tolist()), rel=1e-10)
    many = drawn(seed, 60, 0.1)
    assert wilcoxon(many) == pytest.approx(twin.normal_p(many.tolist()), rel=1e-10)
    assert wilcoxon(many) == pytest.approx(stats.wilcoxon(many, method="approx").pvalue, rel=1e-10)


def test_wilcoxon_does_not_ask_which_run_comes_first() -> None:
    differences = drawn(1, 30)
    assert wilcoxon(differences) == pytest.approx(wilcoxon(-differences))


def test_hits_are_the_sign_test_of_those_that_differ() -> None:
    # 15 images right in a alone, 5 in b alone: McNemar's exact test; of 150 and 50: z = (150 − 50)/√200, without continuity
    differences = torch.tensor([1.0] * 15 + [-1.0] * 5 + [0.0] * 80)
    few = compare(differences.clamp(min=0), (-differences).clamp(min=0), seeds.generator("t"))
    assert few.p == pytest.approx(stats.binomtest(15, 20).pvalue)
    assert (few.higher, few.lower, few.equal, few.n) == (15, 5, 80, 100)
    many = compare(differences.repeat(10).clamp(min=0), (-differences).repeat(10).clamp(min=0), seeds.generator("t"))
    assert many.p == pytest.approx(2 * stats.norm.sf(100 / 200**0.5))


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2, 0.5])
def test_holm_rejects_what_the_procedure_rejects(level: float) -> None:
    for seed in range(20):
        p = np.random.default_rng(seed).uniform(0, 0.2, 7).tolist()
        assert [q <= level for q in holm(p)] == twin.holm(p, level)


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([0.2]) == [0.2] and holm([]) == []


def test_the_interval_is_that_of_resampled_pairs() -> None:
    a, b = (torch.from_numpy(drawn(s, 40)) for s in (5, 6))
    found = compare(a, b, seeds.generator("paired"))
    means = twin.bootstrap(a.tolist(), b.tolist(), seeds.generator("paired"), 2000)
    low, high = np.quantile(means, [0.025, 0.975])
    assert found.interval == pytest.approx((low, high), abs=1e-9)
    assert found.difference == pytest.approx(float((a - b).mean())) and found.a - found.b == pytest.approx(found.difference)


def test_pairing_narrows_the_interval_where_images_matter_more_than_runs() -> None:
    images = torch.from_numpy(drawn(7, 200)) * 10
    a, b = images + torch.from_numpy(drawn(8, 200, 0.5)), images
    low, high = compare(a, b, seeds.generator("paired")).interval
    assert 0 < low < high < 1, "the spread of the images themselves (10) would hide a difference of 0.5"


def test_rows_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(CambenchError, match="expected the same images, got 3 and 2 rows"):
        compare(torch.zeros(3), torch.zeros(2), seeds.generator("t"))
    with pytest.raises(CambenchError, match="nothing was measured"):
        compare(torch.zeros(0), torch.zeros(0), seeds.generator("t"))
    with pytest.raises(CambenchError, match="finite"):
        compare(torch.tensor([float("nan")]), torch.zeros(1), seeds.generator("t"))
