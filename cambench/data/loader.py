"""Batches of a data set through named views, the same for any number of workers, any device and either pixel source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from cambench import seeds
from cambench.data import colour, decode, packed, stream
from cambench.data.masks import REGIONS
from cambench.data.plan import Masks, Plan, Rows
from cambench.data.views import View, normalise
from cambench.geometry import full_size
from cambench.vocabulary import Batch, Dataset, UsageError

Positions = Sequence[Sequence[int]] | None
"""Of each batch, the positions in it of the rows that are loaded; None for all."""


def train_batches(
    dataset: Dataset,
    views: Mapping[str, View],
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    device: str | torch.device = "cpu",
    workers: int | None = None,
    cache: Path | None = None,
    stop: int | None = None,
    masks: Masks | None = None,
    held: Positions = None,
) -> Iterator[Batch]:
    """One epoch in the order that (seed, epoch) gives; each view's crop follows from (seed, epoch, view name, row).

    `stop` ends before a batch, without changing the others. `cache`: where small
    images of one size are kept decoded. `masks`: what `Batch.regions` carries; they may move a crop (`masks.focused`).
    `held`: of each batch, the positions that are loaded at all.
    workers: None is min(8, cores). Raises: DataError naming an unreadable image.
    """
    batches = cut(shuffled(len(dataset), seed, epoch), batch_size)
    plan = Plan(tuple(kept(batches[:stop], held)), dict(views), seed, epoch, masks)
    return batches_of(dataset, plan, torch.device(device), workers, cache)


def eval_batches(
    dataset: Dataset,
    view: View,
    *,
    batch_size: int,
    device: str | torch.device = "cpu",
    workers: int | None = None,
    cache: Path | None = None,
    rows: Sequence[int] | None = None,
    chunks: Sequence[Sequence[int]] | None = None,
) -> Iterator[Batch]:
    """The rows (None: all) in order through one view, as `Batch.image`; only images of equal output size share a batch.

    chunks: the rows in parts, of which a batch never holds two; within a part those of equal size come together, so that
    fewer batches do, and `Batch.rows` says which they are.
    Raises: UsageError for a random view, DataError naming an unreadable image.
    """
    if view.random:
        raise UsageError(f"evaluation: expected a view without randomness, got {view.kind} with flip {view.flip}.")
    parts = chunks if chunks is not None else [range(len(dataset)) if rows is None else rows]
    if view.kind == "full":
        parts = [same for part in parts for same in of_one_size(dataset, part, view.size, in_order=chunks is None)]
    batches = [rows for part in parts for rows in cut(part, batch_size)]
    return batches_of(dataset, Plan(tuple(batches), {"image": view}), torch.device(device), workers, cache)


def shuffled(n: int, seed: int, epoch: int) -> list[int]:
    """The rows 0 to n − 1 in the order of an epoch."""
    return torch.randperm(n, generator=seeds.generator(seed, "order", epoch)).tolist()  # type: ignore[no-any-return]


def kept(batches: Sequence[Rows], held: Positions) -> list[Rows]:
    """Of every batch the rows that are loaded."""
    if held is None:
        return list(batches)
    return [tuple(rows[i] for i in places) for rows, places in zip(batches, held, strict=True)]


def cut(rows: Sequence[int], size: int) -> list[Rows]:
    """Consecutive rows, `size` at a time."""
    if size < 1:
        raise UsageError(f"batch size: expected at least 1, got {size}.")
    return [tuple(rows[i : i + size]) for i in range(0, len(rows), size)]


def of_one_size(dataset: Dataset, rows: Sequence[int], size: int, *, in_order: bool) -> list[list[int]]:
    """The rows in parts whose whole images come out equally large. in_order: only neighbours are of one part."""
    with ThreadPoolExecutor(decode.default_workers()) as pool:
        paths = [dataset.samples[row].path for row in rows]
        headers = list(pool.map(lambda path: decode.image_size(path, dataset.banner), paths))
    if not headers:
        return []
    width, height = torch.tensor(headers, dtype=torch.float64).unbind(1)
    sizes = dict(zip(rows, map(tuple, full_size(height, width, size).tolist()), strict=True))
    alike = rows if in_order else sorted(rows, key=sizes.__getitem__)
    return [list(same) for _, same in groupby(alike, key=sizes.__getitem__)]


def batches_of(
    dataset: Dataset, plan: Plan, device: torch.device, workers: int | None, cache: Path | None
) -> Iterator[Batch]:
    """The batches of a plan, by the pixel source that fits the images.

    A pipeline of augmentations costs far more than decoding, so its pictures are streamed, whatever their size: by the
    workers, and the very same with or without a cache.
    """
    if not plan.batches:
        return
    array = None if cache is None or plan.augmented else packed.packed_array(dataset.pool or dataset, cache)
    if array is not None:
        if plan.masks is not None:
            assert cache is not None
            kept = packed.packed_regions(plan.masks, (array.shape[1], array.shape[2]), cache)
            plan = replace(plan, masks=replace(plan.masks, packed=kept))
        source = packed.pixels(plan, array, device, dataset.places)
    else:
        source = stream.pixels(dataset, plan, device, workers)
    labels = torch.tensor([s.label for s in dataset.samples])
    for rows, pixels in zip(plan.batches, source, strict=True):
        label = labels[torch.tensor(rows)].to(device, non_blocking=True)
        regions = pixels.pop(REGIONS).long() if plan.masks is not None else None
        targets = multi_hot(dataset, rows).to(device, non_blocking=True) if dataset.multilabel else None
        views = {name: finish(x, plan, rows, name) for name, x in pixels.items()}
        yield Batch(views, label, rows, regions=regions, targets=targets)


def multi_hot(dataset: Dataset, rows: Rows) -> Tensor:
    """(N,C) float32: 1 for every class that is right."""
    targets = torch.zeros(len(rows), len(dataset.classes))
    for i, row in enumerate(rows):
        targets[i, list(dataset.samples[row].right)] = 1
    return targets


@torch.no_grad()
def finish(pixels: Tensor, plan: Plan, rows: Rows, name: str) -> Tensor:
    """Normalised network input, its colours changed where the view says so."""
    view = plan.views[name]
    if view.colour:
        drawn = colour.draw(colour.INDEX[view.colour], plan.colours(rows, name))
        pixels = colour.coloured(pixels / 255, drawn).mul_(255)
    return normalise(pixels, view)
