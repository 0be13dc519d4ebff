"""Surgery: the grid that each gives, what it keeps, and a clear refusal where it does not apply."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cambench.explainers.calm import latent_layer
from cambench.models import build
from cambench.models.heads import find_head
from cambench.vocabulary import UsageError

LAST = {"resnet18": "layer4", "resnet50": "layer4", "resnet8": "layer3", "regnet_y_400mf": "trunk_output"}
"""The last stage where it is not called `features`."""


def grid(arch: str, *surgery: str, size: int = 64) -> tuple[int, ...]:
    """The side of the last stage's map, as a share of the image's: 32 means a 2×2 map at 64 px."""
    model = build(arch, 3, surgery=surgery).eval()
    seen: list[torch.Size] = []
    model.get_submodule(LAST.get(arch, "features")).register_forward_hook(lambda _m, _i, out: seen.append(out.shape[2:]))
    with torch.inference_mode():
        assert model(torch.randn(1, 3, size, size)).shape == (1, 3)
    return tuple(size // side for side in seen[0])


@pytest.mark.parametrize(
    ("arch", "surgery", "factor"),
    [
        ("resnet18", (), 32),
        ("resnet18", ("large-map",), 16),
        ("resnet50", ("large-map",), 16),
        ("resnet18", ("large-map-28",), 8),
        ("resnet50", ("large-map-28",), 8),
        ("resnet18", ("no-max-pool",), 16),
        ("resnet18", ("stride-1-stem",), 16),
        ("resnet18", ("stride-1-stem", "no-max-pool"), 8),
        ("resnet50", ("small-stem",), 8),
        ("resnet18", ("small-stem", "large_map"), 4),
        ("resnet8", (), 4),
        ("resnet8", ("large-map",), 2),
        ("vgg11", (), 32),
        ("vgg11", ("large-map",), 16),
        ("vgg11", ("large-map-28",), 8),
        ("densenet121", ("small-stem",), 8),
        ("densenet121", ("large-map",), 16),
        ("densenet121", ("large-map-28",), 8),
        ("mobilenet_v2", ("large-map",), 16),
        ("mobilenet_v3_small", ("large-map",), 16),
        ("efficientnet_b0", ("large-map",), 16),
        ("convnext_tiny", ("large-map",), 16),
        ("regnet_y_400mf", ("large-map-28",), 8),
    ],
)
def test_grid(arch: str, surgery: tuple[str, ...], factor: int) -> None:
    assert grid(arch, *surgery) == (factor, factor)


@pytest.mark.parametrize("arch", ["resnet18", "squeezenet1_1"])
def test_a_xavier_head_is_drawn_anew_and_nothing_else_is(arch: str) -> None:
    plain, cut, again = (build(arch, 50, surgery=s, seed=3) for s in ((), ("xavier-head",), ("xavier-head",)))
    head = find_head(cut)
    assert head is not None
    weight, bias = cut.get_parameter(f"{head}.weight").detach(), cut.get_parameter(f"{head}.bias")
    bound = (6 / (weight.shape[0] + weight.shape[1])) ** 0.5
    assert not bias.any() and 0.97 * bound < float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.03), "uniform"
    whole, part, same = plain.state_dict(), cut.state_dict(), again.state_dict()
    assert all(torch.equal(part[name], same[name]) for name in part), "a function of the seed"
    drawn = {name for name in whole if not torch.equal(whole[name], part[name])}
    assert f"{head}.weight" in drawn <= {f"{head}.weight", f"{head}.bias"}


def test_large_map_changes_strides_in_the_branch_and_the_shortcut_without_dilation() -> None:
    plain, cut = build("resnet50", 3), build("resnet50", 3, surgery=("large-map",))
    changed = {
        name
        for (name, a), b in zip(plain.named_modules(), cut.modules(), strict=True)
        if isinstance(a, nn.Conv2d) and isinstance(b, nn.Conv2d) and a.stride != b.stride
    }
    assert changed == {"layer4.0.conv2", "layer4.0.downsample.0"}  # ContrastiveCAM protocol §1.3
    assert all(m.dilation == (1, 1) for m in cut.modules() if isinstance(m, nn.Conv2d))


def test_small_stem_is_excons_encoder() -> None:
    model = build("resnet50", 10, surgery=("small-stem",))
    model.fc = nn.Identity()
    assert sum(p.numel() for p in model.parameters()) == 23_500_352  # ExCon protocol §1.5


@pytest.mark.parametrize("surgery", ["large-map", "large-map-28", "no-max-pool", "stride-1-stem"])
def test_all_but_the_new_stem_keep_every_weight(surgery: str) -> None:
    plain, cut = (build("resnet18", 3, surgery=s, seed=4).state_dict() for s in ((), (surgery,)))
    assert plain.keys() == cut.keys()
    assert all(torch.equal(plain[k], cut[k]) for k in plain)


@pytest.mark.parametrize(
    ("arch", "surgery"),
    [
        ("mobilenet_v3_small", "calm-head"),
        ("vit_b_32", "large-map"),
        ("swin_t", "large-map"),
        ("regnet_y_400mf", "bare-last-block"),
        ("convnext_tiny", "stride-1-stem"),
        ("resnet8", "small-stem"),
        ("vgg11", "stride-1-stem"),
        ("vgg11", "no-max-pool"),
        ("alexnet", "small-stem"),
    ],
)
def test_refusal_names_the_architecture_and_the_need(arch: str, surgery: str) -> None:
    with pytest.raises(UsageError, match=f"surgery {surgery} does not apply to {arch}: it needs "):
        build(arch, 3, surgery=(surgery,))


@pytest.mark.parametrize(
    ("arch", "latent"),
    [
        ("resnet18", "avgpool.latent"),
        ("efficientnet_b0", "avgpool.latent"),
        ("regnet_y_400mf", "avgpool.latent"),
        ("mobilenet_v2", "features.calm.latent"),
        ("densenet121", "features.calm.latent"),
    ],
)
def test_calms_head_on_torchvisions_networks(arch: str, latent: str) -> None:
    model = build(arch, 3, surgery=("large-map", "calm-head")).eval()
    assert latent_layer(model) == latent
    with torch.inference_mode():
        assert model(torch.randn(1, 3, 64, 64)).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_the_same_cut_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="large-map does not apply"):
        build("resnet8", 3, surgery=("large-map", "large-map"))


def test_unknown_surgery() -> None:
    with pytest.raises(UsageError, match="Did you mean large-map"):
        build("resnet8", 3, surgery=("largemap",))
