"""Attention-based dropout: the formula, its twin, and the places where it stands."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import wsol_training as twin
from torch import nn

from cambench.explainers.probe import default_layer, gap_linear_head
from cambench.models import build, for_inference
from cambench.models.adl import AttentionDropout, attention_dropout
from cambench.vocabulary import UsageError


@pytest.mark.parametrize("dropped", [True, False])
@pytest.mark.parametrize("threshold", [0.9, 0.5, 0.0])
def test_the_formula_is_its_twin(dropped: bool, threshold: float) -> None:
    features = torch.rand(3, 4, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    dropped_out = attention_dropout(features, dropped, threshold)
    np.testing.assert_allclose(dropped_out.numpy(), twin.attention_dropout(features.numpy(), dropped, threshold), rtol=1e-12)


def test_by_hand() -> None:
    """Attention 1, 2 / 3, 4 of two equal channels: at 0.75 what is at least 3 is hidden, by each image's own maximum."""
    one = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    features = torch.stack([one, 10 * one])[:, None].expand(2, 2, 2, 2)
    kept = torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    assert torch.equal(attention_dropout(features, True, 0.75)[:, 0], torch.stack([kept, 10 * kept]))
    weighted = attention_dropout(features, False, 0.75)[0, 1]
    assert weighted.flatten().tolist() == pytest.approx([0.7310586, 1.7615942, 2.8577224, 3.9280552])


def test_evaluation_is_plain_and_training_drops_three_times_in_four() -> None:
    layer, features = AttentionDropout(), torch.rand(1, 2, 3, 3) + 0.1
    assert layer.eval()(features) is features
    layer.train()
    torch.manual_seed(0)
    zeros = sum(bool((layer(features) == 0).any()) for _ in range(1000))
    assert zeros == pytest.approx(750, abs=45)


PLACES = {
    ("resnet50", ("large-map-28",)): ["layer3.adl0", "layer4.adl0", "layer4.adl"],
    ("resnet8", ()): ["layer2.adl0", "layer3.adl"],
    ("vgg16", ("vgg16-gap-28",)): ["features.adl3", "features.adl4", "features.adl5"],
    ("vgg16_bn", ("vgg16-gap",)): ["features.adl3", "features.adl4", "features.adl5"],
    ("inception_v3", ("inception-v3-gap", "no-dropout")): ["Mixed_6a.before.0", "Mixed_7a", "Mixed_7c.adl"],
}


@pytest.mark.parametrize(("arch", "surgery"), PLACES)
def test_places_and_weights(arch: str, surgery: tuple[str, ...]) -> None:
    with torch.device("meta"):
        plain, cut = build(arch, 5, surgery=surgery), build(arch, 5, surgery=(*surgery, "adl"))
        again = build(arch, 5, surgery=(*surgery, "adl", "calm-head"))
    places = [name for name, m in cut.named_modules() if isinstance(m, AttentionDropout)]
    assert places == PLACES[arch, surgery]
    assert plain.state_dict().keys() == cut.state_dict().keys(), "no weight changes its name"
    assert any(isinstance(m, AttentionDropout) for m in again.modules())


def test_what_stands_around_it() -> None:
    """After the third pool, after the last convolutions of blocks 4 and 5; between the blocks of a ResNet."""
    with torch.device("meta"):
        vgg = build("vgg16", 5, surgery=("vgg16-gap", "adl")).features
        resnet = build("resnet50", 5, surgery=("large-map", "adl"))
    names = [name for name, _ in vgg.named_children()]
    before = [names[names.index(f"adl{n}") - 1] for n in (3, 4, 5)]
    after = [names[names.index(f"adl{n}") + 1] for n in (3, 4, 5)]
    assert before == ["16", "22", "29"] and after == ["17", "23", "30"] and names[-1] == "added"
    assert isinstance(vgg.get_submodule("16"), nn.MaxPool2d) and isinstance(vgg.get_submodule("22"), nn.ReLU)
    assert [name for name, _ in resnet.layer3.named_children()][:3] == ["0", "adl0", "1"]
    assert [name for name, _ in resnet.layer4.named_children()] == ["0", "adl0", "1", "2", "adl"]


@pytest.mark.parametrize("arch", ["resnet8", "vgg11_bn"])
def test_the_network_is_explained_as_without_it(arch: str) -> None:
    surgery = ("vgg16-gap",) if arch == "vgg11_bn" else ()
    plain, cut = (build(arch, 5, surgery=(*surgery, *more)).eval() for more in ((), ("adl",)))
    image = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    layer = default_layer(cut, image[:1])
    assert layer == default_layer(plain, image[:1]) and gap_linear_head(cut, layer, image[:1]) is not None
    with torch.inference_mode():
        assert torch.equal(cut(image), plain(image))
        torch.testing.assert_close(for_inference(cut, layer=layer)(image), plain(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("arch", "surgery"), [("vgg11", ("adl",)), ("alexnet", ("adl",)), ("resnet8", ("adl", "adl"))])
def test_refusals(arch: str, surgery: tuple[str, ...]) -> None:
    with torch.device("meta"), pytest.raises(UsageError, match="surgery adl does not apply to"):
        build(arch, 5, surgery=surgery)
