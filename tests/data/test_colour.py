"""Colour augmentation: every change is torchvision's, every draw distributed as its, every image by its own numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from data.cifar_miniature import cifar100
from data.miniatures import own_folder
from data.test_loader import collect
from PIL import Image
from reference.colour import changed
from scipy.stats import chisquare, ks_2samp
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from cambench.data import colour, decode, load
from cambench.data.colour import INDEX, Drawn, Jitter, coloured, draw
from cambench.data.loader import eval_batches, train_batches
from cambench.data.plan import Plan
from cambench.data.views import View, draws, windows
from cambench.vocabulary import Dataset, UsageError

THEIRS: dict[str, Callable[..., Tensor]] = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}
FACTORS = {"hue": (-0.5, -0.1, -0.03, 0.0, 0.07, 0.1, 0.5)}
SUPCON = View("random-resized-crop", 32, scale=(0.2, 1.0), flip=0.5, colour="supcon")
VIEWS = {"one": SUPCON, "two": SUPCON}


def pixels(n: int = 6, size: int = 8, seed: int = 0) -> Tensor:
    """(n,3,size,size) float64 in [0,1]: noise, with black, white, grey and pure colours among it."""
    x = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    special = [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0.2, 0.7, 0.7)]
    x[:, :, 0, :8] = torch.tensor(special, dtype=x.dtype).T
    return x


def numbers(n: int, seed: int = 0, name: str = "v colour") -> Tensor:
    """What the rows 0 … n − 1 draw for their colours."""
    return draws(torch.arange(n), seed=seed, epoch=1, view=name).flatten(1)


def in_turn(x: Tensor, drawn: Drawn, i: int) -> Tensor:
    """One image (3,H,W) through torchvision's functions, as the i-th of a batch drew them."""
    names = ("brightness", "contrast", "saturation", "hue")
    for step in drawn.order[i].tolist() if drawn.changed[i] else ():
        x = THEIRS[names[step]](x, float(drawn.factors[i, step]))
    return F.rgb_to_grayscale(x, 3) if drawn.grey[i] else x


@pytest.mark.parametrize("name", list(THEIRS))
def test_a_change_is_torchvisions_and_the_definition(name: str) -> None:
    x = pixels()
    for factor in FACTORS.get(name, (0.0, 0.6, 0.95, 1.0, 1.4, 3.0)):
        found = getattr(colour, name)(x, torch.full((6, 1, 1, 1), factor, dtype=x.dtype))
        assert found.shape == x.shape and float(found.min()) >= 0 and float(found.max()) <= 1
        wanted = np.stack([changed(picture, name, factor) for picture in x.permute(0, 2, 3, 1).numpy()])
        assert np.allclose(found.permute(0, 2, 3, 1).numpy(), wanted, rtol=1e-6, atol=1e-9)
        assert torch.allclose(found.float(), THEIRS[name](x.float(), factor), atol=3e-6)


@pytest.mark.parametrize(
    ("name", "most", "mean"), [("brightness", 1, 0.5), ("contrast", 2, 0.7), ("saturation", 2, 0.7), ("hue", 15, 3)]
)
def test_pillow_rounds_and_else_agrees(name: str, most: float, mean: float) -> None:
    """Whole grey values, and of hue 256 steps: what the papers' code sees beside what is computed here."""
    byte = (pixels(1, 16)[0] * 255).round().to(torch.uint8)
    picture = Image.fromarray(byte.permute(1, 2, 0).numpy())
    for factor in FACTORS.get(name, (0.6, 1.0, 1.4)):
        theirs = torch.from_numpy(np.asarray(THEIRS[name](picture, factor)).copy()).permute(2, 0, 1)
        ours = getattr(colour, name)(byte[None] / 255, torch.full((1, 1, 1, 1), factor))[0] * 255
        assert float((ours - theirs).abs().max()) <= most
        assert float((ours - theirs).abs().mean()) <= mean


def test_the_identity_leaves_every_pixel() -> None:
    x = pixels()
    one, zero = torch.ones(6, 1, 1, 1, dtype=x.dtype), torch.zeros(6, 1, 1, 1, dtype=x.dtype)
    for change in (colour.brightness, colour.contrast, colour.saturation):
        assert torch.allclose(change(x, one), x, atol=1e-15)
    assert torch.allclose(colour.hue(x, zero), x, atol=1e-15)


