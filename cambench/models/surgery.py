"""Surgeries by name: small changes to a network, in place, that give larger maps, another head, or fit small images.

Every surgery keeps the names of the layers it does not replace, so weights of the uncut network still load wherever the
shapes agree; a file that also holds what a surgery takes away is loaded before the cut (`models.build`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from cambench.lookup import find, named
from cambench.models.bare import BARE_NEEDS, bare_end
from cambench.models.calm_surgery import calm_head
from cambench.models.ending import NEEDS, remove
from cambench.models.entry import Surgery
from cambench.models.gap import begin
from cambench.models.heads import find_head
from cambench.models.index_wsol import WSOL
from cambench.models.projection import projection_head
from cambench.models.segmentation import segmentation_head
from cambench.models.strides import last_strides, stride_1_stem
from cambench.vocabulary import UsageError


def stem(network: nn.Module) -> tuple[str, str] | None:
    """The names of the first convolution and of the max-pool after it, where the family has both."""
    from torchvision.models import DenseNet, ResNet

    if isinstance(network, ResNet):
        return "conv1", "maxpool"
    return ("features.conv0", "features.pool0") if isinstance(network, DenseNet) else None


def small_stem(network: nn.Module) -> bool:
    """The stem becomes one new 3×3 convolution with stride 1, without max-pool."""
    if (names := stem(network)) is None:
        return False
    old = network.get_submodule(names[0])
    assert isinstance(old, nn.Conv2d)
    new = nn.Conv2d(old.in_channels, old.out_channels, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule(names[0], new)
    return no_max_pool(network)


def no_max_pool(network: nn.Module) -> bool:
    """The max-pool after the first convolution is taken out."""
    if (names := stem(network)) is None:
        return False
    remove(network, names[1:])
    return True


def no_head_bias(network: nn.Module) -> bool:
    """The classifier loses its bias and keeps its weights."""
    head = network.get_submodule(find_head(network) or "")
    if getattr(head, "bias", None) is None:
        return False
    head.register_parameter("bias", None)
    return True


def xavier_head(network: nn.Module) -> bool:
    """The classifier begins anew: weights Xavier-uniform, biases 0; the one that came with the weights is lost."""
    name = find_head(network)
    if name is None:
        return False
    begin(network.get_submodule(name), None)
    return True


LARGE_NEEDS = (
    "convolutions or poolings with a stride after the stem, each called once, with nothing beside them that is tied to the "
    "size of their map"
)


SURGERIES: dict[str, Surgery] = named(
    {
        "large-map": Surgery(
            partial(last_strides, count=1),
            "map of twice the side (14×14 at 224 px): stride 1 in the last stage",
            LARGE_NEEDS,
            "CALM protocol §1.5 (VGG16 without its fifth pool), ContrastiveCAM protocol §1.3 (both convolutions)",
        ),
        "large-map-28": Surgery(
            partial(last_strides, count=2),
            "map of four times the side (28×28 at 224 px): stride 1 in the last two stages",
            LARGE_NEEDS,
            "CALM protocol §1.5, large feature map",
        ),
        "small-stem": Surgery(
            small_stem,
            "for 32–64 px: the stem is one new 3×3 convolution with stride 1, without max-pool",
            "torchvision's ResNet or DenseNet families",
            "ExCon protocol §1.5",
        ),
        "no-max-pool": Surgery(
            no_max_pool,
            "for small images: the stem without its max-pool, all weights kept",
            "torchvision's ResNet or DenseNet families",
            "our choice",
        ),
        "calm-head": Surgery(
            calm_head,
            "CALM's head: class and location scores by 1×1 convolutions, ReLU, its denominator detached",
            NEEDS,
            "CALM supplement C, authors' code (CALM protocol §1.2)",
        ),
        "calm-head-softplus": Surgery(
            partial(calm_head, activation="softplus"),
            "CALM's head with a softplus in place of the ReLU",
            NEEDS,
            "CALM §4.1.1 (CALM protocol §1.2)",
        ),
        "calm-head-attached": Surgery(
            partial(calm_head, attached=True),
            "CALM's head whose denominator carries its gradient",
            NEEDS,
            "CALM §4.1.1 as printed (CALM protocol §1.2)",
        ),
        "segmentation-head": Surgery(
            segmentation_head,
            "a head for pixels beside the classifier: 3×3 convolution, batch norm, ReLU, dropout, 1×1 convolution",
            NEEDS,
            "ContrastiveCAM protocol §3",
        ),
        "projection": Surgery(
            projection_head,
            "a projection head of two linear layers beside the classifier, for contrastive training alone",
            NEEDS,
            "ExCon protocol §1.5",
        ),
        "stride-1-stem": Surgery(
            stride_1_stem,
            "for small images: the first convolution keeps its weights and gets stride 1",
            "a first convolution on RGB with a stride above 1 and a kernel wider than it (patches do not overlap)",
            "our choice",
        ),
        **WSOL,
        "no-head-bias": Surgery(
            no_head_bias,
            "the classifier without its bias: a logit is the sum of its class map",
            "a classifier with a bias",
            "ContrastiveCAM protocol §1.3",
        ),
        "xavier-head": Surgery(
            xavier_head,
            "the classifier begins anew: weights Xavier-uniform, biases 0",
            "a classifier",
            "CALM authors' code (CALM protocol §1.5)",
        ),
        "bare-last-block": Surgery(
            bare_end,
            "the end without its last batch norm and ReLU: a convolution (and shortcut), then the average, without dropout",
            BARE_NEEDS,
            "ContrastiveCAM protocol §1.3 (last_bn=remove)",
        ),
        "folded-last-block": Surgery(
            partial(bare_end, fold=True),
            "as bare-last-block, its last batch norm folded into the convolution before it instead of dropped",
            BARE_NEEDS,
            "ContrastiveCAM protocol §1.3 (last_bn=fold)",
        ),
    }
)


LARGE = (SURGERIES["large-map"], SURGERIES["large-map-28"])


def operate(network: nn.Module, names: Sequence[str], arch: str) -> None:
    """Apply the named surgeries in order, in place.

    Raises: UsageError for an unknown name, or naming the architecture and what the surgery needs.
    """
    surgeries = [find(name, SURGERIES, "surgery") for name in names]
    for surgery in surgeries:
        if surgeries.count(surgery) > 1 or (surgery in LARGE and len(set(LARGE) & set(surgeries)) > 1):
            raise UsageError(f"surgery {surgery.name} does not apply to {arch} twice: name one of its kind, once.")
    for surgery in surgeries:
        if not surgery.function(network):
            raise UsageError(f"surgery {surgery.name} does not apply to {arch}: it needs {surgery.needs}.")
