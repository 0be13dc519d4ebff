"""Oxford-IIIT Pets: 37 breeds, or cat and dog, with trimaps. `train` is the official trainval (ContrastiveCAM protocol §3).

Only the list files count: the folders hold pictures that no list names, `.mat` and `._*` files. Some `.jpg` files are of
other formats; Pillow reads what they hold. The XML files are not read: their boxes are of heads, and most images have none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cambench.data import readers
from cambench.vocabulary import Dataset, Sample

LISTS = {"train": "trainval.txt", "test": "test.txt"}
SPECIES = ("cat", "dog")


@dataclass(frozen=True)
class Line:
    """One line of a list: image name, class from 0, species (0 cat, 1 dog), and the file and line for messages."""

    name: str
    label: int
    species: int
    path: Path
    number: int

    @property
    def breed(self) -> str:
        """`great_pyrenees_12` -> "great pyrenees"."""
        return self.name.rpartition("_")[0].replace("_", " ")


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`) of the 37 breeds in the order of its list; class index: the list's class − 1.

    Raises: DataError naming the file and line that are missing or malformed, or the images that are not there.
    """
    lists = {name: read_list(root / "annotations" / file) for name, file in LISTS.items()}
    classes = breeds([line for lines in lists.values() for line in lines])
    lines = lists[split]
    readers.require_images([f"{line.name}.jpg" for line in lines], root / "images", root / "annotations" / LISTS[split])
    samples = tuple(
        Sample(line.name, root / "images" / f"{line.name}.jpg", line.label, segmentation=trimap(root, line.name))
        for line in lines
    )
    return Dataset("pets", split, root, classes, samples, segments="trimap")


def read_binary(root: Path, split: str) -> Dataset:
    """The same images as cat (0) and dog (1), by the species of the list."""
    dataset = read(root, split)
    species = {line.name: line.species for line in read_list(root / "annotations" / LISTS[split])}
    samples = tuple(replace(s, label=species[s.id]) for s in dataset.samples)
    return replace(dataset, name="pets-binary", classes=SPECIES, samples=samples)


def read_list(path: Path) -> list[Line]:
    """`<name> <class 1..> <species 1 cat, 2 dog> <breed within its species>`; lines that begin with # are comments.

    Raises: DataError for a malformed line, or a list without images.
    """
    lines = []
    for number, text in readers.lines(path):
        if text.startswith("#"):
            continue
        fields = text.split()
        if len(fields) != 4:
            raise readers.malformed(path, number, "4 fields", text)
        label, species, _ = (readers.whole(n, path, number, low=1, high=readers.LAST_CLASS) for n in fields[1:])
        if species > len(SPECIES):
            raise readers.malformed(path, number, "the species 1 (cat) or 2 (dog)", fields[2])
        lines.append(Line(fields[0], label - 1, species - 1, path, number))
    if not lines:
        raise readers.broken(path, "lines of images", "none")
    return lines


def breeds(lines: list[Line]) -> tuple[str, ...]:
    """The class names by their index, from the image names.

    Raises: DataError for a class with several breeds or species, or a class that no line has.
    """
    examples: dict[int, Line] = {}
    for line in lines:
        first = examples.setdefault(line.label, line)
        if (first.breed, first.species) != (line.breed, line.species):
            expected = f"the breed {first.breed} ({SPECIES[first.species]}) of class {line.label + 1}"
            raise readers.malformed(line.path, line.number, expected, f"{line.breed} ({SPECIES[line.species]})")
    if missing := sorted(set(range(max(examples) + 1)) - set(examples)):
        raise readers.broken(lines[0].path.parent, f"images of class {missing[0] + 1}", "none")
    return readers.distinct([examples[i].breed for i in sorted(examples)], [str(i + 1) for i in sorted(examples)])


def trimap(root: Path, name: str) -> Path | None:
    """The trimap of an image, None where it was not unpacked."""
    path = root / "annotations" / "trimaps" / f"{name}.png"
    return path if path.is_file() else None
