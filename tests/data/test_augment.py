"""Augmentations: torchvision's transforms in the papers' order, drawn per picture from (seed, epoch, view, row) alone."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from data.miniatures import own_folder, picture
from data.test_loader import collect
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from cambench import seeds
from cambench.data import augment, load
from cambench.data.augment import augmented, pipeline
from cambench.data.loader import eval_batches, train_batches
from cambench.data.regions import boxes_in_view
from cambench.data.views import View, windows
from cambench.vocabulary import Dataset, UsageError

WANG = View("wang", 20, scale=(0.7, 1.0), flip=0.5)
VIEWS = {"crop": WANG, "query": View("resize-center-crop", 16)}


@pytest.fixture
def photograph(tmp_path: Path) -> Image.Image:
    """A picture of noise, 60 wide and 44 high."""
    return Image.open(picture(tmp_path / "p.png", (60, 44))).convert("RGB")


@pytest.fixture
def even(tmp_path: Path) -> Dataset:
    """Nine images of one size, which a cache would keep decoded."""
    return load(f"folder:{own_folder(tmp_path / 'even', size=(32, 28), per_class=3)}", "eval", tmp_path)


def epoch(dataset: Dataset, **settings: object) -> tuple[tuple[int, ...], dict[str, torch.Tensor], torch.Tensor]:
    """A training pass through both views."""
    chosen = {"batch_size": 4, "seed": 0, "epoch": 1, "workers": 0, **settings}
    return collect(train_batches(dataset, VIEWS, **chosen))  # type: ignore[arg-type]


def test_wang_is_the_released_order_with_the_views_numbers() -> None:
    steps = pipeline(WANG)
    kinds = ["HorizontalFlip", "VerticalFlip", "Rotation", "ColorJitter", "Affine"]
    kinds += ["ResizedCrop", "Perspective", "Grayscale", "Apply"]
    assert [type(step).__name__.removeprefix("Random") for step in steps] == kinds
    mirror, upside, turn, jitter, shift, crop, tilt, grey, blur = steps
    assert (mirror.p, upside.p, grey.p, blur.p, tilt.p) == (0.5, 0.5, 0.2, 0.2, 0.5)
    assert turn.degrees == [-30, 30] and shift.degrees == [0, 0] and shift.translate == (0.1, 0.1)
    assert (shift.scale, shift.shear) == (None, None)
    assert (jitter.brightness, jitter.contrast, jitter.saturation) == ((0.8, 1.2),) * 3 and jitter.hue == (-0.1, 0.1)
    assert (list(crop.size), crop.scale, crop.ratio) == ([20, 20], (0.7, 1.0), (3 / 4, 4 / 3))
    assert crop.interpolation is F.InterpolationMode.BILINEAR and tilt.interpolation is F.InterpolationMode.BICUBIC
    assert tilt.distortion_scale == 0.2 and tilt.fill == 0
    (inner,) = blur.transforms
    assert (list(inner.kernel_size), list(inner.sigma)) == ([3, 3], [0.1, 2.0])
    other = pipeline(View("wang", 9, scale=(0.2, 0.3), ratio=(1.0, 1.0), flip=0.0))
    assert (list(other[5].size), other[5].scale, other[5].ratio, other[0].p) == ([9, 9], (0.2, 0.3), (1.0, 1.0), 0.0)


def test_a_picture_is_torchvisions_composition_under_its_seed(photograph: Image.Image) -> None:
    for seed in range(5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            wanted = np.asarray(v2.Compose(pipeline(WANG))(photograph))
        found = augmented(photograph, WANG, seed)
        assert np.array_equal(found, wanted) and found.shape == (20, 20, 3) and found.dtype == np.uint8
    assert len({augmented(photograph, WANG, seed).tobytes() for seed in range(50)}) == 50


def test_each_draw_has_its_probability_and_its_range(photograph: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the transforms really do to 600 pictures, from the functions that they call in the end."""
    n, seen = 600, {}  # type: ignore[var-annotated]

    def counted(transform: object, inputs: object, params: dict[str, object]) -> object:
        seen.setdefault(type(transform).__name__, []).append(params)
        return inputs

    steps = pipeline(WANG)
    inner = [*steps, *steps[-1].transforms]
    for kind in {type(step) for step in inner if not isinstance(step, v2.RandomApply)}:
        monkeypatch.setattr(kind, "transform", lambda self, inputs, params: counted(self, inputs, params))
    for row in range(n):
        augmented(photograph, WANG, seeds.derive(row))
    for name, p in {"HorizontalFlip": 0.5, "VerticalFlip": 0.5, "Perspective": 0.5, "Grayscale": 0.2}.items():
        assert abs(len(seen[f"Random{name}"]) / n - p) < 0.06, name
    assert abs(len(seen["GaussianBlur"]) / n - 0.2) < 0.05
    angles = np.array([params["angle"] for params in seen["RandomRotation"]])
    assert len(angles) == n and angles.min() >= -30 and angles.max() <= 30 and np.ptp(angles) > 58
    shifts = np.array([params["translate"] for params in seen["RandomAffine"]])
    assert np.abs(shifts).max(0).tolist() == [6, 4], "up to a tenth of 60 × 44 pixels"
    areas = np.array([params["height"] * params["width"] for params in seen["RandomResizedCrop"]]) / (60 * 44)
    assert 0.66 < areas.min() < 0.75 and 0.9 < areas.max() <= 1
    hues = np.array([params["hue_factor"] for params in seen["ColorJitter"]])
    light = np.array([params["brightness_factor"] for params in seen["ColorJitter"]])
    assert np.abs(hues).max() <= 0.1 and np.ptp(hues) > 0.19 and 0.8 <= light.min() < 0.81 < 1.19 < light.max() <= 1.2
    sigma = np.array([params["sigma"][0] for params in seen["GaussianBlur"]])
    assert 0.1 <= sigma.min() < 0.3 and 1.8 < sigma.max() <= 2


