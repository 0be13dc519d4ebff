"""The reader of synthbirds-binary: the layout of CUB-200-2011, as it is drawn today."""

from __future__ import annotations

import json
from pathlib import Path

from cambench.data import cub
from cambench.data.synthbirds import DRAWING, PARAMETERS
from cambench.vocabulary import DataError, Dataset


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`), as `cub.read`. A set that an earlier cambench drew is another one, and is refused.

    Raises: as `cub.read`, and for an earlier drawing (of 1, where families shared every plumage, the recipes learn nothing).
    """
    path = root / PARAMETERS
    if path.is_file() and (drawing := drawing_of(path)) != DRAWING["binary"]:
        raise DataError(
            f"{path}: expected drawing {DRAWING['binary']} of synthbirds-binary, got {drawing}; delete this folder and make "
            "it again (cambench data make synthbirds-binary, with its parameters where they are not the usual ones)."
        )
    return cub.read(root, split)


def drawing_of(path: Path) -> object:
    """The number of the drawing in a set's parameters."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))).get("drawing")
    except (ValueError, TypeError) as e:
        raise DataError(f"{path}: expected the parameters of the set as JSON, got {e}; delete this folder.") from e
