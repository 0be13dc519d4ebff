"""In how many parts a batch is learned from, where the device's memory does not suffice for as few as the recipe says."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cambench.objectives import find_objective
from cambench.stages.progress import say
from cambench.vocabulary import Batch, CambenchError


def more_parts(objective: str, model: nn.Module, batch: Batch, parts: int, reason: str) -> int:
    """Twice as many parts, at most one an image, where they give the same gradient.

    Raises: CambenchError where they do not, or where a single image does not fit.
    """
    more, short = min(2 * parts, len(batch.rows)), f"the device's memory does not suffice for a batch in {parts} ({reason})"
    obstacle = mixing(objective, model)
    if more == parts or obstacle is not None:
        other = (
            f"it is not cut up by itself, since {obstacle}: say --set train.accumulate={more}" if obstacle else "of 1 image"
        )
        raise CambenchError(f"train: {short}; {other}, a smaller input.size or train.precision=bf16.")
    say(f"train: {short}; going on with train.accumulate = {more}, which gives the same")
    return more


def mixing(objective: str, model: nn.Module) -> str | None:
    """What makes a batch in parts another batch; None where nothing does."""
    if not find_objective(objective).by_image:
        return f"the loss of {objective} looks at all images of a pass"
    modules = [m for m in model.modules() if m.training]
    if norms := [m for m in modules if isinstance(m, _BatchNorm)]:
        return f"a {type(norms[0]).__name__} in training looks at all images of a pass"
    drawing = [type(m).__name__ for m in modules if draws(m)]
    return f"a {drawing[0]} in training draws other numbers for a batch in parts" if drawing else None


def draws(module: nn.Module) -> bool:
    """Whether a module in training draws random numbers: dropout of any kind, stochastic depth, attention with dropout."""
    name, share = type(module).__name__, getattr(module, "dropout", 0.0)
    return "drop" in name.lower() or name == "StochasticDepth" or (isinstance(share, float) and share > 0)
