"""synthbirds: procedural birds with exact boxes, segmentations, key points and attributes, in the layout of CUB-200-2011.

Every picture has seeds of its own, derived from the set's seed, the class and the image's number, and the bird's is apart
from the scene's: more classes or images leave the others as they are, another `background` leaves every bird as it is.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambench.seeds import derive
from cambench.vocabulary import CambenchError, UsageError

if TYPE_CHECKING:
    from cambench.data.synthbirds.write import Row

DRAWING = 1
"""Goes up with every change that alters a pixel or an annotation, so that old and new pictures never pass for the same."""

PARAMETERS = "synthbirds.json"
MEND = "name another folder or delete this one"

KINDS = ("family", "bird", "scene")
"""The kinds of choices that have a seed each."""

Progress = Callable[[int, int], None]


def make(
    dest: Path,
    *,
    classes: int = 10,
    per_class: int = 30,
    test_per_class: int = 20,
    size: int = 96,
    seed: int = 0,
    background: float = 0.0,
    progress: Progress | None = None,
) -> Path:
    """Write the set to `dest` and return it; nothing happens where the same set is there already.

    classes: 2 to 64; among the first 4 or more are pairs that differ in exactly 1, 2 and 3 parts.
    per_class, test_per_class: images a class for training and for the test. size: pixels a side.
    background: with this probability an image's background family is the one of its class, else any, in both splits.
    progress: called with (images done, images in all).
    A folder that exists is complete: everything is written beside it and renamed.
    Raises: UsageError for a parameter out of range, or where `dest` holds anything else; CambenchError on a full disk.
    """
    settings = {
        "classes": classes,
        "per_class": per_class,
        "test_per_class": test_per_class,
        "size": size,
        "seed": seed,
        "background": float(background),
    }
    _check(settings)
    settings["drawing"] = DRAWING
    if not _is_there(dest, settings):
        dest.parent.mkdir(parents=True, exist_ok=True)
        _publish(dest, settings, progress)
    return dest


def _publish(dest: Path, settings: dict[str, Any], progress: Progress | None) -> None:
    """Write the set under a temporary name beside `dest`, then give it its name."""
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.tmp")
    if temporary.exists():  # of a killed process with the same number
        shutil.rmtree(temporary)
    try:
        _write(temporary, settings, progress)
        try:
            temporary.replace(dest)
        except OSError:  # another process may have been faster
            if not _is_there(dest, settings):
                raise
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CambenchError(
                f"cannot write {dest}: the disk is full; free some space and run the same command again."
            ) from e
        raise
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def _check(settings: dict[str, Any]) -> None:
    from cambench.data.synthbirds.species import LIMIT

    ranges = {"classes": (2, LIMIT), "per_class": (1, 10**6), "test_per_class": (1, 10**6), "size": (32, 1024)}
    ranges |= {"seed": (0, 2**63 - 1), "background": (0, 1)}
    for name, (low, high) in ranges.items():
        if not low <= settings[name] <= high:
            raise UsageError(
                f"synthbirds: expected {name} from {low} to {high}, got {settings[name]}; change --{name.replace('_', '-')}."
            )


def _is_there(dest: Path, settings: dict[str, Any]) -> bool:
    """Whether `dest` holds this very set; an empty folder counts as nothing."""
    if not dest.exists():
        return False
    if not (dest / PARAMETERS).is_file():
        if dest.is_dir() and not any(dest.iterdir()):
            dest.rmdir()
            return False
        raise UsageError(f"{dest}: expected a synthbirds set or nothing, got a folder or file without {PARAMETERS}; {MEND}.")
    try:
        found = dict(json.loads((dest / PARAMETERS).read_text(encoding="utf-8")))
    except ValueError as e:
        raise UsageError(f"{dest / PARAMETERS}: expected the parameters of the set as JSON, got {e}; {MEND}.") from e
    if found != settings:
        other = ", ".join(f"{k} {found.get(k)} instead of {v}" for k, v in settings.items() if found.get(k) != v)
        raise UsageError(f"{dest}: expected the synthbirds set that was asked for, got one with {other}; {MEND}.")
    return True


def _seed(settings: dict[str, Any], kind: str, train: bool, label: int, number: int) -> int:
    """The seed of one kind of choice for one image."""
    return derive(settings["seed"], "synthbirds", kind, "train" if train else "test", label, number)


def _rows(settings: dict[str, Any]) -> Iterator[Row]:
    """Every image in the order of the tables: class by class, those for training first."""
    import numpy as np

    from cambench.data.synthbirds.scene import FAMILIES
    from cambench.data.synthbirds.species import species
    from cambench.data.synthbirds.write import Row, class_folder

    families = list(FAMILIES)
    for label, bird in enumerate(species(settings["classes"])):
        for train in (True, False):
            split = "train" if train else "test"
            for number in range(1, settings["per_class" if train else "test_per_class"] + 1):
                rng = np.random.default_rng(_seed(settings, KINDS[0], train, label, number))
                own, any_family = bool(rng.random() < settings["background"]), int(rng.integers(len(families)))
                family = families[label % len(families) if own else any_family]
                name = f"{class_folder(label, bird)}/{bird.name}_{number:04d}_{split}.jpg"
                yield Row(label, number, train, family, name)


def _write(root: Path, settings: dict[str, Any], progress: Progress | None) -> None:
    import numpy as np

    from cambench.data.synthbirds import write
    from cambench.data.synthbirds.picture import paint
    from cambench.data.synthbirds.species import species

    birds, rows = species(settings["classes"]), list(_rows(settings))
    boxes, parts = [], []
    for i, row in enumerate(rows, 1):
        bird, scene = (np.random.default_rng(_seed(settings, kind, row.train, row.label, row.number)) for kind in KINDS[1:])
        picture = paint(birds[row.label], row.family, bird, scene, settings["size"])
        write.save_picture(root, row, picture)
        boxes.append(f"{i} " + " ".join(f"{v:.1f}" for v in write.box(picture)))
        parts += write.part_lines(i, picture)
        if progress is not None:
            progress(i, len(rows))
    write.save_tables(root, birds, rows, boxes, parts)
    (root / PARAMETERS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
