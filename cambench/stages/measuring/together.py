"""Heatmaps of jobs that look at the same batches, chunk by chunk: those of one layer share a pass through the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cambench import processes
from cambench.data.loader import eval_batches
from cambench.explainers.query import Explanation
from cambench.explainers.several import maps_of_explainers
from cambench.stages import workplace
from cambench.stages.images import make_view
from cambench.stages.memory import Fitting
from cambench.stages.network import Loaded, Ready
from cambench.stages.progress import bar, say
from cambench.store.heatmaps import pack
from cambench.store.parts import Parts
from cambench.vocabulary import Batch, Dataset, NotFiniteError

if TYPE_CHECKING:
    from cambench.stages.measuring.explain import ExplainJob


@dataclass(frozen=True)
class Pending:
    """A job whose maps are to be made: the network as its explainer needs it, the parts, and what is not in them yet.

    classes: which are explained, as of `explain.meant`. waiting: row -> what is stored of it. seconds: an image,
    of each batch.
    """

    job: ExplainJob
    ready: Ready
    classes: str
    parts: Parts
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, result: Explanation, batch: Batch, dataset: Dataset) -> None:
        """Keep the maps of a batch."""
        columns = arrays(result, batch, dataset, self.ready.entry.partial)
        self.waiting.update((row, {name: column[i] for name, column in columns.items()}) for i, row in enumerate(batch.rows))
        self.seconds.append(float(result.seconds.mean()))

    def commit(self, chunk: range) -> None:
        """Write the maps of a chunk."""
        images = [self.waiting.pop(row) for row in chunk]
        maps = pack([one.pop("map") for one in images])
        self.parts.write(chunk, {**maps, **{name: np.stack([one[name] for one in images]) for name in images[0]}})


def explained_classes(kind: str, batch: Batch, logits: Fitting, dataset: Dataset) -> torch.Tensor | None:
    """The classes (N,) to explain, None for each image's best. logits: images (N,3,H,W) -> (N,C)."""
    if kind != "best-of-set":
        return batch.label if kind == "label" else None
    sets = [torch.tensor(dataset.samples[row].right) for row in batch.rows]
    best = [right[y[right].argmax()] for right, y in zip(sets, logits(batch.image).cpu(), strict=True)]
    return torch.stack(best).to(batch.label.device)


def compute(
    pending: Sequence[Pending], missing: Sequence[range], loaded: Loaded, dataset: Dataset, place: workplace.Place
) -> None:
    """Explain the images of the chunks that all these jobs lack, and commit each; each process does some of the chunks."""
    first, mine = pending[0], processes.dealt(missing)
    job, model = first.job, first.ready.model
    view = make_view(job.view, loaded, job.scale, raw=job.raw)
    loaded.check_size(view.size)
    for one in pending:
        if one.ready.entry.layer.own is not None:
            say(f"{one.ready.entry.name} explains layer {one.ready.layer}")
    queries = tuple(one.ready.query(one.job.target, dataset) for one in pending)
    label = f"{job.explainer} {job.target}" + (f" and {len(pending) - 1} more" if len(pending) > 1 else "")
    explained, logits = Fitting(partial(maps_of_explainers, model), label), Fitting(loaded.logits, label)
    left = iter(mine)
    chunk, done = next(left, range(0)), 0
    with bar(label, sum(map(len, mine))) as progress:
        for batch in eval_batches(dataset, view, batch_size=job.batch_size, chunks=mine, **loaded.source(place)):
            classes = explained_classes(first.classes, batch, logits, dataset)
            for one, result in zip(pending, explained(batch.image, queries=queries, classes=classes), strict=True):
                one.add(result, batch, dataset)
            done += len(batch.rows)
            if done == len(chunk):
                for one in pending:
                    one.commit(chunk)
                chunk, done = next(left, range(0)), 0
            progress.advance(len(batch.rows))
    for one in pending:
        one.parts.add(missing)


def arrays(result: Explanation, batch: Batch, dataset: Dataset, partial: bool = False) -> dict[str, np.ndarray[Any, Any]]:
    """One batch as its images are stored. partial: an image may have no map, which is stored as NaN.

    Raises: NotFiniteError naming the first image whose map or logits are not finite.
    """
    known = torch.isfinite(result.maps) | (torch.isnan(result.maps) & partial)
    finite = known.all(1).all(1) & torch.isfinite(result.logits).all(1)
    if not bool(finite.all()):
        row = batch.rows[int(finite.logical_not().int().argmax())]
        raise NotFiniteError(
            f"{dataset.samples[row].id}: expected finite maps and logits, got NaN or infinity from the network."
        )
    logits = result.logits.cpu().numpy()
    return {
        "map": result.maps.cpu().numpy(),
        "target": result.classes.cpu().numpy().astype(np.int32),
        "prediction": logits.argmax(1).astype(np.int32),
        "logits": logits,
        "id": np.array([dataset.samples[r].id.encode() for r in batch.rows]),
    }
