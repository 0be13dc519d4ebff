"""The launcher of Slurm without a Slurm: what is submitted, asked for and waited for, with commands of the test's own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from cambench.data import reading
from cambench.stages.reproducing import on_slurm
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.workplace import Place
from cambench.store.jobs import JobState, read_state, write_state
from cambench.vocabulary import CambenchError, UsageError

ASKS = {"partition": "gpu", "time": 240}
FIRST = Job(Network("ce", None, "synthbirds"))
SECOND = replace(FIRST, network=replace(FIRST.network, seed=1), needs=(FIRST.key,))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Empty roots."""
    return Place(tmp_path, tmp_path / "results", "cpu", workers=3)


def answers(monkeypatch: pytest.MonkeyPatch, *queues: set[str]) -> list[float]:
    """What the queue holds at each look; the last one stays. -> how long was slept between two looks."""
    left, slept = list(queues), list[float]()
    monkeypatch.setattr(on_slurm, "in_queue", lambda: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(on_slurm.clock, "sleep", slept.append)
    return slept


def state(job: Job, **facts: Any) -> JobState:
    """What is known of a job."""
    return JobState(key=job.key, title=job.title, launcher="slurm", owner=job.key, **facts)


def test_it_is_refused_where_nothing_can_be_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ("sbatch", "squeue"):
        (tmp_path / one).mkdir()
        (tmp_path / one / one).touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / one))
        with pytest.raises(UsageError, match="--launcher slurm: expected Slurm's sbatch and squeue, found none"):
            on_slurm.launcher(on_slurm)  # only one of them is here
    with pytest.raises(UsageError, match="--time soon"):
        on_slurm.launcher(on_slurm, time="soon")


@pytest.mark.parametrize(("device", "cards", "gpus"), [
    ("cpu", "gpu:8", None), ("auto", "gpu:8", 1), ("auto", "(null)", None), ("cuda", "(null)", 1)
])  # fmt: skip
def test_a_gpu_is_asked_for_where_there_are_any(
    device: str, cards: str, gpus: int | None, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(on_slurm, "answer", lambda *words: asked.append(words) or f"{cards}\n")
    made = on_slurm.parameters(ASKS, replace(place, device=device))
    assert (made["gpus_per_node"], made["cpus_per_task"], made["time"]) == (gpus, 3, 240)
    assert asked == ([("sinfo", "--noheader", "--format=%G", "--partition=gpu")] if device == "auto" else [])
    assert on_slurm.parameters({"partition": None}, replace(place, workers=0))["cpus_per_task"] == 1
    on_slurm.has_cards(None)
    assert asked[-1] == ("sinfo", "--noheader", "--format=%G")


def test_what_is_in_the_queue_is_not_submitted_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, {"7", "8_1"})
    work = [FIRST, SECOND, *(replace(FIRST, network=replace(FIRST.network, seed=seed)) for seed in (2, 3, 4))]
    known = [("queued", "7"), ("running", "8_1"), ("queued", "9"), ("finished", "7"), None]
    for job, facts in zip(work, known, strict=True):
        if facts is not None:
            write_state(place.results, state(job, state=facts[0], slurm=facts[1]))
    assert on_slurm.submitted(work, place) == {FIRST.key: "7", SECOND.key: "8_1"}


class RefusedError(Exception):
    """As submitit's."""


class Executor:
    """As submitit's of Slurm: an array that is submitted has the next number."""

    made: ClassVar[list[Executor]] = []
    refusal = ""

    def __init__(self, folder: Path, max_num_timeout: int) -> None:
        self.folder, self.requeues, self.asks = folder, max_num_timeout, dict[str, Any]()
        self.arrays: list[tuple[str | None, list[tuple[Any, ...]]]] = []
        self.made.append(self)

    def update_parameters(self, **asks: Any) -> None:
        """For what is submitted next."""
        self.asks |= asks

    def map_array(self, task: Any, *columns: list[Any]) -> list[Any]:
        """Submit a job a row."""
        if self.refusal:
            raise RefusedError(self.refusal)
        rows = list(zip(*columns, strict=True))
        self.arrays.append((self.asks["dependency"], rows))
        return [SimpleNamespace(job_id=f"{len(self.arrays)}_{i}") for i in range(len(rows))]


