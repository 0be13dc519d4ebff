"""Pixel source for everything else: decoded for every pass by the workers of a torch DataLoader, cut and resized by Pillow.

A crop, and what a pipeline of augmentations draws, follows from the plan and the row, so any number of workers gives the
same batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from cambench.data import decode
from cambench.data.augment import augmented
from cambench.data.masks import REGIONS, focused
from cambench.data.plan import Plan, Rows
from cambench.data.regions import load_regions
from cambench.geometry import BILINEAR, Windows
from cambench.vocabulary import CambenchError, Dataset, UsageError

AT_ONCE = 32  # images whose headers are read before their windows are computed together
Answer = list[Tensor] | CambenchError


class Pictures(TorchDataset[Answer]):
    """Row numbers of a batch -> one uint8 tensor (N,3,H,W) a view and, with masks, the regions (N,H,W) int16 last; or the
    error that stopped it.

    An error is handed over, not raised: raised in a worker, its one line would come back buried in a traceback.
    """

    def __init__(self, dataset: Dataset, plan: Plan) -> None:
        self.dataset, self.plan = dataset, plan

    def __getitem__(self, rows: Rows) -> Answer:
        views: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in self.plan.views}
        regions: list[Tensor] = []
        try:
            for i in range(0, len(rows), AT_ONCE):
                self.decode(rows[i : i + AT_ONCE], views, regions)
            return [together(arrays) for arrays in views.values()] + ([torch.cat(regions)] if regions else [])
        except CambenchError as e:
            return e

    def decode(self, rows: Rows, views: dict[str, list[NDArray[np.uint8]]], regions: list[Tensor]) -> None:
        """Append the rows' pictures (H,W,3) through each view and, with masks, their regions (1,H,W)."""
        plan, banner, masks = self.plan, self.dataset.banner, self.plan.masks
        paths = [self.dataset.samples[row].path for row in rows]
        with ExitStack() as files:
            images = [files.enter_context(decode.header(path)) for path in paths]
            heights, widths = torch.tensor([decode.size_of(image, banner)[::-1] for image in images]).unbind(1)
            cuts = {name: plan.windows(rows, name, heights, widths) for name, v in plan.views.items() if not v.augmented}
            for i, row in enumerate(rows):
                with decode.reading(paths[i]):
                    picture = decode.rgb(images[i], banner)
                for name, view in plan.views.items():
                    if view.augmented:
                        views[name].append(augmented(picture, view, plan.seed_of(row, name)))
                        continue
                    window, size = cuts[name][0][i : i + 1], cuts[name][1][i]
                    if masks is not None and name == masks.view:
                        whole = torch.from_numpy(load_regions(self.dataset, row, masks.source))[None]
                        window, moved = focused(plan, (row,), whole)
                        regions.append(moved)
                    views[name].append(cut(picture, window, (int(size[0]), int(size[1])), view.interpolation))


def together(arrays: list[NDArray[np.uint8]]) -> Tensor:
    """Pictures (H,W,3) of one size as (N,3,H,W).

    Raises: UsageError if the view gave images of several sizes.
    """
    shapes = sorted({a.shape[:2] for a in arrays})
    if len(shapes) > 1:
        text = " and ".join(f"{w}x{h}" for h, w in shapes[:2])
        raise UsageError(f"a batch: expected images of one size, got {text}; use batches of 1, or another view than `full`.")
    pixels = np.empty((len(arrays), 3, *shapes[0]), np.uint8)
    np.stack([a.transpose(2, 0, 1) for a in arrays], out=pixels)
    return torch.from_numpy(pixels)


def cut(picture: Image.Image, windows: Windows, size: tuple[int, int], interpolation: str = BILINEAR) -> NDArray[np.uint8]:
    """The only window of `windows` out of the picture, resized to (height, width) = size and mirrored if it says so."""
    resampling = Image.Resampling[interpolation.upper()]
    top, left, tall, wide = (float(v[0]) for v in (windows.top, windows.left, windows.height, windows.width))
    right, bottom = min(left + wide, picture.width), min(top + tall, picture.height)
    if windows.clipped:
        cropped = picture.crop((round(left), round(top), round(right), round(bottom)))
        resized = cropped.resize((size[1], size[0]), resampling)
    else:
        box = max(left, 0), max(top, 0), right, bottom
        resized = picture.resize((size[1], size[0]), resampling, box)
    if bool(windows.flip[0]):  # Pillow mirrors its pixels of four bytes six times faster than numpy those of three
        resized = resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(resized)


def pixels(dataset: Dataset, plan: Plan, device: torch.device, workers: int | None) -> Iterator[dict[str, Tensor]]:
    """For each batch of the plan, view name -> (N,3,H,W) uint8 on the device, and with masks the regions.

    Raises: DataError naming an unreadable image.
    """
    count = min(decode.default_workers() if workers is None else workers, len(plan.batches))
    loader = DataLoader(
        Pictures(dataset, plan),
        batch_size=None,
        sampler=plan.batches,  # type: ignore[arg-type]  # any sequence of indices will do; ours are tuples of rows
        num_workers=count,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or the loader would take a number from the global generator at every pass
    )
    for answer in loader:
        if isinstance(answer, CambenchError):
            raise answer
        pixels = {name: x.to(device, non_blocking=True) for name, x in zip(plan.views, answer, strict=False)}
        yield pixels if plan.masks is None else {**pixels, REGIONS: answer[-1].to(device, non_blocking=True)}
