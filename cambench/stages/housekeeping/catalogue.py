"""What there is: one row an entry of a catalogue, for `cambench ls`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cambench.lookup import find
from cambench.store.runs import Run, read_runs

Row = dict[str, str]


def methods() -> list[Row]:
    """Training methods."""
    from cambench.recipes import load

    written = load.methods()
    return [
        {"name": n, "summary": load.word(n, written, "summary"), "source": load.word(n, written, "source")} for n in written
    ]


def presets() -> list[Row]:
    """Named overrides of a training recipe."""
    from cambench.recipes.presets import presets

    return [{"name": n, "summary": p["summary"], "source": p["source"]} for n, p in presets().items()]


def explainers() -> list[Row]:
    """Explainers."""
    from cambench.explainers import INDEX

    return [
        {"name": e.name, "also": ", ".join(e.aliases), "space": e.space, "summary": e.summary, "source": e.source}
        for e in INDEX.values()
    ]


def targets() -> list[Row]:
    """Targets."""
    from cambench.targets import INDEX

    return [{"name": t.name, "coefficients": t.formula, "source": t.source} for t in INDEX.values()]


def metrics() -> list[Row]:
    """Metrics."""
    from cambench.metrics import INDEX

    return [
        {
            "name": m.name,
            "unit": m.unit,
            "better": "↑" if m.higher_is_better else "↓",
            "explainer": m.explainer or ("any" if m.looks else "none"),
            "summary": m.summary,
            "source": m.source,
        }
        for m in INDEX.values()
    ]


def datasets() -> list[Row]:
    """Data sets."""
    from cambench.data import INDEX

    return [{"name": d.name, "title": d.title, "splits": ", ".join(d.splits), "licence": d.licence} for d in INDEX.values()]


def archs() -> list[Row]:
    """Architectures."""
    from cambench.models import ARCHS

    return [{"name": name} for name in ARCHS]


def tables() -> list[Row]:
    """Tables of the papers."""
    from cambench.recipes.tables import load_table, table_files

    return [{"name": t, "title": load_table(t).title} for t in table_files()]


CATALOGUES: dict[str, Callable[[], list[Row]]] = {
    "methods": methods,
    "presets": presets,
    "explainers": explainers,
    "targets": targets,
    "metrics": metrics,
    "datasets": datasets,
    "archs": archs,
    "tables": tables,
}


def flagged(run: Run) -> str:
    """`, diverged in epoch 3` or `, ended at chance`, where the run's training went wrong."""
    return "".join(f", {sentence.partition(':')[0].lower()}" for sentence in run.info.warnings)


def runs(results: Path) -> list[Row]:
    """Runs under a results root."""
    return [
        {
            "name": r.name,
            "method": r.info.method,
            "dataset": r.info.dataset or "",
            "arch": r.info.arch,
            "seed": str(r.info.seed),
            "kind": r.info.kind,
            "state": ("finished" if r.finished else f"stopped after epoch {len(r.log())}") + flagged(r),
        }
        for r in read_runs(results)
    ]


def catalogue(kind: str, results: Path) -> list[Row]:
    """The rows of a catalogue.

    Raises: UsageError naming the nearest catalogue.
    """
    known: dict[str, Callable[[], list[Row]]] = {**CATALOGUES, "runs": lambda: runs(results)}
    return find(kind, known, "catalogue")()
