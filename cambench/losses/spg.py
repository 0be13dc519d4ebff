"""SPG: masks that the network makes of its own attention, and the loss of those who learn them (rivals protocol §4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

LEAST, FALLBACK = 30, 0.7
"""Fewer pixels of foreground than this, and what is above this share of an image's maximum is foreground instead."""
IGNORED = -1.0


def guide(attention: Tensor, high: float, low: float) -> Tensor:
    """1 where m > h, 0 where m < l, which overrides, and IGNORED between them; a constant.

    Where fewer than 30 pixels of an image are above h, those above 0.7·max m are 1 instead.
    Source: Zhang et al. 2018, SPG; WSOL benchmark, its code (rivals protocol §4). m (N,H,W) -> (N,H,W).
    """
    m = attention.detach()
    above = m > high
    few = above.flatten(1).sum(1) < LEAST
    above = torch.where(few[:, None, None], m > FALLBACK * m.amax((1, 2), keepdim=True), above)
    ignored = torch.full_like(m, IGNORED)
    return ignored.masked_fill(above, 1.0).masked_fill(m < low, 0.0)


def guided_loss(scores: Tensor, mask: Tensor, guided: Tensor | None = None) -> Tensor:
    """−t·log σ(z) − (1 − t)·log(1 − σ(z)), mean over the pixels of the whole batch that are not ignored; 0 where all are.

    Source: as `guide`. scores z (N,H,W), mask t (N,H,W), guided: the number of such pixels; where these images are a part
    of the batch, as many of all as come upon them by their number -> () in nats.
    """
    known = (mask != IGNORED).to(scores)
    losses = binary_cross_entropy_with_logits(scores, mask.clamp(min=0), reduction="none")
    count = known.sum() if guided is None else guided
    return (losses * known).sum() / torch.where(count > 0, count, 1)
