"""A method: its training recipe, a file beside this one, and its objective, of the method's own name."""

from importlib.resources import files

import torch
from torch.nn.functional import cross_entropy

from cambench.objectives import Network, Objective, Terms
from cambench.recipes import Method
from cambench.recipes.schema import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """smoothing: the share ε of the target that goes to all classes alike."""

    smoothing: float


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(x_crop), (1 − ε)·y + ε/C), mean over the batch. Source: Szegedy et al. 2016, §7."""
    logits = network.logits(batch.views["crop"])
    yield cross_entropy(logits, batch.label, label_smoothing=settings.smoothing)
    return {"accuracy": (logits.detach().argmax(1) == batch.label).float().mean()}


LABEL_SMOOTHING = Method(
    recipe=files("cambench_example") / "label-smoothing.toml",
    objective=Objective({"crop": "random-resized-crop"}, Settings, step, "Szegedy et al. 2016, §7"),
)
