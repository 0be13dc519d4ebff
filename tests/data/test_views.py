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
from cambench.data.views import View, draws, windows
from cambench.vocabulary import UsageError

SIZES = [(50, 37), (37, 50), (41, 41), (64, 64), (97, 33)]


def rows(n: int) -> torch.Tensor:
    return torch.arange(n)


def through(image: Image.Image, view: View, uniform: torch.Tensor | None = None) -> np.ndarray:
    """One picture through a view, by the streaming source."""
    found, size = windows(view, torch.tensor([image.height]), torch.tensor([image.width]), uniform)
    return cut(image, found, (int(size[0, 0]), int(size[0, 1])), view.interpolation)


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
        (
            View("resize-center-crop", 25, resize=30, interpolation="bicubic"),
            v2.Compose([v2.Resize(30, v2.InterpolationMode.BICUBIC), v2.CenterCrop(25)]),
        ),
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
