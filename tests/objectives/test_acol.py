"""ACoL: the worked examples, the step against its slow twin, its gradient, and the map that both classifiers make."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import acol as twin
from torch import Tensor, nn

from cambench import models, objectives
from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.probe import Probe, default_layer
from cambench.losses.acol import erase, fuse
from cambench.models.acol import AcolHead
from cambench.objectives.network import Network, differentiate
from cambench.vocabulary import Batch, UsageError

N, SIZE, C = 3, 20, 4
BY_HAND = torch.tensor([[[0.0, 1, 2], [3, 4, 5], [6, 8, 10]]], dtype=torch.float64)
"""f^A_y of rivals protocol §3; minmax: 0, .1, .2, .3, .4, .5, .6, .8, 1."""


def network(classes: int = C) -> Network:
    """resnet8 with two classifiers, in float64, with batch norms that do not depend on the batch."""
    model = models.build("resnet8", classes, surgery=["acol-head"], seed=1).double().eval()
    return Network(model, default_layer(model, torch.zeros(1, 3, SIZE, SIZE).double()), model.get_submodule("fc"))  # type: ignore[arg-type]


def batch(seed: int = 3) -> Batch:
    """Random crops and labels."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(N, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return Batch({"crop": image}, torch.randint(C, (N,), generator=generator), tuple(range(N)))


def run(net: Network, given: Batch, threshold: float) -> dict[str, Tensor]:
    """Loss and values of one step, differentiated."""
    return differentiate(objectives.make("acol", {"threshold": threshold})[1](net, given, torch.Generator()))


def head_of(net: Network) -> AcolHead:
    head = net.model.get_submodule("avgpool")
    assert isinstance(head, AcolHead)
    return head


Layers = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


def layers(net: Network) -> tuple[Layers, Layers]:
    """Weights and biases of both classifiers; the first's last layer is the network's linear one."""
    head, linear = head_of(net), net.model.get_submodule("fc")
    assert isinstance(linear, nn.Linear)
    a, b = (
        [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in part if isinstance(m, nn.Conv2d)]  # type: ignore[union-attr]
        for part in (head.first, head.second)
    )
    return [*a, (linear.weight.detach().numpy()[:, :, None, None], linear.bias.detach().numpy())], b


def scores(net: Network, given: Batch, threshold: float) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """f^A, f^B of every image by the twin."""
    with torch.no_grad(), Probe(net.model, "avgpool.features") as probe:
        net.model(given.views["crop"])
        features = probe.activation.numpy()
    a, b = layers(net)
    return [twin.both(f, int(y), threshold, a, b) for f, y in zip(features, given.label, strict=True)]


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (0.7, [[1, 1, 1], [1, 1, 1], [1, 0, 0]]),
        (0.55, [[1, 1, 1], [1, 1, 1], [0, 0, 0]]),
        (0, [[0] * 3] * 3),
        (1.1, [[1] * 3] * 3),
    ],
)
def test_what_reaches_the_threshold_is_erased(threshold: float, kept: list[list[int]]) -> None:
    features = torch.ones(1, 2, 3, 3, dtype=torch.float64)
    assert erase(features, BY_HAND, threshold).tolist() == [[kept, kept]]
    assert erase(features, 5 * BY_HAND - 3, threshold).tolist() == [[kept, kept]], "min-max takes scale and shift away"


def test_a_constant_map_erases_nothing_and_is_counted() -> None:
    features = torch.rand(1, 2, 3, 3)
    assert torch.equal(erase(features, torch.full((1, 3, 3), 7.0), 0.5), features)
    net = network()
    nn.init.zeros_(net.model.get_parameter("fc.weight"))
    values = run(net, batch(), 0.5)
    assert float(values["constant_maps"]) == 1.0 and math.isfinite(float(values["loss"]))
    assert float(run(network(), batch(), 0.5)["constant_maps"]) == 0.0


