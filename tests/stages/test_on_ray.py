"""The launcher of ray without a ray: what comes of tasks, of those that are lost, and of a connection."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cambench.data import reading
from cambench.stages.reproducing import on_ray
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.workplace import Place
from cambench.store.jobs import folder, lock, read_state
from cambench.store.locks import only_writer
from cambench.vocabulary import CambenchError, UsageError

FIRST = Job(Network("ce", None, "synthbirds"))
SECOND = replace(FIRST, network=replace(FIRST.network, seed=1), needs=(FIRST.key,))
THIRD = replace(FIRST, network=replace(FIRST.network, seed=2), needs=(SECOND.key,))
LOST = "its process or machine was lost 4 times (CrashedError); run the command again."


class RayError(Exception):
    """As ray's."""


class CrashedError(RayError):
    """A process that is gone."""


class RaySystemError(RayError):
    """A task that a machine cannot read."""


class RayTaskError(RayError):
    """What a task raised."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def fake(**answers: Any) -> Any:
    """A ray whose tasks are over at once, the last first. answers: task -> what it gives or raises."""

    def get(ref: str) -> Any:
        if isinstance(answers[ref], Exception):
            raise answers[ref]
        return answers[ref]

    kinds = SimpleNamespace(RayError=RayError, RaySystemError=RaySystemError, RayTaskError=RayTaskError)
    return SimpleNamespace(
        exceptions=kinds, get=get, wait=lambda refs, num_returns: (refs[-num_returns:], refs[:-num_returns])
    )


def test_a_task_is_given_what_comes_before_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """First what it needs, then whose heatmaps it waits for; the results are kept where the command runs."""
    begun: list[tuple[Any, dict[str, Any], tuple[Any, ...]]] = []

    def remote(**options: Any) -> Any:
        def of(function: Any) -> Any:
            return SimpleNamespace(remote=lambda *given: begun.append((function, options, given)) or len(begun))

        return of

    ray = fake()
    ray.remote, ray.get, ray.is_initialized = remote, lambda ref: None, lambda: True
    ray.nodes = lambda: [{"Alive": True, "Resources": {"CPU": 4.0}}, {"Alive": False, "Resources": {"CPU": 1.0, "GPU": 8.0}}]
    ray.get_runtime_context = lambda: SimpleNamespace(get_node_id=lambda: "here")
    strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: (node, soft))
    for name, module in (("ray", ray), ("ray.util", ray), ("ray.util.scheduling_strategies", strategies)):
        monkeypatch.setitem(sys.modules, name, module)
    asked = [Measurement(metric, "synthbirds", "test", "grad-cam", "logit") for metric in ("ch", "px-ap")]
    work = [FIRST, *(Job(FIRST.network, measurement, (FIRST.key,)) for measurement in asked)]
    assert on_ray.launch(ray, work, acted, replace(place, workers=8)) == {}
    (keeper, *tasks) = begun
    assert keeper[0] is on_ray.Keeper and keeper[1] == {"num_cpus": 0, "scheduling_strategy": ("here", False)}
    assert [(given[0], given[4:]) for _, _, given in tasks] == [(work[0], (0,)), (work[1], (1, 2)), (work[2], (1, 2, 3))]
    for function, options, given in tasks:
        assert (function, options["max_retries"]) == (on_ray.serve, on_ray.RETRIES)
        assert given[2].workers == options["num_cpus"] == 4
    assert not lock(place.results, tasks[0][2][3][1]).exists(), "the session is over"


def test_why_jobs_failed_and_what_needs_them(capfd: pytest.CaptureFixture[str]) -> None:
    refs = {FIRST.key: "a", SECOND.key: "b", THIRD.key: "c"}
    work = [FIRST, SECOND, THIRD]
    assert on_ray.outcomes(fake(a=None, b=None, c=None), work, refs) == {}
    lost = on_ray.outcomes(fake(a=CrashedError(), b=RayTaskError(CambenchError("the first was lost.")), c=None), work, refs)
    assert lost == {FIRST.key: LOST, SECOND.key: LOST, THIRD.key: LOST}, "why the first failed is why they all did"
    assert on_ray.outcomes(fake(a=None, b=None, c="no."), work, refs) == {THIRD.key: "no."}
    said = capfd.readouterr().err.splitlines()
    assert said[-3:] == [f"[1/3] {THIRD.title}: failed: no.", f"[2/3] {SECOND.title}", f"[3/3] {FIRST.title}"]


def test_a_bug_is_raised_and_what_a_person_can_act_on_is_a_reason() -> None:
    ray = fake()
    assert on_ray.lost(ray, RayTaskError(CambenchError("it does not want to."))) == "it does not want to."
    assert on_ray.lost(ray, CrashedError()) == on_ray.lost(ray, RayTaskError(CrashedError())) == LOST
    for bug in (RayTaskError(ValueError("a bug")), RaySystemError(), RayTaskError(RaySystemError())):
        with pytest.raises(type(bug)):
            on_ray.lost(ray, bug)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Empty roots."""
    return Place(tmp_path, tmp_path / "results", "cpu")


