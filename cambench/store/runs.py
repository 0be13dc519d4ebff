"""Runs: one trained or given network, as a folder with `run.json`, `log.jsonl`, `last.pt`, `best.pt`, kept `epoch-N/`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambench.lookup import nearest
from cambench.store import schema
from cambench.store.files import atomic_path, read_json, write_json
from cambench.vocabulary import CambenchError, UsageError

MEND = "train it again (a given network: name it again), or delete the folder."


@dataclass(frozen=True)
class Run:
    """A run's folder and what `run.json` says of it (resolved recipe, seeds, versions, device, data fingerprint, …)."""

    path: Path
    info: dict[str, Any]

    @property
    def name(self) -> str:
        """<dataset>-<method>-<arch>-s<seed>-<hash8>."""
        return self.path.name

    @property
    def finished(self) -> bool:
        """True once the last epoch's checkpoint is on disk."""
        return bool(self.info.get("finished"))

    def save(self, **changes: Any) -> Run:
        """Write `run.json` with the changes, and return the changed run."""
        info = {"schema": schema.RUN, **self.info, **changes}
        write_json(self.path / "run.json", info)
        return Run(self.path, info)

    def log(self) -> list[dict[str, Any]]:
        """The epochs trained so far, one dict each.

        Raises: CambenchError naming the line that is not JSON.
        """
        path = self.path / "log.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        try:
            return [json.loads(line) for line in lines]
        except json.JSONDecodeError as e:
            raise CambenchError(f"{path}: expected one JSON object a line, got {e}; delete the last line.") from e

    def write_log(self, epochs: list[dict[str, Any]]) -> None:
        """Replace the log: a resumed run drops the lines after its checkpoint."""
        with atomic_path(self.path / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(e, allow_nan=False) + "\n" for e in epochs))


def read_run(path: Path) -> Run:
    """The run in a folder.

    Raises: CambenchError naming a `run.json` that is broken or of another schema.
    """
    info = read_json(path / "run.json")
    known = isinstance(info, dict) and isinstance(info.get("job", {}), dict)
    found = info.get("schema", 1 if "job" in info else None) if known else type(info).__name__
    schema.check(path / "run.json", found, schema.RUN, "a run", MEND)
    return Run(path, info)


def read_runs(results: Path, names: str = "*") -> list[Run]:
    """Every run of a results root whose folder's name fits, by name; those that cannot be read are said and passed over."""
    found, faults = [], []
    for path in sorted((results / "runs").glob(f"{names}/run.json")):
        try:
            found.append(read_run(path.parent))
        except CambenchError as e:
            faults.append(e)
    schema.pass_over(faults)
    return found


def find_run(name: str, results: Path) -> Run:
    """The run that a person means: its path, its name or a unique prefix.

    Raises: UsageError with the candidates, or the nearest names and the full list.
    """
    if (Path(name) / "run.json").is_file():
        return read_run(Path(name).resolve())
    known = {p.parent.name: p.parent for p in sorted((results / "runs").glob("*/run.json"))}
    matches = [n for n in known if n == name] or [n for n in known if n.startswith(name)]
    if len(matches) == 1:
        return read_run(known[matches[0]])
    if matches:
        raise UsageError(f"run {name!r} is ambiguous: it begins {', '.join(matches)}. Give more letters.")
    if not known:
        raise UsageError(
            f"no run {name!r}: {results / 'runs'} holds none. Train one with `cambench train`, or set --results."
        )
    raise UsageError(nearest(name, known, "run"))
