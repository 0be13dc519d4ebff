"""CGC: contrastive consistency of heatmaps (Pillai et al., CVPR 2022).

a_i is the heatmap of the transformed image, a_i = g(T_i(x_i)); b_i the transformed heatmap, b_i = T_i(g(x_i)).
Everything here runs in at least float32, under autocast too: the 1e-8 constants underflow in half precision.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from cambench import geometry, maps
from cambench.vocabulary import UsageError

Anchor = Literal["released", "printed"]
"""Whose similarities to the others are the negatives: a_i's in the authors' code, b_i's in the paper's equation."""
STEPS = ("relu", "resize", "sum-to-one-epsilon")


def heatmap(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """The heatmap that CGC compares: M = M1/(ΣM1 + 1e-8) + 1e-8 with M1 = upsample(ReLU(raw)).

    Source: CGC, authors' code. raw (N,h,w), signed -> (N,*size), positive, each summing to about 1.
    """
    return maps.apply(maps.widened(raw), STEPS, size)


def consistency_maps(
    changed: Tensor, query: Tensor, windows: geometry.Windows, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The two heatmaps of each pair: a = M(changed), b = T(M(query)), where T cuts a window, resizes and flips.

    b = Ry·M·Rxᵀ with the windows' bilinear matrices (no antialias); it is not normalised again.
    Source: CGC, authors' code. changed: raw maps (N,h,w) of T(x); query: of x; windows: N windows in the
    pixels of `size` -> a, b (N,P), P = size[0]·size[1].
    """
    with torch.autocast(query.device.type, enabled=False):
        a, full = heatmap(changed, size), heatmap(query, size)
        here = windows.to(query.device) if query.is_cuda else windows
        b = geometry.resample(full[:, None], here, size, antialias=False)
    return a.flatten(1), b.flatten(1)


def cgc_loss(a: Tensor, b: Tensor, temperature: float = 0.5, anchor: Anchor = "released") -> Tensor:
    """Contrast of each pair of heatmaps with the others of its group; a, b are divided by their L2 norms here.

    released:  L_i = −log e^{⟨a_i,b_i⟩/τ} / (e^{⟨a_i,b_i⟩/τ} + Σ_{j≠i} e^{⟨a_i,a_j⟩/τ})
    printed:   L_i = −log e^{⟨b_i,a_i⟩/τ} / Σ_j e^{⟨b_i,a_j⟩/τ}
    Source: CGC §3.1, the equation of L_i (`printed`; it has no number), authors' code (`released`).
    a, b (n,P): one group of n non-negative maps -> (n,) in nats.
    Raises: UsageError for an unknown anchor or shapes that differ.
    """
    check(a, b)
    with torch.autocast(a.device.type, enabled=False):
        a, b = unit(a), unit(b)
        if anchor == "released":
            own = torch.eye(len(a), dtype=torch.bool, device=a.device)
            similarity = torch.where(own, (a * b).sum(1, keepdim=True), a @ a.T)
        elif anchor == "printed":
            similarity = b @ a.T
        else:
            raise UsageError(f"CGC loss: expected anchor released or printed, got {anchor!r}.")
        similarity = similarity / temperature
        return torch.logsumexp(similarity, 1) - similarity.diagonal()


def grouped_cgc_loss(
    a: Tensor,
    b: Tensor,
    group: int = 64,
    *,
    temperature: float = 0.5,
    anchor: Anchor = "released",
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """The CGC loss of consecutive groups: `mean` of the groups' means, `sum` of the groups' sums.

    A trailing group of fewer than 2 has no negatives and is dropped; with nothing left the loss is 0.
    Source: CGC, authors' code, where a group is one device's slice. a, b (N,P) -> () in nats.
    """
    check(a, b)
    pairs = zip(torch.split(a, group), torch.split(b, group), strict=True)
    groups = [cgc_loss(x, y, temperature, anchor) for x, y in pairs if len(x) >= 2]
    if not groups:
        return (a * 0).sum()
    if reduction == "sum":
        return torch.stack([losses.sum() for losses in groups]).sum()
    return torch.stack([losses.mean() for losses in groups]).mean()


def positive_pair_loss(a: Tensor, b: Tensor, variant: Literal["squared", "released"] = "squared") -> Tensor:
    """CGC without negatives: the distance of the L2-normalised pair.

    squared:   L = mean_i ‖a_i − b_i‖²  (summed over pixels)
    released:  L = mean_i,pixel (a_i − b_i)², which is `squared` / P
    Source: CGC §4.1 and Table 5, "w/o neg" (`squared`, the paper's ℓ2), authors' code (`released`). a, b (N,P) -> ().
    Raises: UsageError for an unknown variant or shapes that differ.
    """
    check(a, b)
    if variant not in ("squared", "released"):
        raise UsageError(f"CGC without negatives: expected variant squared or released, got {variant!r}.")
    squared = (unit(a) - unit(b)).square().sum(1).mean()
    return squared if variant == "squared" else squared / a.shape[1]


def paired_windows(n: int, size: tuple[int, int], generator: torch.Generator, flip: float = 0.5) -> geometry.Windows:
    """N draws of the transform T inside a query of `size`: random resized crop, then one flip for image and heatmap.

    Source: CGC, authors' code with the paper's consistent flip.
    """
    height, width = (torch.full((n,), side) for side in size)
    windows = geometry.random_resized_crop(geometry.uniforms(n, generator), height, width)
    flipped = torch.rand(n, generator=generator) < flip
    return geometry.Windows(windows.top, windows.left, windows.height, windows.width, flipped, windows.clipped)


def unit(x: Tensor) -> Tensor:
    """Rows of x (n,P) divided by their L2 norm."""
    return functional.normalize(maps.widened(x), dim=1)


def check(a: Tensor, b: Tensor) -> None:
    """Raises: UsageError unless a and b are matching (N,P)."""
    if a.ndim != 2 or a.shape != b.shape:
        raise UsageError(f"CGC loss: expected two batches of flat maps (N,P), got {tuple(a.shape)} and {tuple(b.shape)}.")
