"""What a page is about, in plain words: which networks learned what from which images, how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cambench.data.index import INDEX
from cambench.lookup import network_name
from cambench.report.tables.measure import listed
from cambench.store.runs import RunInfo
from cambench.vocabulary import between, number_of

GIVEN, OWN = "given", "folder"
"""The kind of a run that was not trained here; the data set that is one's own images."""


@dataclass(frozen=True)
class Method:
    """A way of training, what it does in one line, the seeds that it was repeated with, and what went wrong in them."""

    name: str
    summary: str
    seeds: str
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Trained:
    """The networks of one data set; `title`: what its images are."""

    dataset: str
    title: str
    classes: str
    images: str
    archs: str
    methods: Sequence[Method]


def introduction(runs: Sequence[RunInfo]) -> list[Trained]:
    """One a data set, of what `run.json` says of the finished runs that were trained here."""
    trained = [run for run in runs if run.finished and run.kind != GIVEN and run.dataset]
    names = sorted({run.dataset for run in trained})
    return [of_dataset([run for run in trained if run.dataset == name]) for name in names]


def about(dataset: str) -> str:
    """What the images of a data set are, as the index says behind its name; "" for one's own."""
    title = INDEX[dataset].title if dataset in INDEX and dataset != OWN else ""
    return title.partition(": ")[2].partition(";")[0]


def of_dataset(runs: Sequence[RunInfo]) -> Trained:
    """The networks of one data set."""
    methods = []
    for name in sorted({run.method for run in runs}):
        own = [run for run in runs if run.method == name]
        seeds = sorted({run.seed for run in own})
        repeated = f"{number_of(len(seeds), 'seed')}: {listed(seeds)}"
        wrong = [f"seed {run.seed}: {sentence}" for run in own for sentence in run.warnings]
        methods.append(Method(name, str(own[0].recipe.get("summary", "")), repeated, wrong))
    dataset, archs = runs[0].dataset, sorted({network_name(run.arch) for run in runs})
    classes = of_all([len(run.class_names or ()) for run in runs], "class")
    images = of_all([run.data.get("images", 0) for run in runs], "image")
    return Trained(dataset, about(dataset), classes, images, ", ".join(archs), methods)


def of_all(numbers: Sequence[int], noun: str) -> str:
    """`10 classes`, `2 to 10 classes` where runs differ, "" where one does not say."""
    return between(min(numbers), max(numbers), noun) if min(numbers) else ""
