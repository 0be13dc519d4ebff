"""Rows of a metric whose maps come from a network in train mode, as CGC's released insertion script makes them.

Class by class, in chunks of 5,000 images: the chunk's maps are made in batches of 100 in train mode, so that they follow
from the batch's statistics, while the running statistics of the batch norms move towards them (momentum 0.1); then the chunk
is scored in eval mode with the statistics as they are by then; the next chunk goes on from there. Source: CGC protocol §5.3.
Scoring changes no state, so a run that was killed makes the maps again from the first chunk on (one pass an image, where
scoring takes 29), skips what is scored and ends with the very same values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cambench import maps, metrics, seeds
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.explainers import find_explainer
from cambench.pixels import Normalisation
from cambench.stages.images import make_view
from cambench.stages.network import Loaded, Ready

if TYPE_CHECKING:
    from cambench.stages.measuring.rows import EvalJob, Work

MOMENTUM = 0.1
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def drifting_rows(
    metric: metrics.Metric, job: EvalJob, loaded: Loaded, work: Work
) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Rows of the images that are not measured yet, chunk by chunk; the loaded network stays as it is."""
    assert metric.maps.train_bn is not None
    batch_size, chunk_size = metric.maps.train_bn
    network = drifting(loaded, loaded.layer_of(find_explainer(job.explainer)))
    view, rows = make_view(metric.input.view, loaded, metric.input.scale), [*work.before, *chain(*work.chunks)]
    for start in range(0, len(rows), chunk_size):
        chunk = rows[start : start + chunk_size]
        with torch.random.fork_rng(
            devices=[torch.device(loaded.device)] if loaded.device.startswith("cuda") else []
        ):  # dropout, if there is any
            torch.manual_seed(seeds.derive(metric.draws, start))
            raw = train_mode_maps(replace(job, batch_size=batch_size), network, view, work, chunk)
        todo = [rows for rows in work.chunks if rows[0] in chunk]
        for batch in eval_batches(work.dataset, view, batch_size=job.batch_size, chunks=todo, **network.source(work.place)):
            stack = torch.stack([raw[row] for row in batch.rows]).to(loaded.device)
            heatmap = maps.apply(stack, metric.maps.steps, (batch.image.shape[2], batch.image.shape[3]))
            offers = {"predict": network.logits, "image": batch.image, "heatmap": heatmap, "label": batch.label}
            offers["generators"] = [seeds.generator(metric.draws, "row", row) for row in batch.rows]
            values = metric.measure(**offers, normalisation=Normalisation(view.mean, view.std))
            yield {"row": np.array(batch.rows), metric.variants[0]: values.double().cpu().numpy()}


def drifting(loaded: Loaded, layer: str) -> Loaded:
    """The network with batch norms of its own that drift."""
    model = loaded.unfolded(layer)
    for module in model.modules():
        if isinstance(module, NORMS):
            module.momentum = MOMENTUM
    return replace(loaded, model=model, layer=layer, head=None)


def train_mode_maps(job: EvalJob, network: Loaded, view: View, work: Work, rows: list[int]) -> dict[int, Tensor]:
    """Row -> raw map (h,w) on the CPU; the running statistics of the network move."""
    ready = Ready(find_explainer(job.explainer), network.model, network.layer, None, network.precision)
    maps_of: dict[int, Tensor] = {}
    for batch in eval_batches(work.dataset, view, batch_size=job.batch_size, rows=rows, **network.source(work.place)):
        explained = ready.explain(batch.image, job.target, batch.label, work.dataset, training=True)
        maps_of.update(zip(batch.rows, explained.maps.cpu(), strict=True))
    return maps_of
