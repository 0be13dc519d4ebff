"""Geometry: Pillow, torch and torchvision as oracles; images, masks and boxes move together."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import CenterCrop, RandomResizedCrop, Resize
from torchvision.transforms import functional as tv

from cambench import geometry
from cambench.geometry import Windows


def window(top: float, left: float, height: float, width: float, flip: bool = False, clipped: bool = True) -> Windows:
    """One window."""
    numbers = (torch.tensor([float(v)], dtype=torch.float64) for v in (top, left, height, width))
    return Windows(*numbers, torch.tensor([flip]), clipped)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random uint8 pixels, which no smooth shortcut survives."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tensor(pixels: np.ndarray) -> Tensor:
    """(1,3,H,W) float64."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].double()


def assert_same_pixels(got: Tensor, expected: Image.Image) -> None:
    """Equal but for Pillow's rounding to whole numbers after each of its two passes."""
    difference = got[0].permute(1, 2, 0).numpy() - np.asarray(expected, dtype=np.float64)
    assert np.abs(difference).max() <= 1.15  # ½ of the first pass times the second's weights (1.27 in all), and ½
    assert np.abs(difference).mean() < 0.5


BOXES = [(0, 0, 37, 50), (3, 5, 20, 30), (10, 0, 27, 13), (30, 44, 4, 5), (2.25, 7.5, 18.5, 33.25)]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("size", [(16, 16), (60, 41), (7, 70)])
@pytest.mark.parametrize("kernel", geometry.KERNELS)
def test_unclipped_antialiased_windows_are_pillows_resize_with_a_box(
    box: tuple[float, ...], size: tuple[int, int], kernel: str
) -> None:
    pixels = picture(37, 50) // 2 + 64  # Pillow cuts off what overshoots 0 or 255, also between its two passes
    top, left, height, width = box
    resampling = Image.Resampling[kernel.upper()]
    expected = Image.fromarray(pixels).resize(size[::-1], resampling, (left, top, left + width, top + height))
    assert_same_pixels(geometry.resample(tensor(pixels), window(*box, clipped=False), size, kernel=kernel), expected)


@pytest.mark.parametrize("box", BOXES[:4])
@pytest.mark.parametrize("size", [(16, 16), (60, 41)])
@pytest.mark.parametrize("kernel", geometry.KERNELS)
def test_clipped_windows_are_pillows_crop_then_resize(box: tuple[int, ...], size: tuple[int, int], kernel: str) -> None:
    pixels = picture(37, 50) // 2 + 64
    top, left, height, width = box
    cropped = Image.fromarray(pixels).crop((left, top, left + width, top + height))
    expected = cropped.resize(size[::-1], Image.Resampling[kernel.upper()])
    assert_same_pixels(geometry.resample(tensor(pixels), window(*box), size, kernel=kernel), expected)


def test_clipped_and_unclipped_windows_differ_where_the_filter_looks_past_the_edge() -> None:
    pixels, box = tensor(picture(37, 50)), (3, 5, 20, 30)
    clipped = geometry.resample(pixels, window(*box), (8, 8))
    unclipped = geometry.resample(pixels, window(*box, clipped=False), (8, 8))
    assert float((clipped - unclipped).abs().max()) > 5


