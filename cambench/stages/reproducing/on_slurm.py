"""Slurm through submitit: jobs that wait for the same ones are an array, with `afterok` on these; a requeued job goes on.

Submitit asks Slurm for a signal before the time is up, and requeues the job, which goes on from its last epoch or chunk.
"""

from __future__ import annotations

import math
import shutil
import time as clock
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from cambench import data
from cambench.stages import progress
from cambench.stages.listing import Plain
from cambench.stages.progress import say
from cambench.stages.reproducing.launch import Act, Launch, attempt, state_of
from cambench.stages.reproducing.launchers import Turn, turns
from cambench.stages.reproducing.plan import Job
from cambench.stages.reproducing.states import answer, in_queue
from cambench.stages.workplace import Place
from cambench.store.jobs import enqueue, folder, forget, read_state, stored
from cambench.vocabulary import CambenchError, UsageError

TIME = "4:00:00"
REQUEUES = 100
"""How often a job may run out of its time and go on."""
EVERY = 5.0
"""Seconds between two looks at the queue."""
ARRAY = 1000
"""The most jobs of an array: one below Slurm's usual limit."""


def launcher(submitit: ModuleType, partition: str | None = None, time: str = TIME) -> Launch:
    """The launcher of a partition (None: Slurm's usual one) and a time after which a job is requeued.

    Raises: UsageError for a time that is none, or where Slurm is not here.
    """
    limit = minutes(time)
    if shutil.which("sbatch") is None or shutil.which("squeue") is None:
        raise UsageError(
            "--launcher slurm: expected Slurm's sbatch and squeue, found none; run it where jobs are submitted."
        )
    return partial(launch, submitit, {"partition": partition, "time": limit})


def minutes(time: str) -> int:
    """Slurm's ways to write a time, in minutes, rounded up: `90`, `90:00`, `4:00:00`, `2-12`, `2-12:00`, `2-12:00:00`.

    Raises: UsageError for another.
    """
    days, dash, rest = time.rpartition("-")
    numbers = rest.split(":")
    if not all(text.isdecimal() for text in [*numbers, *([days] if dash else [])]) or len(numbers) > 3:
        raise UsageError(f"--time {time}: expected minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS, got neither.")
    units = (60.0, 1.0, 1 / 60) if dash or len(numbers) == 3 else (1.0, 1 / 60)
    return math.ceil(1440 * int(days or 0) + sum(unit * int(n) for unit, n in zip(units, numbers, strict=False)))


def launch(submitit: Any, asks: Mapping[str, Any], work: Sequence[Job], act: Act, place: Place) -> dict[str, str]:
    """Submit every job that is not in the queue yet, and wait until all have left it. -> key -> why it failed.

    asks: what each job asks Slurm for. An interrupt ends the waiting alone: the jobs go on, and the next call waits again.
    """
    place = replace(place, results=place.results.absolute(), data=place.data.absolute())
    numbers = submitted(work, place)
    executor = submitit.SlurmExecutor(logs(place), max_num_timeout=REQUEUES)
    executor.update_parameters(**parameters(asks, place))
    for array in arrays(turns(work), set(numbers)):
        numbers |= submit(executor, array, numbers, act, place)
    say("slurm: the jobs are in its queue; Ctrl-C leaves them there, and the same command waits for them again")
    wait(work, numbers)
    return outcomes(work, numbers, place)


def logs(place: Place) -> Path:
    """Where submitit keeps what Slurm's jobs print."""
    return folder(place.results) / "slurm"


def submitted(work: Sequence[Job], place: Place) -> dict[str, str]:
    """Key -> number of the jobs that are in the queue already."""
    here, known = in_queue(), ((job.key, stored(place.results, job.key)) for job in work)
    unfinished = ((key, state) for key, state in known if state is not None and state.state not in ("finished", "failed"))
    return {key: state.slurm for key, state in unfinished if state.slurm in here}


