"""A tiny synthbirds set and a finished tiny run, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import TINY

from cambench.data import synthbirds
from cambench.stages.jobs import Place
from cambench.stages.train import TrainJob, train


@pytest.fixture(scope="session")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a tiny synthbirds set: 4 classes, 6 training and 10 test images each."""
    root = tmp_path_factory.mktemp("datasets")
    synthbirds.make(root / "synthbirds", classes=4, per_class=6, test_per_class=10, size=40, seed=0)
    return root


@pytest.fixture(scope="session")
def finished(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results root with one finished run of each method, which nobody writes to."""
    place = Place(birds, tmp_path_factory.mktemp("results"), "cpu")
    for method in ("ce", "cgc"):
        train(TrainJob(method, "synthbirds", overrides=TINY), place)
    return place.results


@pytest.fixture(scope="module")
def place(birds: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Roots with one finished run of each method; what a test file adds is nobody else's."""
    results = tmp_path_factory.mktemp("place") / "results"
    shutil.copytree(finished, results)
    return Place(birds, results, "cpu")
