"""Entries that cannot work are refused when they are made, not when they are used."""

from __future__ import annotations

import re
from typing import Any

import pytest
from torch import Tensor

from cambench.data import DatasetEntry
from cambench.explainers import INDEX as EXPLAINERS
from cambench.explainers.entry import Around, Explainer
from cambench.lookup import network_name
from cambench.metrics import INDEX as METRICS
from cambench.metrics.entry import Maps, Metric, Printing, Rows, workable
from cambench.options import Option
from cambench.vocabulary import UsageError

SHAPES = {"title": "t", "splits": ("a",), "obtain": "o", "licence": "l", "layout": "x"}


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"reader": "module.function"}, "expected MODULE:FUNCTION, got module.function"),
        ({"counts": {"train": 3}}, "expected split a, got train"),
        ({"make": "module:make"}, "expected folders of a set that is made, the first its own, got none"),
        ({"task": "several"}, "expected task single-label, binary, multi-label, got several"),
    ],
)
def test_a_data_set_that_cannot_work_is_refused_when_it_is_made(facts: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=f"^data set entry: {why}"):
        DatasetEntry(**{"reader": "m:f", **SHAPES, **facts})  # type: ignore[arg-type]


def of_masks(heatmap: Tensor, mask: Tensor) -> Tensor:
    """A measure of maps and masks."""
    return heatmap.sum() * mask.sum()


OPTION = Option("rows", 8, "rows a step")
WORKS = {"measure": of_masks, "rows": Rows(("official",)), "maps": Maps(("resize",))}


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"measure": lambda heatmap, masks: heatmap}, "a known argument (image, label, "),
        (
            {"rows": Rows()},
            "of masks without images measure(heatmap, mask) and variants among official, correct, got",
        ),
        ({"measure": lambda heatmap, mask, label: heatmap}, "of masks without images measure(heatmap, mask) and variants"),
        ({"maps": Maps(("resise",))}, "a known map step (float64, relu, "),
        ({"maps": Maps(explainer="none")}, "maps.explainer any or a name, got none"),
        ({"measure": lambda label: label}, "maps.explainer none, got any"),
        ({"rows": Rows(("official", "official"))}, "variants, each once, got ('official', 'official')"),
        ({"options": OPTION}, "a tuple of options, got a Option"),
        ({"aliases": ("other",)}, "aliases as name -> options, got a tuple"),
        ({"aliases": {"Other_one": ""}}, "an alias in lower case and dashes, got Other_one"),
    ],
)
def test_a_metric_that_cannot_work_is_refused_when_it_is_made(facts: dict[str, Any], why: str) -> None:
    known = {"printing": Printing("%"), "summary": "s", "source": "s", **WORKS}
    Metric(**known)
    with pytest.raises(UsageError, match=f"^metric entry: expected {re.escape(why)}"):
        Metric(**{**known, **facts})
    with pytest.raises(UsageError, match="unknown option of .*Did you mean rows"):
        Metric(**{**known, "options": (OPTION,), "aliases": {"fewer": "row=4"}})


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"rule": lambda activation: activation}, "a rule of 2 arguments in the space layer, got 1"),
        ({"space": "head"}, "a rule of 3 arguments in the space head, got 2"),
        ({"space": "network"}, "layer.prepare in the space network and attention, got network"),
        (
            {"space": "pixels"},
            "space layer, score, head, input, input-and-layer, biases, masked, search, control, network, latent, attention, "
            "got pixels",
        ),
        ({"space": "masked"}, "something hidden in the space masked alone, got masked"),
        ({"relu": of_masks}, "ReLUs of its own in a gradient at the images alone, got layer"),
        ({"around": Around(max)}, "points around the image in the space input, got layer"),
        ({"space": "input", "closed": "mean"}, "a closed form in the space layer, got input"),
    ],
)
def test_an_explainer_that_cannot_work_is_refused_when_it_is_made(facts: dict[str, Any], why: str) -> None:
    known = {"rule": of_masks, "space": "layer", "summary": "s", "source": "s"}
    Explainer(**known)
    with pytest.raises(UsageError, match=f"^explainer entry: expected {re.escape(why)}"):
        Explainer(**{**known, **facts})


@pytest.mark.parametrize(
    ("name", "named", "explainer"),
    [
        ("ch", None, "grad-cam"),
        ("ch", "cmwp", "cmwp"),
        ("hires-cam-iou", None, "hires-cam"),
        ("hires-cam-iou", "cam", "hires-cam"),
    ],
)
def test_a_metric_looks_at_its_own_explainer_else_at_the_named_one(name: str, named: str | None, explainer: str) -> None:
    assert METRICS[name].explainer_of(named) == explainer


def test_every_metric_that_is_built_in_can_work() -> None:
    assert [text for metric in METRICS.built_in.values() for holds, text in workable(metric) if not holds] == []
    for entry in EXPLAINERS.built_in.values():
        Explainer(
            rule=entry.rule.__wrapped__, space=entry.space, layer=entry.layer, hiding=entry.hiding, summary="s", source="s"
        )


def test_a_network_has_a_short_name() -> None:
    names = {
        "torchvision:resnet50": "resnet50",
        "resnet8": "resnet8",
        "python:pkg.vit:build": "vit",
        "python:pkg.vit:small": "small",
        "timm:vit_small": "vit_small",
        "hf:models/google/vit": "vit",
    }
    assert {arch: network_name(arch) for arch in names} == names
