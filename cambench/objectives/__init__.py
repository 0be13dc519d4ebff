"""One training step per family: `(network, batch, generator)` -> the terms of the loss, one after another, then values.

A step yields each term as soon as it is known and the loop differentiates it at once, so that the graph of one view is freed
before the next is built: the terms' gradients add up to that of their sum. What it returns is {name: value} to log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from cambench.data.views import KINDS
from cambench.lookup import canonical, check, find, named
from cambench.objectives import (
    acol,
    adl,
    calm,
    cfce,
    cgc,
    cgc_semi,
    corm,
    cross_entropy,
    cutmix,
    cutmix_cfce,
    excon,
    gcc,
    has,
    multilabel,
    segmentation,
    spg,
    supcon,
)
from cambench.objectives.network import Network, Terms
from cambench.recipes.load import METHODS, explain
from cambench.vocabulary import Batch, UsageError

Step = Callable[[Network, Batch, torch.Generator], Terms]

CROP = {"crop": "random-resized-crop"}
PLAIN, AUGMENTED = "plain", "augmented"
"""Kinds of views beside those of `data.views`: `input.crop` whatever `input.augment` says, and a random view made by
`input.augment` whatever `input.crop` says. A random kind follows both."""
PAIR = {"first": AUGMENTED, "second": AUGMENTED}
KNOWN_VIEWS = (PLAIN, AUGMENTED, *KINDS)


@dataclass(frozen=True)
class Objective:
    """An objective: the views it asks for (view name -> view kind), the settings it takes, its step.

    unlabelled: the views of the batch of other images that it asks for beside the labelled one; {} for none.
    negatives: how many images of other classes it asks for beside each labelled one, through the same views.
    masks: whether it needs the regions of its view. multilabel: whether it learns all classes of an image, or one; None
    where any set will do. frozen: its step trains the classifier alone; the rest stays in eval mode and without gradient.
    by_image: whether its loss is the mean of one an image that draws nothing, so that a batch in parts gives the same.
    then: the objective, without settings, whose pass over the images follows in every epoch.
    until_start: the objective whose steps, views and settings are also this one's, bit by bit, before the epoch
    `settings.start` of 200. passes: forward passes' worth an image of an epoch, or a function of the settings: 3 (forward,
    backward) for each view that the loss looks at, 12 for a composite of four, 1 for a view that only the classifier learns
    from; `python -m benchmarks costs` counts them. name: its key.
    Raises: UsageError for an unknown kind of view, settings that are no pydantic model or a step of other arguments.
    """

    views: dict[str, str]
    settings: type[BaseModel]
    step: Callable[[Any, Network, Batch, torch.Generator], Terms]
    source: str
    unlabelled: dict[str, str] = field(default_factory=dict)
    negatives: int = 0
    masks: bool = False
    multilabel: bool | None = False
    frozen: bool = False
    by_image: bool = False
    then: str | None = None
    until_start: str | None = None
    passes: int | Callable[[Any], int] = 3
    name: str = ""

    def __post_init__(self) -> None:
        kinds = {*self.views.values(), *self.unlabelled.values()}
        check(
            "objective",
            *((kind in KNOWN_VIEWS, f"a view of {', '.join(KNOWN_VIEWS)}, got {kind}") for kind in kinds),
            (bool(self.views or self.unlabelled), "a view to learn from, got none"),
            (isinstance(self.settings, type) and issubclass(self.settings, BaseModel), "settings that are a pydantic model"),
            (len(signature(self.step).parameters) == 4, "step(settings, network, batch, generator)"),
        )

    def cost(self, settings: Mapping[str, Any]) -> int:
        """Forward passes' worth an image of an epoch, with these settings."""
        return self.passes if isinstance(self.passes, int) else self.passes(self.settings(**settings))


