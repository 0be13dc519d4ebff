"""Masks by a user's own Segment Anything: a PNG an image of a train split, for `data.masks = sam`.

Source: ContrastiveCAM Table 3, SAM; model and prompt are our choice (ContrastiveCAM protocol §3): ViT-H, the central pixel
as the only prompt, of the masks that it offers the one whose predicted IoU is highest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cambench import data
from cambench.data import decode
from cambench.data.masks import SAM
from cambench.data.regions import png_of
from cambench.extras import needed
from cambench.files import atomic_path
from cambench.lookup import canonical, nearest
from cambench.models.backbones import PYTHON
from cambench.models.python import find_function
from cambench.stages import workplace
from cambench.stages.progress import bar, say
from cambench.vocabulary import CambenchError, UsageError, number_of

Segment = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""An image (H,W,3) of red, green, blue -> (H,W), not zero where the object is."""
MODELS = {"vit-h": "sam_vit_h_4b8939.pth", "vit-l": "sam_vit_l_0b3195.pth", "vit-b": "sam_vit_b_01ec64.pth"}
"""Model -> the file of its released weights."""
RELEASED = "https://dl.fbaipublicfiles.com/segment_anything"
ASKED = "cambench data make sam-masks"


def make_masks(
    spec: str | None, root: Path, dest: Path | None, *, sam: str = "vit-h", weights: Path | None = None, device: str = "auto"
) -> Path:
    """Write the masks of a train split that are not there yet; returns their folder, by default `sam` of the set's root.

    sam: one of `MODELS`, or `python:MODULE:FUNCTION`, a `Segment` of one's own. Raises: UsageError for a model that is not
    there, CambenchError for a mask that is not of the image's size.
    """
    if spec is None:
        raise UsageError(f"{ASKED}: expected --dataset NAME, whose training images get masks, got none.")
    segment = segmenter(sam, weights, device)
    dataset = data.load(spec, "train", root)
    folder = dest or dataset.root / SAM
    folder.mkdir(parents=True, exist_ok=True)
    left = [sample for sample in dataset.samples if not png_of(sample, str(folder)).is_file()]
    empty = 0
    with bar(f"{dataset.name} masks", len(left)) as progress:
        for sample in left:
            image = decode.pixels(sample.path, dataset.banner)
            mask = np.asarray(segment(image)) != 0
            if mask.shape != image.shape[:2]:
                expected = f"a mask of {image.shape[1]}x{image.shape[0]} pixels"
                raise CambenchError(f"{ASKED}: {sample.id}: expected {expected} of {sam}, got shape {mask.shape}.")
            write(png_of(sample, str(folder)), mask)
            empty += not mask.any()
            progress.advance(1)
    say(f"{number_of(len(left), 'mask')} made, {len(dataset) - len(left)} were there; {empty} of the new ones show nothing")
    return folder


def write(path: Path, mask: NDArray[np.bool_]) -> None:
    """A mask as a PNG, white on the object; the file is whole or not there."""
    with atomic_path(path) as temporary:
        Image.fromarray(255 * mask.astype(np.uint8)).save(temporary, format="PNG")


def segmenter(sam: str, weights: Path | None, device: str) -> Segment:
    """The function that makes a mask of an image.

    Raises: UsageError for an unknown model, a package or a file of weights that is not there, saying how to obtain it.
    """
    if sam.startswith(PYTHON):
        return find_function(sam.removeprefix(PYTHON))
    name = canonical(sam)
    if name not in MODELS:
        raise UsageError(f"{ASKED} --sam: {nearest(sam, (*MODELS, 'python:MODULE:FUNCTION'), 'model')}")
    own = "or masks of your own: a PNG of each image's stem, not 0 on the object; or --sam python:MODULE:FUNCTION"
    needed("segment_anything", ASKED, own)
    if weights is None or not weights.is_file():
        got = "none" if weights is None else f"no file at {weights}"
        raise UsageError(f"{ASKED}: expected --weights {MODELS[name]} ({RELEASED}/{MODELS[name]}), got {got}; {own}.")
    return by_centre(name, weights, workplace.device(device))


def by_centre(name: str, weights: Path | None, device: str) -> Segment:
    """Segment Anything, asked for what the central pixel belongs to. weights: None leaves them random."""
    from segment_anything import SamPredictor, sam_model_registry  # type: ignore[import-not-found, import-untyped, unused-ignore]

    file = None if weights is None else str(weights)
    predictor = SamPredictor(sam_model_registry[name.replace("-", "_")](checkpoint=file).to(device).eval())

    def segment(image: NDArray[np.uint8]) -> NDArray[Any]:
        predictor.set_image(image)
        centre = np.array([[image.shape[1] / 2, image.shape[0] / 2]])
        masks, predicted_iou, _ = predictor.predict(point_coords=centre, point_labels=np.array([1]), multimask_output=True)
        best: NDArray[Any] = masks[int(np.argmax(predicted_iou))]
        return best

    return segment
