"""Architectures: He et al.'s sizes, every torchvision classifier's head, names, and seeds that move nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cambench.models import arch_names, build, resolve
from cambench.models.backbones import settled, torchvision_names
from cambench.models.heads import find_head, head_classes, replace_head
from cambench.vocabulary import UsageError


def weights(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("arch", "blocks", "widths"),
    [("resnet8", 1, (16, 32, 64)), ("resnet20", 3, (16, 32, 64)), ("resnet18-small", 2, (16, 32, 64, 128))],
)
def test_small_resnets_have_the_layers_of_he_et_al(arch: str, blocks: int, widths: tuple[int, ...]) -> None:
    model = build(arch, 10)
    counted = [m for name, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and "downsample" not in name]
    assert len(counted) == 2 * blocks * len(widths) + 2  # the paper counts no projections
    assert [m.weight.shape[0] for m in counted] == [16, *(w for w in widths for _ in range(2 * blocks)), 10]
    stages = [f"layer{i + 1}" for i in range(len(widths))]
    assert [name for name, _ in model.named_children()] == ["conv1", "bn1", "relu", *stages, "avgpool", "fc"]


def test_resnet20_has_the_weights_that_the_paper_prints() -> None:
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64  # option B; the paper's 0.27M is option A
    assert weights(build("resnet20", 10)) == 269_722 + projections


def test_the_small_resnet18_is_torchvisions_with_a_quarter_of_the_filters() -> None:
    """Every weight but the stem's 3×3 has torchvision's name and a quarter of its filters."""
    small, full = build("resnet18-small", 10).state_dict(), build("resnet18", 10).state_dict()
    assert small.keys() == full.keys()
    for name in small.keys() - {"conv1.weight", "fc.bias"}:
        wide, narrow = full[name].shape, small[name].shape
        assert all(n in (w // 4, w) for n, w in zip(narrow, wide, strict=True)), name
        assert narrow[:1] == ((wide[0],) if name == "fc.weight" else tuple(w // 4 for w in wide[:1])), name


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 64)])
def test_small_resnet_takes_any_size_and_ends_at_a_quarter(size: tuple[int, int]) -> None:
    model = build("resnet8", 5).eval()
    images = torch.randn(2, 3, *size)
    quarter = tuple(-(-s // 4) for s in size)
    features = model.layer3(model.layer2(model.layer1(model.relu(model.bn1(model.conv1(images))))))
    assert features.shape == (2, 64, *quarter)
    assert torch.allclose(model(images), model.fc(features.mean((2, 3))), atol=1e-6)


def test_small_resnet_is_torchvisions_computation() -> None:
    """torchvision's ResNet with the same blocks and a small stem gives the same logits from the same weights."""
    from torchvision.models.resnet import BasicBlock, ResNet

    twin, ours = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=7), build("resnet8", 7)
    stages = [nn.Sequential(BasicBlock(i, o, s, shortcut(i, o, s))) for i, o, s in ((16, 16, 1), (16, 32, 2), (32, 64, 2))]
    twin.conv1, twin.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
    twin.maxpool, twin.layer4, twin.fc = nn.Identity(), nn.Identity(), nn.Linear(64, 7)
    twin.layer1, twin.layer2, twin.layer3 = stages
    twin.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(twin(images), ours(images), atol=1e-5)


def shortcut(channels_in: int, channels: int, stride: int) -> nn.Module | None:
    if stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


@pytest.mark.parametrize("arch", [name for name in torchvision_names() if not name.startswith("regnet")])
def test_every_torchvision_classifier_gets_a_head_for_seven_classes(arch: str) -> None:
    import torchvision

    arguments = {"init_weights": True, "aux_logits": False} if arch in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        model = torchvision.models.get_model(arch, **arguments)
        assert head_classes(model) == 1000
        before = {name: p.shape for name, p in model.named_parameters()}
        replace_head(model, 7, arch)
    after = {name: p.shape for name, p in model.named_parameters()}
    head = find_head(model)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {n for n in before if n.startswith(f"{head}.")}
    assert head_classes(model) == 7


@pytest.mark.parametrize("arch", ["squeezenet1_1", "regnet_x_400mf", "googlenet", "mobilenet_v3_small"])
def test_named_architectures_run_in_training_with_plain_logits(arch: str) -> None:
    logits = build(arch, 6)(torch.randn(2, 3, 64, 64))
    assert isinstance(logits, torch.Tensor)
    assert logits.shape == (2, 6)


def test_a_network_without_head_says_so() -> None:
    with pytest.raises(UsageError, match="mynet: a new head for 3 classes needs"):
        replace_head(nn.Sequential(nn.ReLU()), 3, "mynet")


def test_names_have_one_spelling() -> None:
    assert resolve("torchvision:ResNet50") == "resnet50"
    assert resolve("vgg16-bn") == "vgg16_bn"
    assert settled("torchvision:ResNet50") == settled("torchvision:resnet50") == "torchvision:resnet50"
    assert settled("ResNet8") == "resnet8" and settled("python:a.b:C") == "python:a.b:C"
    assert resolve("python:a.b:C") == "python:a.b:C"
    assert {"resnet8", "resnet20", "resnet50", "efficientnet_b0"} <= set(arch_names())
    assert not [name for name in arch_names() if "fcn" in name or "rcnn" in name or "r3d" in name or "quantized" in name]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown arch 'resnet51'\. Did you mean .*resnet50.*Known: .*vgg16"):
        build("resnet51", 10)
    with pytest.raises(UsageError, match="unknown arch 'resnet8'"):
        build("torchvision:resnet8", 10)


def test_weights_follow_from_the_seed_alone_and_no_generator_moves() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (build("resnet8", 10, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


def test_initialisation_is_he_normal_fan_out_without_zeroed_branches() -> None:
    for arch in ("resnet20", "resnet18"):
        model = build(arch, 10, seed=3)
        for name, m in model.named_modules():
            if isinstance(m, nn.Conv2d) and m.weight.numel() > 10_000:
                expected = (2 / (m.weight.shape[0] * m.kernel_size[0] * m.kernel_size[1])) ** 0.5
                assert m.weight.std().item() == pytest.approx(expected, rel=0.05), name
            if isinstance(m, nn.BatchNorm2d):
                assert bool((m.weight == 1).all()) and bool((m.bias == 0).all())
