"""Randomisation: similarities against slow twins and scikit-image, what is the same everywhere, what is asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import randomisation as twin
from reference.subsets import spearman
from torch import Tensor

from cambench.metrics import find_metric
from cambench.metrics.robustness.randomisation import CONSTANT, ssim
from cambench.vocabulary import NotFiniteError, UsageError

N, BLOCKS, SIDE = 3, 2, 13


def drawn(side: int = SIDE) -> Tensor:
    """Maps of a network and of two others, with ties, of both signs."""
    g = torch.Generator().manual_seed(0)
    return torch.randint(-9, 10, (N, 1 + BLOCKS, side, side), generator=g).double() / 4


def measured(raw: Tensor, words: str = "") -> dict[str, Tensor]:
    asked: list[tuple[int, bool]] = []

    def randomised(image: Tensor, classes: Tensor, *, count: int, cascading: bool) -> Tensor:
        asked.append((count, cascading))
        return raw

    metric = find_metric(f"randomisation:{words}")
    columns = metric.measure(torch.zeros(N, 3, SIDE, SIDE), torch.zeros(N, dtype=torch.long), randomised)
    assert asked == [(metric.values["blocks"], metric.values["mode"] == "cascading")]
    return columns


@pytest.mark.parametrize("words", ["", "mode=independent,blocks=3"])
def test_it_matches_its_twin(words: str) -> None:
    raw = drawn()
    columns = measured(raw, words)
    for i in range(N):
        own, *others = (m.numpy() for m in raw[i])
        expected = {
            "spearman": [spearman(own.flatten().tolist(), m.flatten().tolist()) for m in others],
            "spearman-absolute": [spearman(abs(own).flatten().tolist(), abs(m).flatten().tolist()) for m in others],
            "ssim": [twin.ssim(twin.scaled(own), twin.scaled(m)) for m in others],
        }
        for name, curve in expected.items():
            assert columns[f"blocks/{name}"][i].tolist() == pytest.approx(curve, rel=1e-6)
            assert float(columns[name][i]) == pytest.approx(sum(curve) / BLOCKS, rel=1e-6)
    assert columns["counted"].all() and not columns[CONSTANT].any()


def test_the_same_map_is_alike_and_its_negative_is_not() -> None:
    raw = drawn()[:, :1].expand(-1, 3, -1, -1) * torch.tensor([1.0, 5.0, -1.0])[:, None, None]
    columns = measured(raw)
    for name, (scaled, negative) in {"spearman": (1, -1), "spearman-absolute": (1, 1), "ssim": (1, None)}.items():
        curve = columns[f"blocks/{name}"]
        assert curve[:, 0].tolist() == pytest.approx([scaled] * N)
        assert negative is None or curve[:, 1].tolist() == pytest.approx([negative] * N)
    assert float(columns["blocks/ssim"][:, 1].max()) < 0


def test_ssim_is_scikit_images() -> None:
    theirs = pytest.importorskip("skimage.metrics").structural_similarity
    a, b = torch.rand(2, 4, 24, 17, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = ssim(a, (a + b) / 2)
    for i in range(4):
        p, q = a[i].numpy(), ((a + b) / 2)[i].numpy()
        options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
        assert float(found[i]) == pytest.approx(float(theirs(p, q, **options)), rel=1e-9)


def test_a_map_that_is_the_same_everywhere_has_no_order() -> None:
    raw = drawn()
    raw[0, 1] = 0.0
    raw[1, 0] = 0.7
    columns = measured(raw)
    assert columns["counted"].tolist() == [True, False, True] and columns[CONSTANT].tolist()[0] is True
    assert float(columns["blocks/spearman"][0, 0]) == 0.0 != float(columns["blocks/spearman"][0, 1])
    assert math.isnan(float(columns["ssim"][1])) and np.isnan(columns["blocks/spearman"][1].numpy()).all()


def test_what_cannot_be_compared_is_refused() -> None:
    raw = drawn()
    raw[0, 1, 0, 0] = torch.inf
    with pytest.raises(NotFiniteError, match="maps of randomised networks"):
        measured(raw)
    with pytest.raises(UsageError, match="ssim: expected images of at least 11 pixels a side, got 10×30"):
        ssim(torch.zeros(1, 10, 30), torch.zeros(1, 10, 30))


def test_its_entry() -> None:
    metric = find_metric("sanity-check")
    assert metric is find_metric("randomization") and metric.name == "randomisation"
    assert metric.variants == ("spearman", "spearman-absolute", "ssim") and metric.passes == 11 and metric.targeted
    assert find_metric("randomisation:blocks=3").passes == 4 and metric.direction("ssim") == "down"