def test_hand_cases() -> None:
    red = torch.tensor([1.0, 0, 0])[None, :, None, None]
    factor = torch.full((1, 1, 1, 1), 1 / 3)
    assert colour.hue(red, factor).flatten().tolist() == pytest.approx([0, 1, 0], abs=1e-6)  # a third further: green
    assert colour.hue(red, -factor).flatten().tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert colour.brightness(red, factor).flatten().tolist() == pytest.approx([1 / 3, 0, 0])
    wanted = [1 / 3 + 2 / 3 * 0.2989, 2 / 3 * 0.2989, 2 / 3 * 0.2989]
    assert colour.saturation(red, factor).flatten().tolist() == pytest.approx(wanted)
    assert colour.contrast(red, factor).flatten().tolist() == pytest.approx(wanted), "one pixel is its own mean"
    black_and_white = torch.cat([red * 0, red * 0 + 1], 3)
    mean = 0.9999 / 2
    assert colour.contrast(black_and_white, factor)[0, 0].flatten().tolist() == pytest.approx(
        [2 / 3 * mean, 1 / 3 + 2 / 3 * mean]
    )


def test_draws_are_distributed_as_torchvisions() -> None:
    n = 4000
    drawn = draw(INDEX["supcon"], numbers(n, seed=3))
    torch.manual_seed(0)
    jitter = v2.ColorJitter(0.4, 0.4, 0.4, 0.1)
    theirs = [jitter.make_params([]) for _ in range(n)]
    for i, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        wanted = np.array([p[f"{name}_factor"] for p in theirs])
        assert ks_2samp(drawn.factors[:, i].numpy(), wanted).pvalue > 0.01, name
    counts = [int((drawn.order == torch.tensor(order)).all(1).sum()) for order in permutations(range(4))]
    assert sum(counts) == n and chisquare(counts).pvalue > 0.01
    assert abs(float(drawn.changed.double().mean()) - 0.8) < 0.02 and abs(float(drawn.grey.double().mean()) - 0.2) < 0.02
    everything = torch.cat([drawn.factors, drawn.changed[:, None], drawn.grey[:, None], drawn.order[:, :1]], 1)
    assert float((torch.corrcoef(everything.T) - torch.eye(7)).abs().max()) < 0.05


def test_crops_are_distributed_as_torchvisions() -> None:
    n = 4000
    side = torch.full((n,), 32)
    found, _ = windows(SUPCON, side, side, draws(torch.arange(n), seed=4, epoch=0, view="v"))
    torch.manual_seed(1)
    crop = v2.RandomResizedCrop(32, scale=(0.2, 1.0))
    theirs = [crop.make_params([torch.empty(3, 32, 32)]) for _ in range(n)]
    for name in ("top", "left", "height", "width"):
        assert ks_2samp(getattr(found, name).numpy(), np.array([p[name] for p in theirs])).pvalue > 0.01, name
    assert abs(float(found.flip.double().mean()) - 0.5) < 0.03


def test_grey_is_no_saturation_at_all() -> None:
    x = pixels()
    found = colour.saturation(x, torch.zeros(6, 1, 1, 1, dtype=x.dtype))
    assert torch.allclose(found, F.rgb_to_grayscale(x, 3), atol=1e-12) and torch.equal(found[:, 0], found[:, 2])


def test_a_factor_is_never_negative() -> None:
    drawn = draw(Jitter((2.0, 0.0, 0.0, 0.0), 1.0, 0.0), numbers(500))
    assert float(drawn.factors[:, 0].min()) >= 0 and 2.9 < float(drawn.factors[:, 0].max()) <= 3
    assert (drawn.factors[:, 1:3] == 1).all() and (drawn.factors[:, 3] == 0).all()
    assert drawn.changed.all() and not drawn.grey.any()


def test_a_batch_is_its_images_one_by_one_in_their_own_order() -> None:
    x = pixels(60).float()
    drawn = draw(INDEX["supcon"], numbers(60))
    found, before = coloured(x, drawn), x.clone()
    assert torch.equal(x, before), "the pixels that came are not written"
    for i in range(60):
        part = Drawn(*(getattr(drawn, f)[i : i + 1] for f in ("order", "factors", "changed", "grey")))
        assert torch.equal(coloured(x[i : i + 1], part)[0], found[i])
        wanted = in_turn(x[i], drawn, i)
        assert torch.allclose(found[i], wanted, atol=1e-5)
    kept = ~drawn.changed & ~drawn.grey
    assert kept.any() and torch.equal(found[kept], x[kept]) and not torch.equal(found[~kept], x[~kept])


