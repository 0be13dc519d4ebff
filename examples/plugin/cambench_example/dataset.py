"""A data set: how it is made (or obtained) and read, and what is trained on it where a recipe does not know it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cambench.data import DatasetEntry


def make(dest: Path, *, per_class: int = 16, test_per_class: int = 8, size: int = 32, seed: int = 0) -> None:
    """Write grey noise with one bright disc or square a picture, and its box, in the layout of one's own images."""
    random, boxes = np.random.default_rng(seed), ["image,xmin,ymin,xmax,ymax"]
    for split, count in (("train", per_class), ("test", test_per_class)):
        for number in range(2 * count):
            kind, side = ("disc", "square")[number % 2], int(random.integers(size // 4, size // 2))
            left, top = random.integers(0, size - side, 2).tolist()
            picture = Image.fromarray(random.integers(0, 128, (size, size, 3), dtype=np.uint8))
            draw, box = ImageDraw.Draw(picture), (left, top, left + side - 1, top + side - 1)
            (draw.ellipse if kind == "disc" else draw.rectangle)(box, fill=(255, 200, 0))
            path = Path(split, kind, f"{number}.png")
            (dest / path).parent.mkdir(parents=True, exist_ok=True)
            picture.save(dest / path)
            boxes.append(",".join(map(str, (path.as_posix(), *box))))
    (dest / "boxes.csv").write_text("\n".join(boxes))


SHAPES = DatasetEntry(
    reader="cambench.data.folder:read",  # or a function (root, split) -> cambench.vocabulary.Dataset
    title="shapes: discs and squares on noise, with exact boxes",
    splits=("train", "test"),
    obtain="made on first use, or with `cambench data make shapes`",
    licence="MIT",
    layout="shapes/{train,test}/{disc,square}/*.png, boxes.csv",
    folders=("shapes",),
    anchors=("boxes.csv",),
    images=("train", "test"),
    classes=2,
    make=make,
    arch="resnet8",
    size=32,
    batch_size=8,
)
