"""Runs: one trained or given network, as a folder with `run.json`, `log.jsonl`, `last.pt`, `best.pt`, kept `epoch-N/`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from glob import escape
from pathlib import Path
from typing import Any

from cambench.files import atomic_path, read_json, write_json
from cambench.lookup import nearest
from cambench.store import schema
from cambench.vocabulary import CambenchError, UsageError

MEND = "train it again (a given network: name it again), or delete the folder."


TRAINING, VALIDATION = "training_", "validation_"


def in_percent(values: Mapping[str, Any]) -> dict[str, Any]:
    """Logged values with the shares of right answers in percent: `accuracy` 0.93 becomes `training_accuracy` 93.

    An objective gives shares, and so do the logs of older versions; names that begin with `training_` or `validation_` are
    in percent already.
    """
    shares = [name for name in values if name.endswith(("accuracy", "decisions"))]
    old = {name for name in shares if not name.startswith((TRAINING, VALIDATION))}
    return {f"{TRAINING}{name}" if name in old else name: 100 * v if name in old else v for name, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What `run.json` says of a run. A fact that a run has not, as a given network's log, is at its default."""

    kind: str = "trained"
    """`trained` here, `added` from a checkpoint, or `given`: a network that a command named."""
    method: str = ""
    arch: str = ""
    seed: int = 0
    dataset: str = ""
    """The data set that it was trained on; empty for a given network."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Of that data set: its spec, number of classes, draw, fingerprint, number of images."""
    class_names: Sequence[str] = ()
    """In the order of the network's outputs; empty for a given network."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The resolved training recipe; of an added run, how its network is built and what it looks at."""
    weights: str | None = None
    """The initial weights in words; of a given network, their file."""
    input: Mapping[str, Any] = field(default_factory=dict)
    """What a command said of a given network's input: its `size`, `mean`, `std`."""
    given: str | None = None
    """The checkpoint that was added, by its file's name."""
    layer: str | None = None
    """The layer that is explained."""
    comparable: bool = True
    """Whether its numbers may stand beside published ones."""
    partial: Sequence[str] = ()
    """Sentences on the part of the data that it saw."""
    deviations: Sequence[str] = ()
    """Sentences on what it does otherwise than its recipe's source."""
    warnings: Sequence[str] = ()
    """Sentences on what went wrong in its training."""
    base_warnings: Sequence[str] = ()
    """The same of the run that it began with."""
    began_from: Mapping[str, Any] | None = None
    """The run and the epoch from which it took over the first epochs."""
    rounded_after: Sequence[int] = ()
    """The epochs after which it travelled in bfloat16."""
    loss_at_start: Mapping[str, float] = field(default_factory=dict)
    """The loss of the first batch, by phase."""
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    """`last` and `best` -> the hash of their weights."""
    device: str | None = None
    processes: Sequence[int] = ()
    """On how many its calls ran, one after another, where one of them had several."""
    seconds: float | None = None
    """Of training, all epochs."""
    peak_memory_bytes: int | None = None
    search: Mapping[str, Any] | None = None
    """The search whose best draw it is."""
    job: Mapping[str, Any] = field(default_factory=dict)
    """What its identity is the hash of; see stages/identity.py."""
    versions: Mapping[str, str] = field(default_factory=dict)
    finished: bool = False

    def __post_init__(self) -> None:
        for name in SEQUENCES:
            object.__setattr__(self, name, tuple(getattr(self, name) or ()))

    @property
    def training(self) -> dict[str, Any]:
        """The recipe with the weights that it began with and the data that it saw: what two seeds share to be averaged.

        Where a seed draws its images, the seeds share what is drawn from.
        """
        given = {name: value for name, value in (("given", self.given), ("input", self.input)) if value}
        saw = {"trained on": self.data.get("drawn_from", self.data.get("fingerprint"))}
        return {**self.recipe, **given, "weights": self.weights, "data": {**self.recipe.get("data", {}), **saw}}


SEQUENCES = ("class_names", "partial", "deviations", "warnings", "base_warnings", "rounded_after", "processes")
KNOWN = {f.name for f in fields(RunInfo)}