def parameters(asks: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """What sbatch is asked for in each job; a GPU where one is wanted or, by `auto`, the partition has any."""
    wanted = place.device.startswith("cuda") or (place.device == "auto" and has_cards(asks["partition"]))
    cpus = max(1, place.workers)
    return {
        **asks,
        "job_name": "cambench",
        "cpus_per_task": cpus,
        "srun_args": [f"--cpus-per-task={cpus}"],  # which srun does not take over from sbatch since Slurm 22.05
        "gpus_per_node": 1 if wanted else None,
        "array_parallelism": ARRAY,
        "additional_parameters": {"requeue": True, "kill-on-invalid-dep": "yes"},
    }


def has_cards(partition: str | None) -> bool:
    """Whether a partition (None: any) has GPUs."""
    which = [] if partition is None else [f"--partition={partition}"]
    return "gpu" in answer("sinfo", "--noheader", "--format=%G", *which)


def arrays(ordered: Sequence[Turn], queued: Collection[str]) -> list[list[Turn]]:
    """The jobs that are not in the queue, in groups that wait for the same ones, each after those that it waits for."""
    groups: list[list[Turn]] = []
    left = [turn for turn in ordered if turn.job.key not in queued]
    while left:  # what the first one waits for comes before it
        waits = left[0].needs, left[0].after
        groups.append([turn for turn in left if (turn.needs, turn.after) == waits][:ARRAY])
        known = {turn.job.key for turn in groups[-1]}
        left = [turn for turn in left if turn.job.key not in known]
    return groups


def submit(executor: Any, array: Sequence[Turn], numbers: Mapping[str, str], act: Act, place: Place) -> dict[str, str]:
    """Submit jobs that wait for the same ones. numbers: of the jobs in the queue. -> their own, by key.

    Raises: CambenchError where Slurm refuses them.
    """
    import submitit

    first, jobs = array[0], [turn.job for turn in array]
    waits = [*(f"afterok:{numbers[key]}" for key in first.needs), *(f"afterany:{numbers[key]}" for key in first.after)]
    executor.update_parameters(dependency=",".join(waits) or None)
    for job in jobs:
        forget(place.results, job.key)
    try:
        queued = executor.map_array(Task(), jobs, [act] * len(jobs), [place] * len(jobs))
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as e:
        last = (str(e).strip().splitlines() or ["nothing"])[-1]
        raise CambenchError(f"sbatch: expected to submit {len(jobs)} jobs, got: {last}; see --partition and --time.") from e
    own = {job.key: str(one.job_id) for job, one in zip(jobs, queued, strict=True)}
    for job in jobs:
        enqueue(place.results, state_of(job, "slurm", slurm=own[job.key]))
    return own


class Task:
    """What submitit runs: one job, which ends with an error where it fails, so that `afterok` holds back what needs it."""

    def __call__(self, job: Job, act: Act, place: Place) -> None:
        """Do the job. Raises: CambenchError with why it failed."""
        import submitit

        progress.console = Plain(stderr=True, force_terminal=False)
        with data.kept():
            reason = attempt(job, act, place, state_of(job, "slurm", slurm=submitit.JobEnvironment().job_id))
        if reason is not None:
            raise CambenchError(reason)

    def checkpoint(self, job: Job, act: Act, place: Place) -> Any:
        """What is submitted again when the time is up: the same, which goes on from what is on disk."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, job, act, place)


def wait(work: Sequence[Job], numbers: Mapping[str, str]) -> None:
    """Until every job has left the queue; each is said."""
    left = list(work)
    while left:
        here = in_queue()
        over = [job for job in left if numbers[job.key] not in here]
        left = [job for job in left if numbers[job.key] in here]
        for job in over:
            say(f"slurm: {numbers[job.key]} is over: {job.title}")
        if left:
            clock.sleep(EVERY)


def outcomes(work: Sequence[Job], numbers: Mapping[str, str], place: Place) -> dict[str, str]:
    """Why jobs failed that have left the queue."""
    failed: dict[str, str] = {}
    for job in work:
        state = read_state(place.results, job.key)
        if state is None or state.state != "finished":
            log = logs(place) / f"{numbers[job.key]}_0_log.err"
            ended = f"Slurm ended it; its log is {log}; run the command again."
            own = state.reason if state is not None and state.state == "failed" else ended
            failed[job.key] = next((failed[key] for key in job.needs if key in failed), own)
    return failed
