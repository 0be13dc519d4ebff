"""Core-focused cross-entropy: a class may only win by what its map says inside the object's mask (ContrastiveCAM).

Everywhere: maps CAM (N,C,h,w) of all classes, whose sums over the cells are the logits without the bias,
f_c = Σ_ij CAM_c + b_c; mask H (N,h,w) bool on the maps' grid, True where the cell contains the object.

The paper's losses are for heads without bias. For a head with bias, `bias` (C,) enters as Prop. 4.1 has it,
p_t = 1/Σ_c exp(b_c − b_t − Σ D_(t,c)): a mask of ones then gives plain cross-entropy of such a head too, and masks act on
the maps alone. All arithmetic is in at least float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from cambench.contrastive import contrastive_maps
from cambench.maps import widened


def several(maps: Tensor) -> None:
    """See that a softmax makes sense. Raises: ValueError for one class alone."""
    if maps.shape[1] < 2:
        raise ValueError(f"a softmax loss: expected at least 2 classes, got {maps.shape[1]}; use the binary form (cfbce).")


def logits(maps: Tensor, bias: Tensor | None) -> Tensor:
    """f_c = Σ_ij CAM_c + b_c: maps (N,C,h,w), bias (C,) -> (N,C)."""
    return maps.sum((2, 3)) + (0.0 if bias is None else bias.to(maps.dtype))


def margins(bias: Tensor | None, classes: Tensor, like: Tensor) -> Tensor:
    """b_c − b_t (N,C) of Prop. 4.1; zeros for a head without bias."""
    if bias is None:
        return like.new_zeros(like.shape[:2])
    wide = bias.to(like.dtype)
    return wide[None] - wide[classes][:, None]


def cfce(maps: Tensor, labels: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
    """CFCE of each image: logsumexp_c z_c, z_c = b_c − b_t − Σ H·D_(t,c) + Σ (1 − H)·|D_(t,c)|, z_t = 0.

    Source: ContrastiveCAM eq. 15. maps (N,C,h,w), labels (N,), mask (N,h,w) -> (N,) in nats.
    Raises: ValueError for one class alone. Departure: the bias, where a head has one (see above).
    """
    several(maps)
    wide = widened(maps)
    difference = contrastive_maps(wide, labels)
    signed = torch.where(mask[:, None].bool(), -difference, difference.abs())
    return (margins(bias, labels, wide) + signed.sum((2, 3))).logsumexp(1)


def divergence(maps: Tensor, mask: Tensor, lambda2: float, lambda3: float) -> Tensor:
    """KL( σ(λ2·H) ‖ σ(λ3·M) ) of maps to masks, σ the softmax over the cells, KL(P‖Q) = Σ P (log P − log Q).

    P takes two values: 1/Z on H and e^(−λ2)/Z elsewhere, Z = |H| + (hw − |H|)·e^(−λ2); so no exponential of λ2 is ever
    divided or logged, and λ2 = 1000 is exact in float32. An empty mask is a full one: σ of a constant is uniform.
    Source: ContrastiveCAM eq. 18 and 72. maps (…,h,w), mask (…,h,w) bool, of shapes that broadcast -> (…) in nats.
    """
    cells = maps.shape[-2] * maps.shape[-1]
    log_q = log_softmax(lambda3 * widened(maps).flatten(-2), -1)
    core = mask.bool().flatten(-2)
    core = core | ~core.any(-1, keepdim=True)
    inside = core.sum(-1, keepdim=True).to(log_q.dtype)
    rest = math.exp(-lambda2)
    log_core = -(inside + (cells - inside) * rest).log()
    log_p = torch.where(core, log_core, log_core - lambda2)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def contrastive_divergence(maps: Tensor, labels: Tensor, mask: Tensor, lambda2: float, lambda3: float) -> Tensor:
    """Mean over c ≠ t of KL( σ(λ2·H) ‖ σ(λ3·D_(t,c)) ): the regulariser of RCFCE without λ1.

    Source: ContrastiveCAM eq. 18. maps (N,C,h,w), labels (N,), mask (N,h,w) -> (N,). Raises: ValueError for one class.
    """
    several(maps)
    every = divergence(contrastive_maps(widened(maps), labels), mask[:, None], lambda2, lambda3)
    other = torch.ones_like(every).scatter(1, labels[:, None], 0.0)
    return (every * other).sum(1) / (maps.shape[1] - 1)


def cfbce(maps: Tensor, targets: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
    """CFBCE of each image: 1/C Σ_i [ y_i softplus(−u_i) + (1 − y_i) softplus(f_i) ].

    u_i = Σ H_i·CAM_i − Σ (1 − H_i)·|CAM_i|, f_i = Σ CAM_i.
    Only classes that are there use masks. A bias is added to u_i and to f_i, so that H_i = 1 gives plain BCE.
    Source: ContrastiveCAM eq. 71. maps and class masks (N,C,h,w), targets y (N,C) of 0 and 1 -> (N,) in nats.
    """
    wide = widened(maps)
    focused = logits(torch.where(mask.bool(), wide, -wide.abs()), bias)
    y = targets.to(wide.dtype)
    return (y * softplus(-focused) + (1 - y) * softplus(logits(wide, bias))).mean(1)


def positive_divergence(maps: Tensor, weights: Tensor, mask: Tensor, lambda2: float, lambda3: float) -> Tensor:
    """Σ_i w_i KL( σ(λ2·H_i) ‖ σ(λ3·CAM_i) ) / Σ_i w_i, zero for an image without any: RCFBCE's regulariser without λ1.

    Source: ContrastiveCAM eq. 72, w = y. maps and class masks (N,C,h,w), weights (N,C) of 0 and 1 -> (N,).
    """
    every = divergence(maps, mask, lambda2, lambda3)
    w = weights.to(every.dtype)
    return (w * every).sum(1) / w.sum(1).clamp(min=1)


def mixed_cfce(maps: Tensor, labels: Tensor, regions: Tensor, bias: Tensor | None = None) -> Tensor:
    """CFCE of a mixed image for one of its labels c: logsumexp_i z_i,
    z_i = b_i − b_c − Σ 1[H=c]·D_(c,i) + Σ 1[H=−1]·|D_(c,i)| + Σ 1[H=i]·D_(c,i).

    With c as the only class in H it is CFCE. Source: ContrastiveCAM eq. 73. maps (N,C,h,w), labels (N,), regions H (N,h,w)
    int64, −1 for no class -> (N,) in nats. Raises: ValueError for one class alone.
    """
    several(maps)
    wide = widened(maps)
    difference = contrastive_maps(wide, labels)
    own = (regions == labels[:, None, None])[:, None]
    nothing = (regions == -1)[:, None]
    theirs = regions[:, None] == torch.arange(maps.shape[1], device=maps.device)[None, :, None, None]
    terms = difference.abs() * nothing + difference * theirs - difference * own
    return (margins(bias, labels, wide) + terms.sum((2, 3))).logsumexp(1)


def cutmix_cfce_loss(maps: Tensor, labels: Tensor, shares: Tensor, regions: Tensor, bias: Tensor | None = None) -> Tensor:
    """CFCE of mixed images: the sum over their labels of `mixed_cfce`, weighted by area, mean over the batch.

    Source: ContrastiveCAM eq. 73; the weighting is our choice (ContrastiveCAM protocol §1.2). maps (N,C,h,w), labels
    (N,L), shares (N,L) that sum to 1, regions (N,h,w) int64 -> () in nats.
    """
    each = [mixed_cfce(maps, labels[:, i], regions, bias) for i in range(labels.shape[1])]
    return (torch.stack(each, 1) * shares).sum(1).mean()
