"""The semi-supervised CGC step against its slow twin, and what it may not look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from reference import cgc_semi_step as twin

from cambench import models, objectives
from cambench.losses.cgc import paired_windows
from cambench.objectives.network import Network, differentiate
from cambench.vocabulary import Batch, UsageError

LABELLED, UNLABELLED, SIZE, CLASSES = 3, 5, 24, 4
DEFAULT: dict[str, Any] = {
    "temperature": 0.5,
    "weight": 0.25,
    "anchor": "released",
    "group": 3,
    "reduction": "mean",
    "flip": "consistent",
    "negatives": "contrastive",
}


def batch() -> Batch:
    """Three labelled crops and five unlabelled queries."""
    g = torch.Generator().manual_seed(3)
    crop, query = (torch.randn(n, 3, SIZE, SIZE, generator=g, dtype=torch.float64) for n in (LABELLED, UNLABELLED))
    other = Batch({"query": query}, torch.full((UNLABELLED,), -1), tuple(range(UNLABELLED)))
    return Batch({"crop": crop}, torch.randint(CLASSES, (LABELLED,), generator=g), tuple(range(LABELLED)), other)


@pytest.mark.parametrize("choice", [{}, {"anchor": "printed"}, {"negatives": "squared"}, {"group": 64}, {"weight": 0.0}])
def test_value_and_gradient_agree_with_the_slow_twin(choice: dict[str, Any]) -> None:
    settings, given = {**DEFAULT, **choice}, batch()
    model = models.build("resnet8", CLASSES, seed=1).double().train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    _, step = objectives.make("cgc-semi", settings)
    network = Network(model, "layer3", model.get_submodule("fc"))
    values = differentiate(step(network, given, torch.Generator().manual_seed(5)))
    fast = {name: p.grad.clone() for name, p in model.named_parameters()}
    running = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    model.load_state_dict(state)
    model.zero_grad()
    w = paired_windows(UNLABELLED, (SIZE, SIZE), torch.Generator().manual_seed(5))
    windows = [tuple(int(v) for v in row) for row in zip(w.top, w.left, w.height, w.width, strict=True)]
    draws = {"windows": windows, "map_flips": w.flip.tolist(), "image_flips": w.flip.tolist()}
    query = given.unlabelled.views["query"]
    slow = twin.loss(model, model.layer3, given.views["crop"], given.label, query, draws, settings)
    slow.backward()
    torch.testing.assert_close(values["loss"], slow.detach(), rtol=1e-6, atol=1e-9)
    for name, p in model.named_parameters():
        torch.testing.assert_close(fast[name], p.grad, rtol=1e-6, atol=1e-9)
    for name, value in running.items():  # labelled crops first, then x, then T(x)
        torch.testing.assert_close(value, model.state_dict()[name])
    assert set(values) == {"loss", "ce", "consistency", "accuracy"}


def test_unlabelled_images_must_be_there_and_their_labels_are_not_looked_at() -> None:
    model = models.build("resnet8", CLASSES, seed=1).double().eval()
    network = Network(model, "layer3", model.get_submodule("fc"))
    _, step = objectives.make("cgc-semi", DEFAULT)
    given = batch()
    relabelled = replace(given, unlabelled=replace(given.unlabelled, label=torch.zeros(UNLABELLED, dtype=torch.int64)))
    losses = [differentiate(step(network, b, torch.Generator().manual_seed(5)))["loss"] for b in (given, relabelled)]
    assert torch.equal(*losses)
    with pytest.raises(UsageError, match="expected unlabelled images"):
        next(step(network, replace(given, unlabelled=None), torch.Generator()))
    with pytest.raises(UsageError, match="ce_views"):
        objectives.make("cgc-semi", {**DEFAULT, "ce_views": "all"})
