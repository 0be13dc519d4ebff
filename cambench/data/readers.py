"""What every reader of an official layout needs: files that must exist, numbered lines, numbers, boxes, listings.

Whatever is missing or malformed is a DataError of one line: the file and line, what was expected, what was got, the mend.
"""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from cambench.vocabulary import Box, BoxConvention, DataError, Sample, listed

IMAGES = frozenset({".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"})
AGAIN = "unpack the archive again"
LONGEST = 300
"""Characters of a file's own text in a message."""
FARTHEST = 1e9
"""The largest coordinate, in pixels: that of no box, and finite whatever is done with it."""
K = TypeVar("K")


def broken(place: object, expected: str, got: object) -> DataError:
    """The error of a file, or of a place in it, that is not what its layout promises."""
    return DataError(f"{place}: expected {expected}, got {shortened(str(got))}; {AGAIN}.")


def malformed(path: Path, line: int, expected: str, got: str) -> DataError:
    """The error of one line of a file."""
    return DataError(f"{path}:{line}: expected {expected}, got {shortened(got)!r}; mend the line or {AGAIN}.")


def shortened(text: str) -> str:
    """The beginning of a text that is too long for a message."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def type_of(value: object) -> str:
    """What a value of any size is, for messages: its type, and how many it holds."""
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, Sequence | Set | Mapping) else type(value).__name__


@contextmanager
def reading(place: Path) -> Iterator[None]:
    """What the system refuses inside: a file that may not be read, a name that is too long for it.

    Raises: DataError naming the file, or else the place.
    """
    try:
        yield
    except OSError as e:
        file, got = e.filename or place, shortened(e.strerror or str(e))
        raise DataError(f"{file}: expected a file that can be read, got: {got}; mend its name or rights.") from e


def need(path: Path) -> Path:
    """The path itself, if it exists.

    Raises: DataError naming it.
    """
    if not path.exists():
        raise DataError(f"{path}: expected by the official layout, found nothing there; {AGAIN}.")
    return path


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The non-empty lines of a text file with their numbers, from 1.

    Raises: DataError if the file is missing or no UTF-8 text.
    """
    try:
        text = need(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise broken(path, "UTF-8 text", f"byte {e.object[e.start]:#04x} at {e.start}") from e
    return ((i, line.strip("\r\n")) for i, line in enumerate(text.split("\n"), 1) if line.strip())


def entries(path: Path) -> list[str]:
    """The non-empty lines of a text file, without the blanks around them."""
    return [line.strip() for _, line in lines(path)]


def csv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with the numbers of their last lines, from 1.

    Raises: DataError as `lines`, or where a field is longer than Python's reader takes, as after a quote left open.
    """
    numbered = list(lines(path))
    reader = csv.reader(text for _, text in numbered)
    try:
        for row in reader:
            yield numbered[reader.line_num - 1][0], row
    except csv.Error as e:
        raise broken(f"{path}:{numbered[max(reader.line_num, 1) - 1][0]}", "a line of CSV", e) from e


def table(path: Path, columns: int, *, separator: str | None = None, rest: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file cut into exactly `columns` fields; with `rest` the last field keeps its separators."""
    for i, line in lines(path):
        fields = line.split(separator, columns - 1 if rest else -1)
        if len(fields) != columns:
            raise malformed(path, i, f"{columns} fields", line)
        yield i, [f.strip() for f in fields]


LARGEST = 2**27
"""Pixels of a picture: a small file may say that it holds more than the memory."""
LAST_CLASS = 999_999
"""The largest index of a class that a file may give: each below it has a name, which takes memory."""


def whole(text: str, path: Path, line: int, *, low: int = 0, high: int | None = None) -> int:
    """A whole number within [low, high]."""
    try:
        value = int(text)
    except ValueError:
        raise malformed(path, line, "a whole number", text) from None
    if value < low or (high is not None and value > high):
        raise malformed(path, line, f"a whole number from {low} to {high if high is not None else 'any'}", text)
    return value


def decimal(text: str, path: Path, line: int) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        raise malformed(path, line, "a number", text) from None
    if not math.isfinite(value):
        raise malformed(path, line, "a finite number", text)
    return value


def box(texts: Sequence[str], path: Path, line: int, convention: BoxConvention = "inclusive") -> Box:
    """A box of four finite numbers xmin, ymin, xmax, ymax that holds at least a pixel's width and height."""
    x0, y0, x1, y1 = (decimal(t, path, line) for t in texts)
    if empty((x0, y0, x1, y1), convention):
        raise malformed(path, line, "a box with xmin, ymin before xmax, ymax", " ".join(texts))
    return x0, y0, x1, y1


def box_of(corners: Sequence[float], place: object, convention: BoxConvention) -> Box:
    """A box of four numbers xmin, ymin, xmax, ymax, which `place` holds.

    Raises: DataError naming the place where it does not hold a pixel.
    """
    if len(corners) != 4 or empty((corners[0], corners[1], corners[2], corners[3]), convention):
        raise broken(place, "a box with xmin, ymin before xmax, ymax", tuple(corners))
    return corners[0], corners[1], corners[2], corners[3]


def empty(b: Box, convention: BoxConvention) -> bool:
    """True for a box that holds nothing, or lies nowhere."""
    if not all(abs(corner) <= FARTHEST for corner in b):
        return True
    left, top, right, bottom = half_open(b, convention)
    return right <= left or bottom <= top


def half_open(b: Box, convention: BoxConvention) -> Box:
    """The same box with 0-based corners, max being the first pixel outside: the form in which boxes are moved and drawn."""
    x0, y0, x1, y1 = b
    if convention == "inclusive":
        return x0, y0, x1 + 1, y1 + 1
    return (x0 - 1, y0 - 1, x1, y1) if convention == "one-based" else b


def is_image(name: str) -> bool:
    """True for a visible file with the suffix of a picture."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGES  # noqa: PTH122  (a million names)


def walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Every visible folder below one, itself included: its path with forward slashes ("" or "a/b/") and its files' names."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        check_names(place, [*folders, *files])
        prefix = Path(place).relative_to(folder).as_posix()
        yield "" if prefix == "." else f"{prefix}/", files


def check_names(place: str, names: Sequence[str]) -> None:
    """Raises: DataError for a name in a folder that is no UTF-8, with which no file of results could name its image."""
    try:
        "\n".join(names).encode()
    except UnicodeEncodeError:
        name = next(name for name in names if any("\ud800" <= c <= "\udfff" for c in name))
        raise DataError(f"{place}: expected names in UTF-8, got {os.fsencode(name)!r}; rename it.") from None


def images_in(folder: Path) -> list[str]:
    """Every picture below a folder as a relative path with forward slashes, sorted; [] if there is no such folder."""
    return sorted(f"{prefix}{name}" for prefix, files in walk(folder) for name in files if is_image(name))


def any_image(folder: Path, *, deep: bool = True) -> bool:
    """Whether there is a picture in a folder, or below it as `walk` goes; it looks no further than the first."""
    below = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                below += [] if entry.is_symlink() or entry.name.startswith(".") else [Path(entry.path)]
            elif is_image(entry.name):
                return True
    return deep and any(any_image(place) for place in below)


def other_files(folder: Path) -> list[Path]:
    """The visible files below a folder that are no pictures."""
    names = ((prefix, name) for prefix, files in walk(folder) for name in files if not name.startswith("."))
    return [folder / prefix / name for prefix, name in names if not is_image(name)]


def subfolders(folder: Path, *, hidden: bool = False) -> list[str]:
    """The names of the visible sub-folders, or of the hidden ones, sorted; [] if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(f.name for f in os.scandir(folder) if f.is_dir() and f.name.startswith(".") == hidden)


def require_images(named: Iterable[str], folder: Path, by: Path) -> None:
    """Every image that the file `by` names must lie in `folder`.

    Raises: DataError with the number of missing ones and the first of them.
    """
    present = set(images_in(need(folder)))
    missing = [name for name in named if name not in present]
    if missing:
        raise DataError(f"{by}: names images that are not in {folder}: {listed(missing, 1)}; {AGAIN}.")


def require_lines(path: Path, ids: Iterable[K], annotated: Container[K], source: str) -> None:
    """The file must have a line for each image of the file `source`.

    Raises: DataError with the number of missing ones and the first of them.
    """
    missing = [i for i in ids if i not in annotated]
    if missing:
        raise broken(path, f"a line for each image of {source}", f"none for {missing[0]} ({len(missing)} in all)")


def filled(samples: Iterable[Sample], source: Path, split: str) -> tuple[Sample, ...]:
    """The samples of a split, as the file or folder `source` lists them.

    Raises: DataError where there are none.
    """
    filled = tuple(samples)
    if not filled:
        raise broken(source, f"images of the split {split}", "none")
    return filled


def unpaired(place: Path, annotated: Iterable[str], images: Iterable[str], annotations: str, lacking: str) -> list[str]:
    """The problems of a set's audit where an annotation has no image, or an image no annotation, in the words given."""
    both = (
        (set(annotated) - set(images), f"{annotations} of images that are not there"),
        (set(images) - set(annotated), lacking),
    )
    return [f"{place}: {text}: {len(names)}, first {min(names)}" for names, text in both if names]


def distinct(names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """Class names for people: where several classes share one, each also says its id ("crane (n02012849)")."""
    shared = {name for name, n in Counter(names).items() if n > 1}
    return tuple(f"{name} ({i})" if name in shared else name for name, i in zip(names, ids, strict=True))
