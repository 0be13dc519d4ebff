"""Every verb at bf16: metrics that ask for maps themselves, networks that an explainer prepares, peers that run alone."""

from __future__ import annotations

import math

import pytest

import cambench
from cambench.data import synthbirds
from cambench.explainers import find_explainer
from cambench.explainers.query import Query
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

METRICS = ["top1", "ch", "iauc", "contrastive-cam-iou", "redundancy", "randomisation", "coherency", "relative-probability"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One tiny network."""
    folder = tmp_path_factory.mktemp("half")
    place = Place(folder / "data", folder / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=3, test_per_class=3, size=32, seed=0)
    train(TrainJob("ce", "synthbirds", overrides=("train.epochs=1", "train.batch_size=6")), place)
    return place


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_in_bf16_is_near_that_in_float32(metric: str, place: Place) -> None:
    roots = {"data_root": place.data, "results": place.results, "device": "cpu"}
    [whole], [half] = (cambench.evaluate(metric, precision=precision, **roots) for precision in ("float32", "bf16"))
    assert whole.precision == "float32" and half.precision == "bf16"
    scale = 100 if metric not in ("iauc", "relative-probability") else 1
    for variant, value in half.values.items():
        assert math.isnan(value.value) == math.isnan(whole.values[variant].value)
        assert math.isnan(value.value) or abs(value.value - whole.values[variant].value) <= 0.35 * scale, variant


@pytest.mark.parametrize("explainer", ["cmwp", "guided-backprop", "full-grad"])
def test_a_network_that_is_prepared_is_explained_in_bf16(explainer: str, place: Place) -> None:
    roots = {"data_root": place.data, "results": place.results, "device": "cpu"}
    for metric in ("ch", "randomisation"):
        [half] = cambench.evaluate(metric, explainer=explainer, precision="bf16", **roots)
        assert half.precision == "bf16"


def test_a_peer_runs_the_network_itself() -> None:
    with pytest.raises(UsageError, match="captum:saliency: expected precision float32, got bf16: captum runs the network"):
        Query(find_explainer("captum:saliency"), precision="bf16")
