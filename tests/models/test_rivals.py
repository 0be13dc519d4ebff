"""The networks of ACoL and SPG: sizes, places, initial weights, rates by group, and that they are explained and loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cambench.explainers.probe import default_layer, gap_linear_head
from cambench.models import build, for_inference
from cambench.models.acol import AcolHead, acol_part
from cambench.models.spg import Guidance, guidance_of
from cambench.recipes import load as recipes
from cambench.recipes import presets
from cambench.stages.training.optimiser import groups
from cambench.vocabulary import UsageError

ARCHS = ("vgg16", "inception_v3", "resnet50")
ACOL = {"vgg16": "vgg16-acol", "inception_v3": "inception-v3-acol", "resnet50": "large-map"}
SPG = {"vgg16": "vgg16-spg", "inception_v3": "inception-v3-gap", "resnet50": "large-map"}


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def pair_of(network: nn.Module) -> AcolHead:
    head = network.get_submodule(acol_part(network) or "")
    assert isinstance(head, AcolHead)
    return head


def last(network: nn.Module) -> nn.Linear:
    return [m for m in network.modules() if isinstance(m, nn.Linear)][-1]


@pytest.mark.parametrize(
    ("arch", "weights", "channels"),
    [("vgg16", 14_362_824, 512), ("inception_v3", 16_722_120, 768), ("resnet50", 28_518_600, 2048)],
)
def test_acols_two_heads(arch: str, weights: int, channels: int) -> None:
    with torch.device("meta"):
        network = build(arch, 200, surgery=(ACOL[arch], "acol-head"))
    head = pair_of(network)
    assert count(head.first, last(network)) == count(head.second) == weights
    assert head.first.get_submodule("conv1").in_channels == channels
    assert not any(isinstance(m, nn.Dropout) and m.p for m in head.modules())


@pytest.mark.parametrize(
    ("arch", "b", "c", "sources"),
    [
        ("vgg16", 7_079_937, 2_360_321, ("features.23", "features.30", "features")),
        ("inception_v3", 7_227_393, 4_719_617, ("Mixed_6a.before", "Mixed_6d", "Mixed_7c")),
        ("resnet50", 28_315_649, 9_438_209, ("layer3.0", "layer3", "layer4")),
    ],
)
def test_spgs_branches(arch: str, b: int, c: int, sources: tuple[str, str, str]) -> None:
    with torch.device("meta"):
        guidance = guidance_of(build(arch, 200, surgery=(SPG[arch], "spg-branches")))
    assert guidance is not None and guidance.sources == sources
    assert (count(guidance.b1, guidance.b2, guidance.shared), count(guidance.c)) == (b, c)


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("large", [False, True])
def test_grids_at_224_pixels(arch: str, large: bool) -> None:
    side = 28 if large else 14
    for surgeries, more in ((ACOL, "acol-head"), (SPG, "spg-branches")):
        with torch.device("meta"):
            network = build(arch, 5, surgery=(surgeries[arch] + ("-28" if large else ""), more)).eval()
            guidance, sides = guidance_of(network), set()
            for name in ("avgpool.features",) if guidance is None else guidance.sources:
                network.get_submodule(name).register_forward_hook(lambda _m, _i, out, sides=sides: sides.add(out.shape[2:]))
            network(torch.zeros(1, 3, 224, 224))
        assert sides == {(side, side)}, arch


def test_acols_pools_of_a_vgg() -> None:
    """3×3 with stride 2, the fourth with stride 1 for 28×28, the fifth a maximum and a mean that keep the map."""
    with torch.device("meta"):
        small, large = (build("vgg16", 5, surgery=(name, "acol-head")).features for name in ("vgg16-acol", "vgg16-acol-28"))
    pools = [[(m.kernel_size, m.stride, m.padding) for m in f if isinstance(m, nn.MaxPool2d)] for f in (small, large)]
    assert pools == [[(3, 2, 1)] * 4, [(3, 2, 1)] * 3 + [(3, 1, 1)]]
    maximum, mean = small[30]
    assert (maximum.kernel_size, maximum.stride, maximum.padding) == (3, 1, 1) and isinstance(maximum, nn.MaxPool2d)
    assert (mean.kernel_size, mean.stride, mean.padding) == (3, 1, 1) and isinstance(mean, nn.AvgPool2d)


def test_initial_weights() -> None:
    """Deviation of a 3×3 layer: Xavier-uniform √(2/(9·(in + out))), He's normal over the outputs √(2/(9·out))."""
    vgg, resnet = build("vgg11", 200, surgery=["vgg16-acol", "acol-head"]), build("resnet8", 200, surgery=["acol-head"])
    spg = build("resnet8", 200, surgery=["spg-branches"])
    guidance = guidance_of(spg)
    assert guidance is not None

    def deviation(weight: Tensor) -> float:
        return float(weight.detach().std())

    assert deviation(pair_of(vgg).second.get_submodule("conv1").weight) == pytest.approx((2 / (9 * 1536)) ** 0.5, rel=0.01)
    assert deviation(last(vgg).weight) == pytest.approx((2 / 1224) ** 0.5, rel=0.02)
    assert deviation(pair_of(resnet).first.get_submodule("conv2").weight) == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert deviation(last(resnet).weight) == pytest.approx((2 / 200) ** 0.5, rel=0.03)
    assert deviation(guidance.shared[0].weight) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.03)
    assert deviation(last(spg).weight) == pytest.approx((2 / 264) ** 0.5, rel=0.03)
    for module in (
        *pair_of(vgg).modules(),
        *pair_of(resnet).modules(),
        *guidance.modules(),
        last(vgg),
        last(resnet),
        last(spg),
    ):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            assert module.bias is not None and not module.bias.any()


