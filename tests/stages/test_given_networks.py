"""A given network is a run once it could be built, and what `eval` says of the runs is what `ls runs` lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.miniatures import own_folder

from cambench.stages import works
from cambench.stages.catalogue import runs as listed
from cambench.stages.jobs import Place
from cambench.stages.rows import EvalJob
from cambench.stages.train import TrainJob, train
from cambench.vocabulary import CambenchError, UsageError

TWO = "python:given_pair:build"
CODE = """
from torch import nn
def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
def broken():
    raise CambenchError("no weights here")
""".replace("raise CambenchError", "from cambench.vocabulary import CambenchError; raise CambenchError")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    (tmp_path / "given_pair.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    own_folder(tmp_path / "mine", size=(32, 32))
    return Place(tmp_path, tmp_path / "results", "cpu")


@pytest.mark.parametrize("spec", ["python:missing_module:build", "python:given_pair:missing", "python:given_pair:broken"])
def test_a_network_that_cannot_be_built_leaves_no_run(spec: str, place: Place) -> None:
    work = works.Works([spec], f"folder:{place.data / 'mine'}")
    with pytest.raises(CambenchError):
        works.evaluate_all(work, [EvalJob("top1")], place)
    assert listed(place.results) == [] and not (place.results / "runs").exists()


def test_messages_agree_with_the_listing(place: Place) -> None:
    with pytest.raises(UsageError, match="no finished run under .*; train one"):
        works.evaluate_all(works.Works([]), [EvalJob("top1")], place)
    work = works.Works([TWO], f"folder:{place.data / 'mine'}")
    (record,) = works.evaluate_all(work, [EvalJob("top1")], place)
    (row,) = listed(place.results)
    assert row["name"] == record.run and (row["kind"], row["state"]) == ("given", "finished")
    with pytest.raises(UsageError, match=f"no finished run of a training .*but 1 given, .* must name .{record.run}."):
        works.evaluate_all(works.Works([]), [EvalJob("top1")], place)


def test_weights_beside_a_run_that_has_its_own_are_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_text("")
    with pytest.raises(UsageError, match="expected a given network, got the run cub-ce, which has weights of its own"):
        works.evaluate_all(works.Works(["cub-ce"], weights=tmp_path / "x.pt"), [EvalJob("top1")], place)


def test_one_class_is_nothing_to_train_on(place: Place) -> None:
    root = own_folder(place.data / "one", parts=("train", "val"))
    for split in ("train", "val"):
        for name in ("ant", "cat"):
            for path in (root / split / name).iterdir():
                path.unlink()
    job = TrainJob("ce", f"folder:{root}", arch="resnet8", overrides=["model.init=scratch"])
    with pytest.raises(UsageError, match="folder:one train: expected images of two classes .* of .bee. alone"):
        train(job, place)
    assert not (place.results / "runs").exists()
