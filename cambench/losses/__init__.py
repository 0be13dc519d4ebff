"""Losses: pure scalars on tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cambench.losses.calm import calm_em_loss, calm_ml_loss
from cambench.losses.cfce import cfbce_loss, cfce_loss, cutmix_cfce_loss, rcfbce_loss, rcfce_loss
from cambench.losses.cgc import cgc_loss, positive_pair_loss
from cambench.losses.cross_entropy import cross_entropy
from cambench.losses.excon import exconb_loss
from cambench.losses.supcon import supcon_loss


@dataclass(frozen=True)
class Loss:
    """One loss; all are minimised."""

    name: str
    function: Callable[..., Tensor]
    unit: str
    source: str
    summary: str
    higher_is_better: bool = False


INDEX: dict[str, Loss] = {
    "cross-entropy": Loss("cross-entropy", cross_entropy, "nats", "CGC §3, L_CE", "negative log probability of the label"),
    "calm-ml": Loss(
        "calm-ml", calm_ml_loss, "nats", "CALM eq. 4", "marginal likelihood with the location as a latent variable"
    ),
    "calm-em": Loss(
        "calm-em", calm_em_loss, "nats", "CALM eq. 6; authors' code", "the same by expectation-maximisation: equal gradient"
    ),
    "cgc": Loss(
        "cgc", cgc_loss, "nats", "CGC §3.1; authors' code", "heatmaps of a view and of its crop must agree, contrastively"
    ),
    "cgc-no-negatives": Loss(
        "cgc-no-negatives",
        positive_pair_loss,
        "squared distance",
        "CGC §4.1, Table 5",
        "heatmaps of a view and of its crop must agree",
    ),
    "cfce": Loss(
        "cfce",
        cfce_loss,
        "nats",
        "ContrastiveCAM eq. 15",
        "cross-entropy in which only maps inside the object's mask can win",
    ),
    "rcfce": Loss(
        "rcfce", rcfce_loss, "nats", "ContrastiveCAM eq. 18", "cfce, and every contrastive map spreads over the mask (KL)"
    ),
    "cfbce": Loss("cfbce", cfbce_loss, "nats", "ContrastiveCAM eq. 71", "cfce for several labels an image"),
    "rcfbce": Loss("rcfbce", rcfbce_loss, "nats", "ContrastiveCAM eq. 72", "rcfce for several labels an image"),
    "cutmix-cfce": Loss("cutmix-cfce", cutmix_cfce_loss, "nats", "ContrastiveCAM eq. 73", "cfce of mixed images"),
    "supcon": Loss(
        "supcon", supcon_loss, "nats", "ExCon eq. 2; Khosla et al. 2020", "views of one class together, all others apart"
    ),
    "exconb": Loss("exconb", exconb_loss, "nats", "ExCon eq. 3", "supcon, with a background to keep away from"),
}
