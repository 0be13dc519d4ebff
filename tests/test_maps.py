"""Named map steps on hand-sized maps."""

from __future__ import annotations

import cv2
import pytest
import torch
from reference.cgc import bilinear
from reference.wsol import bicubic

from cambench import maps
from cambench.vocabulary import UsageError

MAP = torch.tensor([[[-1.0, 0.0], [1.0, 3.0]]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("relu", [0, 0, 1, 3]),
        ("absolute", [1, 0, 1, 3]),
        ("sum-to-one-epsilon", [-1 / (3 + 1e-8) + 1e-8, 1e-8, 1 / (3 + 1e-8) + 1e-8, 3 / (3 + 1e-8) + 1e-8]),
        ("min-max", [0, 0.25, 0.5, 1]),
        ("min-max-epsilon", [0, 1 / (4 + 1e-8), 2 / (4 + 1e-8), 4 / (4 + 1e-8)]),
        ("max", [0, 0, 1 / 3, 1]),
        ("clip", [0, 0, 1, 1]),
        ("min-max-library", [0, 1 / (1e-7 + 4), 2 / (1e-7 + 4), 4 / (1e-7 + 4)]),
    ],
)
def test_steps_by_hand(step: str, expected: list[float]) -> None:
    before = MAP.clone()
    assert maps.apply(MAP, [step], (2, 2)).flatten().tolist() == pytest.approx(expected, abs=1e-15)
    assert torch.equal(MAP, before)


def test_every_step_is_tested_and_treats_maps_one_by_one() -> None:
    several = torch.rand(5, 17, 18, dtype=torch.float64)
    for step in maps.STEPS:
        alone = torch.cat([maps.apply(m[None], [step], (17, 18)) for m in several])
        torch.testing.assert_close(maps.apply(several, [step], (17, 18)), alone, rtol=1e-14, atol=0)


def test_constant_and_zero_maps_stay_finite() -> None:
    flat = torch.full((1, 2, 3), 0.7)
    assert maps.min_max(flat).tolist() == maps.min_max_epsilon(flat).tolist() == [[[0.0] * 3] * 2]
    for degenerate in (flat, -MAP.abs() - 1, torch.zeros(1, 2, 3)):
        for step in ("max", "clip"):
            assert not maps.apply(degenerate, [step], (2, 2)).any(), "constant, or nowhere positive (CALM protocol §6.9)"
    assert maps.sum_to_one_epsilon(torch.zeros(1, 2, 3)).unique().tolist() == pytest.approx([1e-8])


def test_blur_is_that_of_opencv() -> None:
    raw = torch.randn(2, 20, 33, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for size in (11, 15, 31):
        for got, one in zip(maps.apply(raw, [f"blur-{size}"], (1, 1)), raw.numpy(), strict=True):
            blurred = cv2.GaussianBlur(one, (size, size), 0, borderType=cv2.BORDER_REFLECT_101)  # 0: σ by the rule
            torch.testing.assert_close(got, torch.from_numpy(blurred), rtol=1e-10, atol=1e-10)
    assert [maps.known_step(step) for step in ("blur-31", "resize", "max", "blur-x", "blur", "maxx")] == [True] * 3 + [
        False
    ] * 3
    with pytest.raises(UsageError, match="an odd number of pixels, got 4; take 5"):
        maps.blur(raw, 4)
    with pytest.raises(UsageError, match="more than 15 pixels a side, got 15×40"):
        maps.blur(torch.zeros(1, 15, 40), 31)


@pytest.mark.parametrize("size", [(7, 5), (2, 2), (3, 9)])
def test_resize_matches_the_half_pixel_twin(size: tuple[int, int]) -> None:
    raw = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for got, one in zip(maps.resize(raw, size), raw, strict=True):
        torch.testing.assert_close(got, torch.from_numpy(bilinear(one.numpy(), size)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(7, 5), (2, 2), (14, 9)])
def test_cubic_resize_matches_its_twin(size: tuple[int, int]) -> None:
    raw = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for got, one in zip(maps.apply(raw, ["resize-cubic"], size), raw, strict=True):
        torch.testing.assert_close(got, torch.from_numpy(bicubic(one.numpy(), size)), rtol=1e-12, atol=1e-12)
    assert float(maps.resize_cubic(MAP, (8, 8)).max()) > float(MAP.max()), "it overshoots"


def test_steps_run_in_their_order() -> None:
    first = maps.apply(MAP, ["relu", "min-max"], (2, 2))
    second = maps.apply(MAP, ["min-max", "relu"], (2, 2))
    assert first.flatten().tolist() == pytest.approx([0, 0, 1 / 3, 1])
    assert second.flatten().tolist() == [0, 0.25, 0.5, 1]
    assert maps.apply(MAP, ["resize", "relu"], (4, 6)).shape == (1, 4, 6)


@pytest.mark.parametrize(("step", "interpolation"), [("resize", "INTER_LINEAR"), ("resize-cubic", "INTER_CUBIC")])
@pytest.mark.parametrize(("grid", "size"), [((5, 7), (30, 40)), ((28, 28), (224, 224)), ((9, 8), (4, 5))])
def test_opencv_resizes_the_same_way(step: str, interpolation: str, grid: tuple[int, int], size: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    raw = torch.randn(1, *grid, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    resized = cv2.resize(raw[0].numpy(), size[::-1], interpolation=getattr(cv2, interpolation))
    torch.testing.assert_close(
        maps.apply(raw, [step], size)[0], torch.from_numpy(resized), rtol=0, atol=5e-6
    )  # its weights are float32


@pytest.mark.parametrize(
    ("image", "grid"), [((12, 12), (4, 4)), ((13, 10), (4, 7)), ((5, 3), (8, 8)), ((7, 7), (7, 7)), ((3, 3), (7, 2))]
)
def test_the_masks_of_all_classes_are_those_of_each(image: tuple[int, int], grid: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    regions = torch.randint(-2, 7, (3, *image), generator=generator)  # two kinds of nothing, five classes, two beyond them
    regions[torch.rand(3, *image, generator=generator) < 0.6] = -1
    masks = torch.stack([maps.on_grid(regions == c, grid) for c in range(5)], 1)
    assert torch.equal(maps.classes_on_grid(regions, 5, grid), masks)
    assert masks.any() and not masks.all()