@pytest.fixture
def cifar(tmp_path: Path) -> Dataset:
    """Six images of 32 px."""
    cifar100(tmp_path)
    return load("cifar100", "train", tmp_path)


def passed(dataset: Dataset, **settings: object) -> tuple[tuple[int, ...], dict[str, Tensor], Tensor]:
    """A training pass through two views."""
    return collect(train_batches(dataset, VIEWS, **{"batch_size": 4, "seed": 0, "epoch": 1, "workers": 0, **settings}))  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", [False, True])
def test_neither_batch_nor_workers_nor_the_end_change_an_image(cifar: Dataset, tmp_path: Path, kept: bool) -> None:
    cache = tmp_path / "c" if kept else None
    rows, views, _ = passed(cifar, cache=cache)
    for other in ({"batch_size": 6}, {"batch_size": 1}, {"workers": 2}):
        again = passed(cifar, cache=cache, **other)
        assert again[0] == rows and all(torch.equal(again[1][name], views[name]) for name in VIEWS), other
    first = passed(cifar, cache=cache, stop=1)
    assert first[0] == rows[:4] and all(torch.equal(first[1][name], views[name][:4]) for name in VIEWS)
    assert not torch.equal(views["one"], views["two"]), "two views of an image are drawn apart"
    for other in ({"epoch": 2}, {"seed": 1}):
        assert not torch.equal(passed(cifar, cache=cache, **other)[1]["one"].sort(0).values, views["one"].sort(0).values)


def test_colours_are_drawn_for_each_view_apart_from_its_crop() -> None:
    rows = tuple(range(50))
    plan = Plan((rows,), VIEWS, seed=0, epoch=1)
    crop = draws(torch.arange(50), seed=0, epoch=1, view="one").flatten(1)
    for other in (plan.colours(rows, "two"), crop, replace(plan, epoch=2).colours(rows, "one")):
        assert not (plan.colours(rows, "one") == other).any()
    assert torch.equal(plan.colours(rows[7:9], "one"), plan.colours(rows, "one")[7:9])


def test_cached_pictures_are_the_streamed_ones_but_for_rounding(cifar: Dataset, tmp_path: Path) -> None:
    streamed, kept = passed(cifar)[1], passed(cifar, cache=tmp_path / "c")[1]
    assert (tmp_path / "c" / f"{cifar.fingerprint}.npy").exists()
    for name in VIEWS:
        assert float((streamed[name] - kept[name]).abs().mean()) < 2 / 255 / 0.225


def test_a_view_is_torchvisions_transforms_with_its_numbers(cifar: Dataset, tmp_path: Path) -> None:
    """Crop, flip, the changes in their order, grey, normalised: float by float through torchvision's own functions."""
    rows, views, _ = passed(cifar, cache=tmp_path / "c", batch_size=6)
    plan = Plan((rows,), VIEWS, seed=0, epoch=1)
    side = torch.full((6,), 32)
    cut, drawn = plan.windows(rows, "one", side, side)[0], draw(INDEX["supcon"], plan.colours(rows, "one"))
    for i, row in enumerate(rows):
        picture = torch.from_numpy(decode.pixels(cifar.samples[row].path).copy()).permute(2, 0, 1) / 255
        box = [int(getattr(cut, f)[i]) for f in ("top", "left", "height", "width")]
        x = F.resized_crop(picture, *box, size=[32, 32], antialias=True)
        x = in_turn(F.horizontal_flip(x) if cut.flip[i] else x, drawn, i)
        wanted = F.normalize(x, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        assert torch.allclose(views["one"][i], wanted, atol=1e-4)


def test_changed_colours_are_for_training(cifar: Dataset) -> None:
    assert SUPCON.random and replace(SUPCON, kind="resize", flip=0).random and not SUPCON.augmented
    with pytest.raises(UsageError, match="without randomness"):
        list(eval_batches(cifar, replace(SUPCON, kind="resize", flip=0), batch_size=2))
    with pytest.raises(UsageError, match=r"unknown colour 'supcom'\. Did you mean supcon"):
        View("resize", 8, colour="supcom")


def test_pictures_of_any_size_may_change_their_colours(tmp_path: Path) -> None:
    dataset = load(f"folder:{own_folder(tmp_path / 'own', size=(50, 40))}", "eval", tmp_path)
    _, views, _ = passed(dataset)
    assert views["one"].shape[1:] == (3, 32, 32) and torch.isfinite(views["one"]).all()
