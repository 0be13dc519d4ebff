"""The verbs that read what is measured: heatmaps, records, report, figure, claims, compare."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambench.api.arguments import Data, File, Files, Names, OneRun, Runs, check, checked, data_of, names_of, runs_of
from cambench.lookup import find
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from cambench.report import Tables
    from cambench.stages.reporting.figures.scene import Drawn
    from cambench.stages.reporting.per_image import Records
    from cambench.store.heatmaps import Maps


@checked
def heatmaps(file: File) -> AbstractContextManager["Maps"]:
    """A file that `explain` made, open within a `with` block: image id -> raw signed map (h,w), each read when asked for."""
    from cambench.store.heatmaps import open_heatmaps

    return open_heatmaps(Path(file))


@checked
def records(
    runs: Runs = (),
    metric: Names = (),
    explainer: Names = (),
    *,
    data_root: File | None = None,
    results: File | None = None,
) -> "Records":
    """What is measured of runs, metrics and explainers (none named: of all), as it is stored."""
    from cambench.stages import workplace
    from cambench.stages.reporting.per_image import stored
    from cambench.stages.reporting.selection import Selection

    return stored(runs_of(runs), Selection(names_of(metric), names_of(explainer)), workplace.place(data_root, results))


@checked
def report(
    tables: Files = (),
    *,
    paper: str | None = None,
    on: Data | None = None,
    arch: str | None = None,
    metric: Names = (),
    explainer: Names = (),
    caption: str | None = None,
    data_root: File | None = None,
    results: File | None = None,
) -> "Tables":
    """Tables of what was measured: one summary a data set, or a paper's tables beside their published numbers.

    metric, explainer: only columns and rows of these. caption: of one table, in place of its own.
    """
    from cambench.report import Tables
    from cambench.stages import workplace
    from cambench.stages.reporting import report as stage
    from cambench.stages.reporting.selection import Selection, captioned

    shown, names = Selection(names_of(metric), names_of(explainer)), [*names_of(tables), *names_of(paper)]
    made = stage.tables(names, workplace.place(data_root, results), on=data_of(on), arch=arch, shown=shown)
    return Tables(made if caption is None else captioned(made, caption))


@checked
def figure(
    kind: str,
    runs: Runs,
    out: File,
    *,
    data_root: File | None = None,
    results: File | None = None,
    **options: str | int | Path | Sequence[str | Path] | None,
) -> "Drawn":
    """Draw a figure of runs (or of a table) into a .pdf or .png; what is returned has the `figure`, and what it `shows`.

    options: the kind's own, as `cambench figure KIND --help` lists them; another is refused.
    """
    from cambench.stages import workplace
    from cambench.stages.reporting.figures.index import INDEX, draw

    known = find(kind, INDEX, "figure").options
    taken = {name: option_of(name, value, known[name]) if name in known else value for name, value in options.items()}
    return draw(kind, Path(out), workplace.place(data_root, results), runs_of(runs), **taken)


def option_of(name: str, value: Any, default: object) -> Any:
    """An option of a figure as its kind takes it. default: a number where it is one, () where there are several.

    Raises: UsageError for a value of another kind.
    """
    from cambench.stages.reporting.figures.index import REQUIRED

    files = name == "class_sets"
    if default == ():
        check("figure", name, value, Files if files else Names)
        several = [value] if isinstance(value, str | Path) else value
        return [Path(one) for one in several] if files else list(several)
    kind: Any = int if isinstance(default, int) else int | None if name == "classes" else str | None
    check("figure", name, value, str if default is REQUIRED else kind)
    if isinstance(value, int) and value < 1:
        raise UsageError(f"figure: {name}: expected at least 1, got {value}.")
    return value


@checked
def claims(names: Files = (), *, on: Data | None = None, results: File | None = None) -> "pd.DataFrame":
    """Claims of papers, or by their ids (none named: all), judged by the records (on: one data set): a row a comparison."""
    from cambench.stages import workplace
    from cambench.stages.reporting.claims import frame

    return frame(names_of(names), workplace.place(results=results), data_of(on))


@checked
def compare(
    a: OneRun,
    b: OneRun | None = None,
    metric: Names = (),
    explainer: Names = (),
    target: Names = (),
    *,
    dataset: Data | None = None,
    split: str = "eval",
    results: File | None = None,
) -> "pd.DataFrame":
    """Two runs, or two explainers or targets of one run, over the same images: a row a metric and variant, with tests.

    dataset, split: on which alone; by default on all that both are measured on.
    """
    import pandas as pd

    from cambench.report.tables.paired import tidy
    from cambench.stages import workplace
    from cambench.stages.reporting import paired as stage

    runs, place = runs_of([a] if b is None else [a, b]), workplace.place(results=results)
    wanted = (names_of(metric), names_of(explainer), names_of(target))
    names, comparisons = stage.compare(runs, *wanted, place.results, dataset=data_of(dataset), split=split)
    return pd.DataFrame(tidy(comparisons, *names))
