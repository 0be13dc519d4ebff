"""Attention-based dropout (ADL): in training, what the network looks at most is hidden from it now and then.

Source: Choe and Shim 2019, §3; positions and constants: WSOL benchmark (Choe et al. 2020), its code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cambench import processes
from cambench.models.cifar_resnet import CifarResNet
from cambench.models.gap import family


def attention_dropout(features: Tensor, dropped: bool, threshold: float) -> Tensor:
    """Features times a map of their own attention: the drop mask, or the importance.

    A = mean_k F_k;  dropped: F·1[A < γ·max_z A];  else F·σ(A). Source: Choe and Shim 2019, §3.1.
    features (N,K,h,w), threshold γ in [0,1] -> (N,K,h,w).
    """
    attention = features.mean(1, keepdim=True)
    if not dropped:
        return features * attention.sigmoid()
    return features * (attention < threshold * attention.amax((2, 3), keepdim=True)).to(features)


class AttentionDropout(nn.Module):
    """`attention_dropout` in training, nothing in evaluation. One choice a batch, by torch's global generator as in dropout
    (of several processes, that of process 0).

    drop_rate: the probability of the drop mask. Both numbers are the WSOL benchmark's defaults until the objective `adl`
    sets them. (N,K,h,w) -> (N,K,h,w).
    """

    def __init__(self) -> None:
        super().__init__()
        self.drop_rate, self.threshold = 0.75, 0.9

    def forward(self, x: Tensor) -> Tensor:
        """The features, hidden or weighted."""
        if not self.training:
            return x
        drawn = torch.rand(())
        processes.follow([drawn])
        return attention_dropout(x, bool(drawn < self.drop_rate), self.threshold)


def inserted(layers: nn.Module, after: Mapping[str, str]) -> nn.Sequential:
    """The layers, with an attention dropout after some of them; all keep their names. after: layer -> the dropout's name."""
    named: OrderedDict[str, nn.Module] = OrderedDict()
    for name, module in layers.named_children():
        named[name] = module
        if name in after:
            named[after[name]] = AttentionDropout()
    return nn.Sequential(named)


def adl(network: nn.Module) -> bool:
    """Attention dropout in three places, in place: a ResNet's last two stages, a VGG or Inception v3 after its surgery.

    ResNet: after the first block of the last stage but one, after the first and the last block of the last. VGG: after the
    third pool, before the fourth and before the fifth. Inception: after Mixed_5d, Mixed_6e and the last new layer.
    """
    from torchvision.models import ResNet

    if any(isinstance(m, AttentionDropout) for m in network.modules()):
        return False
    if isinstance(network, (ResNet, CifarResNet)):
        *_, before, last = [name for name, _ in network.named_children() if name.startswith("layer")]
        ends = {"0": "adl0", str(len(list(network.get_submodule(last).children())) - 1): "adl"}
        network.set_submodule(before, inserted(network.get_submodule(before), {"0": "adl0"}))
        network.set_submodule(last, inserted(network.get_submodule(last), ends))
    elif family(network) == "VGG":
        features = network.get_submodule("features")
        names = [name for name, _ in features.named_children()]
        pools = [i for i, m in enumerate(features.children()) if isinstance(m, (nn.MaxPool2d, nn.Identity))]
        places = (pools[-3], pools[-2] - 1, pools[-1] - 1)
        network.set_submodule(
            "features", inserted(features, {names[i]: f"adl{n}" for i, n in zip(places, "345", strict=True)})
        )
    elif family(network) == "Inception":
        pooled = network.get_submodule("Mixed_6a.before")
        network.set_submodule("Mixed_6a.before", nn.Sequential(AttentionDropout(), *pooled.children()))
        network.set_submodule("Mixed_7a", AttentionDropout())
        added = network.get_submodule("Mixed_7c")
        network.set_submodule("Mixed_7c", inserted(added, {[*dict(added.named_children())][-1]: "adl"}))
    else:
        return False
    return True
