"""The CGC loss as a metric, against the slow twin with the same crops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import cgc as twin
from torch import Tensor

from cambench import geometry
from cambench.losses.cgc import paired_windows
from cambench.metrics.robustness.cgc_loss import measure
from cambench.vocabulary import CambenchError

SIZE, N = 16, 6


def images() -> Tensor:
    """A group."""
    return torch.randn(N, 3, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def predict(image: Tensor) -> Tensor:
    """Logits that depend on the image."""
    return torch.stack([image[:, c].mean((1, 2)) for c in range(3)], 1)


def explain(image: Tensor, classes: Tensor) -> Tensor:
    """Signed raw maps at 4×4 that depend on the class."""
    pooled = torch.nn.functional.avg_pool2d(image, 4)
    return pooled[torch.arange(len(image)), classes]


@pytest.mark.parametrize("anchor", ["released", "printed"])
def test_rows_match_the_twin(anchor: str) -> None:
    rows = measure(images(), explain, predict, torch.Generator().manual_seed(7), anchor=anchor)
    w = paired_windows(N, (SIZE, SIZE), torch.Generator().manual_seed(7))
    classes = predict(images()).argmax(1)
    changed = explain(geometry.resample(images(), w, (SIZE, SIZE)), classes)
    a, b = [], []
    for i in range(N):
        box = tuple(int(v[i]) for v in (w.top, w.left, w.height, w.width))
        a.append(twin.heatmap(changed[i].numpy(), (SIZE, SIZE)).ravel())
        b.append(
            twin.transform(twin.heatmap(explain(images(), classes)[i].numpy(), (SIZE, SIZE)), box, bool(w.flip[i])).ravel()
        )
    expected = twin.cgc_losses(np.stack(a), np.stack(b), 0.5, anchor)
    assert rows.tolist() == pytest.approx(expected, rel=1e-9)


def test_bounds_of_the_spec() -> None:
    flat = measure(images(), lambda x, c: torch.ones(len(x), 4, 4), predict, torch.Generator().manual_seed(0))
    assert flat.tolist() == pytest.approx([math.log(N)] * N, rel=1e-6)
    rows = measure(images(), explain, predict, torch.Generator().manual_seed(0))
    assert bool((rows > math.log(1 + (N - 1) * math.exp(-2))).all()) and bool(
        (rows < math.log(1 + (N - 1) * math.exp(2))).all()
    )


def test_the_generator_decides_the_crops_and_nothing_else_does() -> None:
    first, again, other = (measure(images(), explain, predict, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    torch.rand(5)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_class_is_the_prediction_on_the_whole_image_for_both_views() -> None:
    asked: list[Tensor] = []

    def listening(image: Tensor, classes: Tensor) -> Tensor:
        asked.append(classes)
        return explain(image, classes)

    measure(images(), listening, predict, torch.Generator().manual_seed(0))
    assert len(asked) == 2 and all(torch.equal(c, predict(images()).argmax(1)) for c in asked)


def test_what_is_not_finite_never_becomes_a_number() -> None:
    with pytest.raises(CambenchError, match="heatmaps: expected finite"):
        measure(images(), lambda x, c: explain(x, c) * torch.nan, predict, torch.Generator())
    with pytest.raises(CambenchError, match="logits: expected finite"):
        measure(images(), explain, lambda x: predict(x) / 0, torch.Generator())
