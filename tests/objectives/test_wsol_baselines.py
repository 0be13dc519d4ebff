"""Hide-and-Seek, CutMix and the settings of ADL: hand-sized images, slow twins, and the whole step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from reference import wsol_training as twin
from torch import Tensor

from cambench import models, objectives
from cambench.models.adl import AttentionDropout
from cambench.objectives.cutmix import box, rectangle
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
    step = objectives.make("cutmix", {"alpha": 1.0, "probability": 1.0})[1]
    values = differentiate(step(net, given, generator(seed)))
    g, image = generator(seed), given.views["crop"]
    torch.rand((), generator=g)  # whether the batch is mixed
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


@pytest.mark.parametrize(
    ("kept", "centre", "rows", "share"),
    [(0.75, 112, (56, 168), 0.75), (0.75, 0, (0, 56), 0.9375), (0.3, 112, (19, 205), 0.310507)],
)
def test_cutmix_box_by_hand(kept: float, centre: int, rows: tuple[int, int], share: float) -> None:
    down, across = box((224, 224), kept, (centre, centre))
    assert (down.start, down.stop) == rows and down == across
    assert 1 - (down.stop - down.start) ** 2 / 224**2 == pytest.approx(share, abs=1e-6)


def test_the_box_is_its_twin() -> None:
    g = generator(5)
    for size in (1, 7, 32, 45):
        for kept, at in zip(torch.rand(20, generator=g).tolist(), torch.rand(20, generator=g).tolist(), strict=True):
            down, _ = box((size, 9), kept, (int(at * size), 4))
            assert list(range(size))[down] == twin.rectangle(size, kept, int(at * size))


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_a_batch_that_is_not_mixed_is_learnt_as_it_is(probability: float) -> None:
    net, given = network(), batch()
    step = objectives.make("cutmix", {"alpha": 1.0, "probability": probability})[1]
    mixed = [float(differentiate(step(net, given, generator(seed)))["pasted"]) > 0 for seed in range(60)]
    coins = [float(torch.rand((), generator=generator(seed))) < probability for seed in range(60)]
    assert sum(coins) in range(8, 30) if probability else not any(coins)
    assert all(coin or not pasted for coin, pasted in zip(coins, mixed, strict=True)), "an empty box pastes nothing either"
    seed = coins.index(False)
    logits, label = net.logits(given.views["crop"]).detach().numpy(), given.label.numpy()
    plain = twin.mixed_loss(logits, label, label, 1.0)
    assert float(differentiate(step(net, given, generator(seed)))["loss"]) == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize(
    ("cell", "count"), [(4, 3136), (16, 196), (32, 49), (44, 36), (56, 16), (65, 16), (120, 4), (170, 4)]
)
def test_cells_of_an_image_of_224_pixels(cell: int, count: int) -> None:
    hidden = hide(torch.ones(8, 1, 224, 224), cell, 0.5, generator())[:, 0]
    corners = hidden[:, ::cell, ::cell]
    assert corners[0].numel() == count and set(corners.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(hidden, corners.repeat_interleave(cell, 1).repeat_interleave(cell, 2)[:, :224, :224])


def test_four_large_cells_are_all_hidden_in_a_fifth_of_the_images() -> None:
    """HaS of the rivals protocol §6: cells of 120 px and a rate of 0.66 leave 18.97 % of the images blank."""
    blank = (hide(torch.ones(20000, 1, 2, 2), 1, 0.66, generator()) == 0).flatten(1).all(1)
    assert float(blank.float().mean()) == pytest.approx(0.189747, abs=0.01)


def test_adl_takes_its_settings_and_needs_its_layers() -> None:
    model = models.build("resnet8", C, surgery=["adl"], seed=1)
    net, given = Network(model.train(), "layer3", model.fc), batch()
    given = Batch({"crop": given.views["crop"].float()}, given.label, given.rows)
    values = run("adl", {"drop_rate": 0.24, "threshold": 0.76}, given, net)
    layers = [m for m in model.modules() if isinstance(m, AttentionDropout)]
    assert len(layers) == 2 and {(m.drop_rate, m.threshold) for m in layers} == {(0.24, 0.76)}
    assert values.keys() == {"loss", "accuracy"}
    with pytest.raises(UsageError, match=r"objective adl: expected a network with attention dropout \(model.surgery adl\)"):
        run("adl", {"drop_rate": 0.5, "threshold": 0.9}, batch(), network())


def test_constants_are_the_benchmarks_where_nothing_is_tuned() -> None:
    has, cutmix, adl, acol, spg = (load(m, "cub").objective_settings for m in ("has", "cutmix", "adl", "acol", "spg"))
    assert has == {"cell": 4, "rate": 0.5} and cutmix == {"alpha": 1.0, "probability": 1.0}
    assert adl == {"drop_rate": 0.75, "threshold": 0.9} and acol == {"threshold": 0.7}
    assert spg == {"high1": 0.7, "low1": 0.01, "high2": 0.5, "low2": 0.05, "high3": 0.7, "low3": 0.1}
    for dataset in ("imagenet-wsol", "openimages-30k"):
        assert load("acol", dataset).objective_settings == {"threshold": 0.6}, "the original code's"
        assert load("spg", dataset).objective_settings == {**spg, "low1": 0.05}
    for dataset in ("cub-wsol", "imagenet-wsol"):
        cam = load("cam", dataset)
        for recipe in (load(m, dataset) for m in ("has", "cutmix", "adl", "acol", "spg")):
            assert (recipe.train, recipe.schedule) == (cam.train, cam.schedule)
            assert recipe.optimizer.weight_decay == cam.optimizer.weight_decay


TUNED = {
    ("has", "vgg16"): (0.00343, {"cell": 65, "rate": 0.47}),
    ("has", "inception_v3"): (0.01401, {"cell": 170, "rate": 0.26}),
    ("has", "resnet50"): (0.00361996526, {"cell": 120, "rate": 0.66}),
    ("acol", "vgg16"): (0.00010569582, {"threshold": 0.89}),
    ("acol", "inception_v3"): (0.00658832165, {"threshold": 0.79}),
    ("acol", "resnet50"): (0.00001700073, {"threshold": 0.57}),
    ("spg", "vgg16"): (0.00012558923, (0.29, 0.23, 0.03, 0.02, 0.82, 0.59)),
    ("spg", "inception_v3"): (0.0003360682, (0.28, 0.02, 0.17, 0.03, 0.47, 0.31)),
    ("spg", "resnet50"): (0.00004521947, (0.41, 0.35, 0.24, 0.21, 0.12, 0.08)),
    ("adl", "vgg16"): (0.00002430601, {"threshold": 0.72, "drop_rate": 0.33}),
    ("adl", "inception_v3"): (0.00038655054, {"threshold": 0.86, "drop_rate": 0.69}),
    ("adl", "resnet50"): (0.01253438325, {"threshold": 0.76, "drop_rate": 0.24}),
    ("cutmix", "vgg16"): (0.00003220934, {"alpha": 0.85, "probability": 0.79}),
    ("cutmix", "inception_v3"): (0.00225171726, {"alpha": 0.04, "probability": 0.30}),
    ("cutmix", "resnet50"): (0.0003333722, {"alpha": 1.35, "probability": 0.24}),
}
"""Rate and settings on CUB, as rivals protocol §2 has them from other people's scripts."""


