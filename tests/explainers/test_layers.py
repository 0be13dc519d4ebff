"""Finding layers and recognising heads."""

from __future__ import annotations

import pytest
import torch
import torchvision
from explainers.networks import build, images, state
from torch import nn

from cambench.explainers.probe import default_layer, find_layer, gap_linear_head, layer_names
from cambench.vocabulary import UsageError

ARCHS = {
    "resnet18": ("layer4", "fc", "fc"),
    "mobilenet_v2": ("features", "classifier.1", None),  # active dropout: no closed form in training
    "efficientnet_b0": ("features", "classifier.1", None),
    "densenet121": ("features", None, None),  # a ReLU, in place, between the layer and the pooling
    "shufflenet_v2_x0_5": ("conv5", "fc", "fc"),
    "vgg11": ("features", None, None),
    "alexnet": ("features", None, None),
    "squeezenet1_1": ("classifier.2", None, None),
    "mnasnet0_5": ("layers", "classifier.1", None),
    "regnet_y_400mf": ("trunk_output", "fc", "fc"),
    "convnext_tiny": ("features", None, None),  # a norm between pooling and linear layer
    "swin_t": ("permute", "head", "head"),
}


@pytest.mark.parametrize("arch", ARCHS)
def test_torchvision_networks(arch: str) -> None:
    torch.manual_seed(0)
    side = 96 if arch == "alexnet" else 64
    net, image = torchvision.models.get_model(arch, weights=None), torch.randn(1, 3, side, side)
    layer, explaining, training = ARCHS[arch]
    assert default_layer(net, image) == layer
    heads = {False: explaining, True: training}
    for mode, name in heads.items():
        found = gap_linear_head(net, layer, image, training=mode)
        assert found is (None if name is None else find_layer(net, name)), (arch, mode)


@pytest.mark.parametrize(
    ("head", "explaining", "training"),
    [
        ("gap-linear", True, True),
        ("inplace-relu", False, False),
        ("residual", False, False),
        ("two-layers", False, False),
        ("max", False, False),
        ("norm", False, False),
        ("dropout", True, False),
        ("functional-dropout", True, False),
    ],
)
def test_heads_are_told_apart(head: str, explaining: bool, training: bool) -> None:
    net, x = build(head), images(1)
    net.norm.running_mean.zero_()
    net.norm.running_var.fill_(1)  # a fresh batch norm is nearly the identity in eval mode, but not in training
    net.stem.eval()
    before, random = state(net), torch.get_rng_state()
    assert gap_linear_head(net, "stage", x, training=False) is (net.fc if explaining else None)
    assert gap_linear_head(net, "stage", x) is (net.fc if training else None)
    assert state(net) == before and torch.equal(random, torch.get_rng_state())


def test_the_layer_after_an_in_place_relu_has_a_linear_head_of_its_own() -> None:
    net = build("inplace-relu")
    assert gap_linear_head(net, "act", images(1)) is net.fc
    assert default_layer(net, images(1)) == "act"
    assert gap_linear_head(net, "stem", images(1)) is None


def test_a_second_way_around_the_layer_is_noticed() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.fc = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skip = self.two(x)
            return self.fc((self.one(x) + skip).mean((2, 3)))

    assert gap_linear_head(Skip(), "one", torch.randn(1, 3, 5, 5)) is None


def test_a_map_of_one_cell_is_no_default() -> None:
    net = torchvision.models.resnet18(weights=None)
    assert default_layer(net, torch.randn(1, 3, 32, 32)) == "layer3"


def test_default_layer_leaves_the_model_alone_and_looks_inside_wrappers() -> None:
    net = build()
    before = state(net)
    assert default_layer(net, images(1)) == "stage"
    assert state(net) == before
    wrapped = nn.DataParallel(net)
    assert find_layer(wrapped, "stage") is net.stage and layer_names(wrapped) == layer_names(net)


def test_unknown_layers_get_a_useful_answer() -> None:
    net = build()
    with pytest.raises(UsageError, match=r"no layer 'stge'.*Did you mean stage.*Known: stem, stage, act.*3 inside") as e:
        find_layer(net, "stge")
    assert "\n" not in str(e.value)
    with pytest.raises(UsageError, match="no layer ''"):
        find_layer(net, "")
    with pytest.raises(UsageError, match="found none; name one with --layer"):
        default_layer(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.randn(1, 3, 2, 2))
