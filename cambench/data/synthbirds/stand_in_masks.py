"""Stand-ins for the masks of a segmentation model (SAM): simulated from the exact segmentations, no model has seen them.

A mask is the segmentation grown or shrunk by up to 6 % of the bird's size, and from half of them a piece is missing: the
segmentation model took a part for the whole. No mask is empty.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cambench.files import hidden
from cambench.seeds import derive

FOLDER = "sam"
MISSING = 0.5
"""How often a piece is missing."""


def write(root: Path, seed: int) -> None:
    """The folder `sam/` of a set: a grey PNG of 0 and 255 for every segmentation, named after its image alone.

    It is written under a temporary name and renamed, so a folder that exists is complete.
    """
    temporary = hidden(root / FOLDER)
    temporary.mkdir()
    try:
        for path in sorted((root / "segmentations").rglob("*.png")):
            with Image.open(path) as image:
                mask = np.asarray(image) > 0
            rng = np.random.default_rng(derive(seed, "synthbirds", "sam", path.stem))
            Image.fromarray(simulate(mask, rng).astype(np.uint8) * np.uint8(255)).save(temporary / path.name)
        temporary.replace(root / FOLDER)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def simulate(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A mask (S,S) as a segmentation model might give it; the exact one where nothing else would be left of it."""
    draws = rng.random(6)
    steps = round(float(draws[0]) * 0.06 * mask.sum() ** 0.5)
    image = Image.fromarray(mask.astype(np.uint8) * np.uint8(255))
    if steps:
        side = 2 * steps + 1
        image = image.filter(ImageFilter.MaxFilter(side) if draws[1] < 0.5 else ImageFilter.MinFilter(side))
    simulated: NDArray[np.bool_] = np.asarray(image) > 0
    if draws[2] < MISSING and simulated.any():
        rows, columns = np.nonzero(simulated)
        at = int(draws[3] * len(rows))
        y, x = np.indices(simulated.shape)
        reach = (0.15 + 0.2 * draws[4:]) * (np.ptp(rows) + 1, np.ptp(columns) + 1)
        simulated = simulated & (((y - rows[at]) / reach[0]) ** 2 + ((x - columns[at]) / reach[1]) ** 2 > 1)
    return simulated if simulated.any() else mask
