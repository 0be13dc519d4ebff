"""When a training has gone wrong: the sentences that are said at once and follow the run into every record and table.

A loss that is not finite is an error (`NotFiniteError`), and the run keeps its sentence (`stopped`). Two rules find what
stays finite:

- *diverged*: an epoch's mean loss is above `TIMES` · max(l₀, ln C), l₀ the loss of the run's first batch, before its first
  step, C the number of classes: far worse than the untrained network and than a uniform guess. Each phase of an epoch has
  its own l₀; the validation loss is held against the largest of them. A loss that only fails to fall is not called so.
- *ended at chance*: in the last epoch an accuracy a is at most p + 3·√(p·(1 − p)/n), n what it was counted on, p the share
  that the best constant answer gets right: the commonest class; with several classes an image, no or yes for each class.
  Pixels of a segmentation have no such p here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cambench.store.runs import TRAINING, Run, read_run
from cambench.vocabulary import Dataset

TIMES = 10.0
"""How many times worse than a guess a loss must be; no epoch of a healthy training on synthbirds was above 1.4 times."""
ERRORS = 3.0
"""Standard errors above chance that an accuracy must exceed."""
GENTLER = "Lower the rate (--set optimizer.lr=…), clip the gradient (--set optimizer.clip=1) or lengthen the warm-up."
BEGINNING = "No step was taken yet: look at the weights that it begins from, and at the input (input.normalisation)."
STOPPED = "Stopped where it was not finite: "
LOSS, VALIDATION = "loss", "validation_accuracy"
VALIDATION_LOSS = f"validation_{LOSS}"


def is_loss(name: str) -> bool:
    """Whether a logged value is the mean training loss of a phase."""
    return name == LOSS or (name.endswith(f"_{LOSS}") and name != VALIDATION_LOSS)


def diverged(epoch: Mapping[str, Any], start: Mapping[str, float], classes: int) -> str | None:
    """The sentence about an epoch whose mean loss, in training or validation, is far above the start's; else None."""
    for name, value in epoch.items():
        if not (name in start and is_loss(name)) and not (start and name == VALIDATION_LOSS):
            continue
        guess = max(start[name] if name in start else max(start.values()), math.log(classes))
        if value > TIMES * guess:
            shown = name.replace("_", " ")
            return (
                f"Diverged in epoch {epoch['epoch']}: mean {shown} {value:,.4g}, more than {TIMES:g} times that of a guess "
                f"({guess:.3g})"
            )
    return None


def at_chance(last: Mapping[str, Any], dataset: Dataset, held_out: Dataset | None) -> str | None:
    """The sentence about a training whose last epoch is no better than a constant answer; None for one that learnt."""
    for name, value in last.items():
        measured = held_out if name == VALIDATION else dataset
        if measured is None or not (name == VALIDATION or name.startswith(TRAINING)) or name.endswith("pixel_accuracy"):
            continue
        p, n = constant(measured)
        most = 100 * (p + ERRORS * math.sqrt(p * (1 - p) / n))
        if value <= most:
            shown, accident = name.replace("_", " "), f", up to {most:.3g} % by accident" if value > 100 * p else ""
            return f"Ended at chance: {shown} {value:.3g} % where a constant answer gets {100 * p:.3g} %{accident}"
    return None


def constant(dataset: Dataset) -> tuple[float, int]:
    """The share of answers that the best constant one gets right, and the number of answers (a class's yes or no is one)."""
    n, classes = len(dataset), len(dataset.classes)
    counts = np.zeros(classes)
    for sample in dataset.samples:
        counts[list(sample.right)] += 1
    if dataset.multilabel:
        return float(np.maximum(counts, n - counts).mean() / n), n * classes
    return float(counts.max() / n), n


def warnings(run: Run, dataset: Dataset, held_out: Dataset | None, *, epochs: int) -> list[str]:
    """Every sentence about a training so far: what went wrong in the one that it began with, the first of its epochs that
    diverged and, once all of them are over, an end at chance.
    """
    start, classes, log = run.info.loss_at_start, len(dataset.classes), run.log()
    in_epochs = next((sentence for epoch in log if (sentence := diverged(epoch, start, classes))), None)
    ended = at_chance(log[-1], dataset, held_out) if len(log) == epochs else None
    return [*run.info.base_warnings, *(sentence for sentence in (in_epochs, ended) if sentence is not None)]


def stopped(run: Run) -> str | None:
    """The sentence about a training that stopped because it was no longer finite, None for any other."""
    return next((sentence for sentence in run.info.warnings if sentence.startswith(STOPPED)), None)


def base_warnings(weights: Path | None) -> list[str]:
    """What went wrong in the training whose checkpoint another run begins with; nothing of a file that is no run's."""
    if weights is None or not (weights.parent / "run.json").is_file():
        return []
    base = read_run(weights.parent)
    return [f"Began with the weights of {base.name}: {sentence}" for sentence in base.info.warnings]
