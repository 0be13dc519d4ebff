"""A run goes on on another machine: packed into small files on one, unpacked under the results of the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from cambench.files import atomic_folder, atomic_path, json_text, parsed
from cambench.stages.progress import say
from cambench.store.checkpoints import cast, checkpoint_bytes, load_checkpoint
from cambench.store.locks import only_writer
from cambench.store.packs import RECORDS, ROUNDED, Manifest, read_pack, write_pack
from cambench.store.records import rows_path
from cambench.store.runs import Run, RunInfo, as_json, find_run, of_json, read_run
from cambench.vocabulary import CambenchError, UsageError, number_of

MEGABYTE = 1_000_000
CHECKPOINTS = ("last.pt", "best.pt")


def pack(
    name: str, folder: Path, results: Path, *, bf16: bool = False, part: float = 15.0, with_records: bool = False
) -> Manifest:
    """Write a run, finished or not, as files of at most `part` megabytes; `bf16` halves its float32 tensors.

    Rounding is a departure, which the packed `run.json` says; the run itself stays as it is. States that a run keeps for
    others to begin from (`epoch-N/`) go with it, but not where it is rounded: nothing begins from a run that was.
    with_records: its records go with it, and their rows; they are of the weights as they are, which are then not rounded.
    Raises: UsageError for a run without a finished epoch, a folder that holds something, or parts that are too small.
    """
    if bf16 and with_records:
        raise UsageError("--with-records: expected weights that are not rounded, as those measured; leave out --bf16.")
    if not 1 <= part * MEGABYTE < math.inf:
        raise UsageError(f"--part {part:g}: expected a size in megabytes above 0, for example 15.")
    run, limit = find_run(name, results), math.floor(part * MEGABYTE)
    contents, epoch = contents_of(run)
    if bf16:
        contents = {name: data for name, data in contents.items() if "/" not in name}
        for file in CHECKPOINTS:
            if file in contents:
                state = load_checkpoint(run.path / file, contents[file])
                contents[file] = checkpoint_bytes(cast(state, torch.float32, torch.bfloat16))
        contents["run.json"] = json_text(as_json(rounded(run.info, epoch))).encode()
    if with_records:
        contents |= {f"{RECORDS}{path.name}": path.read_bytes() for path in record_files(results / "records" / run.name)}
    epochs = run.info.recipe.get("train", {}).get("epochs", 0)  # an added checkpoint has none
    manifest = write_pack(folder, Manifest(run=run.name, epoch=epoch, epochs=epochs, bf16=bf16), contents, limit)
    parts = [part for file in manifest.files for part in file.parts]
    total, most = (size / MEGABYTE for size in (sum(p.size for p in parts), max(p.size for p in parts)))
    rounding = " Rounded to bfloat16: a footnote under every table of the unpacked run." if bf16 else ""
    after = f" after epoch {epoch} of {epochs}" if epochs else ""
    size = f"{total:.3g} MB in {len(parts)} parts of at most {most:.3g} MB"
    say(f"{run.name}: packed{after}: {size}.{rounding}")
    return manifest


def contents_of(run: Run) -> tuple[dict[str, bytes], int]:
    """A run's files, and the epoch after which they are.

    A training that goes on meanwhile does no harm in this order: what counts is `last.pt`, of which `run.json` may know less
    and the log more, as after a kill.
    """
    if run.info.kind == "given":
        raise UsageError(
            f"{run.name}: expected a run of `cambench train`, got a given network, whose weights are not in it."
        )
    if not (run.path / "last.pt").exists():
        raise UsageError(
            f"{run.name}: expected last.pt, found none: no epoch of it is finished yet, there is nothing to pack."
        )
    contents = {"run.json": json_text(as_json(run.info)).encode(), "last.pt": (run.path / "last.pt").read_bytes()}
    others = [path for name in ("best.pt", "log.jsonl", "epoch-*/*") for path in sorted(run.path.glob(name))]
    contents |= {path.relative_to(run.path).as_posix(): path.read_bytes() for path in others}
    return contents, load_checkpoint(run.path / "last.pt", contents["last.pt"])["epoch"]


def record_files(folder: Path) -> list[Path]:
    """The records in a folder and their rows, the rows of a record before it."""
    return [path for record in sorted(folder.glob("*.json")) for path in (rows_path(record), record) if path.is_file()]


def rounded(info: RunInfo, epoch: int) -> RunInfo:
    """A run's facts, to which the rounding is added: the sentence once, the epoch each time; its weights' hashes go."""
    deviations = list(dict.fromkeys([*info.deviations, ROUNDED]))
    return replace(info, deviations=deviations, rounded_after=[*info.rounded_after, epoch], checkpoints={})


def unpack(folder: Path, results: Path) -> Run:
    """Check a pack and put its run under the results; `cambench train` with the same arguments then goes on with it.

    A run that is there and less far gives way; one that is as far with the same weights is left alone, and so are records.
    Raises: CambenchError for a missing or damaged part, or where the run that is there is as far or further.
    """
    manifest, packed = read_pack(folder)
    contents = {name: data for name, data in packed.items() if not name.startswith(RECORDS)}
    if manifest.bf16:
        for name in CHECKPOINTS:
            if name in contents:
                state = load_checkpoint(folder / name, contents[name])
                contents[name] = checkpoint_bytes(cast(state, torch.bfloat16, torch.float32))
    path, mend = results / "runs" / manifest.run, "pack it with the version that trained it, and go on with that."
    info = parsed(contents["run.json"], folder / "run.json", mend)
    of_json(folder / "run.json", info, "a packed run", mend)
    with only_writer(path):
        if is_here(path, manifest, contents):
            say(f"{manifest.run}: is here already, after epoch {manifest.epoch} of {manifest.epochs}")
            put_records(packed, results / "records" / manifest.run)
            return read_run(path)
        with atomic_folder(path) as temporary:
            for name, data in contents.items():
                (temporary / name).parent.mkdir(exist_ok=True)
                (temporary / name).write_bytes(data)
        run = read_run(path)
    left = "finished" if run.finished else "`cambench train` with the same arguments goes on with it"
    after = f" after epoch {manifest.epoch} of {manifest.epochs}" if manifest.epochs else ""
    say(f"{run.name}: unpacked{after}; {left}")
    put_records(packed, results / "records" / manifest.run)
    return run


def put_records(packed: Mapping[str, bytes], folder: Path) -> None:
    """Write the pack's records and rows where they are not there yet, rows before their record."""
    lacking = {name: folder / name.removeprefix(RECORDS) for name in packed if name.startswith(RECORDS)}
    lacking = {name: path for name, path in lacking.items() if not path.exists()}
    for name, path in lacking.items():
        with atomic_path(path) as temporary:
            temporary.write_bytes(packed[name])
    if lacking:
        say(f"{folder.name}: {number_of(sum(name.endswith('.json') for name in lacking), 'record')} unpacked with it")


def is_here(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> bool:
    """Whether the run is there with the same weights and every file of the pack.

    Raises: CambenchError where it is as far or further with others.
    """
    if not path.exists():
        return False
    last, here = path / "last.pt", 0
    if last.exists():
        here = load_checkpoint(last)["epoch"]
    if here >= manifest.epoch:
        if here == manifest.epoch and last.read_bytes() == contents["last.pt"]:
            return all((path / name).exists() for name in contents)
        other = "" if here > manifest.epoch else " with other weights"
        raise CambenchError(
            f"{path}: expected a run less far than the pack, which is after epoch {manifest.epoch}, got one after "
            f"epoch {here}{other}; it stays as it is. Move it away to go back to the pack."
        )
    say(f"{manifest.run}: the run here, after epoch {here} of {manifest.epochs}, gives way to the pack's")
    return False