@pytest.mark.parametrize("size", [(16, 16), (60, 41), (7, 70)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("antialias", [False, True])
def test_windows_of_float_images_are_interpolate_on_a_slice(size: tuple[int, int], flip: bool, antialias: bool) -> None:
    x = torch.randn(2, 3, 37, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for top, left, height, width in BOXES[:4]:
        cut = x[:, :, int(top) : int(top + height), int(left) : int(left + width)]
        expected = torch.nn.functional.interpolate(cut, size=size, mode="bilinear", align_corners=False, antialias=antialias)
        one = window(top, left, height, width, flip)
        both = Windows(*(getattr(one, f).expand(2) for f in ("top", "left", "height", "width", "flip")))
        got = geometry.resample(x, both, size, antialias=antialias)
        torch.testing.assert_close(got, expected.flip(3) if flip else expected, rtol=1e-9, atol=1e-9)


def test_the_whole_window_at_its_own_size_is_the_image() -> None:
    x = torch.randn(2, 3, 9, 12)
    assert len(geometry.whole(2, 9, 12)) == 2
    for antialias in (True, False):
        assert torch.equal(geometry.resample(x, geometry.whole(2, 9, 12), (9, 12), antialias), x)


def test_rows_of_matrices_are_weights() -> None:
    windows = geometry.random_resized_crop(uniform(50), torch.full((50,), 31), torch.full((50,), 23))
    for antialias in (True, False):
        for m in geometry.matrices(windows, (31, 23), (11, 40), antialias):
            assert float(m.min()) >= 0
            torch.testing.assert_close(m.sum(2), torch.ones_like(m[:, :, 0]), rtol=1e-12, atol=0)


def test_windows_of_a_batch_are_independent_and_can_be_sliced() -> None:
    windows = geometry.random_resized_crop(uniform(6), torch.full((6,), 31), torch.full((6,), 23))
    x = torch.randn(6, 2, 31, 23)
    together = geometry.resample(x, windows, (12, 12))
    alone = torch.cat([geometry.resample(x[i : i + 1], windows[i : i + 1], (12, 12)) for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


def test_gradient_of_resampling_is_the_transposed_map() -> None:
    x = torch.randn(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    one = window(1, 2, 3, 4, flip=True)
    assert torch.autograd.gradcheck(lambda v: geometry.resample(v, one, (7, 7), antialias=False), x)


def uniform(n: int, seed: int = 0) -> Tensor:
    """The numbers that n crops draw."""
    return geometry.uniforms(n, torch.Generator().manual_seed(seed))


def crop_twin(u: Tensor, height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]) -> tuple[int, ...]:
    """torchvision's algorithm, with its draws given: u (10,4)."""
    for area_u, aspect_u, top_u, left_u in u.tolist():
        area = height * width * (scale[0] + (scale[1] - scale[0]) * area_u)
        aspect = math.exp(math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * aspect_u)
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(top_u * (height - h + 1)), int(left_u * (width - w + 1)), h, w
    if width / height < ratio[0]:
        w, h = width, round(width / ratio[0])
    elif width / height > ratio[1]:
        w, h = round(height * ratio[1]), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize("shape", [(64, 64), (40, 90), (300, 20), (20, 300), (5, 3)])
@pytest.mark.parametrize(
    ("scale", "ratio"), [((0.08, 1.0), (3 / 4, 4 / 3)), ((0.9, 1.0), (1.0, 1.0)), ((0.2, 0.5), (0.5, 2.0))]
)
def test_crops_follow_torchvisions_algorithm(
    shape: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    u, (height, width) = uniform(200), shape
    windows = geometry.random_resized_crop(u, torch.full((200,), height), torch.full((200,), width), scale, ratio)
    got = torch.stack([windows.top, windows.left, windows.height, windows.width], 1).long().tolist()
    assert got == [list(crop_twin(row, height, width, scale, ratio)) for row in u]
    assert not bool(windows.flip.any()) and windows.clipped


def test_crops_have_torchvisions_distribution() -> None:
    n, height, width = 3000, 48, 64
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = torch.tensor([RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(n)]).double()
    w = geometry.random_resized_crop(uniform(n), torch.full((n,), height), torch.full((n,), width))
    ours = torch.stack([w.top, w.left, w.height, w.width], 1)
    for a, b in zip(ours.T, theirs.T, strict=True):
        points = torch.arange(65)
        gap = ((a[:, None] <= points).double().mean(0) - (b[:, None] <= points).double().mean(0)).abs().max()
        assert float(gap) < 1.63 * math.sqrt(2 / n)  # Kolmogorov–Smirnov at 1 %, seeds fixed
    areas = [(crops[:, 2] * crops[:, 3]).mean().item() / (height * width) for crops in (ours, theirs)]
    assert areas[0] == pytest.approx(areas[1], abs=0.02)


def test_images_of_different_sizes_crop_as_they_would_alone() -> None:
    u, heights, widths = uniform(3), torch.tensor([20, 50, 31]), torch.tensor([64, 20, 31])
    together = geometry.random_resized_crop(u, heights, widths)
    for i in range(3):
        alone = geometry.random_resized_crop(u[i : i + 1], heights[i : i + 1], widths[i : i + 1])
        assert [float(getattr(together[i : i + 1], f)) for f in ("top", "left", "height", "width")] == [
            float(getattr(alone, f)) for f in ("top", "left", "height", "width")
        ]


@pytest.mark.parametrize("shape", [(40, 61), (61, 40), (50, 50), (33, 100)])
def test_resize_and_centre_crop_are_torchvisions(shape: tuple[int, int]) -> None:
    pixels = picture(*shape)
    expected = CenterCrop(28)(Resize(32)(Image.fromarray(pixels)))
    windows = geometry.resize_center_crop(torch.tensor([shape[0]]), torch.tensor([shape[1]]), 32, 28)
    assert_same_pixels(geometry.resample(tensor(pixels), windows, (28, 28)), expected)


def test_flips_mirror_columns_after_the_resize() -> None:
    x = torch.randn(1, 3, 9, 10)
    plain = geometry.resample(x, window(1, 2, 6, 7), (5, 8))
    assert torch.equal(geometry.resample(x, window(1, 2, 6, 7, flip=True), (5, 8)), tv.hflip(plain))


@pytest.mark.parametrize("flip", [False, True])
def test_masks_and_boxes_move_with_pixels(flip: bool) -> None:
    n, size = 40, (48, 48)
    g = torch.Generator().manual_seed(0)
    drawn = geometry.random_resized_crop(uniform(n, 1), torch.full((n,), 60), torch.full((n,), 80), scale=(0.3, 1.0))
    windows = Windows(drawn.top, drawn.left, drawn.height, drawn.width, torch.full((n,), flip))
    corner = torch.stack([torch.randint(0, 50, (n,), generator=g), torch.randint(0, 35, (n,), generator=g)], 1)
    box = torch.cat([corner, corner + torch.randint(10, 26, (n, 2), generator=g)], 1).double()
    mask = torch.zeros(n, 60, 80, dtype=torch.bool)
    for i, (x0, y0, x1, y1) in enumerate(box.int().tolist()):
        mask[i, y0:y1, x0:x1] = True
    pixels = geometry.resample(mask[:, None].double(), windows, size, antialias=False)[:, 0]
    moved, moved_box = geometry.resample_mask(mask, windows, size), geometry.move_box(box, windows, size)
    assert moved.dtype == torch.bool and bool(((pixels > 0.5) == moved)[(pixels - 0.5).abs() > 1e-6].float().mean() > 0.99)
    assert bool(moved[pixels >= 1 - 1e-9].all()) and not bool(moved[pixels <= 1e-9].any())
    centres = torch.arange(48) + 0.5
    for i, (x0, y0, x1, y1) in enumerate(moved_box.tolist()):
        inside = ((centres > y0) & (centres < y1))[:, None] & ((centres > x0) & (centres < x1))[None]
        tied = [((centres[:, None] - torch.tensor(edges)).abs() < 1e-6).any(1) for edges in ((y0, y1), (x0, x1))]
        clear = ~(tied[0][:, None] | tied[1][None])  # a pixel whose centre lies on an edge may fall on either side
        assert torch.equal(inside & clear, moved[i] & clear), f"window {i}"


def test_boxes_by_hand() -> None:
    box = torch.tensor([[10.0, 20.0, 30.0, 40.0]], dtype=torch.float64)
    assert geometry.move_box(box, window(10, 5, 40, 20), (20, 40)).tolist() == [[10, 5, 40, 15]]
    assert geometry.move_box(box, window(10, 5, 40, 20, flip=True), (20, 40)).tolist() == [[0, 5, 30, 15]]
    assert geometry.move_box(box, geometry.whole(1, 60, 80), (60, 80)).tolist() == box.tolist()


def test_moving_windows_to_a_device_keeps_them() -> None:
    one = window(1, 2, 3, 4, flip=True, clipped=False)
    again = one.to("cpu")
    assert (float(again.top), float(again.width), bool(again.flip), again.clipped) == (1, 4, True, False)


def test_windows_of_another_size_go_outward_to_whole_pixels() -> None:
    box = window(3, 1, 5, 6, flip=True)
    for size, expected in {(48, 72): (6, 3, 10, 18), (224, 224): (28, 9, 47, 57), (6, 6): (0, 0, 2, 2)}.items():
        got = geometry.scaled(box, (24, 24), size)
        assert tuple(int(v) for v in (got.top, got.left, got.height, got.width)) == expected and bool(got.flip)
    assert geometry.scaled(box, (24, 24), (24, 24)) is box
