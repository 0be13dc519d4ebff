"""SupCon's and ExCon's steps against a slow twin: value, gradients, running statistics, masks, pairs, background."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from reference import excon_step as twin
from torch import nn
from torch.nn.functional import interpolate

from cambench import models, objectives
from cambench.explainers.batch import explain_batch
from cambench.losses.supcon import supcon_loss
from cambench.objectives import excon
from cambench.objectives.network import Network, differentiate
from cambench.vocabulary import Batch

N, SIZE, CLASSES, LAYER = 8, 16, 3, "layer2.0.conv2"
DEFAULT: dict[str, Any] = {
    "temperature": 0.1,
    "base_temperature": 0.07,
    "start": 0,
    "background": True,
    "explain_bn": "train",
}


def build() -> Network:
    """A small network in float64 and in train mode."""
    model = models.build("resnet8", CLASSES, surgery=("projection",), seed=7).double().train()
    return Network(model, LAYER, None)


def batch(epoch: int = 1, epochs: int = 200) -> Batch:
    """Random views and labels."""
    g = torch.Generator().manual_seed(2)
    views = {
        name: torch.randn(N, 3, SIZE, SIZE, generator=g, dtype=torch.float64) for name in ("first", "second", "standard")
    }
    return Batch(views, torch.randint(CLASSES, (N,), generator=g), tuple(range(N)), epoch=epoch, epochs=epochs)


def run(network: Network, given: Batch, name: str = "excon", **choice: Any) -> tuple[dict, dict, dict]:
    """Values, gradients and buffers of one step."""
    network.model.zero_grad()
    settings = {**DEFAULT, **choice} if name == "excon" else {k: DEFAULT[k] for k in ("temperature", "base_temperature")}
    values = differentiate(objectives.make(name, settings)[1](network, given, torch.Generator()))
    gradients = {key: p.grad for key, p in network.model.named_parameters()}
    return values, gradients, {k: v.clone() for k, v in network.model.named_buffers()}


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("background", [True, False])
def test_a_whole_step_agrees_with_the_slow_twin(mode: str, background: bool) -> None:
    given, network = batch(), build()
    values, gradients, buffers = run(network, given, explain_bn=mode, background=background)
    slow = build().model
    columns = twin.pairs(slow, slow.get_submodule(LAYER), dict(given.views), given.label, mode == "train")
    assert 0 < len(columns[2]) < N, "the example shows both kinds of masked images"
    assert float(values["wrong_masked"]) == pytest.approx(len(columns[2]) / N)
    if not background:
        columns = (columns[0], columns[1], [])
    loss = twin.loss(slow, columns, given.label, 0.1)
    loss.backward()
    torch.testing.assert_close(values["loss"], loss.detach(), rtol=1e-6, atol=1e-9)
    for name, p in slow.named_parameters():
        if name.startswith("fc."):
            assert gradients[name] is None
        else:
            torch.testing.assert_close(gradients[name], p.grad, rtol=1e-6, atol=1e-8)
    for name, value in slow.named_buffers():
        torch.testing.assert_close(buffers[name], value)
    assert int(buffers["bn1.num_batches_tracked"]) == (4 if mode == "train" else 1)


@pytest.mark.parametrize(
    ("choice", "kinds"),
    [
        ({"contrast_mode": "one"}, "class"),
        ({"background_anchor": True}, "class"),
        ({"positives": "image"}, "image"),
        ({"contrast_mode": "one", "background_anchor": True, "positives": "image"}, "image"),
    ],
)
def test_whose_views_are_anchors_and_what_they_are_drawn_to_are_settings(choice: dict[str, Any], kinds: str) -> None:
    given = batch()
    values, gradients, _ = run(build(), given, **choice)
    slow = build().model
    columns = twin.pairs(slow, slow.get_submodule(LAYER), dict(given.views), given.label, train=True)
    labels = given.label if kinds == "class" else torch.arange(N)
    mode, anchored = choice.get("contrast_mode", "all"), choice.get("background_anchor", False)
    loss = twin.loss(slow, columns, labels, 0.1, mode, anchored)
    loss.backward()
    torch.testing.assert_close(values["loss"], loss.detach(), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gradients["conv1.weight"], slow.conv1.weight.grad, rtol=1e-6, atol=1e-8)
    assert float(values["loss"]) != pytest.approx(float(run(build(), given)[0]["loss"]), rel=1e-3)


def test_simclrs_step_is_supcons_without_labels() -> None:
    given = batch()
    settings = {"temperature": 0.1, "base_temperature": 0.07, "positives": "image"}
    values = differentiate(objectives.make("supcon", settings)[1](build(), given, torch.Generator()))
    columns = ([*given.views["first"]], [*given.views["second"]], [])
    torch.testing.assert_close(values["loss"], twin.loss(build().model, columns, torch.arange(N), 0.1).detach())


def test_before_its_start_a_step_is_supcons_bit_by_bit() -> None:
    for start, epoch, epochs, active in [(50, 49, 200, False), (50, 50, 200, True), (50, 4, 20, False), (50, 5, 20, True)]:
        values, gradients, _ = run(build(), batch(epoch, epochs), start=start)
        assert ("wrong_masked" in values) == active
    early, gradients, buffers = run(build(), batch(49), start=50)
    plain, of_plain, buffers_of_plain = run(build(), batch(), "supcon")
    assert torch.equal(early["loss"], plain["loss"]) and set(early) == set(plain) == {"loss"}
    assert all(g is None or torch.equal(g, of_plain[name]) for name, g in gradients.items())
    assert all(torch.equal(v, buffers_of_plain[name]) for name, v in buffers.items())


def test_supcons_loss_is_that_of_two_unit_views() -> None:
    given, network = batch(), build()
    values, _, _ = run(network, given, "supcon")
    model = build().model
    columns = ([*given.views["first"]], [*given.views["second"]], [])
    torch.testing.assert_close(values["loss"], twin.loss(model, columns, given.label, 0.1).detach())
    e = build().embedding(torch.cat([given.views["first"], given.views["second"]]))
    torch.testing.assert_close(e.norm(dim=1), torch.ones(2 * N, dtype=torch.float64))
    torch.testing.assert_close(values["loss"], supcon_loss(e.unflatten(0, (2, N)).transpose(0, 1), given.label).detach())


def test_the_explained_channels_are_centred_over_the_batch_in_train_mode() -> None:
    """A batch norm reads the layer, so that ∂L/∂A sums to 0 over batch and space for every channel (ExCon protocol §1.3)."""
    network, given = build(), batch()
    image, kept = given.views["standard"], []
    network.model.layer2[0].conv2.register_forward_hook(lambda _m, _i, output: kept.append(output))
    score = network.model(image).gather(1, given.label[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, kept[0])
    assert float(gradient.sum((0, 2, 3)).abs().max()) < 1e-12 < float(gradient.abs().max())
    maps = explain_batch(network.model, image, explainer="grad-cam", classes=given.label, layer=LAYER, training=True).maps
    torch.testing.assert_close(maps, (gradient.mean((2, 3))[:, :, None, None] * kept[0]).sum(1).detach())
    assert float(maps.min()) < 0 < float(maps.max()), "signed"


def test_the_mask_is_strict_keeps_the_pixels_and_blanks_a_constant_map() -> None:
    raw = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]], [[2.0, 2.0], [2.0, 2.0]]])
    images = torch.ones(2, 3, 2, 2) * 5
    assert excon.salient(images, raw)[0, 1].tolist() == [[0.0, 5.0], [0.0, 0.0]], "½ itself is not above ½"
    assert float(excon.salient(images, raw)[1].abs().max()) == 0
    big = interpolate(raw[:1, None], size=(7, 7), mode="bilinear", align_corners=False)[0, 0]
    shown = excon.salient(torch.ones(1, 3, 7, 7), raw[:1])[0, 0] > 0
    assert torch.equal(shown, (big - big.min()) / (big.max() - big.min() + 1e-8) > 0.5)


@pytest.mark.parametrize("wrong", [0, N])
def test_no_or_only_background_is_an_ordinary_step(wrong: int) -> None:
    """The classifier's bias decides what is predicted; the labels are all of one class or of others."""
    network, given = build(), batch()
    with torch.no_grad():
        network.model.fc.bias.copy_(torch.tensor([1e6, 0.0, 0.0]))
    label = torch.full((N,), 0) if wrong == 0 else 1 + given.label % 2
    sizes = []
    network.model.conv1.register_forward_hook(lambda _m, _i, output: sizes.append(len(output)))
    values, _, _ = run(network, Batch(given.views, label, given.rows))
    assert float(values["wrong_masked"]) == wrong / N and bool(torch.isfinite(values["loss"]))
    assert sizes == [N, N, N, 2 * (N + wrong)]


def test_a_network_in_bf16_compares_in_float32() -> None:
    model = models.build("resnet8", CLASSES, surgery=("projection",), seed=7).train()
    given = batch()
    views = {k: v.float() for k, v in given.views.items()}
    values, gradients, _ = run(Network(model, LAYER, None, "bf16"), Batch(views, given.label, given.rows))
    assert values["loss"].dtype == torch.float32 and gradients["conv1.weight"].isfinite().all()


def test_a_network_without_a_projection_is_one_clear_error() -> None:
    network = Network(models.build("resnet8", CLASSES).double(), LAYER, None)
    with pytest.raises(objectives.UsageError, match="projection head"):
        run(network, batch(), "supcon")


def test_modules_keep_their_modes() -> None:
    network = build()
    run(network, batch(), explain_bn="eval")
    assert all(m.training for m in network.model.modules() if isinstance(m, nn.BatchNorm2d))
    assert all(p.requires_grad for p in network.model.parameters())
