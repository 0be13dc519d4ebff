"""A projection head beside the classifier: where contrastive training compares images, and nothing else looks.

The network stays the classifier that it is; the head is asked by `project` alone, and both are fed by the same features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cambench.explainers.probe import Probe
from cambench.models.heads import PROJECTION
from cambench.vocabulary import UsageError

WIDTH = 128
POOL = "avgpool"


class ProjectionHead(nn.Sequential):
    """Linear d→d, ReLU, Linear d→128, with torch's default initialisation: (N,d) -> (N,128), of any length.

    Source: ExCon, authors' code, after SupContrast (spec §1.5).
    """

    def __init__(self, features: int) -> None:
        super().__init__(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, WIDTH))


def projection_head(network: nn.Module) -> bool:
    """Hang a projection head beside the linear classifier of a ResNet, in place."""
    fc = getattr(network, "fc", None)
    if not isinstance(fc, nn.Linear) or not isinstance(getattr(network, POOL, None), nn.AdaptiveAvgPool2d):
        return False
    network.add_module(PROJECTION, ProjectionHead(fc.in_features))
    return True


def project(model: nn.Module, image: Tensor) -> Tensor:
    """g(f(x)): image (N,3,H,W) -> (N,128), with its graph where gradients are on; the classifier gets no gradient of it.

    Raises: UsageError for a network without a projection head.
    """
    head = dict(model.named_children()).get(PROJECTION)
    if head is None:
        raise UsageError(
            "contrastive training needs a network with a projection head, got one without; add the surgery projection "
            "(--set 'model.surgery=[\"projection\"]')."
        )
    with Probe(model, POOL, trunk_graph=torch.is_grad_enabled(), guard=False) as probe:
        model(image)
        projected: Tensor = head(probe.activation.flatten(1))
    return projected