@pytest.fixture
def submitit(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package with what is used of it."""
    errors = SimpleNamespace(FailedJobError=RefusedError, FailedSubmissionError=RefusedError)
    package = SimpleNamespace(
        SlurmExecutor=Executor,
        core=SimpleNamespace(utils=errors),
        JobEnvironment=lambda: SimpleNamespace(job_id="77_3"),
    )
    monkeypatch.setitem(sys.modules, "submitit", package)
    monkeypatch.setattr(Executor, "made", [])
    return package


def test_what_is_missing_is_submitted_after_what_it_needs_and_waited_for(
    submitit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given, place = Place(Path("data"), Path("results"), "cpu"), Place(tmp_path / "data", tmp_path / "results", "cpu")
    slept = answers(monkeypatch, {"40"}, {"40", "1_0", "2_0"}, {"2_0"}, set())
    asked = [Measurement(metric, "synthbirds", "test", "grad-cam", "logit") for metric in ("ch", "px-ap")]
    work = [FIRST, SECOND, *(Job(FIRST.network, measurement, (FIRST.key,)) for measurement in asked)]
    write_state(place.results, state(FIRST, state="queued", slurm="40"))
    write_state(place.results, state(SECOND, state="failed", reason="of last time"))
    failed = on_slurm.launch(submitit, ASKS, work, print, given)
    assert slept == [on_slurm.EVERY] * 2 and [*failed] == [job.key for job in work], "nobody did anything"
    (executor,) = Executor.made
    assert (executor.folder, executor.requeues, executor.asks["time"]) == (on_slurm.logs(place), on_slurm.REQUEUES, 240)
    needs = "afterok:40"
    assert executor.arrays == [
        (needs, [(SECOND, print, place), (work[2], print, place)]),
        (f"{needs},afterany:1_1", [(work[3], print, place)]),
    ]
    for job, number in zip(work, ("40", "1_0", "1_1", "2_0"), strict=True):
        known = read_state(place.results, job.key)
        assert known is not None and (known.state, known.slurm, known.reason) == ("queued", number, "")


def test_what_waits_for_nothing_has_no_dependency_and_a_refusal_is_its_last_line(
    submitit: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, set())
    write_state(place.results, state(FIRST, state="failed", reason="of last time"))
    monkeypatch.setattr(Executor, "refusal", "sbatch: of the queue\nsbatch: no such partition\n")
    with pytest.raises(CambenchError, match="expected to submit 1 jobs, got: sbatch: no such partition; see --partition"):
        on_slurm.launch(submitit, ASKS, [FIRST], print, place)
    assert read_state(place.results, FIRST.key) is None
    monkeypatch.setattr(Executor, "refusal", "")
    on_slurm.launch(submitit, ASKS, [FIRST], print, place)
    assert [dependency for dependency, _ in Executor.made[-1].arrays] == [None]


def test_a_task_is_its_job_under_slurms_number(submitit: Any, place: Place) -> None:
    def act(job: Job, place: Place) -> None:
        known = read_state(place.results, job.key)
        assert reading.DEPTH and known is not None and known.slurm == "77_3", "while it is done"
        if job is SECOND:
            raise CambenchError("no.")

    on_slurm.Task()(FIRST, act, place)
    with pytest.raises(CambenchError, match=r"^no\.$"):
        on_slurm.Task()(SECOND, act, place)


def test_it_waits_until_all_have_left_the_queue(
    place: Place, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    slept = answers(monkeypatch, {"7", "8", "x"}, {"8"}, {"8"}, set())
    on_slurm.wait([FIRST, SECOND], {FIRST.key: "7", SECOND.key: "8"})
    assert slept == [on_slurm.EVERY] * 3
    said = capfd.readouterr().err
    assert said.index("slurm: 7 is over: ") < said.index("slurm: 8 is over: ") and said.count("is over") == 2


def test_why_jobs_failed(place: Place) -> None:
    """Its own reason; that of the job that it needs; else where Slurm's log is."""
    numbers, third = {FIRST.key: "7_0", SECOND.key: "8"}, replace(FIRST, network=replace(FIRST.network, seed=2))
    numbers[third.key] = "9"
    write_state(place.results, state(third, state="finished"))
    log = f"Slurm ended it; its log is {on_slurm.logs(place)}/7_0_0_log.err; run the command again."
    work = [FIRST, SECOND, third]
    assert on_slurm.outcomes(work, numbers, place) == {FIRST.key: log, SECOND.key: log}
    write_state(place.results, state(FIRST, state="failed", reason="no."))
    assert on_slurm.outcomes(work, numbers, place) == {FIRST.key: "no.", SECOND.key: "no."}
    write_state(place.results, state(FIRST, state="stopped"))
    assert on_slurm.outcomes(work, numbers, place)[FIRST.key] == log
    write_state(place.results, state(FIRST, state="finished"))
    assert on_slurm.outcomes(work, numbers, place) == {SECOND.key: log.replace("7_0_0", "8_0")}


def test_what_is_submitted_again_when_the_time_is_up_is_the_same(place: Place) -> None:
    submitit = pytest.importorskip("submitit")
    again = on_slurm.Task().checkpoint(FIRST, print, place)
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert isinstance(again.function, on_slurm.Task) and again.args == (FIRST, print, place)
