"""What a plan was asked for and none of its trainings takes: an error of one line, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cambench.recipes.presets import asked
from cambench.stages.reproducing.lacks import unknown
from cambench.stages.reproducing.plan import Job, Network, Wish
from cambench.stages.training.opening import check_there
from cambench.vocabulary import UsageError


def check_used(wish: Wish, jobs: Sequence[Job]) -> None:
    """Check what was asked for beside the recipes against the jobs of the plan, whose states are known.

    Raises: UsageError for a setting that is given twice or that no training takes, for settings or seeds where there is
    none; for a file of initial weights from which none begins, or that is not there.
    """
    asked((), wish.overrides, {})
    trainings = list({job.network.label: job for job in jobs if job.measurement is None}.values())
    given = [*(f"--set {text}" for text in wish.overrides), *([] if wish.seeds is None else [f"--seeds {wish.seeds}"])]
    if given and not trainings:
        raise UsageError(f"{given[0]}: expected something to train, got a plan without; leave it out.")
    if wish.overrides and all(job.state == "unknown" for job in trainings):
        raise UsageError(refusal(wish.overrides, [job.network for job in trainings]))
    begun = (job.network for job in trainings if job.state != "unknown")
    if wish.weights is not None and not any(network.weights for network in begun):
        raise UsageError(
            f"--weights {wish.weights}: expected a recipe that begins from a file (model.init = swav), got none in the "
            "plan; leave it out."
        )
    check_there(wish.weights)


def refusal(texts: Sequence[str], networks: Sequence[Network]) -> str:
    """Why no network takes the first of the settings that none takes, or all of them at once.

    Of what the networks object to the shortest: a wrong value is said in fewer words than an unknown key.
    """
    alone = ([unknown(Job(replace(network, overrides=(text,), drawn=()))) for network in networks] for text in texts)
    together = [unknown(Job(network)) for network in networks]
    reasons = next((own for own in alone if all(own)), together)
    return min((reason for own in reasons for reason in own), key=len)
