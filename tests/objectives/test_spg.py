"""SPG: the worked examples of its masks and losses, the step against its slow twin, where gradients run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import spg as twin
from torch import Tensor, nn

from cambench import models, objectives
from cambench.explainers.probe import Probe
from cambench.losses.spg import IGNORED, guide, guided_loss
from cambench.models.spg import Guidance, guidance_of
from cambench.objectives.network import Network, differentiate
from cambench.vocabulary import Batch, UsageError

N, SIZE, C = 3, 16, 4
SETTINGS = {"high1": 0.7, "low1": 0.01, "high2": 0.5, "low2": 0.05, "high3": 0.7, "low3": 0.1}
X = IGNORED
M = [[0.9, 0.6, 0.3], [0.04, 0.2, 0.8], [0.005, 0.5, 1.0]]
BRANCHES = ("guidance.shared.2", "guidance.c.2")
"""The last convolutions of b1 and b2, and of c."""


def network(classes: int = C) -> Network:
    """resnet8 with SPG's branches, in float64, with batch norms that do not depend on the batch."""
    model = models.build("resnet8", classes, surgery=["spg-branches"], seed=2).double().eval()
    return Network(model, "layer3", model.get_submodule("fc"))  # type: ignore[arg-type]


def batch(seed: int = 3) -> Batch:
    """Random crops and labels."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(N, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return Batch({"crop": image}, torch.randint(C, (N,), generator=generator), tuple(range(N)))


def run(net: Network, given: Batch, **settings: float) -> dict[str, Tensor]:
    """Loss and values of one step, differentiated."""
    return differentiate(objectives.make("spg", {**SETTINGS, **settings})[1](net, given, torch.Generator()))


def branches_of(net: Network) -> Guidance:
    guidance = guidance_of(net.model)
    assert guidance is not None
    return guidance


def test_the_mask_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a least number of pixels: ignored between the thresholds, background below the lower."""
    monkeypatch.setattr("cambench.losses.spg.LEAST", 0)
    mask = guide(torch.tensor([M], dtype=torch.float64), 0.5, 0.05)
    assert mask.tolist() == [[[1, 1, X], [0, X, 1], [0, X, 1]]]
    assert np.array_equal(np.where(mask[0] == X, twin.IGNORED, mask[0]), twin.mask(np.array(M), 0.5, 0.05, least=0))


@pytest.mark.parametrize(
    ("share", "low", "expected"),
    [(2, 0.05, [[1, X, X], [0, X, 1], [0, X, 1]]), (20, 0.1, [[0, 0, 0]] * 3)],
    ids=["too few pixels: above 0.35", "0.035 is below the lower threshold: background overrides"],
)
def test_too_few_pixels_by_hand(share: float, low: float, expected: list[list[float]]) -> None:
    m = torch.tensor([M], dtype=torch.float64) / share
    assert guide(m, 0.7, low).tolist() == [expected]
    ours = twin.mask(m[0].numpy(), 0.7, low)
    assert np.where(ours == twin.IGNORED, X, ours).tolist() == expected


@pytest.mark.parametrize(("thirtieth", "foreground"), [(0.4, 40), (0.71, 30)])
def test_thirty_pixels_are_counted_in_each_image(thirtieth: float, foreground: int) -> None:
    m = torch.full((2, 224, 224), 0.4)
    m[0, 0, :29], m[0, 1, :11], m[0, 2, 0] = 0.9, 0.65, thirtieth
    m[1, 0, :50] = 0.8
    mask = guide(m, 0.7, 0.05)
    assert [int((one == 1).sum()) for one in mask] == [foreground, 50] and not (mask == 0).any()


def test_the_loss_by_hand() -> None:
    z, mask = torch.tensor([[[2.0, -1, 0.5, 3]]]), torch.tensor([[[1.0, 0, X, 0]]])
    assert float(guided_loss(z, mask)) == pytest.approx(1.162926, abs=1e-6)
    both = guided_loss(torch.cat([z, z]), torch.cat([mask, torch.full_like(mask, X)]))
    assert float(both) == pytest.approx(1.162926, abs=1e-6), "the mean is over the pixels that count in the whole batch"
    empty = guided_loss(z.requires_grad_(), torch.full_like(mask, X))
    empty.backward()
    assert float(empty.detach()) == 0 and z.grad is not None and not z.grad.any()
    assert (math.exp(1) / (1 + math.exp(1)) + 1 / (1 + math.exp(2))) / 2 == pytest.approx(0.425131, abs=1e-6)