def test_no_global_generator_moves(photograph: Image.Image) -> None:
    random.seed(0)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    augmented(photograph, WANG, 3)
    assert torch.equal(before[0], torch.get_rng_state()) and random.getstate() == before[1]
    assert np.random.get_state()[1].tobytes() == before[2]  # noqa: NPY002


def test_workers_batches_and_a_cache_change_nothing(even: Dataset, tmp_path: Path) -> None:
    rows, views, labels = epoch(even)
    for other in ({"workers": 2}, {"batch_size": 9}, {"cache": tmp_path / "c"}, {"batch_size": 2, "workers": 1}):
        again = epoch(even, **other)
        assert again[0] == rows and torch.equal(again[2], labels)
        assert all(torch.equal(again[1][name], views[name]) for name in VIEWS), other
    assert not (tmp_path / "c").exists(), "nothing is packed for pictures that a pipeline takes whole"


def test_epochs_rows_seeds_and_views_differ(even: Dataset) -> None:
    def by_row(**settings: object) -> torch.Tensor:
        rows, views, _ = epoch(even, **settings)
        return views["crop"][torch.tensor(rows).argsort()]

    first = by_row()
    for other in (by_row(epoch=2), by_row(seed=1)):
        assert all(not torch.equal(a, b) for a, b in zip(first, other, strict=True))
    same = load(f"folder:{even.samples[0].path.parents[1]}", "eval", Path())
    twins = Dataset(**{**same.__dict__, "samples": (same.samples[0],) * 2})
    batch = next(iter(train_batches(twins, {"a": WANG, "b": WANG}, batch_size=2, seed=0, epoch=0, workers=0)))
    assert not torch.equal(batch.views["a"][0], batch.views["a"][1]), "one picture in two rows"
    assert not torch.equal(batch.views["a"], batch.views["b"]), "one row in two views"


def test_a_row_is_the_pipeline_on_its_whole_picture(even: Dataset) -> None:
    rows, views, _ = epoch(even)
    picture = Image.open(even.samples[rows[0]].path).convert("RGB")
    pixels = augmented(picture, WANG, seeds.derive(0, "augment", "crop", 1, rows[0]))
    wanted = torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    assert torch.allclose(views["crop"][0], wanted / torch.tensor([0.229, 0.224, 0.225])[:, None, None], atol=1e-6)


def test_an_augmentation_is_for_training_and_for_pixels_alone(even: Dataset) -> None:
    assert WANG.random and WANG.augmented and not VIEWS["query"].augmented
    with pytest.raises(UsageError, match="without randomness"):
        list(eval_batches(even, WANG, batch_size=2))
    with pytest.raises(UsageError, match="view wang: expected a window, for masks"):
        windows(WANG, torch.tensor([9]), torch.tensor([9]))
    with pytest.raises(UsageError, match="expected a window"):
        boxes_in_view(even, 0, WANG)
    with pytest.raises(UsageError, match="unknown view 'wnag'. Did you mean wang"):
        View("wnag", 8)
    assert set(augment.INDEX) == {"wang"}
