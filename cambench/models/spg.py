"""SPG's networks: side branches that learn where the object is from the classifier's own attention (rivals protocol §4)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.init import xavier_uniform_

from cambench.explainers.probing.calls import calls
from cambench.models.cifar_resnet import CifarResNet
from cambench.models.ending import find_ending, remove
from cambench.models.gap import close, draw, family, last_channels, max_pools, whole_vgg
from cambench.models.heads import GUIDANCE, hang

WIDTH = 512


class Guidance(nn.Module):
    """Branches b1, b2 on earlier features, with a shared tail, and c on the last ones; one score a cell each.

    sources: the layers that b1, b2 and c read. Used in training alone.
    Source: WSOL benchmark, its code (rivals protocol §4).
    """

    def __init__(self, sources: tuple[str, str, str], channels: tuple[int, int, int], widths: tuple[int, int]) -> None:
        super().__init__()
        self.sources = sources
        (of_b1, of_b2, of_c), (wide, narrow) = channels, widths
        self.b1, self.b2 = convolution(of_b1, wide), convolution(of_b2, wide)
        self.shared = nn.Sequential(*convolution(wide, wide), nn.Conv2d(wide, 1, 1))
        self.c = nn.Sequential(*convolution(of_c, narrow), nn.Conv2d(narrow, 1, 1))

    def forward(self, b1: Tensor, b2: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The activations of the sources (N,K,h,w) -> the scores of the branches (N,1,h,w)."""
        return self.shared(self.b1(b1)), self.shared(self.b2(b2)), self.c(c)


def convolution(channels: int, width: int) -> nn.Sequential:
    """A 3×3 convolution with ReLU: (N,channels,h,w) -> (N,width,h,w)."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU())


def spg_branches(network: nn.Module) -> bool:
    """Hang SPG's branches beside the classifier, in place; the classifier's linear layer begins anew.

    New weights are Xavier-uniform, biases 0. Widths are 512; of a ResNet's b1 and b2 the channels of its last stage but one
    (1024 of ResNet-50), of its c half of them.
    """
    ending, sources = find_ending(network), places(network)
    if ending is None or sources is None or guidance_of(network) is not None:
        return False
    made = {call.name: call.made.shape[1] for call in calls(network, ending.size)}
    channels = (made[sources[0]], made[sources[1]], made[sources[2]])
    widths = (WIDTH, WIDTH) if family(network) else (channels[1], channels[1] // 2)
    guidance = Guidance(sources, channels, widths)
    for module in (guidance, ending.linear):
        draw(module, xavier_uniform_)
    hang(network, GUIDANCE, guidance)
    return True


def places(network: nn.Module) -> tuple[str, str, str] | None:
    """The layers that b1, b2 and c read, None where the network has none of them.

    ResNet: the first block of the last stage but one, that stage, the last. VGG: what comes after the pools behind its
    fourth and its fifth block, and its end. Inception: Mixed_5d after its pool, Mixed_6d (not 6e), and its end.
    Source: WSOL benchmark, its code (rivals protocol §4).
    """
    from torchvision.models import ResNet

    if isinstance(network, (ResNet, CifarResNet)):
        *_, before, last = [name for name, _ in network.named_children() if name.startswith("layer")]
        return f"{before}.0", before, last
    if family(network) == "VGG":
        layers = network.get_submodule("features").named_children()
        *_, fourth, fifth = [name for name, m in layers if isinstance(m, (nn.MaxPool2d, nn.Identity))]
        return f"features.{fourth}", f"features.{fifth}", "features"
    return ("Mixed_6a.before", "Mixed_6d", "Mixed_7c") if family(network) == "Inception" else None


def guidance_of(network: nn.Module) -> Guidance | None:
    """A network's branches, None where it has none."""
    own = dict(network.named_children()).get(GUIDANCE)
    return own if isinstance(own, Guidance) else None


def vgg_spg(network: nn.Module, large: bool) -> bool:
    """A VGG as SPG's trunk: two 3×3 convolutions 512→512 + ReLU, an average, one linear layer; 14×14 (large: 28×28).

    Its fourth pool is 3×3 with stride 2 (large: taken out), its fifth is taken out.
    Source: WSOL benchmark, its code (rivals protocol §4).
    """
    if (vgg := whole_vgg(network)) is None:
        return False
    *_, fourth, last = max_pools(vgg)
    remove(vgg.features, (fourth, last))
    if not large:
        vgg.features.set_submodule(fourth, nn.MaxPool2d(3, stride=2, padding=1))
    channels = last_channels(vgg)
    added = nn.Sequential(*convolution(channels, channels), *convolution(channels, channels))
    vgg.features.add_module("added", added)
    close(vgg, channels)
    draw(added, xavier_uniform_)
    return True
