"""CALM: the classifier's likelihood with the location as a latent variable (CALM protocol §1.2, §1.3)."""

from __future__ import annotations

from typing import Literal

import torch

from cambench.losses.calm import calm_em_loss, calm_ml_loss
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch, UsageError

LOSSES = {"ml": calm_ml_loss, "em": calm_em_loss}


class Settings(Strict):
    """`loss`: marginal likelihood or expectation-maximisation; equal gradients at one step, CALM protocol §1.3."""

    loss: Literal["ml", "em"]


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L of the latent pair (log p(y|x,z), p(z|x)), mean over the batch. Source: CALM eq. 4 and 6.

    Raises: UsageError where the explained layer is not that of a CALM head.
    """
    if not f".{network.layer}".endswith(".latent"):
        raise UsageError(
            "objective calm: expected a CALM head (model.surgery calm-head, model.layer avgpool.latent), got the layer "
            f"{network.layer}."
        )
    logits, latent = network.forward(batch.views["crop"])
    yield LOSSES[settings.loss](latent[:, :-1], latent[:, -1], batch.label)
    return {"accuracy": accuracy(logits, batch.label)}
