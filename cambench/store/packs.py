"""Packs: a run as small files with their sizes and digests, which come together again whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cambench.files import atomic_folder
from cambench.store.runs import read_run
from cambench.vocabulary import DataError, UsageError, listed

MANIFEST = "pack.json"
FILE = r"(run\.json|last\.pt|best\.pt|log\.jsonl)"
"""What a pack may hold of a run, and of each state that it keeps (`epoch-N/`)."""
RECORDS = "records/"
NAME = r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*"
"""A name of one level that is not hidden."""
RECORD = rf"{NAME}\.(json|h5)"
"""What a pack may hold of the run's records, beneath `RECORDS`."""


class Piece(BaseModel):
    """What can be checked of a file or of a part of one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size: int = Field(ge=0)
    sha256: str


class Part(Piece):
    """A part of a file; all lie beside each other in the pack, those of kept states too."""

    name: str = Field(pattern=rf"^((epoch-\d+\.)?{FILE}|records\.{RECORD})\.\d{{3,}}$")


class File(Piece):
    """A file of the run and its parts in order."""

    name: str = Field(pattern=rf"^((epoch-\d+/)?{FILE}|{RECORDS}{RECORD})$")
    parts: list[Part]


class Manifest(BaseModel):
    """What `pack.json` says: which run, after which of its epochs, and its files.

    bf16: whether float32 tensors of the checkpoints are stored as bfloat16.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    run: str = Field(pattern=rf"^{NAME}$")
    epoch: int = Field(ge=0)
    epochs: int = Field(ge=0)
    bf16: bool
    files: list[File] = []


def facts_of(name: str, data: bytes) -> dict[str, Any]:
    """A file's or part's name, size and digest."""
    return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def cut(name: str, data: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    """Parts of at most `limit` bytes. Every name is numbered, so that a pack is never taken for a run."""
    for i, start in enumerate(range(0, max(len(data), 1), limit)):
        yield f"{name.replace('/', '.')}.{i:03d}", data[start : start + limit]


def write_pack(folder: Path, facts: Manifest, contents: Mapping[str, bytes], limit: int) -> Manifest:
    """Write the files of a run as parts of at most `limit` bytes, and the manifest; the folder appears whole or not at all.

    Raises: UsageError where the folder holds something, or the limit is too small for the manifest; CambenchError for a full
    disk.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out {folder}: expected a new or empty folder, found something there; name another.")
    files = [
        File(**facts_of(name, data), parts=[Part(**facts_of(*part)) for part in cut(name, data, limit)])
        for name, data in contents.items()
    ]
    manifest = facts.model_copy(update={"files": files})
    text = manifest.model_dump_json(indent=1) + "\n"
    if len(text.encode()) > limit:
        raise UsageError(
            f"--part: expected at least {len(text.encode()) / 1e6:.3g} MB, which the list of so many parts takes, got "
            f"{limit / 1e6:.3g}; allow larger parts."
        )
    with atomic_folder(folder.absolute()) as temporary:
        for name, data in contents.items():
            for part, content in cut(name, data, limit):
                (temporary / part).write_bytes(content)
        (temporary / MANIFEST).write_text(text, encoding="utf-8")
    return manifest


def read_pack(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of a pack and the files of its run, once every byte is known to be as it was packed.

    Raises: UsageError for a folder without manifest; DataError naming a damaged manifest, or every part that is missing
    or damaged.
    """
    manifest = read_manifest(folder / MANIFEST)
    contents, wrong = {}, []
    for file in manifest.files:
        parts = []
        for part in file.parts:
            path = folder / part.name
            parts.append(path.read_bytes() if path.is_file() else b"")
            if not path.is_file():
                wrong.append(f"{part.name} (missing)")
            elif facts_of(part.name, parts[-1]) != part.model_dump():
                wrong.append(f"{part.name} (damaged: {len(parts[-1])} bytes, expected {part.size} of another SHA-256)")
        contents[file.name] = b"".join(parts)
    if wrong:
        raise DataError(f"{folder}: not as packed: {', '.join(wrong)}; copy it again. Nothing was unpacked.")
    if any(facts_of(f.name, contents[f.name]) != f.model_dump(exclude={"parts"}) for f in manifest.files):
        raise DataError(f"{folder / MANIFEST}: its parts do not make its files; copy it again. Nothing was unpacked.")
    return manifest, contents


def read_manifest(path: Path) -> Manifest:
    """The manifest of a pack.

    Raises: UsageError where there is none; DataError for one that was changed or truncated.
    """
    if not path.is_file():
        raise UsageError(f"{path.parent}: expected a folder that `cambench pack` wrote, found no {MANIFEST} in it.")
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(key) for key in first["loc"]) or "the file"
        raise DataError(f"{path}: damaged at {where} ({first['msg']}); copy it again. Nothing was unpacked.") from e
    names = [file.name for file in manifest.files]
    if not {"run.json", "last.pt"} <= set(names):
        got = listed(names)
        raise DataError(f"{path}: expected run.json and last.pt, got {got}; copy it again. Nothing was unpacked.")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: expected each file once, got {twice[0]} twice; copy it again. Nothing was unpacked.")
    return manifest


ROUNDED = "Weights and the optimiser's state were rounded to bfloat16 on the way to another machine (pack --bf16)"
"""One sentence whatever the epoch: runs of several seeds that all travelled so are still averaged."""


def inherited(weights: Path | None) -> list[str]:
    """The sentence for a training that begins from a run which was rounded on its way: nothing, where it was not."""
    if weights is None or not (weights.parent / "run.json").is_file():
        return []
    return [deviation for deviation in read_run(weights.parent).info.deviations if deviation == ROUNDED]
