"""Packs of runs with something wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cambench.store.packs import MANIFEST


def spoilt(packed: Path, folder: Path, how: str) -> None:
    """A copy of the pack with something wrong."""
    shutil.copytree(packed, folder)
    part, manifest = folder / "last.pt.001", folder / MANIFEST
    told = json.loads(manifest.read_text())
    if how == "missing":
        part.unlink()
    elif how == "flipped":
        data = bytearray(part.read_bytes())
        data[100] ^= 1
        part.write_bytes(data)
    elif how == "short":
        part.write_bytes(part.read_bytes()[:-1])
    elif how == "no manifest":
        manifest.unlink()
    elif how == "half a manifest":
        manifest.write_text(manifest.read_text()[:300])
    elif how == "foreign name":
        told["files"][0]["parts"][0]["name"] = "../run.json"
    elif how == "foreign run":
        told["run"] = "../elsewhere"
    elif how == "parts in another order":
        told["files"][1]["parts"] = told["files"][1]["parts"][::-1]
    elif how == "no checkpoint":
        told["files"] = told["files"][:1]
    elif how == "a file twice":
        told["files"].append(told["files"][0])
    if "manifest" not in how:
        manifest.write_text(json.dumps(told))
