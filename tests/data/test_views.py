"""Views: the windows of every kind against torchvision's, and the random numbers behind them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data.miniatures import picture
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms import v2

from cambench.data.stream import cut
from cambench.data.views import View, draws, normalise, windows
from cambench.vocabulary import UsageError

SIZES = [(50, 37), (37, 50), (41, 41), (64, 64), (97, 33)]


def rows(n: int) -> torch.Tensor:
    return torch.arange(n)


def through(image: Image.Image, view: View, uniform: torch.Tensor | None = None) -> np.ndarray:
    """One picture through a view, by the streaming source."""
    found, size = windows(view, torch.tensor([image.height]), torch.tensor([image.width]), uniform)
    return cut(image, found, (int(size[0, 0]), int(size[0, 1])))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("view", "twin"),
    [
        (View("resize-center-crop", 28), v2.Compose([v2.Resize(32), v2.CenterCrop(28)])),
        (View("resize-center-crop", 25, resize=30), v2.Compose([v2.Resize(30), v2.CenterCrop(25)])),
        (View("resize-center-crop", 64), v2.Compose([v2.Resize(73), v2.CenterCrop(64)])),
        (View("squash-center-crop", 28), v2.Compose([v2.Resize((32, 32)), v2.CenterCrop(28)])),
        (View("squash-center-crop", 25, resize=30), v2.Compose([v2.Resize((30, 30)), v2.CenterCrop(25)])),
        (View("resize", 24), v2.Resize((24, 24))),
        (View("full", 29), v2.Resize(29)),
        (View("full", 70), v2.Resize(70)),
    ],
)
def test_fixed_views_are_torchvisions(tmp_path: object, size: tuple[int, int], view: View, twin: v2.Transform) -> None:
    image = Image.open(picture(tmp_path / "x.png", size))  # type: ignore[operator]
    found, wanted = through(image, view), np.asarray(twin(image))
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).max() <= 1  # resizing to the whole, then cutting, rounds one pixel otherwise


def test_random_resized_crop_cuts_then_resizes(tmp_path: object) -> None:
    image = Image.open(picture(tmp_path / "x.png", (60, 45)))  # type: ignore[operator]
    view = View("random-resized-crop", 20)
    uniform = draws(rows(30), seed=1, epoch=0, view="v")
    found, _ = windows(view, torch.full((30,), 45), torch.full((30,), 60), uniform)
    for i in range(30):
        box = [int(v[i]) for v in (found.top, found.left, found.height, found.width)]
        wanted = np.asarray(F.resized_crop(image, *box, size=[20, 20]))
        assert np.array_equal(through(image, view, uniform[i : i + 1]), wanted)
        assert box[0] >= 0 and box[0] + box[2] <= 45 and box[1] >= 0 and box[1] + box[3] <= 60


def test_resize_random_crop_is_a_cut_of_the_resized_picture(tmp_path: object) -> None:
    image = Image.open(picture(tmp_path / "x.png", (60, 45)))  # type: ignore[operator]
    view = View("resize-random-crop", 28, resize=32)
    resized = np.asarray(F.resize(image, 32)).astype(int)
    uniform = draws(rows(200), seed=1, epoch=0, view="v")
    found, _ = windows(view, torch.full((200,), 45), torch.full((200,), 60), uniform)
    places = set()
    for i in range(200):
        top, left = round(float(found.top[i] * 32 / 45)), round(float(found.left[i] * 42 / 60))
        places.add((top, left))
        if i < 20:
            wanted = resized[top : top + 28, left : left + 28]
            assert np.abs(through(image, view, uniform[i : i + 1]) - wanted).max() <= 1
    assert {p[0] for p in places} == set(range(5)) and {p[1] for p in places} == set(range(15))


def test_flip_mirrors_with_its_probability(tmp_path: object) -> None:
    image = Image.open(picture(tmp_path / "x.png", (30, 30)))  # type: ignore[operator]
    uniform = draws(rows(4000), seed=3, epoch=0, view="v")
    found, _ = windows(View("resize", 30, flip=0.3), torch.full((4000,), 30), torch.full((4000,), 30), uniform)
    assert abs(float(found.flip.double().mean()) - 0.3) < 0.03
    mirrored = through(image, View("resize", 30, flip=1.0), uniform[:1])
    assert np.array_equal(mirrored, np.asarray(image)[:, ::-1])


def test_draws_follow_from_seed_epoch_view_and_row_alone() -> None:
    whole = draws(rows(500), seed=0, epoch=2, view="ce")
    assert whole.shape == (500, 11, 4) and whole.dtype == torch.float64
    some = torch.tensor([499, 3, 77])
    assert torch.equal(draws(some, seed=0, epoch=2, view="ce"), whole[some])
    for other in ({"seed": 1}, {"epoch": 3}, {"view": "query"}):
        assert (
            not torch.isclose(draws(rows(500), **{"seed": 0, "epoch": 2, "view": "ce", **other}), whole).any(1).any(1).all()
        )  # type: ignore[arg-type]
    assert whole.unique().numel() == whole.numel()


def test_draws_are_uniform_and_unrelated() -> None:
    u = draws(rows(20_000), seed=5, epoch=0, view="x").reshape(20_000, -1)
    assert float(u.min()) >= 0 and float(u.max()) < 1
    counts = torch.histc(u.float(), 20, 0, 1) / u.numel()
    assert (counts - 0.05).abs().max() < 0.001
    correlation = torch.corrcoef(u.T) - torch.eye(44, dtype=torch.float64)
    assert correlation.abs().max() < 0.04
    assert abs(float(torch.corrcoef(torch.stack([u[:-1, 0], u[1:, 0]]))[0, 1])) < 0.03


def test_splitmix_reference_value() -> None:
    """The generator in plain integers, from its paper's definition."""
    from cambench import seeds

    mask = 2**64 - 1
    z = (seeds.derive(7, "view", "v", 1) + (2 * 44 + 5) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    z ^= z >> 31
    assert float(draws(torch.tensor([2]), seed=7, epoch=1, view="v")[0, 1, 0]) == (z >> 11) / 2**53


def test_normalise() -> None:
    view = View("resize", 1, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    x = torch.tensor([255.0, 0.0, 127.5]).reshape(1, 3, 1, 1)
    assert torch.allclose(normalise(x, view).flatten(), torch.tensor([1.0, -1.0, 0.25]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "resize_center", "size": 8}, "unknown view 'resize_center'. Did you mean resize"),
        ({"kind": "resize", "size": 0}, "expected size >= 1"),
        ({"kind": "resize", "size": 8, "flip": 1.5}, "flip in"),
        ({"kind": "resize-center-crop", "size": 8, "resize": 7}, "expected resize >= size, got 7 and 8"),
    ],
)
def test_impossible_views(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        View(**settings)  # type: ignore[arg-type]


def test_a_random_view_needs_numbers() -> None:
    with pytest.raises(UsageError, match="expected random numbers, got none"):
        windows(View("random-resized-crop", 8), torch.tensor([9]), torch.tensor([9]))


def test_a_squashed_random_crop_is_a_crop_of_the_squashed_image() -> None:
    """60×100 onto 32×32, of which 24×24 at a uniform place: the window, back in the image's own pixels."""
    view = View("squash-random-crop", 24, resize=32)
    uniform = draws(torch.arange(200), seed=0, epoch=0, view="crop")
    found, size = windows(view, torch.full((200,), 60), torch.full((200,), 100), uniform)
    top, left = found.top * 32 / 60, found.left * 32 / 100
    torch.testing.assert_close(top, top.round())
    torch.testing.assert_close(left, left.round())
    assert set(top.round().int().tolist()) == set(range(9)) == set(left.round().int().tolist())
    assert size.unique().tolist() == [24] and not bool(found.flip.any())
    torch.testing.assert_close(found.height, torch.full((200,), 24 * 60 / 32, dtype=torch.float64))
    torch.testing.assert_close(found.width, torch.full((200,), 24 * 100 / 32, dtype=torch.float64))
