"""Which images a gallery shows, what its maps have in common, and what its labels say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cambench.data.views import KINDS, STILL, View
from cambench.stages.reporting.gallery import (
    Shown,
    by_layer,
    common,
    heading,
    labelled_runs,
    of_classes,
    side_by_side,
)
from cambench.store.heatmaps import Heatmaps
from cambench.store.runs import Run, RunInfo
from cambench.vocabulary import Dataset, Sample


def dataset(labels: list[int]) -> Dataset:
    """A set without pictures."""
    samples = tuple(Sample(f"{i}.png", Path(f"{i}.png"), label) for i, label in enumerate(labels))
    return Dataset("d", "test", Path(), tuple(map(str, range(max(labels) + 1))), samples, "half-open")


@pytest.mark.parametrize(("labels", "n", "expected"), [
    ([1, 0, 1, 0, 2], 3, [1, 0, 4]),
    ([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 0, 0, 1, 1], 4, [0, 1, 3, 4]), ([0, 1], 8, [0, 1]),
])  # fmt: skip
def test_images_are_the_first_of_each_class(labels: list[int], n: int, expected: list[int]) -> None:
    assert of_classes(dataset(labels), n) == expected


def shown(*heat: list[list[float]]) -> Shown:
    """A heatmap file with such maps."""
    maps = [np.array(m, np.float32) for m in heat]
    zeros = np.zeros(len(maps), np.int32)
    return Shown(Run(Path("r")), Heatmaps(maps, zeros, zeros, np.zeros((len(maps), 2), np.float32), [], {}, {}), "l")


def test_what_maps_have_in_common_is_the_least_share_of_each_pixel() -> None:
    same, half, apart = [[4.0, 0.0]], [[1.0, 1.0]], [[-9.0, 3.0]]
    shares = common([shown(same, same, same), shown([[2.0, -1.0]], half, apart)])
    assert shares == pytest.approx([1.0, 0.5, 0.0]), "a map's scale and its negative part do not count"
    assert common([shown([[-1.0]]), shown([[1.0]])]) == [], "a map without heat has nothing in common with any"


def test_settings_of_one_method_are_told_apart_and_one_setting_is_not() -> None:
    def run(name: str, **recipe: Any) -> Run:
        facts: dict[str, Any] = {"dataset": "d", "method": "cgc", "arch": "torchvision:resnet18"}
        return Run(Path(name), RunInfo(**facts, recipe={**recipe, "sources": {"x": name}}))

    runs = [run("a", train={"epochs": 6}), run("b", train={"epochs": 18}), run("c", train={"epochs": 18})]
    labels = [label.replace("\N{NO-BREAK SPACE}", " ") for _, label in labelled_runs(runs)]
    assert labels == ["cgc (epochs 6) resnet18", "cgc (epochs 18) resnet18", "cgc (epochs 18) resnet18"]
    assert [label for _, label in labelled_runs(runs[1:])] == ["cgc resnet18"] * 2
    begun = [Run(Path(weights), replace(runs[0].info, weights=weights)) for weights in ("a.pth", "b.pth")]
    labels = [label.replace("\N{NO-BREAK SPACE}", " ") for _, label in labelled_runs(begun)]
    assert labels == ["cgc (weights a.pth) resnet18", "cgc (weights b.pth) resnet18"]


def test_every_view_in_which_maps_are_made_has_a_rank() -> None:
    assert set(STILL) == {kind for kind in KINDS if not View(kind, 8).random}


def of(explainer: str, layer: str = "l4", classes: str = "label") -> Shown:
    """A file of maps, as far as its job says."""
    job = {"explainer": explainer, "layer": layer, "classes": classes, "data": "d", "view": {"kind": "resize"}}
    one = shown([[1.0]])
    return replace(one, maps=replace(one.maps, job=job), label=f"net {explainer}")


def test_maps_of_several_layers_are_named_by_them_and_those_of_pixels_are_not() -> None:
    every = [of("cam"), of("cam", "l3"), of("grad-cam"), of("gradient"), of("gradient", "l3")]
    assert [one.label for one in by_layer(every)] == [
        "net cam at l4", "net cam at l3", "net grad-cam", "net gradient", "net gradient"
    ]  # fmt: skip


def test_maps_of_labels_stand_before_as_many_of_predictions() -> None:
    labels, predictions = [of("cam")], [of("cam", classes="prediction")]
    assert side_by_side([predictions, labels]) == [labels] == side_by_side([labels, predictions])
    more = [*predictions, of("gradient", classes="prediction")]
    assert side_by_side([labels, more]) == [more]


def test_what_a_network_says_wrongly_is_no_heading() -> None:
    images = dataset([2, 0, 1])
    assert [heading(2, images, row) for row in range(3)] == ["2", "0", "1"] and heading(0, images, 0) == "2"
    several = replace(images, samples=(replace(images.samples[0], labels=(0, 2)),))
    assert heading(0, several, 0) == "0", "one of those that are right"
