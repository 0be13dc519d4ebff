"""Hide-and-Seek and CutMix: hand-sized images, slow twins, and the whole step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from reference import wsol_training as twin
from torch import Tensor

from cambench import models, objectives
from cambench.objectives.cutmix import rectangle
from cambench.objectives.has import hide
from cambench.objectives.network import Network, differentiate
from cambench.recipes.load import load
from cambench.vocabulary import Batch, UsageError

N, SIZE, C = 6, 24, 4


def generator(seed: int = 0) -> torch.Generator:
    """A fixed generator."""
    return torch.Generator().manual_seed(seed)


def network() -> Network:
    """resnet8 in float64."""
    model = models.build("resnet8", C, seed=1).double().eval()
    return Network(model, "layer3", model.fc)


def batch() -> Batch:
    """Random crops and labels."""
    image = torch.randn(N, 3, SIZE, SIZE, generator=generator(3), dtype=torch.float64)
    return Batch({"crop": image}, torch.randint(C, (N,), generator=generator(4)), tuple(range(N)))


def run(name: str, settings: dict[str, Any], given: Batch, net: Network) -> dict[str, Tensor]:
    """Loss and values of one step, differentiated."""
    return differentiate(objectives.make(name, settings)[1](net, given, generator()))


@pytest.mark.parametrize(("height", "width", "cell"), [(8, 8, 4), (7, 10, 3), (5, 5, 8), (4, 4, 1)])
def test_hiding_is_its_twin(height: int, width: int, cell: int) -> None:
    image = torch.randn(3, 3, height, width, generator=generator(1), dtype=torch.float64)
    before, hidden = image.clone(), hide(image, cell, 0.5, generator())
    shape = (3, -(-height // cell), -(-width // cell))
    drawn = torch.rand(shape, generator=generator(), dtype=torch.float64).numpy()
    np.testing.assert_array_equal(hidden.numpy(), twin.hide(image.numpy(), cell, 0.5, drawn))
    assert torch.equal(image, before), "the batch itself is not touched"


def test_hiding_by_hand() -> None:
    """2×2 cells of a 4×4 image: whole cells are hidden, the same in all colours, and each with the rate's probability."""
    image = torch.ones(2000, 3, 4, 4)
    kept = hide(image, 2, 0.3, generator())
    cells = kept.unflatten(2, (2, 2)).unflatten(4, (2, 2)).transpose(3, 4).flatten(4)  # (N,3,2,2,4): pixels of a cell last
    assert torch.equal(cells.amin(4), cells.amax(4)) and torch.equal(kept[:, 0], kept[:, 2])
    assert float(1 - cells[:, 0, :, :, 0].mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(hide(image, 2, 0.0, generator()), image) and not hide(image, 2, 1.0, generator()).any()


def test_hide_and_seek_classifies_the_hidden_images() -> None:
    net, given = network(), batch()
    values = run("has", {"cell": 4, "rate": 0.5}, given, net)
    logits = net.logits(hide(given.views["crop"], 4, 0.5, generator())).detach().numpy()
    label = given.label.numpy()
    assert float(values["loss"]) == pytest.approx(twin.mixed_loss(logits, label, label, 1.0), rel=1e-9)
    assert float(values["accuracy"]) == pytest.approx(float((logits.argmax(1) == label).mean()))
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.model.parameters())


@pytest.mark.parametrize("seed", range(3))
def test_cutmix_pastes_and_weighs_by_the_area(seed: int) -> None:
    net, given = network(), batch()
    step = objectives.make("cutmix", {"alpha": 1.0})[1]
    values = differentiate(step(net, given, generator(seed)))
    g, image = generator(seed), given.views["crop"]
    order = torch.randperm(N, generator=g)
    down, across = rectangle((SIZE, SIZE), 1.0, g)
    mixed, share = image.clone(), 0
    for i in range(N):
        for y in range(down.start, down.stop):
            for x in range(across.start, across.stop):
                mixed[i, :, y, x] = image[order[i], :, y, x]
                share += 1
    kept = 1 - share / (N * SIZE * SIZE)
    logits = net.logits(mixed).detach().numpy()
    expected = twin.mixed_loss(logits, given.label.numpy(), given.label[order].numpy(), kept)
    assert float(values["loss"]) == pytest.approx(expected, rel=1e-9)
    assert float(values["pasted"]) == pytest.approx(1 - kept) and 0 < kept < 1
    assert torch.equal(given.views["crop"], batch().views["crop"]), "the batch itself is not touched"


def test_constants_are_the_benchmarks() -> None:
    has, cutmix, adl = (load(m, "cub-wsol") for m in ("has", "cutmix", "adl"))
    assert has.objective_settings == {"cell": 4, "rate": 0.5} and cutmix.objective_settings == {"alpha": 1.0}
    assert adl.objective == "ce" and adl.objective_settings == {}
    cam = load("cam", "cub-wsol")
    for recipe in (has, cutmix, adl):
        assert (recipe.train, recipe.optimizer, recipe.schedule) == (cam.train, cam.optimizer, cam.schedule)
    for dataset, arch in (("cub-wsol", "vgg16"), ("imagenet-wsol", "inception_v3"), ("synthbirds", "resnet8")):
        without = [s for s in load("adl", dataset, arch).model.surgery if s not in ("adl", "no-dropout")]
        assert without == load("cam", dataset, arch).model.surgery


@pytest.mark.parametrize(
    ("key", "message"), [("cell=0", "greater than or equal to 1"), ("rate=1.5", "less than or equal to 1")]
)
def test_settings_out_of_range_are_refused(key: str, message: str) -> None:
    recipe = load("has", "cub", overrides=[f"objective_settings.{key}"])
    with pytest.raises(UsageError, match=message):
        objectives.make(recipe.objective, recipe.objective_settings)
