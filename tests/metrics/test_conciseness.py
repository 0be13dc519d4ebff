"""Average drop and increase, coherency, complexity, ADCC and sparseness against their twins, torchcam, and by hand."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from reference import conciseness as slow
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from cambench import maps
from cambench.explainers.batch import explain as explain_network
from cambench.metrics import INDEX, find_metric
from cambench.metrics.conciseness import STEPS, adcc, coherency, complexity, confidence, sparseness
from cambench.vocabulary import CambenchError

SIZE = (8, 12)
IMAGES = torch.from_numpy(np.random.default_rng(1).normal(size=(12, 3, *SIZE)))
WEIGHTS = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3 * 8 * 12)))
NAMES = ("average-drop", "average-increase", "coherency", "complexity", "adcc", "sparseness")


def predict(x: Tensor) -> Tensor:
    """A linear classifier of five classes."""
    return 0.3 * x.flatten(1) @ WEIGHTS.T


def explain(x: Tensor, classes: Tensor) -> Tensor:
    """Its evidence, where odd classes are inverted, on a grid of half the size; signed."""
    evidence = (x * WEIGHTS[classes].view_as(x)).sum(1) * (1 - 2 * (classes[:, None, None] % 2))
    return avg_pool2d((2 * evidence).cos() + evidence.tanh(), 2)


BEST = predict(IMAGES).argmax(1)


def heatmaps(x: Tensor) -> Tensor:
    """Those of the predicted class."""
    return maps.apply(explain(x, predict(x).argmax(1)), STEPS, SIZE)


def test_they_are_the_loops_over_images_and_pixels() -> None:
    heatmap = heatmaps(IMAGES)
    rows = adcc.measure(predict, IMAGES, heatmap, explain, BEST)
    alone = {
        "average-drop": confidence.average_drop(predict, IMAGES, heatmap, BEST),
        "average-increase": confidence.average_increase(predict, IMAGES, heatmap, BEST),
        "coherency": coherency.measure(IMAGES, heatmap, explain, BEST)[""],
        "complexity": complexity.measure(heatmap),
    }
    expected = [slow.adcc(predict, explain, image) for image in IMAGES.numpy()]
    for name in adcc.VARIANTS:
        wanted = [e[name] for e in expected]
        np.testing.assert_allclose(rows[name].numpy(), wanted, rtol=1e-9, atol=1e-12)
        assert rows[name].dtype == torch.float64 and len(set(wanted)) > 1, f"{name}: nothing to see"
        assert name == "" or torch.equal(alone[name], rows[name])
    assert rows["counted"].all() and min(e["coherency"] for e in expected) < 0.5 < max(e["coherency"] for e in expected)


def test_sparseness_is_half_the_relative_mean_difference() -> None:
    raw = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 4, 6)))
    values = maps.apply(raw, INDEX["sparseness"].maps.steps, (4, 6))
    rows = sparseness.measure(values)
    np.testing.assert_allclose(rows[""].numpy(), [slow.gini(m) for m in raw.numpy()], rtol=1e-9)
    assert rows["counted"].all()


def test_sparseness_by_hand_and_at_its_edges() -> None:
    one, flat, none = torch.zeros(2, 5), torch.full((2, 5), 0.3), torch.zeros(2, 5)
    one[1, 2] = 4
    half = torch.tensor([[1.0] * 5, [0.0] * 5])
    rows = sparseness.measure(torch.stack([one, flat, half, none]))
    assert rows[""][:3].tolist() == pytest.approx([0.9, 0, 0.5], abs=1e-12) and math.isnan(rows[""][3])
    assert rows["counted"].tolist() == [True, True, True, False]
    with pytest.raises(CambenchError, match="heatmaps: expected finite"):
        sparseness.measure(torch.full((1, 2, 2), torch.nan))


def test_drop_and_increase_by_hand() -> None:
    """Class 0 sums the first row, class 1 the second. Half of the second row takes half of what speaks against class 0."""
    image = torch.zeros(1, 3, 2, 4)
    image[0, 0, 0], image[0, 0, 1] = 1.0, 0.5

    def sums(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0, 0].sum(1), x[:, 0, 1].sum(1)], 1)

    def sigmoid(v: float) -> float:
        return 1 / (1 + math.exp(-v))

    best, against = torch.tensor([[[1.0] * 4, [0.0] * 4]]), torch.tensor([[[0.25] * 4, [1.0] * 4]])
    drop, increase, first = confidence.average_drop, confidence.average_increase, torch.tensor([0])
    assert drop(sums, image, best, first).tolist() == [0] and increase(sums, image, best, first).tolist() == [1]
    assert float(drop(sums, image, against, first)) == pytest.approx((sigmoid(2) - sigmoid(-1)) / sigmoid(2), rel=1e-6)
    assert increase(sums, image, against, first).tolist() == [0]
    same = torch.ones(1, 2, 4)
    assert drop(sums, image, same, first).tolist() == increase(sums, image, same, first).tolist() == [0], (
        "a tie is in neither"
    )


def test_they_are_torchcams() -> None:
    """A layer of the image's own size, so that it does not matter that torchcam scales maps before it resizes them."""
    metrics, methods = pytest.importorskip("torchcam.metrics"), pytest.importorskip("torchcam.methods")
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    ).eval()
    image = torch.randn(16, 3, 9, 9)
    theirs = metrics.ClassificationMetric(methods.GradCAM(model, model[1]), partial(torch.softmax, dim=-1))
    theirs.update(image)
    raw = explain_network(model, image, "grad-cam", "probability", layer="1")
    heatmap = maps.apply(raw, STEPS, (9, 9)).detach()
    ours = [
        f(model, image, heatmap, model(image).argmax(1)).mean()
        for f in (confidence.average_drop, confidence.average_increase)
    ]
    summary = theirs.summary()
    assert summary["avg_drop"] > 0.001 and 0 < summary["conf_increase"] < 1
    assert [float(v) for v in ours] == pytest.approx([summary["avg_drop"], summary["conf_increase"]], rel=1e-4)


