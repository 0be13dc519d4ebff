"""The classifier at the end of a network: find it, read its number of classes, put in a new one."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from cambench.models.calm_head import CalmHead
from cambench.vocabulary import UsageError

SEGMENTER = "segmenter"
"""The name of a segmentation head beside the classifier (models/segmentation.py)."""
PROJECTION = "projection"
"""The name of a projection head beside the classifier (models/projection.py)."""
GUIDANCE = "guidance"
"""The name of SPG's side branches beside the classifier (models/spg.py)."""
BESIDE = (SEGMENTER, PROJECTION, GUIDANCE)
"""What hangs beside a classifier, for a training alone."""


class WithHeads(nn.Sequential):
    """A Sequential with heads beside its modules, which are no part of its forward pass."""

    def forward(self, input: Tensor) -> Tensor:
        """The modules one after another, without those heads."""
        for name, module in self.named_children():
            if name not in BESIDE:
                input = module(input)
        return input


def hang(network: nn.Module, name: str, head: nn.Module) -> None:
    """Hang a head beside the classifier, in place; the network's own forward pass does not run it."""
    if type(network).forward is nn.Sequential.forward:
        network.__class__ = WithHeads
    network.add_module(name, head)


def calm_part(network: nn.Module) -> str | None:
    """The name of a network's CALM head; None where it has none."""
    return next((name for name, module in network.named_modules() if isinstance(module, CalmHead)), None)


def head_module(network: nn.Module) -> str | None:
    """The name of the module that holds all weights of the classification: CALM's head, else the classifier."""
    return calm_part(network) or find_head(network)


def find_head(network: nn.Module) -> str | None:
    """The name of the classifier: the last linear layer or, where there is none (SqueezeNet), the last 1×1 convolution.

    Of a CALM head it is the convolution that scores the classes. A projection head beside it does not count.
    """
    calm = calm_part(network)
    if calm is not None:
        return f"{calm}.classes"
    modules = [(name, m) for name, m in network.named_modules() if not name.startswith(f"{PROJECTION}.")]
    linear = [name for name, m in modules if isinstance(m, nn.Linear)]
    pointwise = [name for name, m in modules if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    return next(reversed(linear or pointwise), None)


def head_classes(network: nn.Module) -> int | None:
    """The number of classes of the head; None for a network without a head."""
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
