"""Checks that a run's objective, data set and masks go together, before anything is computed."""

from __future__ import annotations

from cambench.data import colour
from cambench.data import masks as sources
from cambench.data.plan import Masks
from cambench.data.regions import BOXES, check_source
from cambench.data.views import View
from cambench.lookup import canonical
from cambench.objectives import Objective
from cambench.recipes.schema import TrainingRecipe
from cambench.vocabulary import Dataset, UsageError

KL_IN_BOXES = "the KL term is used with box masks, which the paper never does (ContrastiveCAM protocol §1.2)"


def check_labels(objective: Objective, dataset: Dataset) -> None:
    """Raises: UsageError if one of objective and data set has one label an image and the other several."""
    if objective.multilabel in (None, dataset.multilabel):
        return
    kinds = {True: "several labels an image (bce, bce-arch, cfbce, rcfbce)", False: "one label an image (ce-adam, cfce, …)"}
    raise UsageError(
        f"objective {objective.name} on {dataset.name}: expected a method for {kinds[dataset.multilabel]}, got one for "
        f"{kinds[objective.multilabel]}."
    )


def check_classes(dataset: Dataset) -> None:
    """Raises: UsageError for images of a single class, on which accuracy says nothing."""
    shown = {label for sample in dataset.samples for label in sample.right}
    if len(shown) < 2:
        raise UsageError(
            f"{dataset.name} {dataset.split}: expected images of two classes or more to train on, got those of "
            f"{dataset.classes[min(shown)]!r} alone; add a folder, or what the class is not."
        )


def mask_source(objective: Objective, recipe: TrainingRecipe, dataset: Dataset) -> str | None:
    """Where the mask of every image is from; None where neither the objective nor its crops use any.

    Raises: UsageError where objective, masks and augmentation do not go together, DataError naming images without a mask.
    """
    name = recipe.data.masks
    if objective.masks != bool(name) and not (recipe.data.redraw and "crop" in objective.views):
        sources_of_masks = "the source of its masks (segmentation, boxes, sam or a folder)"
        asked = sources_of_masks if objective.masks else '"", as it uses none (but for crops that data.redraw draws anew)'
        raise UsageError(f"objective {objective.name}: expected data.masks to be {asked}, got {name!r}.")
    if not name:
        return None
    if (augment := recipe.input.augment) and canonical(augment) not in colour.INDEX:
        raise UsageError(
            f'masks with input.augment = "{augment}": expected no such pipeline, since it would move pixels without their '
            'masks; say --set input.augment="".'
        )
    if recipe.data.mask_resize == "dilated" and dataset.multilabel:
        raise UsageError(
            f"data.mask_resize = dilated: expected one object an image, got {dataset.name}; leave it at nearest."
        )
    source = sources.source_of(dataset, name)
    check_source(dataset, source)
    return source


def masks_of(objective: Objective, recipe: TrainingRecipe, dataset: Dataset, fallback: View) -> Masks | None:
    """The masks of a run. Raises: as `mask_source`."""
    source = mask_source(objective, recipe, dataset)
    if source is None:
        return None
    dilated = recipe.data.mask_resize == "dilated"
    return Masks(dataset, source, sources.fingerprint(dataset, source), fallback, recipe.data.redraw, dilated)


def departures(recipe: TrainingRecipe) -> list[str]:
    """Sentences on what a recipe asks for and its paper never does."""
    return [KL_IN_BOXES] if recipe.data.masks == BOXES and recipe.objective_settings.get("kl", 0) else []
