"""Accuracy, statistics, and what the index promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench import maps
from cambench.metrics import INDEX, find_metric, needs
from cambench.metrics.accuracy.top_k import among_best, top1, top5
from cambench.metrics.entry import Input, Rows
from cambench.metrics.localisation import cue_localisation
from cambench.metrics.statistics import interval, reduce, resampled, standard_error, summarise
from cambench.vocabulary import ARGUMENTS, CambenchError, UsageError, Value

LOGITS = torch.tensor([[5.0, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [0, 9, 1, 2, 3, 4]])


def predict(image: Tensor) -> Tensor:
    """Fixed logits."""
    return LOGITS[: len(image)]


def test_accuracy_by_hand() -> None:
    image = torch.zeros(3, 3, 2, 2)
    assert top1(predict, image, torch.tensor([0, 4, 1])).tolist() == [1, 0, 1]
    assert top5(predict, image, torch.tensor([5, 1, 0])).tolist() == [0, 1, 0]
    assert top5(lambda x: LOGITS[:, :3], image, torch.tensor([2, 2, 2])).tolist() == [1, 1, 1]
    with pytest.raises(CambenchError, match="accuracy: expected finite values, got NaN or infinity in 3 of 3 rows"):
        top1(lambda x: LOGITS * torch.nan, image, torch.tensor([0, 4, 1]))


def test_standard_error_and_mean() -> None:
    rows = torch.tensor([1.0, 2.0, 4.0, 9.0])
    assert reduce(rows) == 4.0
    assert standard_error(rows) == pytest.approx(np.std(rows.numpy(), ddof=1) / 2)


def test_one_image_has_no_spread() -> None:
    one = torch.tensor([1.0])
    assert standard_error(one) is None and interval(one, torch.Generator()) is None
    assert summarise(INDEX["top1"], {"": one}, torch.Generator) == {"": Value(100.0, 1, None, None)}
    over_all = replace(INDEX["top1"], rows=Rows(mean=lambda columns: {"": float(columns[""].mean())}))
    assert summarise(over_all, {"": one}, torch.Generator) == {"": Value(100.0, 1, None, None)}


def test_the_spread_of_a_statistic_is_that_of_its_resamples() -> None:
    rows, again = torch.tensor([1.0, 2.0, 4.0, 9.0, 3.0]), torch.Generator().manual_seed(0)
    drawn = [torch.randint(5, (5,), generator=again).tolist() for _ in range(6)]
    largest = [max(float(rows[i]) for i in places) for places in drawn]
    found = resampled(lambda columns: {"max": float(columns[""].max())}, {"": rows}, torch.Generator().manual_seed(0), 6)
    error, (low, high) = found["max"]
    assert error == pytest.approx(np.std(largest, ddof=1)) and error > 0
    assert (low, high) == pytest.approx(np.quantile(largest, [0.025, 0.975]).tolist())


@pytest.mark.parametrize("binary", [True, False])
def test_intervals_are_those_of_scipys_percentile_bootstrap(binary: bool) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    values = (rng.random(300) < 0.8).astype(float) if binary else rng.gamma(2, 1, 300)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", rng=rng).confidence_interval
    low, high = interval(torch.from_numpy(values), torch.Generator().manual_seed(0), draws=9999)
    width = theirs.high - theirs.low
    assert low == pytest.approx(theirs.low, abs=0.05 * width) and high == pytest.approx(theirs.high, abs=0.05 * width)


def test_intervals_repeat_with_the_generator_and_follow_the_unit() -> None:
    rows = torch.rand(50, generator=torch.Generator().manual_seed(0))
    first, again = (interval(rows, torch.Generator().manual_seed(1)) for _ in range(2))
    assert first == again and first[0] < float(rows.mean()) < first[1]
    percent = interval(rows * 100, torch.Generator().manual_seed(1))
    assert percent == pytest.approx([100 * v for v in first], rel=1e-6)
    assert interval(torch.ones(20), torch.Generator()) == (1.0, 1.0)
    assert interval(torch.full((20,), 0.3), torch.Generator()) == pytest.approx((0.3, 0.3))


def test_binary_rows_in_percent_have_the_same_interval_as_in_fractions() -> None:
    rows = (torch.rand(200, generator=torch.Generator().manual_seed(0)) < 0.7).double()
    fraction = interval(rows, torch.Generator().manual_seed(1))
    percent = interval(100 * rows, torch.Generator().manual_seed(1))
    assert percent == pytest.approx([100 * v for v in fraction], rel=1e-12)


@pytest.mark.parametrize("function", [reduce, standard_error, lambda r: interval(r, torch.Generator())])
def test_no_rows_and_rows_that_are_not_finite_are_errors(function) -> None:
    with pytest.raises(CambenchError, match="N ≥ 1"):
        function(torch.zeros(0))
    with pytest.raises(CambenchError, match="1 of 3 rows"):
        function(torch.tensor([1.0, torch.nan, 2.0]))


def test_metrics_ask_only_for_the_words_of_the_vocabulary() -> None:
    for name, metric in INDEX.items():
        assert name == metric.name and metric.printing.unit and metric.source and metric.summary
        assert set(needs(metric)) <= set(ARGUMENTS), name
        assert metric.explains == ("heatmap" in needs(metric) and not metric.rows.pairs) <= bool(metric.maps.steps)
        assert metric.looks or not metric.maps.steps
        assert not [n for n in metric.variants if any(m.startswith(f"{n}/") for m in metric.variants)], "rows are in groups"
        known = {*maps.STEPS, *maps.RESIZES, *([cue_localisation.DIFFERENCE] if metric.rows.pairs else [])}
        assert set(metric.maps.steps) <= known and metric.variants
    shown = ("predict", "image", "heatmap", "label", "generators", "normalisation")
    assert needs(INDEX["iauc"]) == needs(INDEX["dauc"]) == shown
    assert needs(INDEX["ch"]) == ("heatmap", "mask")
    assert needs(INDEX["cgc-loss"]) == ("image", "explain", "predict", "generator")


def test_directions_and_protocol_constants() -> None:
    lower = {
        "cgc-loss",
        "dauc",
        "embedding-distance",
        "top1-gray-mask",
        "top1-gray-box",
        "top1-tile",
        "remove-and-classify",
        "infidelity",
        "average-drop",
        "complexity",
        "sensitivity-max",
        "randomisation",
    }
    assert {n for n, m in INDEX.items() if m.printing.better == "down" and not m.package} == lower
    assert (INDEX["ch"].input, INDEX["ch"].variants) == (Input("full", 2.0), ("official", "correct"))
    assert INDEX["cgc-loss"].rows.group == 32 and INDEX["iauc"].input.view == "resize"
    assert INDEX["iauc"].printing.decimals == 4 and INDEX["iauc"].maps.steps == ("relu", "resize", "min-max-epsilon")


def test_names_and_aliases() -> None:
    assert find_metric("Content_Heatmap") is INDEX["ch"]
    assert find_metric("insertion-auc") is INDEX["iauc"] and find_metric("deletion-auc") is INDEX["dauc"]
    with pytest.raises(UsageError, match="Did you mean"):
        find_metric("top-1")


def test_of_equal_logits_the_first_are_the_best() -> None:
    logits = torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 1.0, 1.0]])
    hits = [[float(among_best(logits, torch.full((2,), c), k)[i]) for c in range(4)] for i in range(2) for k in (1, 2)]
    assert hits == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0]]