def test_branches_that_say_nothing() -> None:
    """ln C + 3 ln 2: every branch gives ½ everywhere, the class maps have the mean 0."""
    net = network(200)
    for name in (*BRANCHES, "fc"):
        nn.init.zeros_(net.model.get_parameter(f"{name}.weight"))
    with torch.no_grad(), Probe(net.model, "layer3") as probe:
        net.model(batch().views["crop"])
        activation = probe.activation
    weight = torch.randn(64, generator=torch.Generator().manual_seed(0)).double()
    mean = activation.mean((2, 3))
    weight -= torch.linalg.lstsq(mean, mean @ weight).solution  # no image's mean feature has a score
    net.model.get_parameter("fc.weight").data[:] = weight
    values = run(net, batch())
    assert float(values["loss"]) == pytest.approx(7.377759, abs=1e-6)
    assert float(values["constant_maps"]) == 0


@pytest.mark.parametrize(
    "thresholds", [{}, {"high1": 0.29, "low1": 0.23, "high2": 0.6, "low2": 0.5, "high3": 0.52, "low3": 0.48}]
)
def test_the_step_is_its_twin(thresholds: dict[str, float]) -> None:
    net, given = network(), batch()
    values = run(net, given, **thresholds)
    outputs: dict[str, list[Tensor]] = {name: [] for name in BRANCHES}
    for name, kept in outputs.items():
        net.model.get_submodule(name).register_forward_hook(lambda _m, _i, out, kept=kept: kept.append(out.detach()))
    with torch.no_grad(), Probe(net.model, "layer3") as probe:
        next(objectives.make("spg", {**SETTINGS, **thresholds})[1](net, given, torch.Generator()))
        activation = probe.activation
    linear = net.model.get_submodule("fc")
    maps = torch.einsum("ck,nkhw->nchw", linear.weight, activation) + linear.bias[:, None, None]  # type: ignore[arg-type, index]
    b1, b2 = outputs[BRANCHES[0]]
    (c,) = outputs[BRANCHES[1]]
    expected = twin.loss(
        maps.detach().numpy(),
        given.label.tolist(),
        (b1[:, 0].numpy(), b2[:, 0].numpy(), c[:, 0].numpy()),
        (SIZE, SIZE),
        list({**SETTINGS, **thresholds}.values()),
    )
    assert float(values["loss"]) == pytest.approx(expected, rel=1e-9)


def test_every_branch_teaches_the_trunk_and_no_mask_teaches_anything() -> None:
    """The classifier's weights get the gradient of the cross-entropy alone, b2's own layer that of its one loss."""
    net, given = network(), batch()
    run(net, given)
    gradients = {name: p.grad.clone() for name, p in net.model.named_parameters() if p.grad is not None}
    assert {"guidance.b1.0.weight", "guidance.b2.0.weight", "guidance.c.0.weight", "conv1.weight"} <= gradients.keys()
    net.model.zero_grad(set_to_none=True)
    nn.functional.cross_entropy(net.model(given.views["crop"]), given.label).backward()
    plain = {name: p.grad for name, p in net.model.named_parameters() if p.grad is not None}
    torch.testing.assert_close(gradients["fc.weight"], plain["fc.weight"])
    assert plain["conv1.weight"] is not None and not torch.allclose(gradients["conv1.weight"], plain["conv1.weight"])


def test_a_constant_attention_is_counted_and_is_background() -> None:
    net = network()
    nn.init.zeros_(net.model.get_parameter("fc.weight"))
    values = run(net, batch())
    assert float(values["constant_maps"]) == 1 and math.isfinite(float(values["loss"]))
    assert float(values["unguided_branches"]) == 0
    assert float(run(net, batch(), low1=0.0)["unguided_branches"]) == 1, "0 is neither above 0 nor below it"
    assert not guide(torch.zeros(1, 8, 8), 0.7, 0.01).any(), "a = 0 is below the lower threshold"


def test_refusals() -> None:
    plain = models.build("resnet8", C).double()
    with pytest.raises(UsageError, match=r"objective spg: expected a network with SPG's branches .* got one without"):
        run(Network(plain, "layer3", plain.get_submodule("fc")), batch())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="expected each low to be at most its high"):
        objectives.make("spg", {**SETTINGS, "low2": 0.6})
    with pytest.raises(UsageError, match="surgery spg-branches does not apply to alexnet"), torch.device("meta"):
        models.build("alexnet", 3, surgery=["spg-branches"])
