"""Surgery by structure: the same cuts on networks of other makes, found by running them."""

from __future__ import annotations

import copy

import pytest
import torch
from structured import ENDING, make
from torch import Tensor, nn

from cambench.explainers.batch import explain
from cambench.explainers.calm import latent_layer
from cambench.explainers.probe import default_layer, gap_linear_head
from cambench.models import for_inference
from cambench.models.ending import find_ending
from cambench.models.heads import find_head, head_module, without_head
from cambench.models.projection import project
from cambench.models.segmentation import segment
from cambench.models.strides import groups, run_of
from cambench.models.surgery import operate
from cambench.vocabulary import UsageError

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def cut(name: str, *surgery: str) -> nn.Module:
    network = make(name)
    operate(network, surgery, name)
    return network.eval()


def last_map(network: nn.Module) -> Tensor:
    """What the linear layer averages, ReLU and all, seen from outside: its input is the mean, so the side says enough."""
    seen: list[Tensor] = []
    layer = default_layer(network, IMAGES[:1])
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    network(IMAGES)
    handle.remove()
    return seen[-1]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mobile", ("features", False, None, ("classifier.0",), "classifier.1")),
        ("Dense", ("features", True, None, (), "classifier")),
        ("Lite", ("act", False, "pool", ("drop",), "fc")),
        ("plain", ("features", False, "pool", (), "fc")),
        ("Whole", ("body", False, None, (), "fc")),
        ("TwoLayers", None),
    ],
)
def test_the_end_is_found_by_running(name: str, expected: tuple[object, ...] | None) -> None:
    network = make(name)
    before = copy.deepcopy(network.state_dict())
    state = torch.get_rng_state()
    ending = find_ending(network.train())
    parts = None if ending is None else (ending.layer, ending.rectified, ending.pool, ending.between, ending.head)
    assert parts == expected
    assert network.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items()), "statistics stay"


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("Mobile", (8, 16, 32)),
        ("Dense", (8, 16, 32)),
        ("Lite", (8, 16, 32)),
        ("Patches", (8, 16, None)),
        ("TwoLayers", (8, 16, 32)),
    ],
)
def test_large_map_doubles_the_side_and_keeps_every_weight(name: str, sides: tuple[int | None, ...]) -> None:
    whole = make(name)
    for side, surgery in zip(sides, ((), ("large-map",), ("large-map-28",)), strict=True):
        if side is None:
            with pytest.raises(
                UsageError, match=rf"{surgery[0]} does not apply to {name}: it needs convolutions or poolings"
            ):
                cut(name, *surgery)
            continue
        network = cut(name, *surgery)
        assert last_map(network).shape[2:] == (side, side)
        assert network.state_dict().keys() == whole.state_dict().keys()
        assert copy.deepcopy(network)(IMAGES).shape == (2, 3)


def test_padding_settled_for_an_image_size_becomes_that_of_stride_1() -> None:
    """By hand: a 5×5 kernel at stride 1 keeps its map with two zeros on each side, a 3×3 one with one."""
    network = cut("Lite", "large-map", "stride-1-stem")
    assert network.get_submodule("block2.0.static_padding").padding == (2, 2, 2, 2)
    assert network.get_submodule("block.0.static_padding").padding == (1, 2, 1, 2), "as it was"
    assert network.get_submodule("stem.static_padding").padding == (1, 1, 1, 1)
    x = torch.randn(1, 8, 16, 16)
    conv = network.get_submodule("block2.0")
    torch.testing.assert_close(conv(x), nn.functional.conv2d(x, conv.weight, padding=2))
    assert last_map(network).shape[2:] == (32, 32)


def test_a_patch_embedding_keeps_its_stride() -> None:
    with pytest.raises(UsageError, match="stride-1-stem does not apply to Patches: .* a kernel wider than it"):
        cut("Patches", "stride-1-stem")


def test_a_reduction_that_runs_twice_is_left_alone() -> None:
    network = make("Dense")
    network.features.transition2[1] = network.features.transition1[1]  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="each called once"):
        operate(network, ["large-map"], "shared")


def test_groups_are_parallel_reductions_from_the_first_to_the_last() -> None:
    reductions = [(sorted(call.name for call in g.members), g.stem) for g in groups(run_of(make("Dense"))[1])]
    assert reductions == [
        (["features.stem.0"], True),
        (["features.transition1.1"], False),
        (["features.transition2.1"], False),
    ]


