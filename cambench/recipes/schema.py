"""What a training recipe may say. Every key is required in the resolved recipe and unknown keys are errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    Field,
    PositiveInt,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from cambench.lookup import canonical, nearest
from cambench.pixels import IMAGENET, NORMALISATIONS, Normalisation, normalisation_of
from cambench.recipes.strict import Settings, Strict
from cambench.vocabulary import UsageError

EPOCHS = 200
"""Of how many epochs `train.keep` and ExCon's `start` count one; what they name comes earlier in a shorter training."""


def first_epoch(start: int, epochs: int) -> int:
    """Epoch `start` of 200, counted from 1, in a training of `epochs`: ⌈start·epochs/200⌉ (ExCon protocol §5)."""
    return -(-start * epochs // EPOCHS)


class Model(Settings):
    """The network: named surgery, the explained layer ("" = the last convolutional stage), how the weights begin.

    `own`: those that a `python:` function gives its network, which `scratch` draws anew; without `python:` neither applies.
    `swav` weights are a file that is named with --weights; `run:METHOD` are those of that method's run on the same data set,
    architecture and seed, which is trained first where it is not there; `trunk:METHOD` are those but for the classifier,
    which begins anew, and what is set of size, normalisation, epochs and batch size holds for both runs. `frozen`: all but
    the classifier stays as it begins, in eval mode. `frozen_bn`: what the batch norms of a frozen network go by in training:
    their own statistics (`eval`), or those of each batch (`train`), theirs staying as they are.
    """

    unsaid = {"frozen_bn": "eval"}

    surgery: list[str]
    layer: str
    init: str = Field(pattern="^(scratch|own|imagenet|swav|(run|trunk):[a-z0-9-]+)$")
    frozen: bool
    frozen_bn: Literal["eval", "train"]

    @property
    def base(self) -> str | None:
        """The method from whose run the weights begin."""
        return self.init.partition(":")[2] or None

    @property
    def fresh_head(self) -> bool:
        """Whether the classifier begins anew, whatever the weights hold."""
        return self.init.startswith("trunk:")


class Data(Settings):
    """Which images a run learns from.

    `shots` images a class, drawn by the run's seed (0: every image). `pool`: drawn from all splits together, every other
    image being the evaluation split (`all`), or from the official train split (`train`). `labelled`: the share of the
    training images whose labels are used. `unlabelled`: whether the objective also sees training images without labels.
    `held_out`: the share of the training images that the run's seed takes away, to validate on in place of the evaluation
    split.
    `masks`: where the object's mask comes from: "" (none), `segmentation`, `boxes`, `sam` (PNGs in `sam/` of the data set's
    root) or a folder of PNGs. `redraw`: how often a random crop that shows nothing of the object is drawn anew before the
    evaluation's view takes its place; 0: every crop stays, so that methods with and without masks see the same ones.
    `mask_resize`: which pixels of a view show the object: the nearest of the mask, or (`dilated`) every one that a bilinear
    resize of it reaches, as evaluation does it after Hard-ImageNet's suite.
    """

    unsaid = {"held_out": 0.0, "mask_resize": "nearest"}

    shots: int = Field(ge=0)
    pool: Literal["all", "train"]
    labelled: float = Field(gt=0, le=1)
    unlabelled: bool
    held_out: float = Field(ge=0, lt=1)
    masks: str
    redraw: int = Field(ge=0)
    mask_resize: Literal["nearest", "dilated"]

    @property
    def usual(self) -> Mapping[str, Any]:
        """Beside what never needs saying: crops that stay, without masks; with masks ten draws, as older runs had them."""
        return {**self.unsaid, "redraw": 10 if self.masks else 0}

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.shots and (self.labelled < 1 or self.unlabelled):
            raise ValueError("shots go with labelled = 1.0 and unlabelled = false")
        if (self.redraw or self.mask_resize != "nearest") and not self.masks:
            raise ValueError("redraw and mask_resize need data.masks, which say where the object is")
        if self.held_out and (self.shots or self.labelled < 1 or self.unlabelled):
            raise ValueError("held_out goes with shots = 0, labelled = 1.0 and unlabelled = false")
        return self


class Colouring(Strict):
    """Mean and deviation of red, green and blue, of pixels in [0, 1]."""

    mean: tuple[float, float, float] = Field(strict=False)
    std: tuple[float, float, float] = Field(strict=False)


class Input(Settings):
    """Views: output size, the side to resize to before the central crop (0 = size·256/224), the random crop, the flip.

    `crop`: what training looks at, a random crop (whose sort it names) or the evaluation view. `evaluation`: how the central
    crop is made, with the image's ratio or (squash) without; `resize` is the whole image at the output size, no crop.
    `augment`: what becomes of the random views of training: a named pipeline on the whole picture instead of the crop
    (cambench/data/augment.py), or a change of colours after it (cambench/data/colour.py); "": crop and flip alone.
    `normalisation`: mean and deviation of the colours in every view of the run: a name of `pixels.NORMALISATIONS`, or the
    numbers themselves, { mean = […], std = […] }, as a `python:` network declares them. `interpolation`: the resampling.
    """

    unsaid = {"normalisation": IMAGENET, "interpolation": "bilinear"}

    size: int = Field(ge=8)
    resize: int = Field(ge=0)
    scale: tuple[float, float] = Field(strict=False)
    ratio: tuple[float, float] = Field(strict=False)
    flip: float = Field(ge=0, le=1)
    crop: Literal["random-resized-crop", "squash-random-crop", "evaluation"]
    evaluation: Literal["resize-center-crop", "squash-center-crop", "resize"]
    augment: str
    normalisation: str | Colouring
    interpolation: Literal["bilinear", "bicubic"]

    @field_validator("scale", "ratio")
    @classmethod
    def _ranges(cls, ends: tuple[float, float], field: ValidationInfo) -> tuple[float, float]:
        most = 1.0 if field.field_name == "scale" else math.inf  # of the image's area
        if not 0 < ends[0] <= ends[1] <= most:
            raise ValueError(f"expected 0 < least <= most{' <= 1' if most == 1 else ''}")
        return ends

    @field_validator("normalisation")
    @classmethod
    def _known(cls, name: str | Colouring) -> str | Colouring:
        if isinstance(name, Colouring):
            if min(name.std) <= 0:
                raise ValueError("expected a deviation above 0 of each colour")
            return name
        if canonical(name) not in NORMALISATIONS:
            raise UsageError(nearest(name, NORMALISATIONS, "normalisation"))
        return canonical(name)

    @property
    def colours(self) -> Normalisation:
        """The normalisation by its numbers."""
        return normalisation_of(self.model_dump(include={"normalisation"}))


class Train(Settings):
    """The loop. `accumulate` splits a batch into that many forward/backward passes; `validate` runs top-1 every epoch.

    `batch_norm`: over what batch norms of a training on several processes average: the images of each `device`, as the
    papers' data-parallel code, or of all (`global`).
    `keep`: epochs, of 200, after which the state is kept for trainings that are the same until then. No number depends on
    it: it is neither stored nor part of a run's identity.
    """

    unsaid = {"batch_norm": "device"}

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    precision: Literal["float32", "bf16"]
    channels_last: bool
    validate_epochs: bool
    batch_norm: Literal["device", "global"]
    keep: list[PositiveInt] = Field(exclude=True)

    @property
    def kept(self) -> set[int]:
        """The epochs of this training after which its state is kept: the last ones before the next of 200 begins."""
        return {first_epoch(epoch + 1, self.epochs) - 1 for epoch in self.keep} - {0}


class Group(Strict):
    """A learning rate of its own for some of the parameters, or `times` that of all others; 0 leaves them as they begin."""

    lr: float | None = Field(default=None, ge=0)
    times: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.lr is None) == (self.times is None):
            raise ValueError("expected one of lr and times")
        return self

    @model_serializer
    def _given(self) -> dict[str, float]:
        """What is said: a group that gives its rate is stored as it always was, so that its run is found again."""
        return {"lr": self.lr} if self.lr is not None else {"times": self.times or 0.0}

    def rate(self, base: float) -> float:
        """The group's first learning rate, where all other parameters begin with `base`."""
        return self.lr if self.lr is not None else (self.times or 0.0) * base


