"""What a training reads: opened here by the training itself, and by a plan that asks whether all of it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cambench import data
from cambench.data.episodes import HELD_OUT
from cambench.models.weights import check_pretrained
from cambench.objectives import Objective
from cambench.recipes.schema import TrainingRecipe
from cambench.stages.training.focus import check_classes, check_labels, mask_source
from cambench.stages.training.new_run import drawn
from cambench.vocabulary import Dataset, UsageError

if TYPE_CHECKING:
    from cambench.stages.training.train import TrainJob

SWAV = "https://dl.fbaipublicfiles.com/deepcluster/swav_800ep_pretrain.pth.tar"


@dataclass(frozen=True)
class Opened:
    """The images of a training. held_out: those on which top-1 is followed after every epoch, None where it is not."""

    dataset: Dataset
    held_out: Dataset | None


def open_images(job: TrainJob, recipe: TrainingRecipe, objective: Objective, root: Path) -> Opened:
    """The images, masks and lists of a training, each file looked for.

    Raises: DataError naming what is not there; UsageError where objective, recipe and data do not go together.
    """
    if bool(objective.unlabelled) != recipe.data.unlabelled:
        needs = str(bool(objective.unlabelled)).lower()
        raise UsageError(f"objective {objective.name}: expected data.unlabelled = {needs}; leave it as its recipe has it.")
    dataset = data.load(job.dataset, "train", root, classes=job.classes, draw=drawn(recipe, job.seed))
    check_labels(objective, dataset)
    check_classes(dataset)
    mask_source(objective, recipe, dataset)
    return Opened(dataset, validation(job, recipe, dataset, root))


def validation(job: TrainJob, recipe: TrainingRecipe, dataset: Dataset, root: Path) -> Dataset | None:
    """The split on which top-1 is followed after every epoch: what is held out, else the evaluation split.

    None where the recipe does without or labels are several.
    """
    if not recipe.train.validate_epochs or dataset.multilabel:
        return None
    split = HELD_OUT if recipe.data.held_out else "eval"
    held_out = data.load(job.dataset, split, root, classes=job.classes, draw=drawn(recipe, job.seed))
    return None if held_out.split == dataset.split else held_out


def check_file(job: TrainJob, recipe: TrainingRecipe) -> None:
    """Check the file of initial weights, before any data is read.

    Raises: UsageError where the recipe begins with weights that only a file can give, or the file is not there.
    """
    if recipe.model.init == "swav" and job.weights is None:
        raise UsageError(
            f"{recipe.method} on {recipe.dataset} begins with SwAV's ResNet-50 of 800 epochs: expected --weights FILE, got "
            f"none. Obtain: {SWAV} (or begin elsewhere: --set model.init=imagenet or scratch)."
        )
    check_there(job.weights)


def check_there(weights: Path | None) -> None:
    """Raises: UsageError where a file of initial weights is named that is not there."""
    if weights is not None and not weights.is_file():
        raise UsageError(f"--weights {weights}: expected a file of weights, found none there.")


def check_weights(job: TrainJob, recipe: TrainingRecipe, download: bool) -> None:
    """Check the initial weights, before anything is written.

    Raises: as `check_file`; UsageError where those of torchvision or timm are not there and may not be fetched.
    """
    check_file(job, recipe)
    if job.weights is None and recipe.model.init == "imagenet":
        check_pretrained(recipe.arch, download)
