"""Files -> pixels: images as RGB, masks as bool, sizes without decoding. What cannot be read is a DataError naming the file.

Orientation tags are ignored, as the papers' loaders do: boxes are given in stored pixels. One's own images, whose boxes may
be of upright pictures, are an exception (`UPRIGHT`).
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cambench.data import arrays, coco, matlab, readers
from cambench.vocabulary import IGNORED, DataError, Sample

BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
ORIENTATION = 0x0112
UPRIGHT = -1
"""In the place of a banner: none, but the picture is turned upright as its orientation tag says."""
TURNED = (5, 6, 7, 8)
"""The orientations in which the picture stands upright only when its sides are exchanged."""
# Pillow warns of fewer pixels than `readers.LARGEST`.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
VOC_CLASSES = 20
CLASSES = 2**15
"""Those that the numbers of a label map tell apart."""
DEEP = ("F", "I", "I;16", "I;16L", "I;16B", "I;16N")


def default_workers() -> int:
    """min(8, cores this process may use)."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong inside with an image file. Raises: DataError naming it where it is missing, no image, or broken."""
    try:
        yield
    except BROKEN as e:
        reason = str(e).replace(f" {str(path)!r}", "").replace(str(path), "").replace("\n", " ").strip() or type(e).__name__
        raise DataError(f"{path}: expected a readable image, got: {reason}; replace it or {readers.AGAIN}.") from e


def header(path: Path) -> Image.Image:
    """The image file, its header read and its pixels not yet decoded; or a picture of a file that holds many (`arrays`).

    Raises: DataError if it is missing, no image, or broken.
    """
    with reading(path):
        if arrays.inside(path):
            return arrays.picture(path)
        image = Image.open(path)
        if image.width * image.height > readers.LARGEST:
            raise ValueError(f"{image.width}x{image.height} pixels, more than {readers.LARGEST:,} in all")
        return image


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """As `header`, closed on leaving. Raises: DataError also where decoding it inside fails."""
    with reading(path), header(path) as image:
        yield image


def image_size(path: Path, banner: int = 0) -> tuple[int, int]:
    """(width, height) of the picture by the file's header, without the banner."""
    with opened(path) as image:
        return size_of(image, banner)


def size_of(image: Image.Image, banner: int = 0) -> tuple[int, int]:
    """(width, height) of an image file's picture, without the banner or upright."""
    if banner == UPRIGHT:
        return image.size if tag_of(image) not in TURNED else (image.height, image.width)
    return image.width, image.height - banner


def tag_of(image: Image.Image) -> int:
    """The EXIF orientation tag, 1 (upright) without a tag."""
    return int(image.getexif().get(ORIENTATION, 1))


def orientation(path: Path) -> int:
    """The EXIF orientation tag of a file, which decoding ignores but for `UPRIGHT`."""
    with opened(path) as image:
        return tag_of(image)


def load_image(path: Path, banner: int = 0) -> Image.Image:
    """The whole picture in RGB, without the banner."""
    with opened(path) as image:
        return rgb(image, banner)


def rgb(image: Image.Image, banner: int = 0) -> Image.Image:
    """Decode as 8-bit RGB: grey is repeated, deep grey is scaled (`eight_bits`), CMYK is converted, alpha is dropped.

    Raises: ValueError where the banner leaves nothing, or where deep grey leaves its range.
    """
    if banner == UPRIGHT:
        image, banner = ImageOps.exif_transpose(image), 0
    if image.height <= banner:
        raise ValueError(f"{image.height} rows, of which the lower {banner} are no picture")
    if banner:
        image = image.crop((0, 0, image.width, image.height - banner))
    if image.mode in DEEP:
        image = Image.fromarray(eight_bits(np.asarray(image)))
    if image.mode == "P":  # a palette may carry transparency, which only RGBA takes without a warning
        image = image.convert("RGBA")
    if image.mode != "RGB":
        return image.convert("RGB")
    image.load()
    return image


