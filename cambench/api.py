"""The verbs as Python functions, with the names and defaults of the command line; an error is its one line, raised.

What the command line takes several times is here one value or a sequence of them. A run is named as on the command line, or
is a `Run`. Roots that are None are those of CAMBENCH_DATA and CAMBENCH_RESULTS, else `datasets` and `results`. To import
this module imports neither torch nor pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from cambench.report import Tables
    from cambench.stages.reporting.figures.scene import Drawn
    from cambench.stages.reporting.per_image import Records
    from cambench.store.heatmaps import Maps
    from cambench.store.runs import Run

    Runs = str | Path | Run | Sequence[str | Path | Run]

Names = str | Sequence[str]
File = str | Path


def names_of(names: Names | None) -> list[str]:
    """One name as a list of it; none as an empty list."""
    return [names] if isinstance(names, str) else list(names or ())


def runs_of(runs: Runs) -> list[str]:
    """Each run as the command line names it, a `Run` by its path."""
    several = isinstance(runs, Sequence) and not isinstance(runs, str)
    return [str(getattr(run, "path", run)) for run in (runs if several else [runs])]  # type: ignore[union-attr]


def path_of(path: File | None) -> Path | None:
    """A path, whatever it is written as."""
    return None if path is None else Path(path)


def train(
    method: str,
    dataset: str,
    arch: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    *,
    classes: int | None = None,
    class_names: Names = (),
    settings: Names = (),
    presets: Names = (),
    layer: str | None = None,
    precision: str | None = None,
    weights: File | None = None,
    again: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> Run:
    """Train a method on a data set, or go on with a run that was stopped. settings: `key=value` texts, as of `--set`."""
    from cambench.recipes.presets import asked
    from cambench.stages import elastic, workplace
    from cambench.stages.training.train import TrainJob, named_or_first
    from cambench.stages.training.train import train as stage

    shortcuts = {"train.epochs": epochs, "model.layer": layer, "train.precision": precision}
    overrides = asked(names_of(presets), names_of(settings), shortcuts)
    classes_of_run = named_or_first(classes, names_of(class_names))
    job = TrainJob(method, dataset, arch, seed, classes_of_run, path_of(weights), overrides, again=again)
    return stage(job, elastic.together(workplace.place(data_root, results, device, workers, download, deterministic)))


def explain(
    runs: Runs = (),
    explainer: Names = (),
    target: Names = (),
    *,
    class_sets: File | None = None,
    classes: str = "label",
    view: str = "resize-center-crop",
    dataset: str | None = None,
    split: str = "eval",
    layer: str | None = None,
    limit: int | None = None,
    weights: File | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    precision: str = "float32",
    checkpoint: str = "last",
    batch_size: int = 32,
    map_classes: bool = False,
    again: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> list[Path]:
    """The heatmap files of runs (none named: of every finished one), of `grad-cam` and `logit` where no other is named."""
    from cambench.stages import elastic, workplace
    from cambench.stages.measuring import works

    prepared = (layer, path_of(weights), precision, checkpoint, path_of(class_sets), map_classes, again)
    work = works.Works(runs_of(runs), dataset, split, limit, *prepared, workplace.given_input(input_size, mean, std))
    jobs = works.maps_of(work, names_of(explainer), names_of(target), classes=classes, view=view, batch_size=batch_size)
    place = elastic.together(workplace.place(data_root, results, device, workers, download, deterministic))
    return works.explain_all(work, jobs, place)


def evaluate(
    metric: Names,
    runs: Runs = (),
    explainer: Names = (),
    target: Names = (),
    *,
    class_sets: File | None = None,
    dataset: str | None = None,
    split: str = "eval",
    layer: str | None = None,
    limit: int | None = None,
    weights: File | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    precision: str = "float32",
    checkpoint: str = "last",
    batch_size: int = 32,
    map_classes: bool = False,
    again: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> Records:
    """The records of metrics for runs (none named: for every finished one); missing heatmaps are made.

    Each metric is measured with each explainer and target that it looks at. A record whose `stored` is true was there.
    """
    from cambench.stages import elastic, workplace
    from cambench.stages.measuring import works
    from cambench.stages.reporting.per_image import Records

    prepared = (layer, path_of(weights), precision, checkpoint, path_of(class_sets), map_classes, again)
    work = works.Works(runs_of(runs), dataset, split, limit, *prepared, workplace.given_input(input_size, mean, std))
    jobs = works.jobs_of(names_of(metric), names_of(explainer), names_of(target), batch_size)
    place = elastic.together(workplace.place(data_root, results, device, workers, download, deterministic))
    return Records(works.evaluate_all(work, jobs, place), place)


def heatmaps(file: File) -> AbstractContextManager[Maps]:
    """A file that `explain` made, open within a `with` block: image id -> raw signed map (h,w), each read when asked for."""
    from cambench.store.heatmaps import open_heatmaps

    return open_heatmaps(Path(file))


def records(
    runs: Runs = (),
    metric: Names = (),
    explainer: Names = (),
    *,
    data_root: File | None = None,
    results: File | None = None,
) -> Records:
    """What is measured of runs, metrics and explainers (none named: of all), as it is stored."""
    from cambench.stages import workplace
    from cambench.stages.reporting.per_image import stored
    from cambench.stages.reporting.selection import Selection

    return stored(runs_of(runs), Selection(names_of(metric), names_of(explainer)), workplace.place(data_root, results))


def report(
    tables: Names = (),
    *,
    paper: str | None = None,
    on: str | None = None,
    arch: str | None = None,
    metric: Names = (),
    explainer: Names = (),
    caption: str | None = None,
    data_root: File | None = None,
    results: File | None = None,
) -> Tables:
    """Tables of what was measured: one summary a data set, or a paper's tables beside their published numbers.

    metric, explainer: only columns and rows of these. caption: of one table, in place of its own.
    """
    from cambench.report import Tables
    from cambench.stages import workplace
    from cambench.stages.reporting import report as stage
    from cambench.stages.reporting.selection import Selection, captioned

    shown, names = Selection(names_of(metric), names_of(explainer)), [*names_of(tables), *names_of(paper)]
    made = stage.tables(names, workplace.place(data_root, results), on=on, arch=arch, shown=shown)
    return Tables(made if caption is None else captioned(made, caption))


def figure(
    kind: str,
    runs: Runs,
    out: File,
    *,
    data_root: File | None = None,
    results: File | None = None,
    **options: str | int | Path | Sequence[str | Path] | None,
) -> Drawn:
    """Draw a figure of runs (or of a table) into a .pdf or .png; what is returned has the `figure`, and what it `shows`.

    options: the kind's own, as `cambench figure KIND --help` lists them; another is refused.
    """
    from cambench.stages import workplace
    from cambench.stages.reporting.figures.index import draw

    return draw(kind, Path(out), workplace.place(data_root, results), runs_of(runs), **options)


def reproduce(
    tables: Names = (),
    *,
    claims: Names = (),
    dry_run: bool = False,
    verbose: bool = False,
    device_there: str | None = None,
    on: str | None = None,
    arch: str | None = None,
    seeds: int | None = None,
    rows: Names = (),
    columns: Names = (),
    settings: Names = (),
    search: int | None = None,
    ranges: Names = (),
    weights: File | None = None,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> Tables:
    """Train and measure whatever papers' tables still lack -> the tables; a footnote says what a cell lacks, and why.

    claims: what decides these, in place of tables. dry_run: only print what would be done, verbose: in more lines,
    device_there: for a device that is not here; the tables hold what is there.
    """
    from cambench.report import Tables
    from cambench.stages import workplace
    from cambench.stages.reporting.choice import Choice
    from cambench.stages.reproducing import reproduce as stage
    from cambench.stages.reproducing.outline import print_plan
    from cambench.stages.reproducing.plan import Wish

    place = workplace.place(data_root, results, device, workers, download, deterministic)
    choice = Choice(names_of(tables), names_of(rows), names_of(columns), on, arch, names_of(claims))
    wish = Wish(on, seeds, tuple(names_of(settings)), path_of(weights), search, tuple(names_of(ranges)))
    plan = stage.make_plan(choice, wish, place)
    if dry_run:
        print_plan(plan, place, verbose=verbose, device=device_there)
    return Tables(stage.tables(plan, {}, place) if dry_run else stage.reproduce(plan, place)[0])


def claims(names: Names = (), *, on: str | None = None, results: File | None = None) -> pd.DataFrame:
    """Claims of papers, or by their ids (none named: all), judged by the records (on: one data set): a row a comparison."""
    from cambench.stages import workplace
    from cambench.stages.reporting.claims import frame

    return frame(names_of(names), workplace.place(results=results), on)


def compare(
    a: str | Run,
    b: str | Run | None = None,
    metric: Names = (),
    explainer: Names = (),
    target: Names = (),
    *,
    results: File | None = None,
) -> pd.DataFrame:
    """Two runs, or two explainers or targets of one run, over the same images: a row a metric and variant, with tests."""
    import pandas as pd

    from cambench.report.tables.paired import tidy
    from cambench.stages import workplace
    from cambench.stages.reporting import paired as stage

    runs, place = runs_of([a] if b is None else [a, b]), workplace.place(results=results)
    names, comparisons = stage.compare(runs, names_of(metric), names_of(explainer), names_of(target), place.results)
    return pd.DataFrame(tidy(comparisons, *names))
