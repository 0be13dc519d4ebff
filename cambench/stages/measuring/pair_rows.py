"""Rows of a metric over pairs of classes: whether the maps' difference lies on the parts in which the classes differ.

Each test image of a class takes part in all of that class's pairs. Its maps and the part of each pixel are found once, its
counts are added up by pair; a killed job starts anew.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cambench import maps
from cambench.data.loader import eval_batches
from cambench.explainers import find_explainer
from cambench.metrics import Metric
from cambench.metrics.localisation import cue_localisation
from cambench.stages import workplace
from cambench.stages.images import make_view
from cambench.stages.measuring.rows import EvalJob, Rows
from cambench.stages.network import Loaded
from cambench.stages.pairs import differences, looks_of, pair_name, pairs_of
from cambench.stages.progress import bar, say
from cambench.vocabulary import Dataset, UsageError


def pair_rows(metric: Metric, job: EvalJob, loaded: Loaded, dataset: Dataset, place: workplace.Place) -> Rows:
    """A row a pair, in the order in which they are measured: its AP, fresh and accumulated, and (a, b, parts, images)."""
    pairs, view, entry = pairs_of(dataset), make_view(metric.input.view, loaded), find_explainer(job.explainer)
    ready, scale = loaded.ready_for(entry), cue_localisation.scale_on(entry.name)
    before, after = cue_localisation.around_difference(metric.maps.steps)
    counts: dict[str, Tensor] = {}
    images = torch.zeros(len(pairs), dtype=torch.int64)
    known = {c for pair in pairs for c in (pair.a, pair.b)}
    rows = [row for row, sample in enumerate(dataset.samples) if sample.label in known]
    with bar(metric.name, len(rows)) as progress:
        for batch in eval_batches(dataset, view, batch_size=job.batch_size, rows=rows, **loaded.source(place)):
            looks = looks_of(batch.rows, dataset, pairs, view.size)
            if looks:
                heatmap = differences(ready, batch, pairs, looks, before)
                heatmap = maps.apply(heatmap, after, (view.size, view.size))
                of = torch.tensor([look.pair for look in looks])
                pixels = metric.measure(heatmap=heatmap, mask=torch.stack([look.mask for look in looks]), scale=scale)
                for name, ours in pixels.items():
                    total = counts.setdefault(name, torch.zeros(len(pairs), ours.shape[1], dtype=torch.int64))
                    total.index_add_(0, of, ours)
                images += torch.bincount(of, minlength=len(pairs))
            progress.advance(len(batch.rows))
    if not counts:
        raise UsageError(
            f"{metric.name} on {dataset.name}: expected images that show a part that tells classes apart, got none."
        )
    of_pairs = cue_localisation.of_pairs(counts["positive"], counts["negative"], images)
    for pair, counted in zip(pairs, of_pairs["counted"].tolist(), strict=True):
        if not counted:
            say(
                f"{metric.name}: pair {pair_name(dataset, pair.a, pair.b)} left out: no image, or no pixel of a cue in a bin"
            )
    facts = np.array([(p.a, p.b, len(p.parts), n) for p, n in zip(pairs, images.tolist(), strict=True)])
    columns = {name: column.numpy() for name, column in of_pairs.items()}
    return {"row": np.arange(len(pairs)), "pair": facts, **columns}