@pytest.mark.parametrize(("method", "arch"), TUNED)
def test_tuned_values_on_cub_are_named_as_second_hand(method: str, arch: str) -> None:
    lr, settings = TUNED[method, arch]
    recipe = load(method, "cub-wsol", arch)
    if isinstance(settings, tuple):
        settings = dict(zip(("high1", "low1", "high2", "low2", "high3", "low3"), settings, strict=True))
    assert (recipe.optimizer.lr, recipe.objective_settings) == (lr, settings)
    assert any("28" in name for name in recipe.model.surgery) == (arch == "resnet50"), "28×28 for ResNet-50, else 14×14"
    keys = ["optimizer.lr", *(f"objective_settings.{name}" for name in settings)]
    assert all(recipe.sources[key].startswith("second-hand: ") for key in keys)
    with torch.device("meta"):
        network = models.build(arch, 200, surgery=recipe.model.surgery)
        assert network.eval()(torch.zeros(2, 3, 224, 224)).shape == (2, 200)
    on_synthbirds, plain = load("adl", "synthbirds", arch).model.surgery, load("cam", "synthbirds", arch).model.surgery
    assert [name for name in on_synthbirds if name not in ("adl", "no-dropout")] == plain


@pytest.mark.parametrize(
    ("key", "message"), [("cell=0", "greater than or equal to 1"), ("rate=1.5", "less than or equal to 1")]
)
def test_settings_out_of_range_are_refused(key: str, message: str) -> None:
    recipe = load("has", "cub", overrides=[f"objective_settings.{key}"])
    with pytest.raises(UsageError, match=message):
        objectives.make(recipe.objective, recipe.objective_settings)
