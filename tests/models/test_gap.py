"""VGG16-GAP and InceptionV3-GAP: maps, what is kept and what is new, the heads on top."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cambench.explainers.probe import default_layer, gap_linear_head
from cambench.models import build, for_inference
from cambench.models.gap import family
from cambench.models.heads import find_head
from cambench.vocabulary import UsageError

CASES = [
    ("vgg16", "vgg16-gap", 14),
    ("vgg16", "vgg16-gap-28", 28),
    ("vgg16_bn", "vgg16-gap-28", 28),
    ("inception_v3", "inception-v3-gap", 14),
    ("inception_v3", "inception-v3-gap-28", 28),
    ("inception_v3", "inception-v3-gap-28-bn", 28),
]
STEM = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_4a_3x3", "maxpool2"]


def sides(network: nn.Module, *names: str) -> list[int]:
    """The side of the maps that modules give at 224 px, without computing anything."""
    seen: dict[str, int] = {}
    for name in names:

        def note(module: nn.Module, arguments: object, out: torch.Tensor, name: str = name) -> None:
            assert out.shape[2] == out.shape[3]
            seen[name] = out.shape[2]

        network.get_submodule(name).register_forward_hook(note)
    with torch.device("meta"):
        assert network.eval()(torch.empty(2, 3, 224, 224)).shape == (2, 5)
    return [seen[name] for name in names]


@pytest.mark.parametrize(("arch", "surgery", "side"), CASES)
@pytest.mark.parametrize("head", [(), ("calm-head",)])
def test_maps(arch: str, surgery: str, side: int, head: tuple[str, ...]) -> None:
    with torch.device("meta"):
        network = build(arch, 5, surgery=(surgery, *head))
    layer = "avgpool.latent" if head else "features" if arch.startswith("vgg") else "Mixed_7c"
    assert sides(network, layer) == [side]


def test_the_stem_of_inception_is_the_benchmarks() -> None:
    with torch.device("meta"):
        large, small = (build("inception_v3", 5, surgery=(name,)) for name in ("inception-v3-gap-28", "inception-v3-gap"))
    assert sides(large, *STEM, "Mixed_6a", "Mixed_6e") == [112, 110, 110, 56, 54, 28, 28, 28]  # CALM protocol §1.5
    assert sides(small, *STEM, "Mixed_6a.before", "Mixed_6e") == [112, 110, 110, 56, 54, 28, 14, 14]
    assert not large.transform_input


def count(network: nn.Module) -> int:
    """Parameters."""
    return sum(p.numel() for p in network.parameters())


def test_what_is_kept_and_what_is_new() -> None:
    with torch.device("meta"):
        vgg, inception = build("vgg16", 200), build("inception_v3", 200)
        cut, short = build("vgg16", 200, surgery=("vgg16-gap",)), build("inception_v3", 200, surgery=("inception-v3-gap",))
        normed = build("vgg16_bn", 200, surgery=("vgg16-gap",))
    convolution, head = 9 * 512 * 1024 + 1024, 200 * 1024 + 200
    assert count(cut) == count(vgg.features) + convolution + head == 14_714_688 + 4_719_616 + 205_000
    assert count(normed.features.added) == convolution + 2 * 1024
    gone = sum(count(getattr(inception, name)) for name in ("Mixed_7a", "Mixed_7b", "Mixed_7c", "fc"))
    assert count(short) == count(inception) - gone + (9 * 768 * 1024 + 1024) + (9 * 1024 * 1024 + 1024) + head
    kept = {name for name, _ in short.named_parameters() if not name.startswith(("Mixed_7c", "fc"))}
    assert kept <= {name for name, _ in inception.named_parameters()} and "Mixed_6e.branch_pool.bn.bias" in kept


@pytest.mark.parametrize(("arch", "surgery"), [("vgg11", "vgg16-gap"), ("inception_v3", "inception-v3-gap-28")])
def test_weights_of_the_uncut_network_stay_and_new_ones_begin_as_the_family_does(arch: str, surgery: str) -> None:
    plain, cut, calm = (build(arch, 50, surgery=s, seed=3) for s in ((), (surgery,), (surgery, "calm-head")))
    whole, part = plain.state_dict(), cut.state_dict()
    same = [k for k in part if k in whole and not k.startswith(("fc", "classifier", "Mixed_7c"))]
    assert len(same) > 10 and all(torch.equal(part[k], whole[k]) for k in same)
    new = {
        "vgg11": ("features.added.conv", "classifier", "avgpool.classes", "avgpool.location"),
        "inception_v3": ("Mixed_7c.conv2", "fc", "avgpool.classes", "avgpool.location"),
    }[arch]
    for name, network in zip(new, (cut, cut, calm, calm), strict=True):
        weight, bias = network.get_parameter(f"{name}.weight"), network.get_parameter(f"{name}.bias")
        area = weight[0, 0].numel() if weight.ndim == 4 else 1
        fan_out, fan_in = weight.shape[0] * area, weight.shape[1] * area
        std = (2 / fan_out if arch == "vgg11" else 2 / (fan_in + fan_out)) ** 0.5
        assert float(weight.detach().std()) == pytest.approx(std, rel=0.05) and not bias.any()
        if arch != "vgg11":
            assert float(weight.detach().abs().max()) <= 3**0.5 * std, "uniform"
    assert find_head(calm) == "avgpool.classes" and isinstance(calm.get_submodule(find_head(cut) or ""), nn.Identity)


@pytest.mark.parametrize(("arch", "surgery"), [("vgg11_bn", ("vgg16-gap",)), ("inception_v3", ("inception-v3-gap",))])
def test_cam_has_its_closed_form_and_the_fast_copy_agrees(arch: str, surgery: tuple[str, ...]) -> None:
    network = build(arch, 5, surgery=surgery).eval()
    image = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    layer = default_layer(network, image[:1])
    assert layer == ("features" if arch == "vgg11_bn" else "Mixed_7c")
    head = gap_linear_head(network, layer, image[:1])
    assert head is network.get_submodule(find_head(network) or "")
    fast = for_inference(network, layer=layer)
    with torch.inference_mode():
        torch.testing.assert_close(fast(image), network(image), rtol=1e-3, atol=1e-4)


def test_dropout_is_the_benchmarks_and_the_authors_have_none() -> None:
    with torch.device("meta"):
        benchmark = build("inception_v3", 5, surgery=("inception-v3-gap-28",))
        authors = build("inception_v3", 5, surgery=("inception-v3-gap-28", "no-dropout", "calm-head"))
        normed = build("inception_v3", 5, surgery=("inception-v3-gap-28-bn",))
    rates = [m.p for m in benchmark.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.5] * 3 and list(dict(benchmark.Mixed_7c.named_children()))[-1] == "dropout3"
    assert not any(isinstance(m, nn.Dropout) for network in (authors, normed) for m in network.modules())
    assert [m.eps for m in normed.Mixed_7c if isinstance(m, nn.BatchNorm2d)] == [1e-3] * 2
    assert (family(benchmark), family(normed)) == ("Inception", "Inception")


@pytest.mark.parametrize(
    ("arch", "surgery", "needs"),
    [
        ("resnet8", ("vgg16-gap",), "vgg16-gap does not apply to resnet8: it needs a VGG"),
        ("vgg11", ("vgg16-gap", "vgg16-gap"), "vgg16-gap does not apply"),
        ("vgg11", ("inception-v3-gap",), "it needs an Inception v3"),
        ("vgg11", ("calm-head",), "it needs a network that ends in the global average of its last map and one linear layer"),
        ("resnet8", ("no-dropout",), "it needs a network with dropout"),
    ],
)
def test_refusals(arch: str, surgery: tuple[str, ...], needs: str) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match=needs):
        build(arch, 5, surgery=surgery)
