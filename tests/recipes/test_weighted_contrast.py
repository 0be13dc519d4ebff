"""The tables of the weighted contrast: their layout, their published values, and what a stand-in makes of them."""

from __future__ import annotations

import csv
from collections import OrderedDict
from importlib.resources import files

import pytest
import torch
import torchvision

from cambench.explainers import find_explainer
from cambench.explainers.probe import Probe
from cambench.metrics import find_metric
from cambench.models.backbones import torchvision_weights
from cambench.models.preprocessing import as_torchvision
from cambench.recipes.load import load
from cambench.recipes.published import find_published, load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import Select, TableRecipe, cells, load_table
from cambench.vocabulary import UsageError

DATA = {"cub": "CUB-200", "aircraft": "FGVC", "food-101": "Food-101", "flowers": "Flower-102", "cars": "Stanford Cars"}
TARGETS = {"logit": "original", "weighted": "weighted"}


def on_synthbirds(table: str) -> TableRecipe:
    """The table as `--on synthbirds` makes it."""
    return stand_in(load_table(f"weighted-contrast/{table}"), "synthbirds", split="test", arch="resnet8")


def test_every_published_number_has_one_cell_that_selects_its_facts() -> None:
    text = (files("cambench.recipes") / "published" / "weighted-contrast.csv").read_text(encoding="utf-8")
    printed = {(r["table"], r["row"], r["column"]): r for r in csv.DictReader(text.splitlines())}
    every = [cell for row in cells(load_table("weighted-contrast/1")) for cell in row]
    assert len(every) == 260 and {cell.key for cell in every} == set(printed)
    for cell in every:
        (select,) = cell.alternatives
        row = printed[cell.key]  # type: ignore[index]
        facts = dict(part.split("=") for part in row["setting"].split(";"))
        assert DATA[select.dataset or ""] == row["dataset"] and select.arch == row["arch"]
        assert {"LA": "hires-cam", "GC": "grad-cam"}[facts["explainer"]] == find_explainer(select.explainer or "").name
        *where, kept = (select.variant or "").split("/")
        assert where[0] == facts["target"] and select.layer == "features.40"
        if facts["baseline"] == "none":
            assert kept == "p" and cell.direction == "none"
            continue
        baseline = {"gaussian_blur": "blur", "channel_mean": "channel-mean"}.get(facts["baseline"], facts["baseline"])
        assert (where[1], kept, TARGETS[select.target or ""]) == (baseline, facts["kept"], facts["contrast"])
        assert (cell.direction == "up") == find_published(load_published("weighted-contrast"), cell.key).higher_is_better  # type: ignore[arg-type]
        assert cell.decimals == len(row["value"].partition(".")[2]) == 3


@pytest.mark.parametrize(("arch", "last"), [("alexnet", 10), ("vgg16", 28), ("vgg16_bn", 40)])
def test_the_explained_layer_is_what_a_hook_of_the_last_convolution_really_keeps(arch: str, last: int) -> None:
    """The authors' code keeps that tensor; without a batch norm behind it the in-place ReLU writes over it."""
    with torch.device("meta"):
        features = torchvision.models.get_model(arch).features
    features = features.to_empty(device="cpu").eval()
    torch.manual_seed(0)
    for module in features:
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    convolutions = [i for i, module in enumerate(features) if isinstance(module, torch.nn.Conv2d)]
    kept: list[torch.Tensor] = []
    features[last].register_forward_hook(lambda _m, _i, output: kept.append(output))
    network, image = torch.nn.Sequential(OrderedDict(features=features)), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        network(image)
    layer = load("ce-augmented", "cub", arch).model.layer
    with torch.no_grad(), Probe(network, layer) as probe:
        network(image)
        assert convolutions[-1] == last and torch.equal(probe.activation, kept[0])
    assert bool((kept[0] < 0).any()) == (arch == "vgg16_bn") and bool((kept[0] > 0).any())


def test_the_figure_has_nine_networks_and_no_published_number() -> None:
    recipe = load_table("weighted-contrast/figure3")
    grid = cells(recipe)
    assert len(grid) == 36 and {len(row) for row in grid} == {18}
    assert all(cell.key is None for row in grid for cell in row)
    assert [line.ours for line in recipe.columns] == [False] * 9 + [True] * 9, "the paper prints eps = 0.001"
    first = [(s.method, s.arch, s.target, s.variant) for s in grid[3][0].alternatives]
    assert first == [
        ("pretrained", "torchvision:vgg16", "weighted", "0.001/1/accuracy"),
        ("ce", "vgg16", "weighted", "0.001/1/accuracy"),
    ]


def test_all_nine_networks_see_224_pixels() -> None:
    """Given ones are looked at as torchvision's weights ask, times the metric's scale; trained ones as their recipe says."""
    shown = {}
    for row in cells(load_table("weighted-contrast/figure3")):
        given, trained = row[0].alternatives
        weights = torchvision_weights((given.arch or "").removeprefix("torchvision:"))
        own = as_torchvision("its weights", weights.transforms())
        shown[trained.arch] = (round(own.size * find_metric(given.metric or "").input.scale), own.resize or 256)
        assert find_metric(trained.metric or "").input.scale == 1
    assert len(shown) == 9 and set(shown.values()) == {(224, 256)}


def test_on_a_stand_in_equal_rows_are_one_and_the_layer_goes_with_its_network() -> None:
    one = on_synthbirds("1")
    assert [line.label for line in one.rows] == [["synthbirds", e, t] for e in ("LA", "GC") for t in ("t1", "t2")]
    selects = {s for row in cells(one) for cell in row for s in map(Select.model_dump_json, cell.alternatives)}
    assert len(selects) == 4 * 13 and not any("features" in s for s in selects)
    assert {s.arch for row in cells(one) for cell in row for s in cell.alternatives} == {"resnet8"}
    kept = stand_in(load_table("weighted-contrast/1"), "synthbirds", split="test")
    assert cells(kept)[0][0].alternatives[0].layer == "features.40", "the paper's own network keeps its layer"
    three = on_synthbirds("figure3")
    assert [line.label for line in three.rows] == [["resnet8", t] for t in ("original", "mean", "max", "weighted")]
    assert [(s.method, s.arch) for s in cells(three)[0][0].alternatives] == [("ce", "resnet8")]


def test_two_parts_of_a_variants_name_are_joined_and_nothing_else_is() -> None:
    joined = Select(variant="t1").union(Select(variant="blur/positive"), "here")
    assert joined.variant == "t1/blur/positive"
    assert Select(variant="t1").union(Select(target="max"), "here").variant == "t1"
    with pytest.raises(UsageError, match="here: target is both 'max' and 'mean'"):
        Select(target="max").union(Select(target="mean"), "here")
