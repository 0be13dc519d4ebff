"""Explainers that ask the network about masked images: which masks there are, and how its answers weigh them; no gradient.

S_m is the target's scalar of image x under mask M_m, S that of x itself. A rule takes the masks, the scores S_m (N,M) and S
(N,) -> (N,h,w), raw and signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from cambench.explainers.cam import weighted_sums
from cambench.vocabulary import NotFiniteError

AT_ONCE = 64
"""Masked images a forward pass, of as many images as it takes."""


@dataclass(frozen=True)
class Masks:
    """M masks of each image: 1 where the image shows, 0 where `behind` does. They are made as they are asked for."""

    images: Tensor
    """x (N,3,H,W)."""
    count: int
    """M."""
    make: Callable[[Tensor, Tensor], Tensor]
    """The number n (B,) of an image and m (B,) of a mask -> the masks (B,H,W)."""
    behind: Tensor
    """(N,3,1,1): the colour where the image does not show."""

    def masked(self, n: Tensor, m: Tensor) -> Tensor:
        """x ⊙ M + b ⊙ (1 − M) of image n and mask m: (B,), (B,) -> (B,3,H,W)."""
        behind = self.behind[n]
        return behind + self.make(n, m)[:, None] * (self.images[n] - behind)

    def weighted(self, weights: Tensor) -> Tensor:
        """Σ_m w_m·M_m of each image: (N,M) -> (N,H,W), summed in the same order whatever the batch."""
        sums = torch.zeros_like(self.images[:, 0], dtype=weights.dtype)
        for n in range(len(sums)):
            for m in torch.split(torch.arange(self.count, device=weights.device), AT_ONCE):
                sums[n] += torch.einsum("m,mhw->hw", weights[n, m], self.make(torch.full_like(m, n), m))
        return sums

    def of(self, places: Tensor) -> Self:
        """The same masks, those of image places[p] (P,) for each p."""
        images, behind = self.images[places], self.behind[places]
        return replace(self, images=images, make=lambda n, m: self.make(places[n], m), behind=behind)


@dataclass(frozen=True)
class ChannelMasks(Masks):
    """Masks made of the channels of a layer: those of channel k are k·M/K to (k + 1)·M/K − 1."""

    activation: Tensor
    """A (N,K,h,w)."""

    def of(self, places: Tensor) -> Self:
        """The same masks, those of image places[p] (P,) for each p."""
        return replace(super().of(places), activation=self.activation[places])


def scores(masks: Masks, score: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """S_m of every image and mask (N,M), `AT_ONCE` masked images at a time, whichever images they are of.

    score: masked images (B,3,H,W) and the image n (B,) that each is of -> S (B,), or several scores of each (B,T), which
    make (N,M,T). Raises: NotFiniteError, naming nothing but how many, for scores that are not finite.
    """
    total, device = len(masks.images) * masks.count, masks.images.device
    pieces = []
    for pair in torch.split(torch.arange(total, device=device), AT_ONCE):
        n, m = pair // masks.count, pair % masks.count
        pieces.append(score(masks.masked(n, m), n))
    every = torch.cat(pieces)
    every = every.view(len(masks.images), masks.count, *every.shape[1:])
    if not bool(torch.isfinite(every).all()):
        bad = int((~torch.isfinite(every)).sum())
        raise NotFiniteError(f"expected finite scores of masked images, got NaN or infinity for {bad} of {every.numel()}.")
    return every


def score_cam(shown: ChannelMasks, scores: Tensor, whole: Tensor) -> Tensor:
    """Score-CAM without its ReLU: Σ_k α_k·A_k, α = softmax_k of the mean increase S_m − S over the masks of channel k.

    Source: Wang et al. 2020, Score-CAM §3; what the increase is counted from changes nothing in the softmax. One mask a
    channel; of SS-CAM and IS-CAM several.
    """
    increase = (scores - whole[:, None]).reshape(len(scores), shown.activation.shape[1], -1).mean(2)
    return weighted_sums(shown.activation, increase.softmax(1)[:, None])[:, 0]


def occlusion(shown: Masks, scores: Tensor, whole: Tensor) -> Tensor:
    """Σ_m (1 − M_m)·(S − S_m) / Σ_m (1 − M_m): the mean fall of the score over the windows that hide a pixel.

    Source: Zeiler & Fergus 2014, §4.2, whose map shows the score itself where the window's middle is; the mean over
    windows as in captum.
    """
    fall = whole[:, None] - scores
    hidden = shown.count - shown.weighted(torch.ones_like(scores))
    return (fall.sum(1)[:, None, None] - shown.weighted(fall)) / hidden


def rise(shown: Masks, scores: Tensor, whole: Tensor, *, p: float = 0.5) -> Tensor:
    """1/(p·M)·Σ_m S_m·M_m: the mean score of the masks that show a pixel. Source: Petsiuk et al. 2018, RISE eq. 6."""
    return shown.weighted(scores) / (p * shown.count)
