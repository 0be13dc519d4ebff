"""The layout of CUB-200-2011: its tables from species and pictures, its images and segmentations.

Source: CGC protocol §3.2, CALM protocol §3. One departure: `attributes.txt`, which lies beside the official archive's
folder, lies in `attributes/`. Additions: `backgrounds.txt`, `<image id> <family>`; where a picture has several birds,
`labels.txt`, `<image id> <class> …`, and segmentations of class numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from cambench.data.synthbirds.attributes import NAMES, Species, attributes
from cambench.data.synthbirds.picture import PART_NAMES, Picture


@dataclass(frozen=True)
class Row:
    """One image as the tables describe it; `label` counts from 0, `number` from 1 within its class.

    members: class and species of each of its birds, that of `label` first.
    """

    label: int
    number: int
    train: bool
    family: str
    name: str
    members: tuple[tuple[int, Species], ...]

    @property
    def lowest(self) -> int:
        """The lowest class among its birds."""
        return min(k for k, _ in self.members)


def box(picture: Picture) -> tuple[float, float, float, float]:
    """The tight box of the segmentation as x, y, width, height: its pixels are [x, x+width) × [y, y+height)."""
    rows, columns = np.flatnonzero(picture.mask.any(1)), np.flatnonzero(picture.mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1 - columns[0]), float(rows[-1] + 1 - rows[0])


def save_picture(root: Path, row: Row, picture: Picture) -> None:
    """The JPEG (quality 95, full colour resolution), and its segmentation as a grey PNG: 0 and 255, or class + 1."""
    for folder in ("images", "segmentations"):
        (root / folder / row.name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.image).save(root / "images" / row.name, quality=95, subsampling=0)
    regions = picture.mask.astype(np.uint8) * np.uint8(255) if picture.regions is None else picture.regions
    Image.fromarray(regions).save((root / "segmentations" / row.name).with_suffix(".png"))


def part_lines(number: int, picture: Picture) -> list[str]:
    """The 15 lines of an image in part_locs.txt; an invisible part holds zeros."""
    spots = [(*picture.parts[name], 1) if name in picture.parts else (0.0, 0.0, 0) for name in PART_NAMES]
    return [f"{number} {part} {x:.1f} {y:.1f} {visible}" for part, (x, y, visible) in enumerate(spots, 1)]


def class_folder(label: int, name: str) -> str:
    """`001.Common_Finch`."""
    return f"{label + 1:03d}.{name}"


def save_lines(root: Path, name: str, lines: Sequence[str]) -> None:
    """One table."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def save_tables(root: Path, classes: Sequence[str], rows: Sequence[Row], boxes: Sequence[str]) -> None:
    """The tables that every set has; `boxes` are lines already."""
    numbered = list(enumerate(rows, 1))
    save_lines(root, "images.txt", [f"{i} {row.name}" for i, row in numbered])
    save_lines(root, "image_class_labels.txt", [f"{i} {row.lowest + 1}" for i, row in numbered])
    save_lines(root, "train_test_split.txt", [f"{i} {int(row.train)}" for i, row in numbered])
    save_lines(root, "backgrounds.txt", [f"{i} {row.family}" for i, row in numbered])
    save_lines(root, "classes.txt", [f"{i + 1} {class_folder(i, name)}" for i, name in enumerate(classes)])
    save_lines(root, "bounding_boxes.txt", boxes)


def save_parts(root: Path, lines: Sequence[str]) -> None:
    """The names of the key points, and where each lies."""
    save_lines(root, "parts/parts.txt", [f"{i} {name}" for i, name in enumerate(PART_NAMES, 1)])
    save_lines(root, "parts/part_locs.txt", lines)


def save_labels(root: Path, rows: Sequence[Row]) -> None:
    """`labels.txt`: every class of an image, ascending."""
    labels = [" ".join(str(k + 1) for k, _ in sorted(row.members, key=lambda m: m[0])) for row in rows]
    save_lines(root, "labels.txt", [f"{i} {text}" for i, text in enumerate(labels, 1)])


def save_attributes(root: Path, species: Sequence[Species]) -> None:
    """The names of the attributes, and which each class has."""
    save_lines(root, "attributes/attributes.txt", [f"{i} {name}" for i, name in enumerate(NAMES, 1)])
    has = [attributes(s) for s in species]
    matrix = [" ".join("100.0" if n in h else "0.0" for n in NAMES) for h in has]
    save_lines(root, "attributes/class_attribute_labels_continuous.txt", matrix)