def eight_bits(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey of 16 bits, v/257, or of floating-point numbers in [0, 1], 255·v, each rounded half up: (H,W) -> (H,W) uint8.

    Raises: ValueError for values outside the range: which of them is white is then unknown.
    """
    white = 1 if grey.dtype.kind == "f" else 65535
    low, high = grey.min(), grey.max()
    if not (low >= 0 and high <= white):
        kind = "floating-point" if white == 1 else "integer"
        raise ValueError(f"{kind} values from {low:g} to {high:g} where those of a grey image lie in 0 to {white}")
    scaled: NDArray[np.uint8] = np.floor(grey.astype(np.float64) * (255 / white) + 0.5).astype(np.uint8)
    return scaled


def pixels(path: Path, banner: int = 0) -> NDArray[np.uint8]:
    """(H,W,3) uint8."""
    return np.asarray(load_image(path, banner))


def above(threshold: int) -> Callable[[Path], NDArray[np.bool_]]:
    """A reader of grey masks: True above `threshold`.

    CUB's masks are graded by how many annotators agreed; above 0 is the union, as CALM's code takes it.
    """

    def read(path: Path) -> NDArray[np.bool_]:
        with opened(path) as image:
            return np.asarray(image.convert("L")) > threshold

    return read


def trimap(path: Path) -> NDArray[np.bool_]:
    """Oxford-IIIT Pets: 1 pet, 2 background, 3 border; pet and border are the object (ContrastiveCAM protocol §3)."""
    with opened(path) as image:
        mask: NDArray[np.bool_] = np.asarray(image) != 2
        return mask


def numbered(path: Path) -> NDArray[np.int16]:
    """A grey PNG of class numbers: 0 none, k + 1 is class k."""
    with opened(path) as image:
        return np.asarray(image).astype(np.int16) - 1


def sbd(path: Path) -> NDArray[np.int16]:
    """SBD's class segmentation, `GTcls.Segmentation` of a .mat file: 0 none, k + 1 is class k of 20."""
    ground_truth = matlab.structs(path, "GTcls", {"Segmentation": object})
    if len(ground_truth) != 1:
        raise readers.broken(path, "one GTcls", len(ground_truth))
    regions, expected = ground_truth[0]["Segmentation"], f"a map (H,W) of uint8 from 0 to {VOC_CLASSES}"
    if not isinstance(regions, np.ndarray) or regions.ndim != 2 or regions.dtype != np.uint8:
        got = f"{regions.dtype} {regions.shape}" if isinstance(regions, np.ndarray) else readers.type_of(regions)
        raise readers.broken(path, f"GTcls.Segmentation to be {expected}", got)
    if regions.max(initial=0) > VOC_CLASSES:
        raise readers.broken(path, f"GTcls.Segmentation to be {expected}", f"one up to {regions.max()}")
    return regions.astype(np.int16) - 1


COCO = "coco"
"""The kind of segmentation that is a path within a JSON file (`coco.mask`)."""
SEGMENTATIONS: dict[str, Callable[[Path], NDArray[Any]]] = {
    "above-0": above(0),
    "above-127": above(127),
    "trimap": trimap,
    "classes": numbered,
    "sbd": sbd,
    COCO: coco.mask,
}
"""Kind of segmentation file -> its reader: (H,W) bool, True on the object of the sample's label, or (H,W) int16, the class
that each pixel shows, −1 where it shows none."""


INSTANCES = "instances"
"""The kind of segmentation that is a mask an instance, of any size, and a mask of what to ignore: `load_instances`."""


def load_regions(sample: Sample, kind: str) -> NDArray[np.int16]:
    """(H,W) int16: the class that each pixel of a sample shows by its segmentation file, −1 where it shows none.

    Raises: DataError if the sample has no segmentation or its file cannot be read.
    """
    if kind == INSTANCES:
        width, height = image_size(sample.path)
        return load_instances(sample, (height, width))
    regions = SEGMENTATIONS[kind](segmentation(sample))
    return painted(regions, sample.label) if regions.dtype == np.bool_ else regions.astype(np.int16)


def load_instances(sample: Sample, size: tuple[int, int]) -> NDArray[np.int16]:
    """The label where any instance's mask is above 0.5, −2 where only the mask to ignore is, −1 elsewhere: (*size) int16.

    Each mask is resized by itself, nearest neighbour as OpenCV chooses it. Source: WSOL benchmark (CALM protocol §2.6).
    Raises: as `load_regions`.
    """
    shown = np.zeros(size, dtype=np.bool_)
    for path in (segmentation(sample), *sample.instances):
        shown |= nearest(above(0)(path), size)  # a grey value above 0.5 is one above 0
    ignored = np.zeros(size, dtype=np.bool_) if sample.ignore is None else nearest(above(0)(sample.ignore), size)
    regions = painted(shown, sample.label)
    regions[ignored & ~shown] = IGNORED
    return regions


def painted(shown: NDArray[np.bool_], label: int) -> NDArray[np.int16]:
    """The label where it is shown, −1 elsewhere. Raises: DataError for a label that 16 bits do not hold."""
    if label >= CLASSES:
        raise DataError(f"class {label}: expected one below {CLASSES:,} where regions are looked at; name fewer classes.")
    return np.where(shown, label, -1).astype(np.int16)


def nearest(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H,W) -> (*size), nearest neighbour as OpenCV's INTER_NEAREST chooses it."""
    rows, columns = (nearest_pixels(n, s) for n, s in zip(mask.shape, size, strict=True))
    return mask[rows[:, None], columns]


def nearest_pixels(n: int, size: int) -> NDArray[np.int64]:
    """The source pixel ⌊x·(1/(size/n))⌋ of each of `size` pixels, n those of the source, in float64: (size,).

    ⌊x·n/size⌋, exact, is another one for 95 of the sizes 30 to 1399 at 224. Source: OpenCV (CALM protocol §2.6).
    """
    pixels: NDArray[np.int64] = np.minimum(np.floor(np.arange(size) * (1 / (size / n))), n - 1).astype(np.int64)
    return pixels


def segmentation(sample: Sample) -> Path:
    """The sample's segmentation file.

    Raises: DataError if it has none.
    """
    if sample.segmentation is None:
        raise DataError(f"{sample.path}: expected a segmentation, got none; unpack the archive of segmentations.")
    return sample.segmentation
