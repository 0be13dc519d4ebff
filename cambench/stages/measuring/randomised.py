"""Maps of a network whose layers are randomised, block by block, beside those of the network itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cambench.explainers import find_explainer
from cambench.explainers.batch import place
from cambench.models.randomise import blocks, randomised
from cambench.stages.network import Loaded, Ready
from cambench.vocabulary import Dataset

if TYPE_CHECKING:
    from cambench.stages.measuring.rows import EvalJob


def randomised_maps(job: EvalJob, loaded: Loaded, dataset: Dataset) -> Callable[..., Tensor]:
    """A function: image (N,3,H,W), classes (N,), count, cascading -> raw maps (N,1 + blocks,h,w), the network's own first.

    count: into how many blocks of layers the network is cut, from the output down. cascading: a block stays randomised when
    the next one is, else each is alone. Only a copy is randomised, and it is whole again after every call.
    """
    model = loaded.unfolded(loaded.layer_of(find_explainer(job.explainer)))
    explained = partial(maps_now, job, loaded, dataset, model)

    def maps_of(image: Tensor, classes: Tensor, *, count: int, cascading: bool) -> Tensor:
        maps = [explained(image, classes)]
        with ExitStack() as stack:
            for block in blocks(model, count):
                if not cascading:
                    stack.close()
                stack.enter_context(randomised(model, block))
                maps.append(explained(image, classes))
        return torch.stack(maps, 1)

    return maps_of


def maps_now(job: EvalJob, loaded: Loaded, dataset: Dataset, model: nn.Module, image: Tensor, classes: Tensor) -> Tensor:
    """The raw maps (N,h,w) of the network as it is now; what an explainer prepares, it prepares anew, of a copy."""
    entry = find_explainer(job.explainer)
    network = model if entry.layer.prepare is None else copy.deepcopy(model)
    blank = torch.zeros(1, 3, loaded.size, loaded.size, device=loaded.device)
    with loaded.autocast():
        layer, head = place(network, blank, entry, loaded.layer_of(entry), loaded.size)
    return Ready(entry, network, layer, head, loaded.precision).explain(image, job.target, classes, dataset).maps