def test_the_larger_of_both_maps() -> None:
    second = torch.zeros(1, 3, 3, dtype=torch.float64)
    second[0, 0, 0], second[0, 2, 2] = 5, 10
    fused = fuse(BY_HAND, second)
    assert fused.flatten().tolist() == pytest.approx([0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
    assert not fuse(torch.ones(1, 2, 2), torch.ones(1, 2, 2)).any(), "constant maps are zero"


@pytest.mark.parametrize(("classes", "expected"), [(200, 10.5966), (1000, 13.8155)])
def test_without_scores_the_loss_is_that_of_two_guesses(classes: int, expected: float) -> None:
    net = network(classes)
    for name in ("fc.weight", "avgpool.second.scores.weight"):
        nn.init.zeros_(net.model.get_parameter(name))
    assert float(run(net, batch(), 0.7)["loss"]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.7, 1.0])
def test_the_step_is_its_twin(threshold: float) -> None:
    net, given = network(), batch()
    values = run(net, given, threshold)
    expected = [twin.loss(a, b, int(y)) for (a, b), y in zip(scores(net, given, threshold), given.label, strict=True)]
    assert float(values["loss"]) == pytest.approx(np.mean(expected), rel=1e-9)


def test_with_everything_erased_the_second_sees_no_image_and_teaches_the_trunk_nothing() -> None:
    net = network()
    nn.init.zeros_(net.model.get_parameter("fc.weight"))  # so the first classifier gives the trunk no gradient
    for parameter in net.model.get_submodule("fc").parameters():
        parameter.requires_grad_(False)
    nn.init.constant_(net.model.get_parameter("fc.bias"), 0.0)
    values = [run(net, batch(seed), 0.0) for seed in (3, 4)]
    gradient = net.model.get_parameter("conv1.weight").grad
    assert gradient is not None and not gradient.any()
    others = [run(net, batch(seed), 1.0) for seed in (3, 4)]
    gradient = net.model.get_parameter("conv1.weight").grad
    assert gradient is not None and gradient.any(), "what is left carries the second's gradient"
    assert len({float(v["loss"]) for v in (*values, *others)}) > 2


def test_the_gradient_is_that_of_a_constant_erasure() -> None:
    """By hand: both classifiers run on their own, the mask a constant."""
    net, given = network(), batch()
    run(net, given, 0.4)
    own = {name: p.grad.clone() for name, p in net.model.named_parameters() if p.grad is not None}
    net.model.zero_grad(set_to_none=True)
    head, linear = head_of(net), net.model.get_submodule("fc")
    with Probe(net.model, "avgpool.features", trunk_graph=True) as probe:
        logits = net.model(given.views["crop"])
        features = probe.activation
        maps = torch.einsum("ck,nkhw->nchw", linear.weight, head.first(features)).detach()[range(N), given.label]  # type: ignore[arg-type]
        kept = torch.stack([torch.from_numpy(twin.min_max(m.numpy())) < 0.4 for m in maps]).double()
        second = head.second(features * kept[:, None]).mean((2, 3))
    loss = nn.functional.cross_entropy(logits, given.label) + nn.functional.cross_entropy(second, given.label)
    loss.backward()
    by_hand = {name: p.grad for name, p in net.model.named_parameters() if p.grad is not None}
    assert own.keys() == by_hand.keys() and {"avgpool.second.scores.weight", "conv1.weight", "fc.weight"} <= own.keys()
    for name, gradient in own.items():
        torch.testing.assert_close(gradient, by_hand[name], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.4, 0.7])
def test_the_map_is_its_twins_with_the_trainings_threshold(threshold: float) -> None:
    net, given = network(), batch()
    run(net, given, threshold)
    expected = [twin.score_map(a, b, int(y)) for (a, b), y in zip(scores(net, given, threshold), given.label, strict=True)]
    explanation = explain_batch(net.model, given.views["crop"], explainer="acol", classes=given.label, head=None)
    torch.testing.assert_close(explanation.maps, torch.from_numpy(np.stack(expected)), rtol=1e-6, atol=1e-9)
    assert torch.equal(explanation.logits, net.model(given.views["crop"]).detach()), "accuracy is the first classifier's"
    others = explain(net.model, given.views["crop"][1:], "acol", classes=given.label[1:])
    torch.testing.assert_close(others, explanation.maps[1:])
    own = explain(net.model, given.views["crop"], "score-map", classes=given.label, layer="avgpool.first")
    assert float((torch.from_numpy(np.stack([twin.min_max(m.numpy()) for m in own])) - explanation.maps).max()) <= 1e-9


def test_refusals() -> None:
    plain = models.build("resnet8", C).double()
    with pytest.raises(UsageError, match=r"objective acol: expected a network with two classifiers .* got one without"):
        run(Network(plain, "layer3", plain.get_submodule("fc")), batch(), 0.7)  # type: ignore[arg-type]
    images = batch().views["crop"]
    with pytest.raises(UsageError, match="acol: expected a network with ACoL's two classifiers"):
        explain(plain, images, "acol")
    net = network()
    with pytest.raises(UsageError, match="whose threshold its training has set"):
        explain(net.model, images, "acol")
    run(net, batch(), 0.7)
    with pytest.raises(UsageError, match="acol: expected its own layer avgpool.features, got layer3"):
        explain(net.model, images, "acol", layer="layer3")
    with pytest.raises(UsageError, match="acol: expected target logit and a network in eval mode, got target mean"):
        explain(net.model, images, "acol", target="mean")
    with pytest.raises(UsageError, match="threshold: input should be less than or equal to 1"):
        objectives.make("acol", {"threshold": 1.5})
