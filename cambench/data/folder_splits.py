"""Which sub-folders of anyone's own images are splits: those with a usual name, in any case, that hold class folders.

A folder of such a name that holds pictures itself is a class of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cambench.data import readers
from cambench.vocabulary import DataError

NAMES = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "testing"),
}
"""Split -> the names that its folder goes by; `train2017`, `training_set` and `test images` are such names, too."""
SPLIT = {name: split for split, names in NAMES.items() for name in names}
NAMED = re.compile(rf"({'|'.join(sorted(SPLIT, key=len, reverse=True))})[\W_\d]*(set|images|data|split)?[\W_\d]*")
ALL = "all"


def split_of(name: str) -> str | None:
    """The split that a folder of this name holds, None where it is no usual one."""
    match = NAMED.fullmatch(name.lower())
    return None if match is None else SPLIT[match[1]]


def split_among(names: Iterable[str]) -> str | None:
    """The split that the first of the names that is one of a split means; None where none is."""
    return next(filter(None, map(split_of, names)), None)


def parts(root: Path) -> dict[str, str]:
    """Split -> the folder that holds it, in the order train, val, test; {} where the sub-folders of `root` are its classes.

    Raises: DataError for two folders of one split, for a folder beside the splits that has their class folders but no
    name of a split, for a picture beside the class folders of a split, and for classes beside a split.
    """
    folders: dict[str, str] = {}
    others = []
    refuse_stray(root)
    for name in readers.subfolders(root):
        split = split_of(name)
        if split is None or not holds_classes(root / name):
            others.append(name)
        elif split in folders:
            both = f"{folders[split]}/ and {name}/"
            raise DataError(f"{root}: expected one folder of the split {split}, got {both}; keep one.")
        else:
            folders[split] = name
    if folders:
        refuse_unknown(root, folders, others)
    return {split: folders[split] for split in NAMES if split in folders}


def refuse_stray(root: Path) -> None:
    """Raises: DataError naming a picture beside class folders in a folder of a split's name, where another such folder has
    one of these classes: it is a split then, and no class of that name.
    """
    named = {name: set(class_folders(root / name)) for name in readers.subfolders(root) if split_of(name)}
    for name, classes in named.items():
        shared = any(classes & others for other, others in named.items() if other != name)
        if shared and readers.any_image(root / name, deep=False):
            stray = next(image for image in readers.images_in(root / name) if "/" not in image)
            raise DataError(
                f"{root / name / stray}: expected the pictures of a split in its class folders, got one beside them; "
                "move it into its class's folder, or away."
            )


def refuse_unknown(root: Path, folders: dict[str, str], others: list[str]) -> None:
    """Raises: DataError where a folder beside the splits looks like one more, or makes them look like classes."""
    classes = {name for folder in folders.values() for name in class_folders(root / folder)}
    for name in others:
        shared = sorted(classes & set(class_folders(root / name)))
        if shared:
            raise DataError(
                f"{root / name}: expected a split's usual name ({', '.join(SPLIT)}, in any case) of a folder with the class "
                f"{shared[0]!r}, got {name!r}; rename it or move it away."
            )
    beside = [name for name in others if readers.any_image(root / name)]
    if beside and not ("train" in folders and len(folders) > 1):
        raise DataError(
            f"{root}: expected splits (train/ and val/ or test/) or classes, got the split "
            f"{', '.join(folders.values())} beside {', '.join(beside[:3])}; move one kind "
            "away, or rename a class that is called as a split."
        )


def class_folders(folder: Path) -> list[str]:
    """The sub-folders with a picture, sorted."""
    return [name for name in readers.subfolders(folder) if readers.any_image(folder / name)]


def holds_classes(folder: Path) -> bool:
    """Whether a folder has pictures in sub-folders and none of its own."""
    return not readers.any_image(folder, deep=False) and bool(class_folders(folder))


def splits(root: Path) -> tuple[str, ...]:
    """`all`, or the splits that are there; the last one is for evaluation.

    Raises: DataError where there are neither splits nor classes.
    """
    names = tuple(parts(root)) or (ALL,)
    if names == (ALL,) and not class_folders(root):
        raise no_classes(root)
    return names


def no_classes(folder: Path) -> DataError:
    """The refusal of a folder without a class."""
    suffixes = " ".join(sorted(readers.IMAGES))
    return DataError(f"{folder}: expected a sub-folder a class with images ({suffixes}), got none; see datasets/README.md.")


def place(root: Path, split: str) -> Path:
    """The folder whose sub-folders are the classes of a split."""
    return root if split == ALL else root / parts(root)[split]
