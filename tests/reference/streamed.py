"""Pixels of a view as the loader first made them: a whole picture converted, cut, resized, mirrored by numpy, normalised."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cambench.data.plan import Plan


def batch(paths: Sequence[Path], plan: Plan, name: str) -> Tensor:
    """The rows 0, 1, … of the paths through the plan's view: (N,3,H,W) float32, in whole-batch arithmetic."""
    view, pictures = plan.views[name], []
    for row, path in enumerate(paths):
        picture = Image.open(path).convert("RGB")
        width, height = picture.size
        window, sizes = plan.windows((row,), name, torch.tensor([height]), torch.tensor([width]))
        top, left, tall, wide = (float(v) for v in (window.top, window.left, window.height, window.width))
        box = (left, top, min(left + wide, width), min(top + tall, height))
        size = (int(sizes[0, 1]), int(sizes[0, 0]))
        if window.clipped:
            resized = picture.crop(tuple(round(edge) for edge in box)).resize(size, Image.Resampling.BILINEAR)
        else:
            resized = picture.resize(size, Image.Resampling.BILINEAR, (max(box[0], 0), max(box[1], 0), *box[2:]))
        array = np.array(resized)
        pictures.append(array[:, ::-1] if bool(window.flip) else array)
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    mean, std = (pixels.new_tensor(colours)[:, None, None] for colours in (view.mean, view.std))
    return ((pixels - mean) / std).contiguous()
