"""The GCC step against its slow twin: value, gradient, running statistics; and what it asks for."""

from __future__ import annotations

import pytest
import torch
from objectives.test_cgc import build
from reference import gcc as twin
from torch import nn

from cambench import objectives
from cambench.explainers.probe import gap_linear_head
from cambench.objectives.network import Network, differentiate
from cambench.recipes import load as recipes
from cambench.stages.training.train import check_composite
from cambench.vocabulary import Batch, UsageError

N, SIZE, CLASSES, WEIGHT = 4, 16, 4, 25.0


def batch(n: int = N) -> Batch:
    """Random views, labels and negatives."""
    g = torch.Generator().manual_seed(3)
    image, beside = (torch.randn(k, 3, SIZE, SIZE, generator=g, dtype=torch.float64) for k in (n, 3 * n))
    label = torch.randint(CLASSES, (4 * n,), generator=g)
    return Batch(
        {"crop": image}, label[:n], tuple(range(n)), negatives=Batch({"crop": beside}, label[n:], tuple(range(3 * n)))
    )


@pytest.mark.parametrize("kind", ["linear head", "odd head"])
def test_value_and_gradient_agree_with_the_slow_twin(kind: str) -> None:
    model, layer = build(kind)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    head = gap_linear_head(model, layer, torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64))
    assert (head is not None) == (kind == "linear head")
    model.load_state_dict(state)
    _, step = objectives.make("gcc", {"weight": WEIGHT})
    given = batch()
    values = differentiate(step(Network(model.train(), layer, head), given, torch.Generator().manual_seed(5)))
    fast = {name: p.grad.clone() for name, p in model.named_parameters()}
    running = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    model.load_state_dict(state)
    model.zero_grad()
    quadrants = torch.randint(4, (N,), generator=torch.Generator().manual_seed(5)).tolist()
    views = given.views["crop"], given.negatives.views["crop"]
    slow = twin.loss(model, model.get_submodule(layer), views, given.label, quadrants, WEIGHT)
    slow.backward()
    torch.testing.assert_close(values["loss"], slow.detach(), rtol=1e-6, atol=1e-9)
    for name, p in model.named_parameters():
        torch.testing.assert_close(fast[name], p.grad, rtol=1e-6, atol=1e-9)
    for name, value in running.items():  # x before X
        torch.testing.assert_close(value, model.state_dict()[name])
    assert float(values["consistency"]) > 1e-4 and set(values) == {"loss", "ce", "consistency", "accuracy"}
    torch.testing.assert_close(values["ce"] + WEIGHT * values["consistency"], values["loss"])


def test_a_batch_without_three_negatives_an_image_is_refused() -> None:
    model, layer = build("linear head")
    _, step = objectives.make("gcc", {"weight": WEIGHT})
    given = Batch(batch().views, batch().label, batch().rows)
    with pytest.raises(UsageError, match="objective gcc: expected 3 negatives an image, got 0"):
        differentiate(step(Network(model, layer, None), given, torch.Generator()))


class OwnSize(nn.Module):
    """A network for images of one size, as most vision transformers are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[2] == SIZE, f"expected {SIZE} px, got {x.shape[2]}"
        return x.mean((2, 3))


def test_a_network_of_one_size_is_refused_before_it_is_trained() -> None:
    recipe = recipes.load("gcc", "synthbirds", "resnet8", overrides=[f"input.size={SIZE}"])
    assert check_composite(OwnSize(), recipe, objectives.INDEX["ce"]) is None
    with pytest.raises(
        UsageError, match="resnet8: expected a network that takes images 3×32×32, .* got 32; train a network of"
    ):
        check_composite(OwnSize(), recipe, objectives.INDEX["gcc"])
