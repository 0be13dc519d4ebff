"""What there is: one row an entry of a catalogue, for `cambench ls`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cambench.lookup import find, warn
from cambench.store.runs import Run, read_runs
from cambench.vocabulary import UsageError

Row = dict[str, Any]


def methods() -> list[Row]:
    """Training methods."""
    from cambench.recipes import load

    rows = []
    for name in load.METHODS:
        try:
            rows.append({"name": name, **{word: load.word(name, word) for word in ("summary", "source")}})
        except UsageError as e:  # it extends what is not there
            warn(str(e))
    return rows


def presets() -> list[Row]:
    """Named overrides of a training recipe."""
    from cambench.recipes.presets import presets

    return [{"name": n, "summary": p["summary"], "source": p["source"]} for n, p in presets().items()]


def explainers() -> list[Row]:
    """Explainers."""
    from cambench.explainers import INDEX

    return [
        {
            "name": e.name,
            "also": ", ".join(e.aliases),
            "space": e.space,
            "options": ", ".join(option.name for option in e.options),
            "summary": e.summary,
            "source": e.source,
        }
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
            "unit": m.printing.unit,
            "better": "↑" if m.printing.better == "up" else "↓",
            "explainer": m.maps.explainer,
            "options": ", ".join(option.name for option in m.options),
            "summary": m.summary,
            "source": m.source,
        }
        for m in INDEX.values()
    ]


def options() -> list[Row]:
    """Options of metrics and explainers, with their defaults, and the aliases that stand for other values."""
    from cambench import explainers, metrics
    from cambench.options import written

    entries = [*metrics.INDEX.values(), *explainers.INDEX.values()]
    defaults = [
        {"name": f"{e.name}:{o.name}={written(o.default)}", "values": o.allowed, "summary": o.about}
        for e in entries
        for o in e.options
    ]
    named = [(alias, f"{e.name}:{words}") for e in entries for alias, words in e.aliases.items() if words]
    return [*defaults, *({"name": alias, "values": "", "summary": f"stands for {text}"} for alias, text in named)]


def datasets() -> list[Row]:
    """Data sets."""
    from cambench.data import INDEX

    return [{"name": d.name, "title": d.title, "splits": ", ".join(d.splits), "licence": d.licence} for d in INDEX.values()]


def archs() -> list[Row]:
    """Architectures."""
    from cambench.models import ARCHS

    return [{"name": name, "summary": a.summary, "source": a.source} for name, a in ARCHS.items()]


def tables() -> list[Row]:
    """Tables of the papers, and which of their rows cannot be run."""
    from cambench.recipes.part import published_only
    from cambench.recipes.tables import load_table, table_files

    loaded = map(load_table, table_files())
    return [{"name": t.id, "title": t.title, "only published": ", ".join(published_only(t))} for t in loaded]


def claims() -> list[Row]:
    """What the papers claim."""
    from cambench.recipes.claims import load_claims

    return [{"name": c.id, "claim": c.sentence, "source": c.source} for c in load_claims(())]


def experiments() -> list[Row]:
    """Claims that are tested together, and on which data."""
    from cambench.recipes.experiments import experiments as known

    return [
        {"name": name, "summary": e.summary, "claims": ", ".join(e.claims), "on": ", ".join(e.on)}
        for name, e in known().items()
    ]


CATALOGUES: dict[str, Callable[[], list[Row]]] = {
    "methods": methods,
    "presets": presets,
    "explainers": explainers,
    "targets": targets,
    "metrics": metrics,
    "options": options,
    "datasets": datasets,
    "archs": archs,
    "tables": tables,
    "claims": claims,
    "experiments": experiments,
}


def flagged(run: Run) -> str:
    """`, diverged in epoch 3` or `, base ended at chance`, where the run's training went wrong, or that of its base."""
    base = [f"base {sentence.partition(': ')[2]}" for sentence in run.info.base_warnings]
    own = [sentence for sentence in run.info.warnings if sentence not in run.info.base_warnings]
    return "".join(f", {sentence.partition(':')[0].lower()}" for sentence in (*base, *own))


def row_of(run: Run, changed: str) -> Row:
    """A run, what was changed in it, how far it is, and when its folder was last written to."""
    info, done = run.info, len(run.log())
    epochs = info.recipe.get("train", {}).get("epochs")
    state = ("finished" if run.finished else f"stopped after epoch {done}") + flagged(run)
    facts = {
        "method": info.method,
        "dataset": info.dataset,
        "arch": info.arch,
        "seed": info.seed,
        "kind": info.kind,
    }
    written = datetime.fromtimestamp((run.path / "run.json").stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    far = {"changed": changed, "epochs": f"{done} of {epochs}" if epochs else "", "date": written}
    return {"name": run.name, **facts, **far, "state": state if info.kind == "trained" else info.kind}


def runs(results: Path) -> list[Row]:
    """Runs under a results root."""
    from cambench.report.tables.varied import runs_in_words

    every = read_runs(results)
    return [row_of(run, changed) for run, changed in zip(every, runs_in_words(every), strict=True)]


def catalogue(kind: str, results: Path, others: Mapping[str, Callable[[], list[Row]]]) -> list[Row]:
    """The rows of a catalogue. others: those of rooms that this one does not know.

    Raises: UsageError naming the nearest catalogue.
    """
    known: dict[str, Callable[[], list[Row]]] = {**CATALOGUES, **others, "runs": lambda: runs(results)}
    return find(kind, known, "catalogue")()
