"""Rank: what a preset lists and nobody has measured yet is measured, and explainers are put in order."""

from __future__ import annotations

from dataclasses import fields, replace

from cambench.lookup import not_used
from cambench.recipes import rankings
from cambench.recipes.rankings import RankingRecipe
from cambench.report.ranking.blocks import EXPLAINERS, IMAGES
from cambench.report.ranking.ranking import Ranking
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works
from cambench.stages.network import INPUT
from cambench.stages.reporting import rank
from cambench.stages.reporting.rank import Wanted
from cambench.stages.workplace import Place
from cambench.store.records import Record
from cambench.vocabulary import UsageError


def ranked(wanted: Wanted, preset: str | None, work: Works, batch_size: int, place: Place) -> list[Ranking]:
    """Explainers in order, of what a preset measures or, without one, of the records at hand.

    work: how the preset prepares the networks, on how many images in place of its own.
    Raises: UsageError for an unknown name, for settings of a measurement without a preset; as `measured`, `rank.at_hand` and
    `rank.rankings`.
    """
    if preset is None:
        for option in unused(work, batch_size):
            raise not_used("rank", option, "--preset")
        return rank.rankings(*rank.at_hand(wanted, place))
    if work.evenly is not None and work.evenly < IMAGES:
        raise UsageError(f"rank: expected at least {IMAGES} images, got {work.evenly}; measure more.")
    recipe = rankings.preset(preset)
    return rank.rankings(*measured(replace(work, evenly=work.evenly or recipe.images), recipe, wanted, batch_size, place))


def measured(
    work: Works, recipe: RankingRecipe, wanted: Wanted, batch_size: int, place: Place
) -> tuple[list[Record], list[str], list[Record]]:
    """The records of what a preset measures, or of what is wanted in its place; the sentences on what cannot be measured;
    all records, with those of the networks' accuracy.

    Raises: UsageError where no metric can rank, or a single explainer is asked for; CambenchError of the first measurement
    where none succeeds.
    """
    metrics, left = rank.rankable(wanted.metrics or recipe.metrics)
    if not metrics:
        raise UsageError(f"rank: expected a metric that ranks explainers image by image, got none. {' '.join(left)}")
    jobs = works.jobs_of(metrics, wanted.explainers or recipe.explainers, wanted.targets or None, batch_size)
    if len({(job.explainer, job.target) for job in jobs}) < EXPLAINERS:
        raise UsageError(f"rank: expected at least {EXPLAINERS} explainers, got {jobs[0].explainer}; name another with -e.")
    refused: works.Refused[EvalJob] = []
    every = works.evaluate_all(work, [*jobs, EvalJob(rank.ACCURACY, batch_size=batch_size)], place, refused)
    lacks = [f"{rank.NOT_MEASURED}: {error}" for error in works.reasons(refused, jobs)]
    records = [record for record in every if record.metric != rank.ACCURACY]
    if not records:
        raise works.reasons(refused, jobs)[0]
    if refused and len({(record.explainer, record.target) for record in records}) < EXPLAINERS:
        lone = records[0].explainer
        raise UsageError(f"rank: expected at least {EXPLAINERS} explainers, got {lone}. {' '.join(lacks)}")
    return records, [*left, *lacks], every


def unused(work: Works, batch_size: int) -> list[str]:
    """The settings of a measurement among what is asked for, as the command line has them."""
    plain = Works(work.runs, work.dataset, work.split)
    changed = [one.name for one in fields(work) if getattr(work, one.name) != getattr(plain, one.name)]
    changed += ["batch-size"] if batch_size != EvalJob.batch_size else []
    spelt = {"input": INPUT.get(min(work.input, default=""), ""), "evenly": "images"}
    return [f"--{spelt.get(name, name).replace('_', '-')}" for name in changed]
