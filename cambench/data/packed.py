"""Pixel source for small images of one size: decoded once into a memory-mapped array, then cut and resized on the device."""

from __future__ import annotations

import errno
import logging
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from cambench import geometry
from cambench.data import decode
from cambench.data.masks import REGIONS, focused
from cambench.data.plan import Masks, Plan, Rows
from cambench.data.regions import load_regions
from cambench.files import replacing
from cambench.vocabulary import CambenchError, Dataset

LIMIT = 4 * 2**30
CHUNK = 256
PROBES = 64
RESIDENT = 0.25
log = logging.getLogger("cambench.data")
Load = Callable[[int], NDArray[Any]]
"""Row -> its pixels, or its regions."""


def packed_array(dataset: Dataset, cache: Path, *, limit: int = LIMIT) -> Tensor | None:
    """All pictures as uint8 (N,H,W,3), memory-mapped from `cache` and decoded into it on first use.

    None where the pictures differ in size or would take more than `limit` bytes.
    Raises: DataError naming an unreadable image; CambenchError if the cache is damaged or its disk full.
    """
    path = cache / f"{dataset.fingerprint}.npy"
    mixed = path.with_suffix(".mixed")
    if not path.exists():
        if mixed.exists():
            return None
        size = uniform_size(dataset)
        if size is None or len(dataset) * size[0] * size[1] * 3 > limit:
            return None
        cache.mkdir(parents=True, exist_ok=True)
        log.info("decoding %d images of %dx%d into %s", len(dataset), size[1], size[0], path)
        paths = [sample.path for sample in dataset.samples]
        try:
            write(path, (len(dataset), *size, 3), np.uint8, lambda row: decode.pixels(paths[row], dataset.banner))
        except MismatchError as e:
            mixed.write_text(f"{paths[e.row]}: another size than {size[1]}x{size[0]}\n", encoding="utf-8")
            return None
    return opened(path, len(dataset))


def opened(path: Path, n: int, dtype: type[np.generic] = np.uint8, ndim: int = 4) -> Tensor:
    """The array of a finished file. Copy-on-write, so that torch may share the memory; nothing writes."""
    try:
        array = np.load(path, mmap_mode="c")
        if array.dtype != dtype or array.ndim != ndim or len(array) != n:
            raise ValueError(f"{array.dtype} of shape {array.shape}")
    except (ValueError, OSError, EOFError) as e:
        raise CambenchError(f"{path}: expected the pixels of {n} images, got {e}; delete the file, it is made again.") from e
    return torch.from_numpy(array)


def uniform_size(dataset: Dataset) -> tuple[int, int] | None:
    """(height, width) if the headers of up to 64 evenly spaced images agree, else None."""
    step = max(1, len(dataset) // PROBES)
    sizes = {decode.image_size(sample.path, dataset.banner) for sample in dataset.samples[::step]}
    if len(sizes) != 1:
        return None
    width, height = sizes.pop()
    return height, width


class MismatchError(Exception):
    """Row `row` is of another shape than the array."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def write(path: Path, shape: tuple[int, ...], dtype: type[np.generic], load: Load) -> None:
    """Decode every row into a new file, then give it its name.

    Raises: MismatchError for a row of another shape; CambenchError where the disk is full or cannot map files.
    """
    try:
        with replacing(path) as temporary:
            array = open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
            reserve(temporary)
            fill(array, load)
            array.flush()
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            need = f"{math.prod(shape) * np.dtype(dtype).itemsize / 2**20:.0f} MiB"
            raise CambenchError(f"{path}: no room for the decoded images ({need}); free some space and run again.") from e
        if e.errno in (errno.ENODEV, errno.EOPNOTSUPP):
            wanted = "expected a file system that can map a file into memory and reserve its blocks"
            raise CambenchError(f"{path}: {wanted}, got {e.strerror}; keep the results on another one.") from e
        raise


def reserve(path: Path) -> None:
    """Claim the file's blocks: a full disk must be an error now, not a fault when mapped memory is written."""
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as f:
            os.posix_fallocate(f.fileno(), 0, path.stat().st_size)


def fill(array: NDArray[Any], load: Load) -> None:
    """Decode every row into the array with a few threads. Raises: MismatchError for the first one of another shape."""

    def chunk(start: int) -> None:
        for row in range(start, min(start + CHUNK, len(array))):
            values = load(row)
            if values.shape != array.shape[1:]:
                raise MismatchError(row)
            array[row] = values

    pool = ThreadPoolExecutor(decode.default_workers())
    try:
        list(pool.map(chunk, range(0, len(array), CHUNK)))
    finally:
        pool.shutdown(cancel_futures=True)


def packed_regions(masks: Masks, size: tuple[int, int], cache: Path) -> Tensor:
    """The label maps of all images (N,H,W) int16 of one size (H,W), memory-mapped from `cache`, decoded on first use.

    Raises: DataError naming a mask that is missing, unreadable or of another size.
    """
    path, n = cache / f"{masks.dataset.fingerprint}.{masks.fingerprint}.regions.npy", len(masks.dataset)
    if not path.exists():
        log.info("decoding %d masks of %dx%d into %s", n, size[1], size[0], path)
        write(path, (n, *size), np.int16, lambda row: load_regions(masks.dataset, row, masks.source))
    return opened(path, n, np.int16, 3)


def pixels(plan: Plan, array: Tensor, device: torch.device, places: Rows | None = None) -> Iterator[dict[str, Tensor]]:
    """For each batch of the plan, view name -> (N,3,H,W) float32 in [0,255] on the device, and with masks the regions.

    places: each row's position in the array, where that is another.
    On CUDA the whole array moves there if it takes less than a quarter of the free memory; else each batch does, pinned.
    """
    if device.type == "cuda" and array.nbytes < RESIDENT * torch.cuda.mem_get_info(device)[0]:
        array = array.to(device)
    for rows in plan.batches:
        yield batch(plan, array, rows, device, places)


@torch.no_grad()
def batch(plan: Plan, array: Tensor, rows: Rows, device: torch.device, places: Rows | None = None) -> dict[str, Tensor]:
    """One batch: gather, move, resample each view."""
    positions = rows if places is None else tuple(places[row] for row in rows)
    picked = array[torch.tensor(positions, device=array.device)]
    if device.type == "cuda" and picked.is_cpu:
        picked = picked.pin_memory()
    source = picked.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
    pixels = {}
    with torch.autocast(device.type, enabled=False):
        for name, view in plan.views.items():
            which = rows if view.random else rows[:1]  # images of one size share a fixed window: its matrices once
            heights = torch.full((len(which),), array.shape[1])
            windows, sizes = plan.windows(which, name, heights, torch.full_like(heights, array.shape[2]))
            size = int(sizes[0, 0]), int(sizes[0, 1])
            if plan.masks is not None and plan.masks.packed is not None and name == plan.masks.view:
                windows, regions = focused(plan, rows, plan.masks.packed[torch.tensor(rows)])
                pixels[REGIONS] = regions.to(device, non_blocking=True)
            windows = windows.to(device) if device.type == "cuda" else windows
            resampled = geometry.resample(source, windows, size, kernel=view.interpolation)
            pixels[name] = resampled if view.interpolation == geometry.BILINEAR else resampled.clamp(0, 255)  # overshot
    return pixels