class Optimizer(Settings):
    """SGD or Adam (coupled L2). `momentum` and `nesterov` are read by SGD alone.

    `clip`: a step's gradient over all parameters is scaled down to this Euclidean norm where it is longer; 0: never.
    `groups`: `head` (the classifier), `trunk` (all others), `last-stage` (of those, what runs from the last reduction of the
    map on) or a module's name -> what differs for its parameters; where they overlap the longest name of a module decides.
    """

    unsaid = {"clip": 0.0}

    name: Literal["sgd", "adam"]
    lr: float = Field(gt=0)
    momentum: float = Field(ge=0, lt=1)
    nesterov: bool
    weight_decay: float = Field(ge=0)
    clip: float = Field(ge=0)
    groups: dict[str, Group]


class Schedule(Strict):
    """Learning rate: `step` (×gamma every `step` epochs), `step-before` (×gamma before each epoch, counted from 1, that
    `step` divides: one epoch earlier), `multistep` (×gamma once `milestones` epochs are over), `cosine` (per step, to
    `floor`·lr) or `cosine-by-epoch` (constant inside an epoch), after a linear warm-up.
    """

    name: Literal["step", "step-before", "multistep", "cosine", "cosine-by-epoch"]
    step: int = Field(ge=1)
    milestones: list[int]
    gamma: float = Field(gt=0, le=1)
    floor: float = Field(ge=0)
    warmup_epochs: int = Field(ge=0)


UNSAID_SETTINGS: Mapping[str, Any] = {
    "heatmap_size": 0,
    "contrast_mode": "all",
    "positives": "class",
    "background_anchor": False,
}
"""Settings of objectives that are left out at these values, so that runs from before them stay the same."""

WORDS = ("summary", "source", "sources", "deviations", "given")
"""Fields of a resolved recipe that are words about it: no part of what makes two trainings the same."""


class TrainingRecipe(Strict):
    """A resolved training recipe. `objective_settings` belong to the objective and are checked by it.

    `sources`: dotted key -> where the constant comes from. `deviations`: sentences printed under every table of the run.
    """

    method: str
    summary: str
    source: str
    objective: str
    dataset: str
    arch: str
    model: Model
    data: Data
    input: Input
    train: Train
    optimizer: Optimizer
    schedule: Schedule
    objective_settings: dict[str, Any]
    sources: dict[str, str]
    deviations: list[str]

    @field_serializer("objective_settings")
    def _said(self, settings: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in settings.items() if value != UNSAID_SETTINGS.get(key)}
