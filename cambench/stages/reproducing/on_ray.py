"""Ray: a job is a task with a GPU as its resource and the tasks before it as arguments; what is lost is done again.

Every job goes on from its last epoch or chunk, so a machine that is lost costs what its jobs did since then.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any

from cambench import data
from cambench.stages import progress
from cambench.stages.listing import Plain
from cambench.stages.progress import say
from cambench.stages.reproducing.launch import Act, attempt, state_of
from cambench.stages.reproducing.launchers import turns
from cambench.stages.reproducing.mirror import Keeper, mirrored
from cambench.stages.reproducing.plan import Job
from cambench.stages.workplace import Place
from cambench.store.jobs import folder, lock
from cambench.store.locks import only_writer
from cambench.vocabulary import CambenchError, UsageError

RETRIES = 3
"""How often a job is begun again whose process or machine was lost."""


def launch(ray: Any, work: Sequence[Job], act: Act, place: Place, address: str | None = None) -> dict[str, str]:
    """Do every job on a ray cluster after those that it needs. -> key -> why it failed.

    ray: the package. address: of the cluster; None: that of `RAY_ADDRESS`, the one of this machine, or one for this call.
    Raises: CambenchError where there is no cluster; UsageError for a GPU where it has none.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    session = f"ray-{uuid.uuid4().hex[:8]}"
    place = replace(place, results=place.results.absolute(), data=place.data.absolute())
    with connected(ray, address), only_writer(folder(place.results) / session):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        takes = resources(place, nodes)
        say(f"ray: {len(nodes)} nodes; a job takes {', '.join(f'{name}={n:g}' for name, n in takes.items())}")
        place = replace(place, workers=min(place.workers, int(takes["num_cpus"])))
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        keeper = ray.remote(num_cpus=0, scheduling_strategy=here)(Keeper).remote(place)
        task = ray.remote(max_retries=RETRIES, scheduling_strategy="SPREAD", **takes)(serve)
        refs: dict[str, Any] = {}
        for turn in turns(work):
            before = [refs[key] for key in (*turn.needs, *turn.after)]
            refs[turn.job.key] = task.remote(turn.job, act, place, (keeper, session), len(turn.needs), *before)
        return outcomes(ray, work, refs)


def serve(job: Job, act: Act, place: Place, home: tuple[Any, str], needs: int, *before: str | None) -> str | None:
    """A task: do a job, unless one that it needs failed. -> why it failed.

    home: the keeper of the results, and the session whose lock file only a machine sees that sees the results.
    before: why the jobs before it failed, first those that it needs.
    """
    reason = next((why for why in before[:needs] if why is not None), None)
    if reason is not None:
        return reason
    import ray

    keeper, session = home
    progress.console = Plain(stderr=True, force_terminal=False)
    with data.kept():
        if lock(place.results, session).exists():
            return attempt(job, act, place, state_of(job, "ray"))

        def call(name: str, *arguments: object) -> Any:
            return ray.get(getattr(keeper, name).remote(*arguments))

        with mirrored(job, f"{session}-{uuid.uuid4().hex[:8]}", place, call) as there:
            return attempt(job, act, there, state_of(job, "ray", owner=session))


@contextmanager
def connected(ray: Any, address: str | None) -> Iterator[None]:
    """A connection to a cluster, which ends with the block if it was not there before. What ray prints goes to stderr.

    Raises: CambenchError where there is none; UsageError for the address of a client.
    """
    if ray.is_initialized():
        yield
        return
    if address is not None and address.startswith("ray://"):
        raise UsageError(f"--address {address}: expected HOST:PORT of the cluster, on one of its machines; run it there.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(address=address, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as e:
        first = str(e).strip().splitlines()[0][:160]
        raise CambenchError(
            f"--address {address}: expected a ray cluster, got: {first}; ray start --head begins one."
        ) from e
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ray.shutdown()


def resources(place: Place, nodes: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What of a node a job takes: a GPU where there are any, and its share of the processors.

    Raises: UsageError where a GPU is asked for and there is none.
    """
    cards = [node for node in nodes if node.get("GPU", 0) >= 1]
    if place.device.startswith("cuda") and not cards:
        raise UsageError(
            f"--device {place.device}: expected a GPU in the ray cluster, got {len(nodes)} nodes without; use auto."
        )
    if cards and (place.device == "auto" or place.device.startswith("cuda")):
        share = min(node.get("CPU", 1) // node["GPU"] for node in cards)
        return {"num_gpus": 1, "num_cpus": max(1, min(share, 1 + place.workers))}
    least = min((node["CPU"] for node in nodes if node.get("CPU", 0) >= 1), default=1)
    return {"num_cpus": max(1, min(least, place.workers))}


def outcomes(ray: Any, work: Sequence[Job], refs: Mapping[str, Any]) -> dict[str, str]:
    """Why jobs failed, once all are over; each is said as it is over. A bug is raised."""
    waiting, jobs = list(refs.values()), {refs[job.key]: job for job in work}
    reasons: dict[str, str | None] = {}
    while waiting:
        (over,), waiting = ray.wait(waiting, num_returns=1)
        job = jobs[over]
        try:
            reasons[job.key] = ray.get(over)
        except ray.exceptions.RayError as e:
            reasons[job.key] = lost(ray, e)
        reason = reasons[job.key]
        say(f"[{len(work) - len(waiting)}/{len(work)}] {job.title}" + ("" if reason is None else f": failed: {reason}"))
    failed: dict[str, str] = {}
    for job in work:
        reason = next((failed[key] for key in job.needs if key in failed), reasons[job.key])
        if reason is not None:
            failed[job.key] = reason
    return failed


def lost(ray: Any, error: Any) -> str:
    """Why a job failed whose task gave no answer. A bug is raised, and so is what a machine cannot read of its task."""
    kinds = ray.exceptions
    cause = error.cause if isinstance(error, kinds.RayTaskError) else error
    if isinstance(cause, CambenchError):
        return str(cause)
    if isinstance(cause, kinds.RaySystemError) or not isinstance(cause, kinds.RayError):
        raise error
    return f"its process or machine was lost {1 + RETRIES} times ({type(cause).__name__}); run the command again."
