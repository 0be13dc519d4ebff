"""A projection head beside the classifier: where contrastive training compares images, and nothing else looks.

The network stays the classifier that it is; the head is asked by `project` alone, and both are fed by the same features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cambench.explainers.probe import Probe
from cambench.models.ending import find_ending
from cambench.models.heads import PROJECTION, hang
from cambench.vocabulary import UsageError

WIDTH = 128


class ProjectionHead(nn.Sequential):
    """Linear d→d, ReLU, Linear d→128, with torch's default initialisation: (N,d) -> (N,128), of any length.

    source: the layer that feeds it, a pooling module or, where a function averages, the last map (rectified: its ReLU).
    Source: ExCon, authors' code, after SupContrast (ExCon protocol §1.5).
    """

    def __init__(self, features: int, source: str, rectified: bool) -> None:
        super().__init__(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, WIDTH))
        self.source, self.rectified = source, rectified

    def pooled(self, activation: Tensor) -> Tensor:
        """The classifier's features (N,d) from what the source made: a pooling's (N,d,1,1) or the last map (N,d,h,w)."""
        if activation.shape[2] * activation.shape[3] == 1:
            return activation.flatten(1)
        return (activation.relu() if self.rectified else activation).mean((2, 3))


def projection_head(network: nn.Module) -> bool:
    """Hang a projection head beside the linear classifier, in place; it is fed by the same average, before any dropout."""
    ending = find_ending(network)
    if ending is None:
        return False
    hang(network, PROJECTION, ProjectionHead(ending.linear.in_features, ending.pool or ending.layer, ending.rectified))
    return True


def project(model: nn.Module, image: Tensor) -> Tensor:
    """g(f(x)): image (N,3,H,W) -> (N,128), with its graph where gradients are on; the classifier gets no gradient of it.

    Raises: UsageError for a network without a projection head.
    """
    head = dict(model.named_children()).get(PROJECTION)
    if not isinstance(head, ProjectionHead):
        raise UsageError(
            "contrastive training needs a network with a projection head, got one without; add the surgery projection "
            "(--set 'model.surgery=[\"projection\"]')."
        )
    with Probe(model, head.source, trunk_graph=torch.is_grad_enabled(), guard=head.rectified) as probe:
        model(image)
        projected: Tensor = head(head.pooled(probe.activation))
    return projected
