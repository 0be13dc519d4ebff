"""The figure `convergence`, as ExCon's Figure 3: validation accuracy and loss over the epochs, mean and std over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cambench.lookup import canonical
from cambench.report.figures import convergence as curves
from cambench.report.figures.convergence import QUANTITIES, Training, trainings, validated
from cambench.stages.progress import say
from cambench.stages.reporting.figures.scene import Drawn
from cambench.stages.workplace import Place, run_of
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

KIND = "convergence"


def convergence(runs: Sequence[str], place: Place, *, dataset: str | None) -> Drawn:
    """The curves of trainings over their epochs. Raises: as `trainings_of`."""
    shown = trainings_of(runs, dataset, place.results)
    notes = curves.notes(shown)
    shows = {"dataset": shown[0].runs[0].info.dataset, "notes": notes, "trainings": curves.listed(shown)}
    return Drawn(curves.convergence(shown, notes), shows)


def trainings_of(names: Sequence[str], dataset: str | None, results: Path) -> list[Training]:
    """The trainings of one data set: of the named runs, or of all finished ones that were validated in every epoch.

    Raises: UsageError where there are none, where they are of several data sets and none is named, or where a named run is
    not finished or was not validated.
    """
    named = list({run.name: run for run in (run_of(name, results) for name in names)}.values())
    for run in named:
        if not validated(run):
            raise UsageError(
                f"figure {KIND}: expected a finished run with {' and '.join(QUANTITIES)} of every epoch in its log, got "
                f"{run.name}; finish it with `cambench train`, with --set train.validate_epochs=true."
            )
    every = named or read_runs(results)
    runs = [run for run in every if validated(run)]
    sets = list(dict.fromkeys(run.info.dataset for run in runs))
    runs = [run for run in runs if dataset is None or canonical(run.info.dataset) == canonical(dataset)]
    if not runs:
        here = f"there are those of {', '.join(sets)}" if sets else "there are none"
        mend = "make one with `cambench train … --set train.validate_epochs=true`"
        raise UsageError(f"figure {KIND}: no training with its accuracy in every epoch, {here}; {mend}.")
    if len({run.info.dataset for run in runs}) > 1:
        raise UsageError(f"figure {KIND}: trainings on {', '.join(sets)}; choose with --dataset.")
    for run in every:
        if not run.finished and run.info.dataset == runs[0].info.dataset:
            say(f"{KIND}: {run.name} is left out: not finished.")
    return trainings(runs)
