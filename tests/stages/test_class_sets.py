"""Maps of a superset from the command's side: which classes they sum, and files of their own for other sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cambench.stages.class_sets import tables
from cambench.stages.images import open_data
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.explain import ExplainJob, explain, locate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.workplace import Place
from cambench.store.runs import find_run
from cambench.vocabulary import UsageError


def test_the_map_of_a_set_is_the_sum_of_its_classes_maps(place: Place, tmp_path: Path) -> None:
    """By hand: the maps of CAM, unscaled and scaled by class, summed over the classes 0 and 2 for images of either."""
    loaded = load_network(find_run("synthbirds-ce", place.results), place)
    file = tmp_path / "pair.csv"
    file.write_text("class,set\n0,a\n2,a\n")
    dataset = open_data(loaded, place, None, "eval", None, file)
    rows = [i for i, s in enumerate(dataset.samples) if s.label in (0, 2)]
    alone = [i for i, s in enumerate(dataset.samples) if s.label == 1]
    every = {}
    for explainer in ("cam", "min-max-cam"):
        every[explainer] = np.stack([np.stack(list(one(explainer, c, loaded, dataset, place))) for c in range(4)])
        found = explain(ExplainJob(explainer, "subset:pair"), loaded, dataset, place).maps
        expected = every[explainer][0] + every[explainer][2]
        np.testing.assert_allclose(np.stack([found[i] for i in rows]), expected[rows], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(np.stack([found[i] for i in alone]), every[explainer][1][alone], rtol=2e-3, atol=2e-3)
    cam, scaled = every["cam"].astype(float), every["min-max-cam"]
    low, high = cam.min((2, 3), keepdims=True), cam.max((2, 3), keepdims=True)
    np.testing.assert_allclose(scaled, (cam - low) / (high - low), atol=2e-3)


def test_the_mean_over_a_set_is_asked_for_behind_its_name(place: Place, tmp_path: Path) -> None:
    loaded = load_network(find_run("synthbirds-ce", place.results), place)
    file = tmp_path / "pair.csv"
    file.write_text("class,set\n0,a\n2,a\n")
    dataset = open_data(loaded, place, None, "eval", None, file)
    total, mean = (explain(ExplainJob("cam", f"subset:pair{more}"), loaded, dataset, place) for more in ("", ",pool=mean"))
    sizes = np.array([2 if s.label in (0, 2) else 1 for s in dataset.samples])[:, None, None]
    np.testing.assert_allclose(np.stack([*mean.maps]) * sizes, np.stack([*total.maps]), rtol=2e-3, atol=2e-3)
    evaluate(EvalJob("top1", target="subset:pair,pool=mean"), loaded, dataset, place)
    with pytest.raises(UsageError, match="unknown subset 'pairs'. Did you mean pair"):
        evaluate(EvalJob("ch", "cam", "subset:pairs,pool=mean"), loaded, dataset, place)


def one(explainer, c, loaded, dataset, place):  # type: ignore[no-untyped-def]
    """The maps of class c for every image, by a data set that says that every image is of it."""
    relabelled = replace(dataset, samples=tuple(replace(s, label=c) for s in dataset.samples))
    return explain(ExplainJob(explainer), loaded, relabelled, place).maps


def test_other_sets_are_another_file_and_another_record(place: Place, tmp_path: Path) -> None:
    loaded = load_network(find_run("synthbirds-ce", place.results), place)
    made = []
    for second in (1, 2):
        file = tmp_path / "pair.csv"
        file.write_text(f"class,set\n0,a\n{second},a\n")
        dataset = open_data(loaded, place, None, "eval", None, file)
        made.append(locate(ExplainJob("cam", "subset:pair"), loaded, dataset, place)[0])
        evaluate(EvalJob("iauc", "cam", "subset:pair"), loaded, dataset, place)
    assert made[0] != made[1]
    assert len(list((place.results / "records").rglob("*cam.subset-pair.iauc.*.json"))) == 2


def test_a_family_that_is_not_there_is_named(place: Place) -> None:
    loaded = load_network(find_run("synthbirds-ce", place.results), place)
    dataset = open_data(loaded, place, None, "eval", None)
    with pytest.raises(UsageError, match=r"unknown subset 'genus'\. .*Known: all, kind, supersets\."):
        explain(ExplainJob("cam", "subset:genus"), loaded, dataset, place)
    assert tables("weighted", dataset) is None
    found = tables("subset:kind", dataset)
    assert found is not None and torch.equal(found["all"], torch.ones(4, 4, dtype=torch.bool))
