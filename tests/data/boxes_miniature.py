"""Boxes and masks beside one's own images, in miniature: VOC's XML and COCO's JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from data.miniatures import annotation

BOX = (3, 4, 10, 12)
SQUARE = [[3, 4, 11, 4, 11, 13, 3, 13]]
BITS = np.zeros((30, 40), dtype=int)
BITS[4:13, 3:11] = 1


def voc(path: Path, *names: str) -> Path:
    """An XML file with the box 3, 4, 10, 12 of each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(annotation([(name, BOX) for name in names]))
    return path


def instances(*images: tuple[str, str], size: tuple[int, int] | None = (40, 30), **more: Any) -> dict[str, Any]:
    """COCO's JSON with the box [3, 4, 8, 9] of one object an image. images: (file_name, category)."""
    categories = sorted({category for _, category in images})
    sides = {} if size is None else {"width": size[0], "height": size[1]}
    return {
        "images": [{"id": 7 + i, "file_name": name, **sides} for i, (name, _) in enumerate(images)],
        "categories": [{"id": 3 + i, "name": name} for i, name in enumerate(categories)],
        "annotations": [
            {"id": 50 + i, "image_id": 7 + i, "category_id": 3 + categories.index(name), "bbox": [3, 4, 8, 9], **more}
            for i, (_, name) in enumerate(images)
        ],
    }


def put(path: Path, held: Any) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held))
    return path