@pytest.mark.parametrize("name", ENDING)
def test_calm_head_gives_the_probabilities_of_its_formula_on_the_averaged_map(name: str) -> None:
    ending = find_ending(make(name))
    network = cut(name, "calm-head")
    head = network.get_submodule(head_module(network) or "")
    seen: list[Tensor] = []
    head.register_forward_pre_hook(lambda _m, arguments: seen.append(arguments[0].clone()))
    logits = network.train(name in ("plain", "Patches", "Whole"))(IMAGES)
    features = seen[0].relu() if ending is not None and ending.rectified else seen[0]
    location = head.location(features).relu()
    total = location.sum((2, 3), keepdim=True)
    prior = torch.where(total > 0, location / total, torch.full_like(location, 1 / location[0].numel()))
    p = (head.classes(features).softmax(1) * prior).sum((2, 3))
    torch.testing.assert_close(logits.exp(), p)
    assert find_head(network) == f"{head_module(network)}.classes"


@pytest.mark.parametrize("name", ENDING)
def test_calms_map_survives_folding_copies_and_weights_by_name(name: str) -> None:
    network = cut(name, "calm-head")
    again = cut(name, "calm-head")
    again.load_state_dict(network.state_dict())
    layer = latent_layer(network)
    fast = for_inference(network, layer=layer)
    torch.testing.assert_close(fast(IMAGES), again(IMAGES), rtol=1e-3, atol=1e-4)
    maps = explain(network, IMAGES, "calm", layer=layer)
    probabilities = network(IMAGES).exp().max(1).values
    torch.testing.assert_close(maps.sum((1, 2)), probabilities)
    assert network(IMAGES).exp().sum(1).tolist() == pytest.approx([1, 1])


def test_dropout_before_the_classifier_goes_with_it() -> None:
    for name in ("Mobile", "Lite"):
        network = cut(name, "calm-head").train()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        torch.testing.assert_close(network(IMAGES), network(IMAGES))


@pytest.mark.parametrize("name", ["calm-head", "projection", "segmentation-head", "bare-last-block", "folded-last-block"])
def test_two_linear_layers_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} does not apply to TwoLayers: it needs .* one linear layer") as caught:
        cut("TwoLayers", name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["Mobile", "Lite", "plain"])
@pytest.mark.parametrize("surgery", ["bare-last-block", "folded-last-block"])
def test_the_average_meets_the_convolution_and_all_else_stays(name: str, surgery: str) -> None:
    """Expected: the uncut network, its last batch norm and activation taken out by hooks."""
    whole, network = make(name), cut(name, surgery)
    conv, norm = {
        "Mobile": ("features.3.0", "features.3.1"),
        "Lite": ("end", "bn1"),
        "plain": ("features.3.0", "features.3.1"),
    }[name]
    seen: list[Tensor] = []
    source = norm if surgery == "folded-last-block" else conv
    whole.get_submodule(source).register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    whole(IMAGES)
    linear = whole.get_submodule(find_head(whole) or "")
    torch.testing.assert_close(network(IMAGES), linear(seen[-1].mean((2, 3))), rtol=1e-4, atol=1e-5)
    layer = default_layer(network, IMAGES[:1])
    assert gap_linear_head(network, layer, IMAGES[:1]) is network.get_submodule(find_head(network) or ""), "in training too"
    assert last_map(network).min() < 0, "signed"


def test_a_rectifying_function_cannot_be_taken_out() -> None:
    with pytest.raises(UsageError, match="bare-last-block does not apply to Dense: .* an activation as modules"):
        cut("Dense", "bare-last-block")


@pytest.mark.parametrize("name", ENDING)
def test_a_projection_sees_the_classifiers_features_and_changes_nothing(name: str) -> None:
    whole, network = make(name), cut(name, "projection")
    torch.testing.assert_close(network(IMAGES), whole(IMAGES))
    expected = network.projection(without_head(whole)(IMAGES))  # type: ignore[operator]
    torch.testing.assert_close(project(network, IMAGES), expected)
    assert find_head(network) == find_head(whole)
    torch.testing.assert_close(copy.deepcopy(network)(IMAGES), whole(IMAGES))


def test_a_segmentation_head_hangs_beside_a_sequential() -> None:
    network = cut("plain", "segmentation-head")
    torch.testing.assert_close(network(IMAGES), make("plain")(IMAGES))
    assert segment(network, "features", IMAGES).shape == (2, 4, 64, 64)


def test_a_cut_is_made_once_and_of_one_kind() -> None:
    for surgery in (("large-map", "large-map"), ("large-map", "large-map-28"), ("calm-head", "calm-head")):
        with pytest.raises(UsageError, match="does not apply to Mobile"):
            cut("Mobile", *surgery)
