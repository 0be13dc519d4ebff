"""ContrastiveCAM's losses: slow twins with gradients, the numerical contracts of ContrastiveCAM protocol §6, hand values."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from reference import cfce as twin
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from cambench.contrastive import contrastive_maps, reconstructed
from cambench.losses import cfce as ours

N, C, SIDE = 4, 5, (3, 4)
LAMBDAS = (2.0, 1.5, 3.0)


def rcfce(maps: Tensor, labels: Tensor, mask: Tensor, bias: Tensor | None, lambdas: tuple[float, float, float]) -> Tensor:
    """Eq. 18 of each image."""
    return ours.cfce(maps, labels, mask, bias) + lambdas[0] * ours.contrastive_divergence(maps, labels, mask, *lambdas[1:])


def rcfbce(maps: Tensor, targets: Tensor, mask: Tensor, bias: Tensor | None, lambdas: tuple[float, float, float]) -> Tensor:
    """Eq. 72 of each image."""
    return ours.cfbce(maps, targets, mask, bias) + lambdas[0] * ours.positive_divergence(maps, targets, mask, *lambdas[1:])


def drawn(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Random maps, labels, masks, targets, a bias, all float64."""
    g = torch.Generator().manual_seed(seed)
    return {
        "maps": torch.randn(N, C, *SIDE, generator=g, dtype=torch.float64),
        "labels": torch.randint(C, (N,), generator=g),
        "mask": torch.rand(N, *SIDE, generator=g) < 0.4,
        "targets": (torch.rand(N, C, generator=g) < 0.5).double(),
        "masks": torch.rand(N, C, *SIDE, generator=g) < 0.4,
        "regions": torch.randint(-1, C, (N, *SIDE), generator=g),
        "bias": torch.randn(C, generator=g, dtype=torch.float64) if name == "bias" else torch.zeros(C, dtype=torch.float64),
    }


def plain(x: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """The same as arrays."""
    return {k: v.numpy() for k, v in x.items()}


PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[..., float]]] = {
    "cfce": (
        lambda m, x: ours.cfce(m, x["labels"], x["mask"], x["bias"]).mean(),
        lambda m, x, i: twin.cfce(m, x["labels"][i], x["mask"][i], x["bias"]),
    ),
    "rcfce": (
        lambda m, x: rcfce(m, x["labels"], x["mask"], x["bias"], LAMBDAS).mean(),
        lambda m, x, i: twin.rcfce(m, x["labels"][i], x["mask"][i], x["bias"], LAMBDAS),
    ),
    "cfbce": (
        lambda m, x: ours.cfbce(m, x["targets"], x["masks"], x["bias"]).mean(),
        lambda m, x, i: twin.cfbce(m, x["targets"][i], x["masks"][i], x["bias"]),
    ),
    "rcfbce": (
        lambda m, x: rcfbce(m, x["targets"], x["masks"], x["bias"], LAMBDAS).mean(),
        lambda m, x, i: twin.rcfbce(m, x["targets"][i], x["masks"][i], x["bias"], LAMBDAS),
    ),
    "cutmix-cfce": (
        lambda m, x: ours.cutmix_cfce_loss(m, x["labels"][:, None], torch.ones(N, 1), x["regions"], x["bias"]),
        lambda m, x, i: twin.mixed(m, x["labels"][i], x["regions"][i], x["bias"]),
    ),
}


@pytest.mark.parametrize("bias", ["bias", "none"])
@pytest.mark.parametrize("name", list(PAIRS))
def test_loss_and_gradient_are_those_of_the_formula(name: str, bias: str) -> None:
    fast, slow = PAIRS[name]
    x = drawn(bias)
    arrays = plain(x)
    maps = x["maps"].requires_grad_(True)
    loss = fast(maps, x)

    def value(m: np.ndarray) -> float:
        return float(np.mean([slow(m[i], arrays, i) for i in range(N)]))

    start = maps.detach().numpy().copy()
    assert float(loss.detach()) == pytest.approx(value(start), rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, maps)
    for at in list(np.ndindex(start.shape))[::7]:
        up, down = start.copy(), start.copy()
        up[at] += 1e-6
        down[at] -= 1e-6
        assert float(gradient[at]) == pytest.approx((value(up) - value(down)) / 2e-6, rel=1e-5, abs=1e-7)


def test_the_reconstructed_map_is_the_mean_of_the_contrastive_ones() -> None:
    x = drawn("bias")
    every = contrastive_maps(x["maps"], x["labels"])
    assert bool((every[torch.arange(N), x["labels"]] == 0).all())
    torch.testing.assert_close(reconstructed(x["maps"], x["labels"]), every.mean(1))


