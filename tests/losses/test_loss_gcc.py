"""GCC's loss: the worked examples of rivals protocol §1, its slow twin, the composite, properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import gcc as twin
from torch import Tensor

from cambench.losses.gcc import composite, gcc_loss, heatmap
from cambench.vocabulary import UsageError

X = torch.tensor([[[3.0, 1.0], [0.0, -2.0]]], dtype=torch.float64)


def four(cells: dict[tuple[int, int], float], side: int = 4) -> Tensor:
    """A composite's raw map (1,side,side) that is zero but in some cells."""
    raw = torch.zeros(1, side, side, dtype=torch.float64)
    for (row, column), value in cells.items():
        raw[0, row, column] = value
    return raw


def at(quadrant: int) -> Tensor:
    """The quadrant of a batch of one."""
    return torch.tensor([quadrant])


def test_example_1_the_heatmap_of_the_image() -> None:
    expected = torch.tensor([[[0.75, 0.25], [1e-8, 1e-8]]], dtype=torch.float64)
    torch.testing.assert_close(heatmap(X), expected, rtol=0, atol=2e-8)


@pytest.mark.parametrize(
    ("raw", "quadrant", "value", "error"),
    [
        (four({(0, 0): 3, (0, 1): 1, (2, 3): 4}), 0, 1.0000001 / 16, 5e-9),
        (four({(0, 0): 3, (0, 1): 1}), 0, 7.5e-9, 1e-15),
        (four({(i, j): 2 for i in (2, 3) for j in (2, 3)}), 0, 2 / 16, 5e-8),
        (four({}), 0, 1 / 16, 5e-8),
    ],
    ids=["2 half the mass outside", "3 the same map", "4 all of it elsewhere", "5 nothing"],
)
def test_worked_examples(raw: Tensor, quadrant: int, value: float, error: float) -> None:
    assert float(gcc_loss(X, raw, at(quadrant))) == pytest.approx(value, abs=error)
    assert twin.distance(X[0].numpy(), raw[0].numpy(), quadrant) == pytest.approx(value, abs=error)


def test_example_4_as_stated_lies_in_quadrant_3() -> None:
    raw = four({(i, j): 1 for i in (2, 3) for j in (2, 3)})
    assert float(gcc_loss(torch.ones_like(X), raw, at(3))) == pytest.approx(7.5e-9, abs=1e-15)


def test_example_5_an_empty_composite_has_no_gradient_but_its_target_has() -> None:
    of_image, of_four = X.clone().requires_grad_(), four({}).requires_grad_()
    gcc_loss(of_image, of_four, at(1)).backward()
    assert torch.equal(of_four.grad, torch.zeros_like(of_four)) and bool(torch.isfinite(of_image.grad).all())


def test_example_6_two_uniform_maps() -> None:
    value = float(gcc_loss(torch.ones(1, 7, 7), torch.ones(1, 14, 14), at(2)))
    assert value == pytest.approx(1.5 / 196, rel=1e-6) and 25 * value == pytest.approx(0.1913, abs=5e-5)


@pytest.mark.parametrize(("share", "value"), [(1, 0), (0.75, 0.0638), (0.5, 0.1276), (0, 0.2551)])
@pytest.mark.parametrize("quadrant", range(4))
def test_example_7_the_share_of_the_mass_in_the_quadrant(share: float, value: float, quadrant: int) -> None:
    shape = torch.rand(7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tiles = torch.stack([shape * (share if i == quadrant else (1 - share) / 3) for i in range(4)])
    raw = torch.cat([torch.cat(list(tiles[:2]), 1), torch.cat(list(tiles[2:]), 1)], 0)[None]
    loss = float(gcc_loss(shape[None], raw, at(quadrant)))
    assert loss == pytest.approx(2 * (1 - share) / 196, abs=2e-8) and 25 * loss == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_the_loss_is_that_of_its_twin(dtype: torch.dtype, tolerance: float) -> None:
    g = torch.Generator().manual_seed(1)
    image, whole = torch.randn(6, 2, 3, generator=g).double(), torch.randn(6, 4, 6, generator=g).double()
    quadrant = torch.tensor([0, 1, 2, 3, 3, 0])
    expected = [twin.distance(m.numpy(), x.numpy(), int(q)) for m, x, q in zip(image, whole, quadrant, strict=True)]
    got = gcc_loss(image.to(dtype), whole.to(dtype), quadrant)
    assert float(got) == pytest.approx(float(np.mean(expected)), rel=tolerance)
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_scaling_a_map_changes_nothing_beyond_epsilon() -> None:
    whole = torch.rand(1, 4, 4, dtype=torch.float64)
    one, hundred = (float(gcc_loss(c * X, c * whole, at(1))) for c in (1, 100))
    assert one == pytest.approx(hundred, abs=1e-8)


@pytest.mark.parametrize("quadrant", range(4))
def test_the_tile_of_the_composite_is_the_image_and_the_others_come_in_order(quadrant: int) -> None:
    image, beside = torch.randn(2, 3, 4, 5), torch.randn(6, 3, 4, 5)
    got = composite(image, beside, torch.tensor([quadrant, 3 - quadrant]))
    assert got.shape == (2, 3, 8, 10)
    for i, q in enumerate((quadrant, 3 - quadrant)):
        assert torch.equal(got[i], twin.composite(image[i], list(beside[3 * i : 3 * i + 3]), q))
        assert torch.equal(got[i, :, 4 * (q // 2) :, 5 * (q % 2) :][:, :4, :5], image[i])


def test_a_grid_that_does_not_double_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a map of 6×6 of the composite, twice the image's 3×3, got 5×5"):
        gcc_loss(torch.ones(1, 3, 3), torch.ones(1, 5, 5), at(0))