FAST = {
    ("acol", "vgg16"): {"avgpool", "classifier"},
    ("acol", "inception_v3"): {"avgpool", "fc"},
    ("acol", "resnet50"): {"layer4"},
    ("spg", "vgg16"): {*(f"features.{i}" for i in (17, 19, 21, 24, 26, 28, "added")), "classifier", "guidance"},
    ("spg", "inception_v3"): {"Mixed_7c", "fc", "guidance"},
    ("spg", "resnet50"): {"layer4"},
}
"""What has ten times the rate: rivals protocol §2. In a ResNet-50 the new heads have not."""


def fast(method: str, arch: str, *overrides: str) -> set[str]:
    """The modules with ten times the rate; all others have the plain one."""
    recipe = recipes.load(method, "cub-wsol", arch, overrides)
    with torch.device("meta"):
        network = build(arch, 200, surgery=recipe.model.surgery, head="replace")
    rates = {id(p): group["lr"] for group in groups(network, recipe.optimizer) for p in group["params"]}
    assert len(rates) == sum(1 for _ in network.parameters())
    names = {name for name, p in network.named_parameters() if rates[id(p)] > 9 * recipe.optimizer.lr}
    assert {rates[id(p)] for name, p in network.named_parameters() if name not in names} == {recipe.optimizer.lr}
    return {".".join(name.split(".")[: 2 if name.startswith("features.") else 1]) for name in names}


@pytest.mark.parametrize(("method", "arch"), FAST)
def test_what_has_ten_times_the_rate(method: str, arch: str) -> None:
    assert fast(method, arch) == FAST[method, arch]


@pytest.mark.parametrize(("method", "more"), [("acol", {"avgpool", "fc"}), ("spg", {"guidance", "fc"})])
def test_a_preset_gives_a_resnets_new_heads_ten_times_the_rate_too(method: str, more: set[str]) -> None:
    assert fast(method, "resnet50", *presets.overrides(f"{method}-heads-x10")) == {"layer4", *more}


@pytest.mark.parametrize("surgery", [["acol-head"], ["spg-branches"]])
def test_the_network_is_explained_copied_and_loaded(surgery: list[str], tmp_path: Path) -> None:
    network = build("resnet8", 5, surgery=surgery, seed=1).eval()
    image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    layer = default_layer(network, image[:1])
    assert layer == ("avgpool.first" if "acol-head" in surgery else "layer3")
    assert gap_linear_head(network, layer, image[:1]) is network.get_submodule("fc")
    torch.save({"model": network.state_dict()}, tmp_path / "cut.pt")
    again = build("resnet8", 5, surgery=surgery, weights=tmp_path / "cut.pt").eval()
    with torch.inference_mode():
        assert torch.equal(again(image), network(image))
        torch.testing.assert_close(for_inference(network, layer=layer)(image), network(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("surgery", [["acol-head"], ["spg-branches"]])
def test_weights_of_the_uncut_network_give_the_trunk(surgery: list[str], tmp_path: Path) -> None:
    whole = build("resnet8", 9, seed=4)
    torch.save(whole.state_dict(), tmp_path / "whole.pt")
    cut = build("resnet8", 5, surgery=surgery, weights=tmp_path / "whole.pt", head="replace", seed=1)
    for name, weight in whole.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(cut.state_dict()[name], weight)
    assert last(cut).out_features == 5


def test_refusals() -> None:
    with torch.device("meta"):
        for arch, surgery in (
            ("densenet121", "acol-head"),
            ("vgg11", "spg-branches"),
            ("resnet8", "vgg16-spg"),
            ("vgg11", "inception-v3-acol"),
        ):
            with pytest.raises(UsageError, match=f"surgery {surgery} does not apply to {arch}: it needs "):
                build(arch, 5, surgery=[surgery])
        with pytest.raises(UsageError, match="does not apply to vgg11"):
            build("vgg11", 5, surgery=["vgg16-acol", "vgg16-gap"])
        with pytest.raises(UsageError, match="does not apply to inception_v3"):
            build("inception_v3", 5, surgery=["inception-v3-acol", "inception-v3-gap"])
        assert isinstance(guidance_of(build("resnet8", 5, surgery=["spg-branches"])), Guidance)
