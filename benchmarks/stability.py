"""Does every method's default training on synthbirds learn, whatever the seed? One line a run, then one a method, as CSV.

A bar is what every seed must reach: top-1 on the 200 test images, average precision where an image has several classes,
mean IoU of a segmentation, all in percent. Runs, records and the lines so far stay under --results: a later call goes on.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch

from benchmarks.settings import Settings
from cambench import data, objectives
from cambench.recipes import load as recipes
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError

ONE, TWO, SEVERAL = "synthbirds", "synthbirds-binary", "synthbirds-multilabel"
PAIRED = ("ce-adam", "ce-arch", "cfce", "rcfce")
"""The methods of ContrastiveCAM's Table 3, whose first half is a task of two classes."""
METRICS = {"segmentation": "segmentation-iou", True: "average-precision", False: "top1"}
BARS = {"top1": 80.0, "average-precision": 80.0, "segmentation-iou": 40.0}
OWN_BARS = {
    **dict.fromkeys(("has", "cutmix"), 50.0),
    **dict.fromkeys(("supcon", "supcon-ori", "excon", "exconb"), 50.0),
    **dict.fromkeys(("ce-semi", "cgc-semi", "ce-augmented"), 40.0),
    **dict.fromkeys(("cfbce", "rcfbce"), 60.0),
    "cutmix-cfce": 20.0,
    "rcfce": 75.0,
}
"""Method -> its bar, where it learns from less than whole upright images with all their labels, or also where its maps
should lie (rcfce); a guess gets 10 of top-1."""
COLUMNS = [
    "dataset",
    "method",
    "metric",
    "bar",
    "passed",
    "seeds",
    "worst",
    "median",
    "best",
    "cpu_seconds",
    "values",
    "notes",
]


@dataclass(frozen=True)
class Job:
    """A training of the benchmark, and what is measured of it."""

    dataset: str
    method: str
    seed: int

    @property
    def metric(self) -> str:
        """What tells whether it has learnt."""
        objective = recipes.load(self.method, self.dataset).objective
        return METRICS.get(objective) or METRICS[self.dataset == SEVERAL]

    @property
    def bar(self) -> float:
        """The value that it must reach."""
        return OWN_BARS.get(self.method, BARS[self.metric])


@dataclass(frozen=True)
class Done:
    """One run: its value in percent, CPU seconds of its training and of one that it begins with, what went wrong.

    The seconds are 0 where the run was there already.
    """

    dataset: str
    method: str
    seed: int
    metric: str
    value: float | None
    cpu_seconds: float
    notes: str


def jobs(methods: Sequence[str], seeds: int) -> Iterator[Job]:
    """Every method on the data that it learns from, seed by seed: what is cut short shows all methods."""
    for seed in range(seeds):
        for method in methods or recipes.METHODS:
            multilabel = objectives.INDEX[recipes.load(method, ONE).objective].multilabel
            yield Job(ONE if multilabel is False else SEVERAL, method, seed)
            if method in PAIRED:
                yield Job(TWO, method, seed)


def measured(job: Job, place: Place) -> Done:
    """Train and measure one run; a training that fails has no value, and its note says why."""
    trained, began = {run.name for run in read_runs(place.results) if run.finished}, time.process_time()
    try:
        run = train(TrainJob(job.method, job.dataset, seed=job.seed), place)
        seconds = 0.0 if run.name in trained else round(time.process_time() - began, 1)
        dataset = data.load(job.dataset, "eval", place.data)
        record = evaluate(EvalJob(job.metric), load_network(run, place), dataset, place)
    except CambenchError as e:
        return Done(**asdict(job), metric=job.metric, value=None, cpu_seconds=0.0, notes=str(e))
    value = next(iter(record.values.values())).value
    return Done(**asdict(job), metric=job.metric, value=value, cpu_seconds=seconds, notes="; ".join(record.warnings))


def known(path: Path) -> list[Done]:
    """The lines of earlier calls."""
    return [Done(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def table(done: Sequence[Done]) -> pd.DataFrame:
    """One line a method and data set: worst, median and best seed against the bar, in percent."""
    groups: dict[tuple[str, str], list[Done]] = {}
    for one in done:
        groups.setdefault((one.dataset, one.method), []).append(one)
    return pd.DataFrame([line(groups[key]) for key in sorted(groups)], columns=COLUMNS)


def line(group: Sequence[Done]) -> dict[str, object]:
    """What the seeds of one method come to; a run without a value fails and has no place among the values."""
    ordered = sorted(group, key=lambda one: one.seed)
    values, bar = [one.value for one in ordered if one.value is not None], Job(*keys(ordered[0])).bar
    spent = [one.cpu_seconds for one in ordered if one.cpu_seconds]
    return {
        "dataset": ordered[0].dataset,
        "method": ordered[0].method,
        "metric": ordered[0].metric,
        "bar": bar,
        "passed": len(values) == len(ordered) and min(values) >= bar,
        "seeds": " ".join(str(one.seed) for one in ordered),
        "worst": min(values, default=None),
        "median": statistics.median(values) if values else None,
        "best": max(values, default=None),
        "cpu_seconds": statistics.median(spent) if spent else None,
        "values": " ".join("failed" if one.value is None else f"{one.value:.1f}" for one in ordered),
        "notes": "; ".join(f"seed {one.seed}: {one.notes}" for one in ordered if one.notes),
    }


def keys(one: Done) -> tuple[str, str, int]:
    """What tells a run from the others."""
    return one.dataset, one.method, one.seed


def run(settings: Settings) -> None:
    """Every run that is not done, a line each; then the table, also as `stability.csv`."""
    torch.set_num_threads(1)
    place = Place(settings.results / "data", settings.results, "cpu", 0)
    settings.results.mkdir(parents=True, exist_ok=True)
    path = settings.results / "runs.jsonl"
    done = known(path)
    finished = {keys(one) for one in done}
    for job in jobs(settings.methods, settings.seeds):
        if (job.dataset, job.method, job.seed) in finished:
            continue
        one = measured(job, place)
        done.append(one)
        with path.open("a") as lines:
            lines.write(json.dumps(asdict(one)) + "\n")
        value = "failed" if one.value is None else f"{one.value:.1f}"
        print(f"{one.dataset} {one.method} seed {one.seed}: {one.metric} {value} (bar {job.bar:g}) {one.notes}", flush=True)
    made = table(done)
    made.to_csv(settings.results / "stability.csv", index=False, lineterminator="\n", float_format="%.10g")
    print(made.drop(columns=["values", "notes"]).to_string(index=False))
    print(f"{int(made['passed'].sum())} of {len(made)} lines pass")