INDEX: dict[str, Objective] = named(
    {
        "ce": Objective(CROP, cross_entropy.Settings, cross_entropy.step, "CGC protocol §1.6", by_image=True),
        "classifier": Objective(
            {"crop": PLAIN},
            cross_entropy.Settings,
            cross_entropy.step,
            "ExCon protocol §1.6",
            frozen=True,
            by_image=True,
            passes=1,
        ),
        "supcon": Objective(
            PAIR, supcon.Settings, supcon.step, "ExCon protocol §1.2–1.3, SupCon", then="classifier", passes=7
        ),
        "excon": Objective(
            {**PAIR, "standard": "resize-center-crop"},
            excon.Settings,
            excon.step,
            "ExCon protocol §1.2–1.4",
            then="classifier",
            until_start="supcon",
            passes=excon.passes,
        ),
        "calm": Objective(CROP, calm.Settings, calm.step, "CALM protocol §1.3"),
        "cgc": Objective({**CROP, "query": "resize-center-crop"}, cgc.Settings, cgc.step, "CGC protocol §1.1–1.5", passes=9),
        "cgc-semi": Objective(
            CROP,
            cgc.Consistency,
            cgc_semi.step,
            "CGC protocol §1.8",
            unlabelled={"query": "resize-center-crop"},
            passes=9,
        ),
        "gcc": Objective(CROP, gcc.Settings, gcc.step, "rivals protocol §1", negatives=3, passes=15),
        "cfce": Objective(CROP, cfce.Settings, cfce.step, "ContrastiveCAM protocol §1.2", masks=True),
        "cutmix-cfce": Objective(CROP, cutmix.Mixing, cutmix_cfce.step, "ContrastiveCAM protocol §1.2", masks=True),
        "cutmix": Objective(CROP, cutmix.Settings, cutmix.step, "Yun et al. 2019"),
        "has": Objective(CROP, has.Settings, has.step, "Singh and Lee 2017"),
        "adl": Objective(CROP, adl.Settings, adl.step, "Choe and Shim 2019; WSOL benchmark (rivals protocol §6)"),
        "acol": Objective(
            CROP, acol.Settings, acol.step, "Zhang et al. 2018; WSOL benchmark (rivals protocol §3)", passes=5
        ),
        "spg": Objective(CROP, spg.Settings, spg.step, "Zhang et al. 2018; WSOL benchmark (rivals protocol §4)", passes=4),
        "corm": Objective(CROP, corm.Settings, corm.step, "ContrastiveCAM protocol §1.2, baselines", masks=True),
        "bce": Objective(
            CROP,
            cross_entropy.Settings,
            multilabel.bce_step,
            "ContrastiveCAM protocol §3, SBD",
            multilabel=True,
            by_image=True,
        ),
        "segmentation": Objective(
            CROP,
            cross_entropy.Settings,
            segmentation.step,
            "ContrastiveCAM protocol §3, segmentation chart",
            masks=True,
            multilabel=None,
        ),
        "cfbce": Objective(
            CROP, cfce.Settings, multilabel.step, "ContrastiveCAM protocol §1.2", masks=True, multilabel=True
        ),
    }
)


def find_objective(name: str) -> Objective:
    """The objective of a name: one that is built in, else the one that the method of this name brings along.

    Raises: UsageError naming the nearest.
    """
    key = canonical(name)
    brought = METHODS[key].objective if key not in INDEX and key in METHODS else None
    if brought is None:
        return find(name, INDEX, "objective")
    if not isinstance(brought, Objective):
        raise UsageError(f"method {key}: expected its objective to be an Objective, got a {type(brought).__name__}.")
    return replace(brought, name=key)


def make(name: str, settings: dict[str, Any]) -> tuple[Objective, Step]:
    """The objective and its step with the recipe's settings bound.

    Raises: UsageError naming the key that the objective does not take.
    """
    objective = find_objective(name)
    try:
        checked = objective.settings(**settings)
    except ValidationError as e:
        raise UsageError(explain(e, f"objective_settings of {name}")) from e

    def step(network: Network, batch: Batch, generator: torch.Generator) -> Terms:
        return objective.step(checked, network, batch, generator)

    return objective, step
