"""Named surgery: small changes to a network that give larger maps or fit it to small images. All act in place.

Every surgery keeps the names of the layers it does not replace, so weights of the uncut network still load wherever the
shapes agree; a file that also holds what a surgery takes away is loaded before the cut (`models.build`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from cambench.lookup import find
from cambench.models.bare import bare_last_block, folded_last_block
from cambench.models.calm_head import Activation, CalmHead
from cambench.models.cifar_resnet import CifarResNet
from cambench.models.entry import Surgery
from cambench.models.gap import begin, family
from cambench.models.heads import find_head
from cambench.models.index_wsol import WSOL
from cambench.models.projection import projection_head
from cambench.models.segmentation import segmentation_head
from cambench.vocabulary import UsageError


def stages(network: nn.Module) -> list[nn.Sequential]:
    """layer1, layer2, … of a ResNet, torchvision's or ours; none for any other network."""
    from torchvision.models import ResNet

    if not isinstance(network, (ResNet, CifarResNet)):
        return []
    children = [module for name, module in network.named_children() if name.startswith("layer")]
    return [module for module in children if isinstance(module, nn.Sequential)]


def strided(module: nn.Module) -> list[nn.Conv2d]:
    """The convolutions of a module that reduce the size of its input."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d) and max(m.stride) > 1]


def last_strides(network: nn.Module, count: int) -> bool:
    """Stride 1 in the last `count` stages of a ResNet, shortcut included; the last `count` max-pools of a VGG taken out."""
    from torchvision.models import VGG

    if isinstance(network, VGG):
        pools = [name for name, module in network.features.named_children() if isinstance(module, nn.MaxPool2d)]
        for name in pools[-count:]:
            network.features.set_submodule(name, nn.Identity())  # the other layers keep their numbers
        return len(pools) >= count
    cut = [strided(stage) for stage in stages(network)[-count:]]
    for convolution in (c for convolutions in cut for c in convolutions):
        convolution.stride = (1, 1)
    return bool(cut) and all(cut)


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
    network.set_submodule(names[1], nn.Identity())
    return True


def stride_1_stem(network: nn.Module) -> bool:
    """The first convolution keeps its weights and gets stride 1."""
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3 or max(first.stride) == 1:
        return False
    first.stride = (1, 1)
    return True


def calm_head(network: nn.Module, activation: Activation = "relu", attached: bool = False) -> bool:
    """CALM's head in the place of the average pool and the linear layer of a ResNet, or of a network cut to such an end."""
    name = find_head(network) or ""
    old, kind = network.get_submodule(name), family(network)
    if not (stages(network) or kind) or not isinstance(old, nn.Linear):
        return False
    network.avgpool = CalmHead(old.in_features, old.out_features, activation, attached)
    begin(network.avgpool, kind)
    network.set_submodule(name, nn.Identity())
    return True


CALM_NEEDS = "a ResNet, or a VGG or Inception v3 after its surgery, that ends in an average pool and one linear layer"


def no_head_bias(network: nn.Module) -> bool:
    """The classifier loses its bias and keeps its weights."""
    head = network.get_submodule(find_head(network) or "")
    if getattr(head, "bias", None) is None:
        return False
    head.register_parameter("bias", None)
    return True


def last_block(network: nn.Module, cut: Callable[[nn.Module], nn.Module | None]) -> bool:
    """The last block of a ResNet gives way to what `cut` makes of it."""
    stage = next(reversed(stages(network)), None)
    bare = None if stage is None else cut(stage[-1])
    if stage is None or bare is None:
        return False
    stage[-1] = bare
    return True


SURGERIES: dict[str, Surgery] = {
    "large-map": Surgery(
        "large-map",
        partial(last_strides, count=1),
        "map of twice the side (14×14 at 224 px): stride 1 in the last stage",
        "a ResNet whose last stage has a stride, or a VGG",
        "CALM §1.5 (layer4 stride 1; VGG16 without its fifth pool), ContrastiveCAM §1.3 (both convolutions, no dilation)",
    ),
    "large-map-28": Surgery(
        "large-map-28",
        partial(last_strides, count=2),
        "map of four times the side (28×28 at 224 px): stride 1 in the last two stages",
        "a ResNet whose last two stages have strides, or a VGG",
        "CALM §1.5, large feature map",
    ),
    "small-stem": Surgery(
        "small-stem",
        small_stem,
        "for 32–64 px: the stem is one new 3×3 convolution with stride 1, without max-pool",
        "torchvision's ResNet or DenseNet families",
        "ExCon §1.5",
    ),
    "no-max-pool": Surgery(
        "no-max-pool",
        no_max_pool,
        "for small images: the stem without its max-pool, all weights kept",
        "torchvision's ResNet or DenseNet families",
        "our choice",
    ),
    "calm-head": Surgery(
        "calm-head",
        calm_head,
        "CALM's head: class and location scores by 1×1 convolutions, ReLU, its denominator detached",
        CALM_NEEDS,
        "CALM supplement C, authors' code (spec §1.2)",
    ),
    "calm-head-softplus": Surgery(
        "calm-head-softplus",
        partial(calm_head, activation="softplus"),
        "CALM's head with a softplus in place of the ReLU",
        CALM_NEEDS,
        "CALM §4.1.1 (spec §1.2)",
    ),
    "calm-head-attached": Surgery(
        "calm-head-attached",
        partial(calm_head, attached=True),
        "CALM's head whose denominator carries its gradient",
        CALM_NEEDS,
        "CALM §4.1.1 as printed (spec §1.2)",
    ),
    "segmentation-head": Surgery(
        "segmentation-head",
        segmentation_head,
        "a head for pixels beside the classifier: 3×3 convolution, batch norm, ReLU, dropout, 1×1 convolution",
        "a ResNet that ends in one linear layer",
        "ContrastiveCAM spec §3",
    ),
    "projection": Surgery(
        "projection",
        projection_head,
        "a projection head of two linear layers beside the classifier, for contrastive training alone",
        "a ResNet that ends in an average pool and one linear layer",
        "ExCon §1.5",
    ),
    "stride-1-stem": Surgery(
        "stride-1-stem",
        stride_1_stem,
        "for small images: the first convolution keeps its weights and gets stride 1",
        "a first convolution on RGB with a stride above 1",
        "our choice",
    ),
    **WSOL,
    "no-head-bias": Surgery(
        "no-head-bias",
        no_head_bias,
        "the classifier without its bias: a logit is the sum of its class map",
        "a classifier with a bias",
        "ContrastiveCAM §1.3",
    ),
    "bare-last-block": Surgery(
        "bare-last-block",
        partial(last_block, cut=bare_last_block),
        "the last block without its last batch norm and its last ReLU: a convolution, then the average",
        "a ResNet whose last block is a basic block or a bottleneck",
        "ContrastiveCAM §1.3 (last_bn=remove)",
    ),
    "folded-last-block": Surgery(
        "folded-last-block",
        partial(last_block, cut=folded_last_block),
        "as bare-last-block, its last batch norm folded into the convolution before it instead of dropped",
        "a ResNet whose last block is a basic block or a bottleneck",
        "ContrastiveCAM §1.3 (last_bn=fold)",
    ),
}


def operate(network: nn.Module, names: Sequence[str], arch: str) -> None:
    """Apply the named surgeries in order, in place.

    Raises: UsageError for an unknown name, or naming the architecture and what the surgery needs.
    """
    for name in names:
        surgery = find(name, SURGERIES, "surgery")
        if not surgery.function(network):
            raise UsageError(f"surgery {surgery.name} does not apply to {arch}: it needs {surgery.needs}.")
