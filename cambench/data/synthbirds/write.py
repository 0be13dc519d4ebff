"""The layout of CUB-200-2011: its tables from species and pictures, its images and segmentations.

Source: CGC spec §3.2, CALM spec §3. One departure: `attributes.txt`, which lies beside the official archive's folder, lies
in `attributes/`. One addition: `backgrounds.txt`, `<image id> <family>`.
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
    """One image as the tables describe it; `label` counts from 0, `number` from 1 within its class."""

    label: int
    number: int
    train: bool
    family: str
    name: str


def box(picture: Picture) -> tuple[float, float, float, float]:
    """The tight box of the segmentation as x, y, width, height: its pixels are [x, x+width) × [y, y+height)."""
    rows, columns = np.flatnonzero(picture.mask.any(1)), np.flatnonzero(picture.mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1 - columns[0]), float(rows[-1] + 1 - rows[0])


def save_picture(root: Path, row: Row, picture: Picture) -> None:
    """The JPEG (quality 95, full colour resolution), and its segmentation as a grey PNG of 0 and 255."""
    for folder in ("images", "segmentations"):
        (root / folder / row.name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.image).save(root / "images" / row.name, quality=95, subsampling=0)
    mask = Image.fromarray(picture.mask.astype(np.uint8) * np.uint8(255))
    mask.save((root / "segmentations" / row.name).with_suffix(".png"))


def part_lines(number: int, picture: Picture) -> list[str]:
    """The 15 lines of an image in part_locs.txt; an invisible part holds zeros."""
    spots = [(*picture.parts[name], 1) if name in picture.parts else (0.0, 0.0, 0) for name in PART_NAMES]
    return [f"{number} {part} {x:.1f} {y:.1f} {visible}" for part, (x, y, visible) in enumerate(spots, 1)]


def class_folder(label: int, species: Species) -> str:
    """`001.Common_Finch`."""
    return f"{label + 1:03d}.{species.name}"


def save_tables(
    root: Path, species: Sequence[Species], rows: Sequence[Row], boxes: Sequence[str], parts: Sequence[str]
) -> None:
    """Every table but the pictures themselves; `boxes` and `parts` are lines already."""
    numbered = list(enumerate(rows, 1))
    has = [attributes(s) for s in species]
    tables: dict[str, Sequence[str]] = {
        "images.txt": [f"{i} {row.name}" for i, row in numbered],
        "image_class_labels.txt": [f"{i} {row.label + 1}" for i, row in numbered],
        "train_test_split.txt": [f"{i} {int(row.train)}" for i, row in numbered],
        "backgrounds.txt": [f"{i} {row.family}" for i, row in numbered],
        "classes.txt": [f"{i + 1} {class_folder(i, s)}" for i, s in enumerate(species)],
        "bounding_boxes.txt": boxes,
        "parts/parts.txt": [f"{i} {name}" for i, name in enumerate(PART_NAMES, 1)],
        "parts/part_locs.txt": parts,
        "attributes/attributes.txt": [f"{i} {name}" for i, name in enumerate(NAMES, 1)],
        "attributes/class_attribute_labels_continuous.txt": [
            " ".join("100.0" if n in h else "0.0" for n in NAMES) for h in has
        ],
    }
    for name, lines in tables.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