@pytest.mark.parametrize("seed", range(5))
def test_contract_3(seed: int) -> None:
    x = drawn("none", seed)
    maps, labels, mask = x["maps"], x["labels"], x["mask"]
    ce = cross_entropy(maps.sum((2, 3)), labels, reduction="none")
    ones = torch.ones_like(mask)
    torch.testing.assert_close(ours.cfce(maps, labels, ones), ce)
    losses = ours.cfce(maps, labels, mask)
    assert bool((losses >= ce - 1e-12).all()) and bool((losses > ce + 1e-3).any())
    assert bool((ours.cfce(maps, labels, ~ones) >= math.log(C)).all())
    common = 10 * torch.randn(N, 1, *SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(ours.cfce(maps + common, labels, mask), losses)
    torch.testing.assert_close(rcfce(maps + common, labels, mask, None, LAMBDAS), rcfce(maps, labels, mask, None, LAMBDAS))
    core_only = maps * mask[:, None]
    ce = cross_entropy(core_only.sum((2, 3)), labels, reduction="none")
    torch.testing.assert_close(ours.cfce(core_only, labels, mask), ce)


def test_a_mask_of_ones_is_plain_cross_entropy_of_a_head_with_bias_too() -> None:
    x = drawn("bias")
    logits = x["maps"].sum((2, 3)) + x["bias"]
    ones = torch.ones_like(x["mask"])
    plain_loss = cross_entropy(logits, x["labels"])
    torch.testing.assert_close(ours.cfce(x["maps"], x["labels"], ones, x["bias"]).mean(), plain_loss)
    loss = ours.cfbce(x["maps"], x["targets"], torch.ones_like(x["masks"]), x["bias"]).mean()
    torch.testing.assert_close(loss, binary_cross_entropy_with_logits(logits, x["targets"]))  # contract 5


def test_contract_4_the_divergence_is_finite_in_float32_and_is_the_generic_form() -> None:
    x = drawn("none")
    mask, maps = x["mask"], x["maps"][:, 0]
    log_p, log_q = (1000.0 * mask.double()).flatten(1).log_softmax(1), (10 * maps).flatten(1).log_softmax(1)
    generic = (log_p.exp() * (log_p - log_q)).sum(1)
    torch.testing.assert_close(ours.divergence(maps, mask, 1000.0, 10.0), generic)
    closed = [-math.log(int(m.sum())) - float(q[m.flatten()].mean()) for m, q in zip(mask, log_q, strict=True)]
    torch.testing.assert_close(generic, torch.tensor(closed, dtype=torch.float64))
    single = maps.float().mul(1e3).requires_grad_(True)
    divergences = ours.divergence(single, mask, 1000.0, 10.0)
    divergences.sum().backward()
    assert bool(torch.isfinite(divergences).all()) and bool(torch.isfinite(single.grad).all())
    torch.testing.assert_close(ours.divergence(maps.float(), mask, 1000.0, 10.0), generic.float(), rtol=1e-5, atol=1e-5)
    ones = torch.ones_like(mask)
    torch.testing.assert_close(ours.divergence(maps, ones, 1000.0, 10.0), ours.divergence(maps, ~ones, 1000.0, 10.0))
    assert float(ours.divergence(torch.zeros(1, 3, 4), ones[:1], 1000.0, 10.0)) == pytest.approx(0.0, abs=1e-6)


def test_a_mixed_image_of_one_class_is_cfce() -> None:
    x = drawn("bias")
    regions = torch.where(x["mask"], x["labels"][:, None, None], -1)
    torch.testing.assert_close(
        ours.mixed_cfce(x["maps"], x["labels"], regions, x["bias"]), ours.cfce(x["maps"], x["labels"], x["mask"], x["bias"])
    )
    pair, half = x["labels"][:, None].expand(N, 2), torch.full((N, 2), 0.5)
    loss = ours.cutmix_cfce_loss(x["maps"], pair, half, regions, x["bias"])
    torch.testing.assert_close(loss, ours.cfce(x["maps"], x["labels"], x["mask"], x["bias"]).mean())


def test_a_hand_sized_example() -> None:
    """Two cells, two classes: D = (2, −1) against class 1, the first cell is core: z = −2 + 1."""
    maps = torch.tensor([[[[3.0, 0.0]], [[1.0, 1.0]]]])
    label, mask = torch.tensor([0]), torch.tensor([[[True, False]]])
    assert float(ours.cfce(maps, label, mask)) == pytest.approx(math.log(1 + math.exp(-1)))
    q = math.exp(2) / (math.exp(2) + math.exp(-1))
    loss = float(rcfce(maps, label, mask, None, (4.0, 1000.0, 1.0)))
    assert loss == pytest.approx(math.log(1 + math.exp(-1)) - 4 * math.log(q), rel=1e-6)


def test_no_positive_class_has_no_divergence_and_one_class_is_refused() -> None:
    x = drawn("none")
    nothing = torch.zeros_like(x["targets"])
    divergences = ours.positive_divergence(x["maps"], nothing, x["masks"], 1000.0, 10.0)
    torch.testing.assert_close(divergences, torch.zeros_like(divergences))
    one_class, label = x["maps"][:, :1], torch.zeros(N, dtype=torch.int64)
    for loss in (ours.cfce, lambda *given: ours.contrastive_divergence(*given, 1000.0, 10.0)):
        with pytest.raises(ValueError, match="at least 2 classes, got 1; use the binary form"):
            loss(one_class, label, x["mask"])