def acted(job: Job, place: Place) -> None:
    """A job that says where it was done, and in which a split is read once."""
    assert reading.DEPTH
    place.results.mkdir(exist_ok=True)
    (place.results / "runs" / "r").mkdir(parents=True)
    (place.results / "runs" / "r" / "where").write_text(str(place.results))


def test_a_task_heeds_what_it_needs_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", fake())
    with only_writer(folder(place.results) / "session"):
        assert on_ray.serve(FIRST, acted, place, (None, "session"), 1, "no.", None) == "no."
        assert read_state(place.results, FIRST.key) is None, "it was not begun"
        assert on_ray.serve(FIRST, acted, place, (None, "session"), 1, None, "no.") is None
    state = read_state(place.results, FIRST.key)
    assert state is not None and (state.state, state.launcher, state.owner) == ("finished", "ray", FIRST.key)


def test_a_task_that_does_not_see_the_results_works_on_a_copy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from cambench.stages.reproducing.mirror import Keeper

    ray, keeper = fake(), Keeper(place)
    remote = SimpleNamespace(
        **{name: SimpleNamespace(remote=getattr(keeper, name)) for name in ("begin", "read", "write", "commit")}
    )
    ray.get = lambda answer: answer
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert not lock(place.results, "session").exists()
    assert on_ray.serve(FIRST, acted, place, (remote, "session"), 0) is None
    assert (place.results / "runs" / "r" / "where").read_text() != str(place.results)
    state = read_state(place.results, FIRST.key)
    assert state is not None and (state.state, state.owner) == ("finished", "session")


def test_a_connection(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is left as it was found; what ray prints goes to stderr, and ray reports nothing to anybody."""
    calls: list[Any] = []
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    ray = SimpleNamespace(
        is_initialized=lambda: bool(calls and calls[0] == "before"),
        init=lambda **facts: calls.append(facts["address"]),
        shutdown=lambda: calls.append("shutdown"),
    )
    with on_ray.connected(ray, "a:1"):
        print("of ray")  # noqa: T201
    assert calls == ["a:1", "shutdown"] and capsys.readouterr() == ("", "of ray\n")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    calls[:] = ["before"]
    with on_ray.connected(ray, None):
        pass
    assert calls == ["before"]
    calls.clear()
    with (
        pytest.raises(UsageError, match="--address ray://a:1: expected HOST:PORT of the cluster"),
        on_ray.connected(ray, "ray://a:1"),
    ):
        pass

    def refuse(**facts: Any) -> None:
        raise ConnectionError("nobody there\nmore")

    ray.init = refuse
    with (
        pytest.raises(CambenchError, match=r"a:1: expected a ray cluster, got: nobody there; ray"),
        on_ray.connected(ray, "a:1"),
    ):
        pass
    assert calls == []
