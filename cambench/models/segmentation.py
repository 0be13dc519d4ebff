"""A segmentation head on a classifier's explained layer: the downstream task of ContrastiveCAM's chart.

The network stays the classifier that it is; the head hangs beside its classifier and is asked by `segment` alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cambench.explainers.probe import Probe
from cambench.maps import widened
from cambench.models.ending import find_ending
from cambench.models.heads import SEGMENTER, hang
from cambench.vocabulary import UsageError

WIDTH, DROPOUT = 512, 0.1


class SegmentationHead(nn.Sequential):
    """3×3 convolution to 512 channels, batch norm, ReLU, dropout 0.1, 1×1 convolution to the classes and the background.

    (N,K,h,w) -> (N,C+1,h,w), channel 0 the background. Source: ContrastiveCAM protocol §3 (the paper gives no detail).
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(
            nn.Conv2d(channels, WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
            nn.Conv2d(WIDTH, classes + 1, 1),
        )


def segmentation_head(network: nn.Module) -> bool:
    """Hang a segmentation head beside the linear classifier, in place, for a layer with the classifier's channels."""
    ending = find_ending(network)
    if ending is None:
        return False
    hang(network, SEGMENTER, SegmentationHead(ending.linear.in_features, ending.linear.out_features))
    return True


def segment(model: nn.Module, layer: str, image: Tensor) -> Tensor:
    """Pixel scores: image (N,3,H,W) -> (N,C+1,H,W), channel 0 the background; bilinear from the layer's grid.

    With its graph where gradients are on. Raises: UsageError for a network without a segmentation head.
    """
    head = dict(model.named_children()).get(SEGMENTER)
    if head is None:
        raise UsageError("segmentation needs a network with a segmentation head, got one without; train the method segment.")
    with Probe(model, layer, trunk_graph=torch.is_grad_enabled()) as probe:
        model(image)
        scores = widened(head(probe.activation))
    return interpolate(scores, size=image.shape[2:], mode="bilinear", align_corners=False)
