"""Networks that people hand over: torchvision's families, small where they can be, from their function to maps."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models import MaxVit, SwinTransformer, VisionTransformer

from cambench.explainers.batch import explain
from cambench.explainers.probe import check_layer, default_layer, gap_linear_head
from cambench.models import for_inference
from cambench.models.python import adopted
from cambench.vocabulary import UsageError


def named(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=3, **options)  # type: ignore[no-any-return]


def vit() -> nn.Module:
    return VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)


def swin() -> nn.Module:
    return SwinTransformer([4, 4], 12, [2, 2], [2, 2], [4, 4], num_classes=3)


def maxvit() -> nn.Module:
    return MaxVit((64, 64), 8, 2, [8, 16], [1, 1], 4, 0.0, num_classes=3)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, str, int]] = {
    "vit": (vit, 32, "encoder.layers.encoder_layer_1.ln_1", 4),
    "swin": (swin, 32, "permute", 4),
    "maxvit": (maxvit, 64, "blocks.1", 8),
    "convnext": (named("convnext_tiny"), 64, "features", 2),
    "densenet": (named("densenet121"), 64, "features", 2),
    "mobilenet": (named("mobilenet_v3_small"), 64, "features", 2),
    "vgg": (named("vgg11_bn"), 64, "features", 2),
    "inception": (named("inception_v3", init_weights=False), 139, "Mixed_7c", 3),
    "googlenet": (named("googlenet", init_weights=False), 64, "inception5b", 2),
    "squeezenet": (named("squeezenet1_0"), 64, "classifier.2", 3),
    "regnet": (named("regnet_y_400mf"), 64, "trunk_output", 2),
    "efficientnet": (named("efficientnet_b0"), 64, "features", 2),
}
"""Name -> what makes it, the side of its images, its default layer, the side of the map there."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_its_default_layer_and_the_same_maps_when_folded(name: str) -> None:
    make, side, layer, grid = NETWORKS[name]
    torch.manual_seed(0)
    net = adopted(make(), f"nets:{name}")
    for parameter in net.parameters():  # zero, or so small that the logits do not depend on the image
        if parameter.abs().max() < 1e-3:
            nn.init.normal_(parameter, std=0.1)
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():  # a fresh network's running statistics are not those of its activations, and its logits explode
        net.train().training = False  # its auxiliary heads, which want larger images, stay out
        net(x)
    net.eval()
    assert default_layer(net, x[:1]) == layer
    check_layer(net, layer, x[:1])
    fast = for_inference(copy.deepcopy(net), layer=layer)
    with torch.no_grad():
        expected = net(x)
        torch.testing.assert_close(fast(x), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert expected.shape == (2, 3)
    slow, quick = (explain(n, x, "hires-cam", layer=layer) for n in (net, fast))
    assert slow.shape == (2, grid, grid) and bool(torch.isfinite(slow).all()) and bool(slow.any())
    torch.testing.assert_close(quick, slow, rtol=1e-3, atol=2e-3 * float(slow.abs().max()))


def test_a_layer_of_swin_is_read_with_its_channels_last() -> None:
    torch.manual_seed(0)
    net, x = swin().eval(), torch.randn(2, 3, 32, 32)
    for layer, side in (("features", 4), ("norm", 4), ("features.1", 8)):
        assert explain(net, x, layer=layer).shape == (2, side, side)
    assert gap_linear_head(net, "norm", x[:1], training=False) is net.head
    torch.testing.assert_close(explain(net, x, "cam", layer="norm"), explain(net, x, "cam", layer="permute"))
    with pytest.raises(UsageError, match=r"layer head: .* explained: permute, norm, features"):
        check_layer(net, "head", x[:1])


def test_one_sigmoid_logit_keeps_its_closed_form() -> None:
    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(image).mean((2, 3)))

    torch.manual_seed(0)
    net, x = adopted(One(), "nets:one"), torch.randn(2, 3, 8, 8)
    assert gap_linear_head(net, "conv", x[:1]) is None  # in training the gradient must reach the weight itself
    head = gap_linear_head(net, "conv", x[:1], training=False)
    assert head is not None and head.weight.shape == (2, 4) and not head.weight[0].any()
    z_map = torch.einsum("nkhw,k->nhw", net.conv(x), net.fc.weight[0]).detach()
    classes = torch.tensor([1, 1])
    torch.testing.assert_close(explain(net, x, "cam", classes=classes), z_map)
    torch.testing.assert_close(explain(net, x, "hires-cam", classes=classes), z_map / 36)
    assert not explain(net, x, "cam", classes=torch.tensor([0, 0])).any()
    torch.testing.assert_close(explain(net, x, "cam", "versus:1", torch.tensor([0, 0])), -z_map)
