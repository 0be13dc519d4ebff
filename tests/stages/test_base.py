"""Trainings that begin from another method's run: `model.init = run:METHOD`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import TINY

from cambench.recipes.load import load
from cambench.stages.reproducing import reproduce
from cambench.stages.reproducing.inventory import find_network
from cambench.stages.reproducing.plan import Network, Wish, make_jobs
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

HEAD = ("train.epochs=1", "train.batch_size=32")


@pytest.fixture
def place(birds: Path, tmp_path: Path) -> Place:
    """Roots of this test alone."""
    return Place(birds, tmp_path, "cpu")


def test_the_run_before_is_trained_first_and_its_weights_are_the_beginning(place: Place) -> None:
    run = train(TrainJob("ce-head", "synthbirds", overrides=HEAD), place)
    before, after = (next(r for r in read_runs(place.results) if r.info.method == m) for m in ("ce", "ce-head"))
    assert after.name == run.name and before.finished and before.info.seed == after.info.seed == 0
    first, second = (load_checkpoint(r.path / "last.pt")["model"] for r in (before, after))
    assert {k for k in first if not torch.equal(first[k], second[k])} == {"fc.weight", "fc.bias"}
    assert train(TrainJob("ce-head", "synthbirds", overrides=HEAD), place).name == run.name
    other = train(TrainJob("ce-head", "synthbirds", seed=1, overrides=HEAD), place)
    assert run.info.weights == other.info.weights == "run:ce", "or their seeds would not be averaged"
    assert run.info.job["weights"] != other.info.job["weights"]
    network = Network("ce-head", None, "synthbirds", overrides=HEAD)
    found = find_network(network, place)
    assert found is not None and found.name == run.name
    (before.path / "last.pt").write_bytes((after.path / "last.pt").read_bytes())
    assert find_network(network, place) is None, "other weights are another beginning"


def test_a_plan_trains_it_first_and_once(place: Place) -> None:
    plan = reproduce.make_plan(reproduce.Choice(["contrastive-cam/2"], on="synthbirds"), Wish("synthbirds", 1), place)
    trainings = [job for job in plan.jobs if job.measurement is None]
    methods = [job.network.method for job in trainings]
    assert methods.index("ce") < methods.index("ce-head") < methods.index("corm") and len(methods) == len(set(methods))
    ce, head = (next(job for job in trainings if job.network.method == m) for m in ("ce", "ce-head"))
    assert head.needs == (ce.key,) and not ce.needs
    assert make_jobs(plan.tables, Wish("synthbirds", 1), lambda network: False)[0].key == ce.key


def test_an_unknown_beginning_is_one_clear_error(place: Place) -> None:
    with pytest.raises(UsageError, match=r"model.init: .*pattern"):
        load("ce", "synthbirds", None, ["model.init=elsewhere"])
    with pytest.raises(UsageError, match="unknown method 'cee'. Did you mean ce"):
        train(TrainJob("ce", "synthbirds", overrides=[*TINY, "model.init=run:cee"]), place)