def test_coherency_by_hand() -> None:
    a = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    image, first = torch.zeros(1, 3, 2, 2), torch.tensor([0])
    for again, expected in ((a, 1), (1 - a, 0), (torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]), 0.5), (0.5 * a - 0.1, 1)):
        rows = coherency.measure(image, a, lambda x, c, again=again: again, first)
        assert float(rows[""]) == pytest.approx(expected, abs=1e-12) and bool(rows["counted"])


def test_a_map_that_hides_nothing_or_all() -> None:
    """A constant map is zero after its steps: it is least complex, shows a blank image, and has no coherency."""
    blank = maps.apply(torch.full((2, 4, 6), 7.0, dtype=torch.float64), STEPS, SIZE)
    rows = adcc.measure(predict, IMAGES[:2], blank, explain, BEST[:2])
    assert not rows["counted"].any() and rows[""].isnan().all() and rows["coherency"].isnan().all()
    assert rows["complexity"].tolist() == [0, 0]
    p = torch.softmax(predict(IMAGES[:2]), 1).amax(1)
    assert rows["average-drop"].tolist() == pytest.approx(((p - 0.2) / p).tolist()), "of five classes, each alike"
    constant = adcc.measure(predict, IMAGES[:2], heatmaps(IMAGES[:2]), lambda x, c: torch.ones(2, 4, 6), BEST[:2])
    assert not constant["counted"].any() and constant["complexity"].min() > 0
    assert torch.equal(maps.apply(-torch.rand(2, 4, 6), STEPS, SIZE), torch.zeros(2, *SIZE)), "no value speaks for it"


def test_adcc_is_zero_where_one_of_its_terms_is() -> None:
    """A second map that is the first one's negative: no coherency at all, and no division by it."""
    heatmap = heatmaps(IMAGES[:1])

    def opposite(x: Tensor, classes: Tensor) -> Tensor:
        return 1 - heatmap

    rows = adcc.measure(predict, IMAGES[:1], heatmap, opposite, BEST[:1])
    assert float(rows["coherency"]) == pytest.approx(0, abs=1e-9) and float(rows[""]) == pytest.approx(0, abs=1e-8)
    assert bool(rows["counted"].all())
    coherent, spread, drop = torch.zeros(1), torch.ones(1), torch.ones(1)
    assert float(3 / (1 / coherent + 1 / (1 - spread) + 1 / (1 - drop))) == 0, "1/0 is infinite, 3/∞ is 0"


def test_each_image_is_measured_by_itself() -> None:
    heatmap = heatmaps(IMAGES)
    rows = adcc.measure(predict, IMAGES, heatmap, explain, BEST)
    for i in range(3):
        alone = adcc.measure(predict, IMAGES[i : i + 1], heatmap[i : i + 1], explain, BEST[i : i + 1])
        assert all(float(alone[name]) == pytest.approx(float(rows[name][i]), rel=1e-9) for name in adcc.VARIANTS)


def test_bad_maps_and_logits_are_refused() -> None:
    heatmap = heatmaps(IMAGES)
    for bad in (heatmap * 2, heatmap - 1, heatmap * torch.nan):
        with pytest.raises(CambenchError, match=r"images seen through their maps: expected maps in \[0, 1\], got values"):
            confidence.average_drop(predict, IMAGES, bad, BEST)
        with pytest.raises(CambenchError, match=r"complexity: expected maps in \[0, 1\]"):
            complexity.measure(bad)
    with pytest.raises(CambenchError, match="logits of whole images: expected finite"):
        confidence.average_increase(lambda x: predict(x) * torch.nan, IMAGES, heatmap, BEST)
    with pytest.raises(CambenchError, match="maps of images seen through their maps: expected finite"):
        coherency.measure(IMAGES, heatmap, lambda x, c: explain(x, c) * torch.nan, BEST)


def test_their_entries() -> None:
    assert {n: find_metric(n).passes for n in NAMES} == {
        "average-drop": 3, "average-increase": 3, "coherency": 2, "complexity": 1, "adcc": 4, "sparseness": 1
    }  # fmt: skip
    assert all(find_metric(n).maps.classes == "prediction" and find_metric(n).targeted for n in NAMES)
    directions = [find_metric("adcc").direction(variant) for variant in adcc.VARIANTS]
    assert directions == ["up", "down", "up", "up", "down"]
    assert [find_metric(n).printing.better for n in NAMES] == ["down", "up", "up", "down", "up", "up"]
