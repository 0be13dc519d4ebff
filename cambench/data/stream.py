"""Pixel source for everything else: decoded for every pass by the workers of a torch DataLoader, cut and resized by Pillow.

A crop, and what a pipeline of augmentations draws, follows from the plan and the row, so any number of workers gives the
same batches.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from cambench.geometry import Windows
from cambench.vocabulary import CambenchError, Dataset, UsageError

AT_ONCE = 32  # images whose headers are read before their windows are computed together
Answer = list[Tensor] | CambenchError


class Pictures(TorchDataset[Answer]):
    """Row numbers of a batch -> one uint8 tensor (N,H,W,3) a view and, with masks, the regions (N,H,W) int16 last; or the
    error that stopped it.

    An error is handed over, not raised: raised in a worker, its one line would come back buried in a traceback.
    """

    def __init__(self, dataset: Dataset, plan: Plan) -> None:
        self.dataset, self.plan = dataset, plan

    def __getitem__(self, rows: Rows) -> Answer:
        try:
            parts = [self.decode(rows[i : i + AT_ONCE]) for i in range(0, len(rows), AT_ONCE)]
            return [torch.from_numpy(np.concatenate(same_size(list(column)))) for column in zip(*parts, strict=True)]
        except CambenchError as e:
            return e

    def decode(self, rows: Rows) -> list[NDArray[np.uint8]]:
        """One array (N,H,W,3) a view and, with masks, the regions (N,H,W)."""
        banner = self.dataset.banner
        paths = [self.dataset.samples[row].path for row in rows]
        sizes = torch.tensor([decode.image_size(path, banner) for path in paths])
        views, masks, regions = self.plan.views.items(), self.plan.masks, []
        cuts = {name: self.plan.windows(rows, name, sizes[:, 1], sizes[:, 0]) for name, view in views if not view.augmented}
        arrays: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in self.plan.views}
        for i, (row, path) in enumerate(zip(rows, paths, strict=True)):
            picture = decode.load_image(path, banner)
            for name, view in views:
                if view.augmented:
                    arrays[name].append(augmented(picture, view, self.plan.seed_of(row, name))[None])
                    continue
                window, output = cuts[name][0][i : i + 1], cuts[name][1][i]
                if masks is not None and name == masks.view:
                    whole = torch.from_numpy(load_regions(self.dataset, row, masks.source))[None]
                    window, moved = focused(self.plan, (row,), whole)
                    regions.append(moved.numpy())
                arrays[name].append(cut(picture, window, (int(output[0]), int(output[1])))[None])
        masked = [np.concatenate(regions)] if regions else []
        return [np.concatenate(same_size(of_view)) for of_view in arrays.values()] + masked


def same_size(arrays: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """The arrays, if they fit into one batch.

    Raises: UsageError if the view gave images of several sizes.
    """
    shapes = sorted({a.shape[1:3] for a in arrays})
    if len(shapes) > 1:
        text = " and ".join(f"{w}x{h}" for h, w in shapes[:2])
        raise UsageError(f"a batch: expected images of one size, got {text}; use batches of 1, or another view than `full`.")
    return arrays


def cut(picture: Image.Image, windows: Windows, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The only window of `windows` out of the picture, resized to (height, width) = size and mirrored if it says so."""
    top, left, tall, wide = (float(v[0]) for v in (windows.top, windows.left, windows.height, windows.width))
    right, bottom = min(left + wide, picture.width), min(top + tall, picture.height)
    if windows.clipped:
        cropped = picture.crop((round(left), round(top), round(right), round(bottom)))
        resized = cropped.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    else:
        box = max(left, 0), max(top, 0), right, bottom
        resized = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box)
    array = np.asarray(resized)
    return array[:, ::-1] if bool(windows.flip[0]) else array


def pixels(dataset: Dataset, plan: Plan, device: torch.device, workers: int | None) -> Iterator[dict[str, Tensor]]:
    """For each batch of the plan, view name -> (N,3,H,W) float32 in [0,255] on the device, and with masks the regions.

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
        pixels = {name: to_float(x, device) for name, x in zip(plan.views, answer, strict=False)}
        yield pixels if plan.masks is None else {**pixels, REGIONS: answer[-1].to(device, non_blocking=True)}


@torch.no_grad()
def to_float(x: Tensor, device: torch.device) -> Tensor:
    """uint8 (N,H,W,3) -> float32 (N,3,H,W), contiguous, on the device."""
    return x.to(device, non_blocking=True).permute(0, 3, 1, 2).float().contiguous()
