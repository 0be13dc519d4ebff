"""The features of a frozen encoder, computed once where its images are the same in every epoch (ExCon protocol §5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from cambench import processes
from cambench.data.loader import cut, eval_batches, kept, shuffled
from cambench.explainers.probe import default_layer, gap_linear_head
from cambench.models.heads import without_head
from cambench.objectives.network import Network, Terms
from cambench.recipes.schema import TrainingRecipe
from cambench.stages.progress import bar
from cambench.stages.training.lessons import Lessons, Phase, positions
from cambench.vocabulary import Batch


@dataclass(frozen=True, kw_only=True)
class Remembered(Lessons):
    """Lessons whose batches hold a frozen encoder's features in place of the images of their only view.

    features: (N,d) of all images, label: (N,), both on the device.
    """

    features: Tensor
    label: Tensor

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, in the order in which their images would have come."""
        (name,) = self.views
        held = [mine for (mine, *_) in self.held()]
        batches = kept(cut(shuffled(len(self.dataset), self.seed, epoch), self.batch_size), positions(held))
        known: dict[str, Any] = {"epoch": epoch + 1, "epochs": self.epochs}
        for rows, mine in zip(batches, held, strict=True):
            places = torch.tensor(rows, device=self.features.device)
            yield Batch({name: self.features[places]}, self.label[places], rows, shares=mine, **known)


def remembered(phase: Phase, network: Network, recipe: TrainingRecipe) -> Phase:
    """The phase on features, where it trains the linear classifier of a frozen network and nothing in its images is random.

    They are computed in file order, so that a continued run computes the same; an epoch's seconds leave this out. Any other
    phase stays as it is.
    """
    lessons = phase.lessons
    constant = phase.frozen and recipe.model.frozen and recipe.model.frozen_bn == "eval"
    if not constant or any(view.random for view in lessons.views.values()):
        return phase
    image = torch.zeros(1, 3, recipe.input.size, recipe.input.size, device=lessons.source["device"])
    head = gap_linear_head(network.model, default_layer(network.model, image), image, training=False)
    if head is None:
        return phase

    def classify(network: Network, batch: Batch, generator: torch.Generator) -> Terms:
        return phase.step(replace(network, model=head), batch, generator)

    return replace(phase, step=classify, lessons=encoded(lessons, network))


@torch.no_grad()
def encoded(lessons: Lessons, network: Network) -> Remembered:
    """The lessons after one pass through the encoder in eval mode, each process its part of the images."""
    encoder = replace(network, model=without_head(network.model).eval())
    (view,) = lessons.views.values()
    features: list[Tensor] = []
    labels: list[Tensor] = []
    with bar("features", len(lessons.dataset)) as progress:
        own = processes.slice_of(len(lessons.dataset))
        rows = own or range(1)  # of fewer images than processes: one all the same, which says the shape and does not count
        for batch in eval_batches(lessons.dataset, view, batch_size=lessons.batch_size, rows=rows, **lessons.source):
            features.append(encoder.logits(batch.image))
            labels.append(batch.label)
            progress.advance(len(batch.rows))
    joined = [processes.joined(torch.cat(parts)[: len(own)]) for parts in (features, labels)]
    return Remembered(**vars(lessons), features=joined[0], label=joined[1])
