"""ContrastiveCAM's architecture changes: what goes, what stays, and the closed form of class maps on the cut network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cambench import models
from cambench.explainers.probe import Probe, default_layer, gap_linear_head
from cambench.models.bare import BareBlock
from cambench.models.heads import find_head
from cambench.objectives.network import Network

ARCH = ("large-map", "no-head-bias", "bare-last-block")
FOLDED = ("large-map", "no-head-bias", "folded-last-block")
LAST = {
    "resnet8": ("layer3", "bn2"),
    "resnet20": ("layer3", "bn2"),
    "resnet18-small": ("layer4", "bn2"),
    "resnet18": ("layer4", "bn2"),
    "resnet50": ("layer4", "bn3"),
}


@pytest.mark.parametrize("surgery", [(), ARCH, FOLDED])
@pytest.mark.parametrize("arch", list(LAST))
def test_class_maps_in_closed_form_are_those_of_autograd_and_sum_to_the_logits(arch: str, surgery: tuple[str, ...]) -> None:
    model = models.build(arch, 3, surgery=surgery, seed=1).double().eval()
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer = default_layer(model, image)
    head = gap_linear_head(model, layer, image)
    assert layer == LAST[arch][0] and head is not None and (head.bias is None) == bool(surgery)
    maps, bias = Network(model, layer, head).class_maps(image)
    with Probe(model, layer, trunk_graph=True) as probe:
        logits = model(image)
        activation = probe.activation
    assert maps.shape[2] == {"resnet8": 16, "resnet20": 16, "resnet18-small": 8, "resnet18": 2, "resnet50": 2}[arch] * (
        2 if surgery else 1
    )
    torch.testing.assert_close(maps.sum((2, 3)) + (0 if bias is None else bias), logits)
    for c in range(3):
        (gradient,) = torch.autograd.grad(logits[0, c], activation, retain_graph=True)
        torch.testing.assert_close((gradient * activation).sum(1)[0], maps[0, c])
    assert bool((activation < 0).any()) == bool(surgery)
    fast = models.for_inference(model, layer=layer)
    torch.testing.assert_close(fast(image), logits)


@pytest.mark.parametrize("arch", list(LAST))
def test_only_what_is_named_goes(arch: str) -> None:
    stage, norm = LAST[arch]
    plain, cut = models.build(arch, 3, seed=4), models.build(arch, 3, surgery=ARCH, seed=4)
    a, b = plain.state_dict(), cut.state_dict()
    number = len(plain.get_submodule(stage)) - 1
    gone = {k for k in a if k.startswith(f"{stage}.{number}.{norm}.")} | {"fc.bias"}
    assert a.keys() - b.keys() == gone and not b.keys() - a.keys()
    assert all(torch.equal(a[k], b[k]) for k in b)
    strides = [
        n
        for n, m in plain.named_modules()
        if isinstance(m, nn.Conv2d) and m.stride != cut.get_submodule(n).stride  # type: ignore[comparison-overlap]
    ]
    assert len(strides) == 2 and all(n.startswith(f"{stage}.0.") for n in strides)


@pytest.mark.parametrize("arch", list(LAST))
def test_inner_relus_stay(arch: str) -> None:
    """A bottleneck meets two of its three ReLUs, a basic block one of its two; and the output is the formula's."""
    block = models.build(arch, 3, surgery=ARCH, seed=2).eval().get_submodule(LAST[arch][0])[-1]
    assert isinstance(block, BareBlock)
    seen: list[torch.Tensor] = []
    block.relu.register_forward_hook(lambda _m, _i, out: seen.append(out))
    channels = block.conv1.in_channels
    x = torch.randn(2, channels, 4, 4)
    out = block(x)
    assert len(seen) == block.convolutions - 1 and all(bool((s >= 0).all()) for s in seen)
    inner = torch.relu(block.bn1(block.conv1(x)))
    inner = torch.relu(block.bn2(block.conv2(inner))) if block.convolutions == 3 else inner
    last = block.conv3 if block.convolutions == 3 else block.conv2
    shortcut = block.downsample(x) if isinstance(getattr(block, "downsample", None), nn.Module) else x
    torch.testing.assert_close(out, last(inner) + shortcut)


@pytest.mark.parametrize("arch", ["resnet8", "resnet18"])
@pytest.mark.parametrize("surgery", [ARCH, FOLDED])
def test_weights_of_the_uncut_network_and_of_the_cut_one_load(arch: str, surgery: tuple[str, ...], tmp_path: Path) -> None:
    whole = models.build(arch, 5, seed=1)
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    torch.save(whole.state_dict(), tmp_path / "whole.pt")
    for classes in (5, 3):
        cut = models.build(arch, classes, surgery=surgery, weights=tmp_path / "whole.pt", head="replace", seed=2)
        assert torch.equal(cut.conv1.weight, whole.conv1.weight)
        assert cut.get_parameter(f"{find_head(cut)}.weight").shape[0] == classes and cut.fc.bias is None
        assert all(p.requires_grad for p in cut.parameters())
        torch.save(cut.state_dict(), tmp_path / "cut.pt")
        again = models.build(arch, classes, surgery=surgery, weights=tmp_path / "cut.pt", seed=3)
        assert all(torch.equal(v, again.state_dict()[k]) for k, v in cut.state_dict().items())
    if surgery == FOLDED:  # without its last ReLU the block gives what the uncut one gives before it
        block, bare = whole.eval().get_submodule(LAST[arch][0])[-1], cut.eval().get_submodule(LAST[arch][0])[-1]
        x = torch.randn(1, block.conv1.in_channels, 8, 8)
        stride = block.conv1.stride
        block.conv1.stride = (1, 1)
        if block.downsample is not None:
            block.downsample[0].stride = (1, 1)
        torch.testing.assert_close(block(x), torch.relu(bare(x)), rtol=1e-4, atol=1e-4)
        block.conv1.stride = stride


@pytest.mark.parametrize(
    ("arch", "surgery"), [("vgg11", "bare-last-block"), ("densenet121", "folded-last-block"), ("resnet8", "no-head-bias")]
)
def test_a_network_without_the_part_is_refused(arch: str, surgery: str) -> None:
    names = ("no-head-bias", "no-head-bias") if surgery == "no-head-bias" else (surgery,)
    with pytest.raises(models.surgery.UsageError, match=f"surgery {surgery} does not apply to {arch}"):
        models.build(arch, 3, surgery=names)