@dataclass(frozen=True)
class Run:
    """A run's folder and what its `run.json` says of it."""

    path: Path
    info: RunInfo = field(default_factory=RunInfo)

    def __repr__(self) -> str:
        return f"<Run {self.name}{'' if self.finished else ', not finished'}>"

    @property
    def name(self) -> str:
        """<dataset>-<method>-<arch>-s<seed>-<hash8>."""
        return self.path.name

    @property
    def finished(self) -> bool:
        """True once the last epoch's checkpoint is on disk."""
        return self.info.finished

    def save(self, **changes: Any) -> Run:
        """Write `run.json` with the changes, and return the changed run."""
        info = replace(self.info, **changes)
        write_json(self.path / "run.json", as_json(info))
        return Run(self.path, info)

    def log(self) -> list[dict[str, Any]]:
        """The epochs trained so far, one dict each; accuracies in percent, whatever version wrote them.

        Raises: CambenchError where a line is no JSON object.
        """
        path, epochs = self.path / "log.jsonl", []
        for n, line in enumerate(path.read_bytes().splitlines() if path.exists() else (), 1):
            try:
                epochs.append(in_percent(dict(json.loads(line.decode("utf-8")))))
            except (RecursionError, TypeError, ValueError) as e:
                raise CambenchError(f"{path}:{n}: expected one JSON object a line, got {e}; delete that line.") from e
        return epochs

    def write_log(self, epochs: list[dict[str, Any]]) -> None:
        """Replace the log: a resumed run drops the lines after its checkpoint."""
        with atomic_path(self.path / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(e, allow_nan=False) + "\n" for e in epochs))


@dataclass(frozen=True)
class Follower(Run):
    """A run in the hands of a process that does not write it: its facts are known, its files are another's."""

    def save(self, **changes: Any) -> Run:
        """The changed run."""
        return Follower(self.path, replace(self.info, **changes))

    def write_log(self, epochs: list[dict[str, Any]]) -> None:
        """Nothing."""


def as_json(info: RunInfo) -> dict[str, Any]:
    """The contents of a `run.json`."""
    return {"schema": schema.RUN, **asdict(info)}


def of_json(path: Path, contents: Any, what: str = "a run", mend: str = MEND) -> RunInfo:
    """What the contents of a `run.json` say.

    Raises: CambenchError naming one that is broken or of another schema.
    """
    known = isinstance(contents, dict) and isinstance(contents.get("job", {}), dict)
    version = contents.get("schema", 1 if "job" in contents else None) if known else type(contents).__name__
    schema.check(path, version, schema.RUN, what, mend)
    facts = {name: fact for name, fact in contents.items() if name != "schema"}
    if unknown := sorted(set(facts) - KNOWN):
        raise CambenchError(f"{path}: expected what a run says, got {unknown[0]!r} as well; {mend}")
    return RunInfo(**{**facts, "dataset": facts.get("dataset") or ""})


def read_run(path: Path) -> Run:
    """The run in a folder.

    Raises: CambenchError naming a `run.json` that is broken or of another schema.
    """
    return Run(path, of_json(path / "run.json", read_json(path / "run.json")))


def read_runs(results: Path, names: str = "*") -> list[Run]:
    """Every run of a results root whose folder's name fits, by name; those that cannot be read are said and passed over."""
    runs, faults = [], []
    for path in sorted((results / "runs").glob(f"{names}/run.json")):
        try:
            runs.append(read_run(path.parent))
        except CambenchError as e:
            faults.append(e)
    schema.pass_over(faults)
    return runs


def is_called(run: Run, name: str) -> bool:
    """Whether a prefix of a run's name ends with its method, its architecture or its seed."""
    whole = run.name.rpartition("-")[0]
    return name in (whole, whole.rpartition("-")[0]) or (
        name.endswith(f"-{run.info.method}") and run.name.startswith(f"{name}-")
    )


def find_seeds(name: str, results: Path) -> list[Run]:
    """The runs of one training at several seeds, of whose names a beginning is meant; none where it means something else."""
    if "/" in name:  # a path
        return []
    runs = [run for run in read_runs(results, f"{escape(name)}*") if is_called(run, name)]
    trainings = {json.dumps({**run.info.job, "seed": None}, sort_keys=True) for run in runs}
    seeds = {run.info.seed: run for run in runs}
    return [seeds[seed] for seed in sorted(seeds)] if len(trainings) == 1 and len(seeds) == len(runs) > 1 else []


def find_run(name: str, results: Path) -> Run:
    """The run that a person means: its path, its name or a unique prefix; `synthbirds-cgc` is no `synthbirds-cgc-semi`.

    Raises: UsageError with the candidates, or the nearest names and the full list.
    """
    if not name:
        raise UsageError("run: expected a name, the beginning of one or a path, got an empty text; see cambench ls runs.")
    if (Path(name) / "run.json").is_file():
        return read_run(Path(name).resolve())
    known = {p.parent.name: p.parent for p in sorted((results / "runs").glob("*/run.json"))}
    matches = [n for n in known if n == name] or [n for n in known if n.startswith(name)]
    if len(matches) > 1:
        matches = [run.name for run in read_runs(results, f"{escape(name)}*") if is_called(run, name)] or matches
    if len(matches) == 1:
        return read_run(known[matches[0]])
    if matches:
        raise UsageError(f"run {name!r} is ambiguous: it begins {', '.join(matches)}. Give more letters.")
    if not known:
        raise UsageError(
            f"no run {name!r}: {results / 'runs'} holds none. Train one with `cambench train`, or set --results."
        )
    raise UsageError(nearest(name, known, "run"))
