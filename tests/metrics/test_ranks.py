"""Ranks and what follows from them, against counting, scipy, published tables and numbers done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from reference import ranks as twin
from scipy import stats

from cambench.metrics.ranks import alike, critical_distance, friedman, ranks, tau
from cambench.vocabulary import CambenchError

BETTER = ("up", "down")


def drawn(seed: int, n: int = 12, k: int = 5, steps: int = 4) -> np.ndarray:
    """Values with ties."""
    return np.random.default_rng(seed).integers(0, steps, (n, k)) / steps


@pytest.mark.parametrize("better", BETTER)
@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_counted(seed: int, better: str) -> None:
    values = drawn(seed)
    assert ranks(values, better).tolist() == [twin.ranks(row, better) for row in values.tolist()]  # type: ignore[arg-type]


def test_ranks_by_hand() -> None:
    values = np.array([[0.9, 0.1, 0.5], [0.2, 0.2, 0.1], [0.0, 0.0, 0.0]])
    assert ranks(values, "up").tolist() == [[1, 3, 2], [1.5, 1.5, 3], [2, 2, 2]]
    assert ranks(values, "down").tolist() == [[3, 1, 2], [2.5, 2.5, 1], [2, 2, 2]]


def test_values_that_only_rounding_tells_apart_are_equal() -> None:
    close = np.array([[0.5, 0.5 + 4e-6, 0.6], [1e-7, 1.1e-7, 2e-7], [-3.0, -3.0 - 2e-5, 1.0]])
    assert ranks(close, "up").tolist() == [[2.5, 2.5, 1], [3, 2, 1], [2.5, 2.5, 1]]


def test_an_image_that_lacks_a_value_has_no_ranks_and_changes_no_other() -> None:
    values = np.array([[0.1, np.nan, 0.3], [0.1, 0.2, 0.3]])
    made = ranks(values, "up")
    assert np.isnan(made[0]).all() and made[1].tolist() == [3, 2, 1]
    assert np.isnan(ranks(values[:1], "up")).all()
    with pytest.raises(CambenchError, match="expected finite values, got an infinite one"):
        ranks(np.array([[0.1, np.inf]]), "up")


@pytest.mark.parametrize("seed", range(3))
def test_friedman_is_the_formula(seed: int) -> None:
    blocks = drawn(seed)
    chi2, p = friedman(blocks)
    assert chi2 == pytest.approx(twin.friedman(blocks.tolist()), rel=1e-10)
    assert p == pytest.approx(stats.chi2.sf(chi2, 4))


def test_friedman_of_what_is_alike_everywhere_finds_nothing() -> None:
    assert friedman(np.full((6, 3), 2.0)) == (0.0, 1.0)
    assert friedman(np.array([[1.0, 2.0, 3.0]] * 6))[0] == pytest.approx(12)  # N(k − 1), the largest


def test_critical_distances_are_those_of_the_table() -> None:
    table = {2: 1.960, 3: 2.343, 5: 2.728, 10: 3.164}  # Demšar 2006, Table 5 (a): q of 0.05
    for k, q in table.items():
        assert critical_distance(k, 14) == pytest.approx(q * (k * (k + 1) / (6 * 14)) ** 0.5, rel=5e-4)
    assert critical_distance(4, 14) == pytest.approx(1.25, abs=0.005)  # his example: 2.569·√(4·5/(6·14))


@pytest.mark.parametrize("seed", range(4))
def test_tau_is_counted_and_scipys(seed: int) -> None:
    a, b = (ranks(drawn(s, n=20, k=4, steps=3), "up") for s in (seed, seed + 9))
    for each, left, right in zip(tau(a, b), a.tolist(), b.tolist(), strict=True):
        if len(set(left)) == 1 or len(set(right)) == 1:
            assert np.isnan(each)
        else:
            assert each == pytest.approx(twin.tau(left, right), rel=1e-12)
            assert each == pytest.approx(stats.kendalltau(left, right).statistic, rel=1e-12)


def test_tau_by_hand() -> None:
    order = np.array([[1.0, 2.0, 3.0]])
    assert tau(order, order).tolist() == [1] and tau(order, order[:, ::-1]).tolist() == [-1]
    assert tau(order, np.array([[1.0, 3.0, 2.0]]))[0] == pytest.approx(1 / 3)
    assert tau(order, np.array([[1.5, 1.5, 3.0]]))[0] == pytest.approx(2 / 6**0.5)
    assert np.isnan(tau(order, np.full((1, 3), 2.0)))[0] and np.isnan(tau(order, np.full((1, 3), np.nan)))[0]


@pytest.mark.parametrize("seed", range(8))
def test_those_that_are_alike_are_the_largest_sets(seed: int) -> None:
    random = np.random.default_rng(seed).random((6, 6)) < seed / 8
    differ = np.triu(random, 1) | np.triu(random, 1).T
    assert alike(differ) == twin.alike(differ.tolist())
    together = {pair for own in alike(differ) for pair in ((i, j) for i in own for j in own if i < j)}
    assert together == {(i, j) for i in range(6) for j in range(i + 1, 6) if not differ[i, j]}
