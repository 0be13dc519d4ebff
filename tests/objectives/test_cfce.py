"""Core-focused steps: the loss is the formula of the network's class maps; an empty mask is plain cross-entropy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from reference import cfce as twin
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cambench import models, objectives
from cambench.objectives import corm
from cambench.objectives.cutmix import rectangle
from cambench.objectives.cutmix_cfce import grid_regions
from cambench.objectives.network import Network, differentiate
from cambench.pixels import NORMALISATIONS, Normalisation, to_input, to_pixels
from cambench.vocabulary import Batch, UsageError

N, SIZE, C = 5, 24, 4
SETTINGS: dict[str, Any] = {"kl": 0.7, "lambda2": 5.0, "lambda3": 3.0, "grid": "max"}


def network() -> Network:
    """resnet8 in float64 with a bias."""
    model = models.build("resnet8", C, seed=1).double().eval()
    return Network(model, "layer3", model.fc)


def batch(**fields: Tensor) -> Batch:
    """Random crops, labels and targets; regions: a rectangle of the label, nothing in the first image, all of the second."""
    g = torch.Generator().manual_seed(3)
    image = torch.randn(N, 3, SIZE, SIZE, generator=g, dtype=torch.float64)
    label = torch.randint(C, (N,), generator=g)
    regions = torch.full((N, SIZE, SIZE), -1)
    for i in range(2, N):
        regions[i, 3 * i : 3 * i + 5, 2 : 6 + i] = label[i]
    regions[1] = label[1]
    return replace(Batch({"crop": image}, label, tuple(range(N)), regions=regions), **fields)  # type: ignore[arg-type]


def run(name: str, settings: dict[str, Any], given: Batch, net: Network | None = None) -> dict[str, Tensor]:
    """Loss and values of one step, differentiated."""
    _, step = objectives.make(name, settings)
    return differentiate(step(net or network(), given, torch.Generator().manual_seed(0)))


def grid(mask: np.ndarray) -> np.ndarray:
    """A cell of 4×4 pixels is core if any of its pixels is."""
    return mask.reshape(6, 4, 6, 4).any((1, 3))


@pytest.mark.parametrize("kl", [0.0, 0.7])
def test_cfce_is_the_formula_and_an_empty_mask_is_plain_cross_entropy(kl: float) -> None:
    net, given = network(), batch()
    values = run("cfce", {**SETTINGS, "kl": kl}, given, net)
    maps, bias = (x.detach().numpy() for x in net.class_maps(given.views["crop"]))
    total = float(cross_entropy(net.logits(given.views["crop"])[:1], given.label[:1]).detach())
    for i in range(1, N):
        mask = grid((given.regions[i] == given.label[i]).numpy())
        total += twin.rcfce(maps[i], int(given.label[i]), mask, bias, (kl, 5.0, 3.0))
    assert float(values["loss"]) == pytest.approx(total / N, rel=1e-6)
    assert float(values["empty_masks"]) == float(values["full_masks"]) == pytest.approx(1 / N)
    assert ("kl" in values) == bool(kl)
    right = net.logits(given.views["crop"]).argmax(1) == given.label
    assert float(values["accuracy"]) == pytest.approx(float(right.float().mean()))
    assert all(p.grad is not None for p in net.model.parameters())


@pytest.mark.parametrize("kl", [0.0, 0.7])
def test_cfbce_is_the_formula_and_an_absent_class_counts_without_a_mask(kl: float) -> None:
    net, given = network(), batch()
    targets = torch.zeros(N, C).scatter(1, given.label[:, None], 1.0)
    targets[2:, 0] = 1.0  # class 0 is there by its label, but no pixel of the crop shows it (where it is not the label)
    given = replace(given, targets=targets)
    values = run("cfbce", {**SETTINGS, "kl": kl}, given, net)
    maps, bias = (x.detach().numpy() for x in net.class_maps(given.views["crop"]))
    total = 0.0
    for i in range(N):
        masks = np.stack([grid((given.regions[i] == c).numpy()) for c in range(C)])
        there = [c for c in range(C) if targets[i, c]]
        seen = [c for c in there if masks[c].any()]
        whole = np.stack([m if m.any() else np.ones_like(m) for m in masks])
        terms = [twin.kl_mask(maps[i, c], masks[c], 5.0, 3.0) for c in seen]
        total += twin.cfbce(maps[i], targets[i].numpy(), whole, bias) + (kl / len(seen) * sum(terms) if seen else 0.0)
    assert float(values["loss"]) == pytest.approx(total / N, rel=1e-6)
    assert float(values["empty_masks"]) > 0


def test_bce_is_torchs() -> None:
    net = network()
    targets = (torch.rand(N, C, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    given = batch(targets=targets)
    values = run("bce", {}, given, net)
    logits = net.logits(given.views["crop"]).detach()
    assert float(values["loss"]) == pytest.approx(float(binary_cross_entropy_with_logits(logits, targets.double())))
    assert float(values["decisions"]) == pytest.approx(float(((logits > 0) == (targets > 0)).float().mean()))


@pytest.mark.parametrize("normalisation", NORMALISATIONS.values(), ids=NORMALISATIONS)
def test_corm_puts_noise_outside_the_object_and_stays_in_pixels(normalisation: Normalisation) -> None:
    pixels = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 6, 6, dtype=torch.bool)
    mask[:, 2:4, 1:5] = True
    noise = torch.full_like(pixels, 0.4)
    noisy = corm.corrupted(to_input(pixels, *normalisation), mask, noise, normalisation)
    corrupted = to_pixels(noisy, *normalisation)
    inside = mask[:, None].expand_as(pixels)
    torch.testing.assert_close(corrupted[inside], pixels[inside])
    torch.testing.assert_close(corrupted[~inside], (pixels + 0.4).clamp(max=1)[~inside])


def test_corm_makes_as_many_batches_noisy_as_it_should_by_its_networks_normalisation() -> None:
    def losses(net: Network) -> list[float]:
        return [float(run("corm", {"noise": 0.25, "probability": p}, batch(), net)["loss"]) for p in (0.0, 1.0)]

    given = batch()
    plain = float(cross_entropy(network().logits(given.views["crop"]), given.label).detach())
    clean, noisy = losses(network())
    assert clean == pytest.approx(plain) and noisy != pytest.approx(plain)
    other = losses(replace(network(), normalisation=NORMALISATIONS["cifar100"]))
    assert other[0] == pytest.approx(plain) and other[1] not in (pytest.approx(plain), pytest.approx(noisy))


def test_cutmix_pastes_pixels_with_their_regions() -> None:
    g = torch.Generator().manual_seed(0)
    areas = []
    for _ in range(400):
        down, across = rectangle((20, 30), 1.0, g)
        assert 0 <= down.start <= down.stop <= 20 and 0 <= across.start <= across.stop <= 30
        areas.append((down.stop - down.start) * (across.stop - across.start) / 600)
    assert 0.2 < np.mean(areas) < 0.5 and max(areas) > 0.6
    regions = torch.tensor([[[0, 0, 1, -1], [0, 1, 1, -1], [-1, -1, -1, 1], [-1, -1, -1, -1]]])
    on_grid = grid_regions(regions, torch.tensor([[0, 1]]), (2, 2))
    assert on_grid.tolist() == [[[0, 1], [-1, 1]]]
    assert 0 < float(run("cutmix-cfce", {"alpha": 1.0}, batch())["loss"]) < 100


def test_what_a_step_needs_is_said() -> None:
    with pytest.raises(UsageError, match="expected masks, got none; name their source with --set data.masks="):
        run("cfce", SETTINGS, replace(batch(), regions=None))
    with pytest.raises(UsageError, match="expected a multi-label data set"):
        run("bce", {}, batch())
    net = network()
    with pytest.raises(UsageError, match=r"layer layer3: expected global average pooling \+ one linear layer above it"):
        run("cfce", SETTINGS, batch(), replace(net, head=None))
