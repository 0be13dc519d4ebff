"""synthbirds: procedural birds with exact boxes, segmentations, key points and attributes, in the layout of CUB-200-2011.

Every picture has seeds of its own, derived from the set's seed, the class and the image's number, bird and scene
apart: more classes or images leave the others as they are, another `background` leaves every bird as it is.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cambench.files import hidden
from cambench.seeds import derive
from cambench.vocabulary import CambenchError, DataError, UsageError

if TYPE_CHECKING:
    from cambench.data.synthbirds.picture import Picture
    from cambench.data.synthbirds.write import Row

DRAWING = {"species": 1, "binary": 2, "multilabel": 1}
"""Goes up with every change that alters a pixel or an annotation of a kind, so that old and new never pass for the same."""

PARAMETERS = "synthbirds.json"
MEND = "name another folder or delete this one"

Settings = dict[str, Any]
Progress = Callable[[int, int], None]

USUAL: Settings = {"kind": "species", "scale": 1.0}
"""Parameters that are left out of the file at these values: older sets have none of them."""


def make(
    dest: Path,
    *,
    kind: Literal["species", "binary", "multilabel"] = "species",
    classes: int = 10,
    per_class: int = 30,
    test_per_class: int = 20,
    size: int = 96,
    seed: int = 0,
    background: float = 0.0,
    scale: float = 1.0,
    progress: Progress | None = None,
) -> Path:
    """Write the set to `dest` and return it; nothing happens where the same set is there already.

    kind: species, a bird a picture, a class a species. binary: two families, each of a shape and eight plumages of its own,
    40 % waders, 60 % songbirds. multilabel: two or three smaller birds of different classes, which are genera, a picture.
    classes: 2 to 64; among the first 4 or more species are pairs that differ in exactly 1, 2 and 3 parts.
    per_class, test_per_class: images a class for training and for the test; in `binary` the mean of both classes, in
    `multilabel` those made for a class, whose background may betray it (other images show it too). size: pixels a side.
    background: with this probability an image's background family is the one of its class, else any, in both splits.
    scale: the length of the birds as a share of the usual one; their boxes cover scale² of what they do at 1.
    progress: called with (images done, images in all).
    A folder that exists is complete: everything is written beside it and renamed.
    Raises: UsageError for a parameter out of range, or where `dest` holds anything else; CambenchError on a full disk.
    """
    counts = {"classes": classes, "per_class": per_class, "test_per_class": test_per_class, "size": size, "seed": seed}
    settings = {"kind": kind, **counts, "background": float(background), "scale": float(scale), "drawing": DRAWING[kind]}
    _check(settings)
    if not _is_there(dest, settings):
        dest.parent.mkdir(parents=True, exist_ok=True)
        _publish(dest, settings, progress)
    elif _has_stand_ins(settings) and not (dest / "sam").exists():  # a set that was made before they were
        _write_stand_ins(dest, settings)
    return dest


make_binary = partial(make, kind="binary", classes=2, per_class=150, test_per_class=100)
make_multilabel = partial(make, kind="multilabel", classes=6, per_class=50, test_per_class=30, scale=0.6)


def _has_stand_ins(settings: Settings) -> bool:
    """Whether the set gets simulated masks: a grey PNG cannot show the classes of several birds."""
    return bool(settings["kind"] != "multilabel")


def _write_stand_ins(root: Path, settings: Settings) -> None:
    from cambench.data.synthbirds import stand_in_masks

    stand_in_masks.write(root, settings["seed"])


def _publish(dest: Path, settings: Settings, progress: Progress | None) -> None:
    """Write the set under a temporary name beside `dest`, then give it its name."""
    temporary = hidden(dest)
    try:
        _write(temporary, settings, progress)
        try:
            temporary.replace(dest)
        except OSError:  # another process may have been faster
            if not _is_there(dest, settings):
                raise
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CambenchError(f"cannot write {dest}: the disk is full; free some space and run again.") from e
        raise
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def _check(settings: Settings) -> None:
    from cambench.data.synthbirds.cast import FEWEST, MOST

    classes = FEWEST[settings["kind"]], MOST[settings["kind"]]
    limits: dict[str, tuple[float, float]] = {
        "classes": classes,
        "per_class": (1, 10**6),
        "test_per_class": (1, 10**6),
        "size": (32, 1024),
    }
    limits |= {"seed": (0, 2**63 - 1), "background": (0, 1), "scale": (0.2, 1)}
    for name, (low, high) in limits.items():
        if not low <= settings[name] <= high:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"synthbirds: expected {name} from {low} to {high}, got {settings[name]}; change {option}.")


def _is_there(dest: Path, settings: Settings) -> bool:
    """Whether `dest` holds this very set; an empty folder counts as nothing."""
    if not dest.exists():
        return False
    if not (dest / PARAMETERS).is_file():
        if dest.is_dir() and not any(dest.iterdir()):
            dest.rmdir()
            return False
        raise UsageError(f"{dest}: expected a synthbirds set or nothing, got a folder or file without {PARAMETERS}; {MEND}.")
    present = parameters(dest)
    if present != settings:
        other = ", ".join(f"{k} {present.get(k)} instead of {v}" for k, v in settings.items() if present.get(k) != v)
        raise UsageError(f"{dest}: expected the synthbirds set that was asked for, got one with {other}; {MEND}.")
    return True


def _is_kind(root: Path, kind: str) -> bool:
    """Whether a folder's parameters say that it is synthbirds of a kind; another set in CUB's layout has none."""
    return (root / PARAMETERS).is_file() and bool(parameters(root)["kind"] == kind)


is_species = partial(_is_kind, kind="species")
is_binary = partial(_is_kind, kind="binary")
is_multilabel = partial(_is_kind, kind="multilabel")


def parameters(root: Path) -> dict[str, Any]:
    """What a set was made with. Raises: DataError where that is no JSON object."""
    path = root / PARAMETERS
    try:
        return USUAL | dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as e:
        raise DataError(f"{path}: expected the parameters of the set as JSON, got {e}; delete this folder.") from e


def _seed(settings: Settings, choice: str, train: bool, label: int, number: int, *which: int) -> int:
    """The seed of one kind of choice for one image, or for one of its birds."""
    return derive(settings["seed"], "synthbirds", choice, "train" if train else "test", label, number, *which)


def _rows(settings: Settings) -> Iterator[Row]:
    """Every image in the order of the tables: class by class, those for training first."""
    import numpy as np

    from cambench.data.synthbirds import cast
    from cambench.data.synthbirds.scene import FAMILIES
    from cambench.data.synthbirds.write import Row, class_folder

    families, kind, count = list(FAMILIES), settings["kind"], settings["classes"]
    for label, bird in enumerate(cast.classes(kind, count)):
        for train in (True, False):
            split = "train" if train else "test"
            per_class = settings["per_class" if train else "test_per_class"]
            for number in range(1, cast.images(kind, label, per_class) + 1):
                rng = np.random.default_rng(_seed(settings, "family", train, label, number))
                own, any_family = bool(rng.random() < settings["background"]), int(rng.integers(len(families)))
                family = families[label % len(families) if own else any_family]
                cast_rng = np.random.default_rng(_seed(settings, "cast", train, label, number))
                members = cast.members(kind, label, count, cast_rng)
                name = f"{class_folder(label, bird)}/{bird}_{number:04d}_{split}.jpg"
                yield Row(label, number, train, family, name, members)


def _paint(row: Row, settings: Settings) -> Picture:
    """One image; the bird and the scene are drawn from seeds of their own."""
    import numpy as np

    from cambench.data.synthbirds.flock import paint_flock
    from cambench.data.synthbirds.picture import paint

    at = row.train, row.label, row.number
    scene = np.random.default_rng(_seed(settings, "scene", *at))
    if settings["kind"] == "multilabel":
        birds = [np.random.default_rng(_seed(settings, "bird", *at, i)) for i in range(len(row.members))]
        return paint_flock(row.members, row.family, birds, scene, settings["size"], scale=settings["scale"])
    bird = np.random.default_rng(_seed(settings, "bird", *at))
    return paint(row.members[0][1], row.family, bird, scene, settings["size"], scale=settings["scale"])


def _write(root: Path, settings: Settings, progress: Progress | None) -> None:
    from cambench.data.synthbirds import cast, write

    kind, rows = settings["kind"], list(_rows(settings))
    boxes, parts = [], []
    for i, row in enumerate(rows, 1):
        picture = _paint(row, settings)
        write.save_picture(root, row, picture)
        boxes.append(f"{i} " + " ".join(f"{v:.1f}" for v in write.box(picture)))
        parts += write.part_lines(i, picture)
        if progress is not None:
            progress(i, len(rows))
    write.save_tables(root, cast.classes(kind, settings["classes"]), rows, boxes)
    if kind == cast.MULTILABEL:
        write.save_labels(root, rows)
    else:
        write.save_parts(root, parts)
    if kind == cast.SPECIES:
        write.save_attributes(root, cast.birds(kind, settings["classes"]))
    if _has_stand_ins(settings):
        _write_stand_ins(root, settings)
    unusual = {name: value for name, value in settings.items() if USUAL.get(name) != value}
    (root / PARAMETERS).write_text(json.dumps(unusual, indent=1) + "\n", encoding="utf-8")
