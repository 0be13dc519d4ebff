"""The classifier at the end of a network: find it, read its number of classes, put in a new one."""

from __future__ import annotations

import copy

from torch import nn

from cambench.vocabulary import UsageError

SEGMENTER = "segmenter"
"""The name of a segmentation head beside the classifier (models/segmentation.py)."""
PROJECTION = "projection"
"""The name of a projection head beside the classifier (models/projection.py)."""


def find_head(network: nn.Module) -> str | None:
    """The name of the classifier: the last linear layer or, where there is none (SqueezeNet), the last 1×1 convolution.

    A projection head beside it does not count.
    """
    modules = [(name, m) for name, m in network.named_modules() if not name.startswith(f"{PROJECTION}.")]
    linear = [name for name, m in modules if isinstance(m, nn.Linear)]
    pointwise = [name for name, m in modules if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    return next(reversed(linear or pointwise), None)


def head_classes(network: nn.Module) -> int | None:
    """The number of classes that the head tells apart; None for a network without a head."""
    name = find_head(network)
    return None if name is None else int(network.get_parameter(f"{name}.weight").shape[0])


def learner(network: nn.Module) -> nn.Module:
    """The part of a frozen network that still learns: its segmentation head, else its classifier."""
    own = dict(network.named_children()).get(SEGMENTER)
    return network.get_submodule(find_head(network) or "") if own is None else own


def without_head(network: nn.Module) -> nn.Module:
    """A copy that returns what its linear classifier is fed with: images (N,3,H,W) -> features (N,d).

    Raises: UsageError for a network without a linear classifier.
    """
    name = find_head(network)
    if name is None or not isinstance(network.get_submodule(name), nn.Linear):
        raise UsageError(f"features: expected a network with a linear classifier, got {type(network).__name__} without one.")
    bare = copy.deepcopy(network)
    bare.set_submodule(name, nn.Identity())
    return bare


def replace_head(network: nn.Module, num_classes: int, arch: str) -> None:
    """Put in a new classifier for `num_classes`, with torch's default initialisation, in place.

    Raises: UsageError if the network ends in neither a linear layer nor a 1×1 convolution.
    """
    name = find_head(network)
    old = None if name is None else network.get_submodule(name)
    new: nn.Module
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, num_classes, bias=old.bias is not None)
    elif isinstance(old, nn.Conv2d):
        new = nn.Conv2d(old.in_channels, num_classes, 1, bias=old.bias is not None)
    else:
        raise UsageError(f"{arch}: a new head for {num_classes} classes needs a linear layer or 1×1 convolution, got none.")
    assert name is not None
    network.set_submodule(name, new)
    if hasattr(network, "num_classes"):
        network.num_classes = num_classes  # type: ignore[assignment]
