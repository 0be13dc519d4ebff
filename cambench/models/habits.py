"""Habits of somebody's own network that change what its numbers mean, noticed by running it on noise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cambench import seeds
from cambench.explainers.probing.modes import evaluating, hooked
from cambench.explainers.probing.outputs import logits_of
from cambench.models.python import in_one_line
from cambench.vocabulary import CambenchError, UsageError

TOLERANCE = 1e-4
PROBABILITIES = "the network ends in softmax: what is called a logit is a probability, and every softmax is a second one"
LOG_PROBABILITIES = "the network ends in log-softmax: what is called a logit is a log-probability"
CHANCE = "two passes of the network in eval mode differ (dropout that is always on?): its values depend on chance"
ONE_LOGIT = "the network gives one logit z, read as two classes with the logits (0, z): class 0 has probability 1 − σ(z)"
ONE_PROBABILITY = (
    "its one output lies between 0 and 1, as a probability does; read as a logit, class 1 always wins: return the logit "
    "before the sigmoid"
)
FAR = 1e3
"""How much louder than noise the images are on which a logit that happens to lie between 0 and 1 leaves it."""

OWN_SIZE = "give it images of its own size (train: --set input.size=N), or build it for this size"


@contextmanager
def first_pass(arch: str, size: int, mend: str = OWN_SIZE) -> Iterator[None]:
    """Whatever a network's forward raises here on images size×size becomes one line, with its mend.

    Raises: UsageError.
    """
    try:
        yield
    except CambenchError:
        raise
    except Exception as e:
        raised = in_one_line(e).rstrip(".")
        raise UsageError(
            f"{arch}: expected a network that takes images 3×{size}×{size}, but its forward raised {raised}; {mend}."
        ) from e


def habits(network: nn.Module, size: int) -> list[str]:
    """What must stand beside every number of the network, a sentence each; nothing for a network with plain logits.

    Source: ours. Two noise images (2,3,size,size), run twice in eval mode: unequal passes, rows that are probabilities
    (≥ 0, sum 1 within 1e-4) or their logarithms (logsumexp 0 within 1e-4), one logit, one output in [0, 1] on them and on
    the same images times ±`FAR`. The random state is left as it was.
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, arguments: Any, output: Any) -> None:
        outputs.append(logits_of(output))

    images = torch.randn(2, 3, size, size, generator=seeds.generator("habits"))
    with (
        torch.random.fork_rng(devices=[]),
        evaluating(network),
        torch.no_grad(),
        hooked({network: keep}, prepend=True),
    ):
        first, second = network(images), network(images)
        one = outputs[0].shape[1] == 1 and first.shape[1] == 2
        if one:
            network(FAR * images)
            network(-FAR * images)
    notes = [ONE_LOGIT] if one else []
    if one and all(bool(((z >= 0) & (z <= 1)).all()) for z in outputs) and bool((outputs[0] > 0).any()):
        notes.append(ONE_PROBABILITY)
    if not torch.equal(first, second):
        notes.append(CHANCE)
    if first.shape[1] > 1 and outputs[0].shape[1] > 1:
        notes += ends(first)
    return notes


def ends(logits: Tensor) -> list[str]:
    """Whether rows (N,C) are probabilities or their logarithms, in words."""
    if bool((logits >= 0).all()) and bool(((logits.sum(1) - 1).abs() <= TOLERANCE).all()):
        return [PROBABILITIES]
    return [LOG_PROBABILITIES] if bool((logits.logsumexp(1).abs() <= TOLERANCE).all()) else []
