"""The CGC step against its slow twin: value and gradient, both variants of every choice, with a linear and another head."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from reference import cgc_step as twin
from torch import nn

from cambench import models, objectives
from cambench.explainers.probe import gap_linear_head
from cambench.losses.cgc import paired_windows
from cambench.objectives.network import Network, differentiate
from cambench.vocabulary import Batch

N, SIZE, CLASSES = 5, 24, 4
DEFAULT: dict[str, Any] = {
    "temperature": 0.5,
    "weight": 0.7,
    "anchor": "released",
    "ce_views": "all",
    "group": 3,
    "reduction": "mean",
    "flip": "consistent",
    "negatives": "contrastive",
}


class OddHead(nn.Module):
    """A head that is not linear: global average pooling, a hidden layer with tanh, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1)
        )
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 7), nn.Tanh(), nn.Linear(7, CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = torch.relu(self.trunk(x))
        return self.head(features.mean((2, 3)))


def build(kind: str) -> tuple[nn.Module, str]:
    """A small network in float64 and its explained layer."""
    torch.manual_seed(0)
    if kind == "linear head":
        return models.build("resnet8", CLASSES, seed=1).double().train(), "layer3"
    return OddHead().double().train(), "trunk"


def batch() -> Batch:
    """Random views and labels."""
    g = torch.Generator().manual_seed(3)
    views = {name: torch.randn(N, 3, SIZE, SIZE, generator=g, dtype=torch.float64) for name in ("crop", "query")}
    return Batch(views, torch.randint(CLASSES, (N,), generator=g), tuple(range(N)))


def drawn(flip: str) -> dict[str, list]:
    """The windows and flips that the step draws from the generator of seed 5."""
    g = torch.Generator().manual_seed(5)
    w = paired_windows(N, (SIZE, SIZE), g)
    second = torch.rand(N, generator=g) < 0.5 if flip == "released" else torch.ones(N, dtype=torch.bool)
    windows = [tuple(int(v) for v in row) for row in zip(w.top, w.left, w.height, w.width, strict=True)]
    return {"windows": windows, "map_flips": w.flip.tolist(), "image_flips": (w.flip & second).tolist()}


CHOICES = [{}, {"anchor": "printed"}, {"ce_views": "query"}, {"reduction": "sum"}, {"flip": "released"}]
CHOICES += [{"negatives": "squared"}, {"negatives": "released"}, {"group": 64}, {"group": 2}, {"heatmap_size": 224}]
CHOICES += [{"negatives": "released", "heatmap_size": 33}, {"heatmap_size": 7}]


@pytest.mark.parametrize(
    ("kind", "choice"),
    list(itertools.product(["linear head", "odd head"], CHOICES)),
    ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values())) or "default",
)
def test_value_and_gradient_agree_with_the_slow_twin(kind: str, choice: dict[str, Any]) -> None:
    settings = {**DEFAULT, **choice}
    model, layer = build(kind)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    head = gap_linear_head(model, layer, torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64))
    assert (head is not None) == (kind == "linear head")
    model.load_state_dict(state)
    _, step = objectives.make("cgc", settings)
    values = differentiate(step(Network(model.train(), layer, head), batch(), torch.Generator().manual_seed(5)))
    fast = {name: p.grad.clone() for name, p in model.named_parameters()}
    running = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    model.load_state_dict(state)
    model.zero_grad()
    given = batch()
    slow = twin.loss(model, model.get_submodule(layer), dict(given.views), given.label, drawn(settings["flip"]), settings)
    slow.backward()
    torch.testing.assert_close(values["loss"], slow.detach(), rtol=1e-6, atol=1e-9)
    for name, p in model.named_parameters():
        torch.testing.assert_close(fast[name], p.grad, rtol=1e-6, atol=1e-9)
    for name, value in running.items():  # three passes in the same order move the running statistics alike
        torch.testing.assert_close(value, model.state_dict()[name])
    assert set(values) == {"loss", "ce", "consistency", "accuracy"}


def test_cross_entropy_is_the_mean_over_the_batch() -> None:
    model, layer = build("linear head")
    _, step = objectives.make("ce", {})
    given = Batch({"crop": batch().views["crop"]}, batch().label, tuple(range(N)))
    values = differentiate(step(Network(model.eval(), layer, None), given, torch.Generator()))
    p = torch.softmax(model(given.image), 1)
    torch.testing.assert_close(
        values["loss"].double(), -torch.log(p[torch.arange(N), given.label]).mean(), rtol=1e-5, atol=1e-6
    )
    assert float(values["accuracy"]) == pytest.approx(float((p.argmax(1) == given.label).double().mean()))


def test_as_released_the_pixel_mean_does_not_depend_on_the_size_of_the_images() -> None:
    settings, values = {**DEFAULT, "negatives": "released", "weight": 1000.0}, {}
    for size in (0, 224):
        model, layer = build("linear head")
        _, step = objectives.make("cgc", {**settings, "heatmap_size": size})
        head = gap_linear_head(model, layer, torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64))
        network = Network(model.train(), layer, head)
        values[size] = float(differentiate(step(network, batch(), torch.Generator().manual_seed(5)))["consistency"])
    assert values[0] / values[224] == pytest.approx((224 / SIZE) ** 2, rel=0.1)


def test_the_released_flip_mirrors_a_quarter_of_the_images_and_half_of_the_maps() -> None:
    from cambench.objectives.cgc import transforms

    of_image, of_map = transforms(4000, (8, 8), "released", torch.Generator().manual_seed(0))
    assert float(of_map.flip.double().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(of_image.flip.double().mean()) == pytest.approx(0.25, abs=0.03)
    assert not bool((of_image.flip & ~of_map.flip).any())
    same_image, same_map = transforms(100, (8, 8), "consistent", torch.Generator().manual_seed(0))
    assert torch.equal(same_image.flip, same_map.flip)
