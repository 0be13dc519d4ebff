"""The reader of synthbirds-binary: the layout of CUB-200-2011, as it is drawn today."""

from __future__ import annotations

from pathlib import Path

from cambench.data import cub
from cambench.data.synthbirds import DRAWING, PARAMETERS, parameters
from cambench.vocabulary import DataError, Dataset


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`), as `cub.read`. A set that an earlier cambench drew is another one, and is refused.

    Raises: as `cub.read`, and for an earlier drawing (of 1, where families shared every plumage, the recipes learn nothing).
    """
    path = root / PARAMETERS
    if path.is_file() and (drawing := parameters(root).get("drawing")) != DRAWING["binary"]:
        raise DataError(
            f"{path}: expected drawing {DRAWING['binary']} of synthbirds-binary, got {drawing}; delete this folder and make "
            "it again (cambench data make synthbirds-binary, with its parameters where they are not the usual ones)."
        )
    return cub.read(root, split)
