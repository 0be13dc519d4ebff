"""A tiny synthbirds set and a finished tiny run, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from data.miniatures import own_folder
from own import NETWORK, edit
from tiny import TINY

from cambench.data import synthbirds
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place


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


@pytest.fixture
def own(tmp_path: Path) -> Place:
    """A folder `mine` of three classes, train and val, and room for results."""
    own_folder(tmp_path / "mine", parts=("train", "val"))
    return Place(tmp_path, tmp_path / "results", "cpu")


@pytest.fixture
def birds_of_ones_own(tmp_path: Path) -> Place:
    """A synthbirds set that a test may change, and a finished run."""
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=3, test_per_class=3, size=40, seed=0)
    train(TrainJob("ce", "synthbirds", overrides=[*TINY, "train.epochs=1"]), place)
    return place


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a network that can be edited; what is imported of it is forgotten between two looks."""
    (tmp_path / "code").mkdir()
    monkeypatch.chdir(tmp_path / "code")
    path = tmp_path / "code" / "edited_net.py"
    edit(path, NETWORK)
    return path
