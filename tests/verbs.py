"""What verbs write, small, for tests that end them in the middle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.miniatures import own_folder
from own import SMALL

from cambench.stages.housekeeping import packs
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs


def job(place: Place) -> TrainJob:
    """Two small epochs."""
    return TrainJob("ce", f"folder:{place.data / 'mine'}", "resnet8", overrides=[*SMALL[:2], "train.epochs=2", SMALL[3]])


def sent(place: Place) -> None:
    """A run is packed, and unpacked over nothing and over itself with fewer epochs."""
    shutil.rmtree(place.results / "pack", ignore_errors=True)
    packs.pack(read_runs(place.results)[0].name, place.results / "pack", place.results)
    packs.unpack(place.results / "pack", place.results / "there")


VERBS: dict[str, Callable[[Place], Any]] = {
    "train": lambda place: train(job(place), place),
    "explain": lambda place: works.explain_all(works.Works([]), [ExplainJob(batch_size=2)], place),
    "eval": lambda place: works.evaluate_all(works.Works([]), [EvalJob("iauc", batch_size=2)], place),
    "eval --again": lambda place: works.evaluate_all(works.Works([], again=True), [EvalJob("top1", batch_size=2)], place),
    "pack, unpack": sent,
}


def begin(root: Path) -> Place:
    """Images, and a finished run that nobody writes to."""
    own_folder(root / "mine", parts=("train", "val"))
    place = Place(root, root / "results", "cpu")
    train(job(place), place)
    return place


def fresh(verb: str, begun: Place, folder: Path) -> Place:
    """A results root in which the verb has not begun."""
    shutil.rmtree(folder, ignore_errors=True)
    if verb != "train":
        shutil.copytree(begun.results, folder)
    return Place(begun.data, folder, "cpu")
