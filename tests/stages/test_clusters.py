"""Engines for real, where they are installed: ray on two nodes of which one is lost in the middle, a Slurm of one node."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from boards import fail_or_write, perform_and_lose_node, written
from conftest import ROOT
from queue_here import lacking, slurm
from tiny import TINY

from cambench.stages.reporting.choice import Choice
from cambench.stages.reproducing import on_slurm
from cambench.stages.reproducing.launch import local
from cambench.stages.reproducing.launchers import launcher
from cambench.stages.reproducing.plan import Job, Network, Wish
from cambench.stages.reproducing.reproduce import make_plan, perform, reproduce
from cambench.stages.workplace import Place
from cambench.store.jobs import read_state, read_states
from cambench.store.runs import read_runs


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """A ray cluster of two nodes on this machine, one job each: its address, and the name of the second node."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed: pip install 'cambench[ray]'")
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    size, cluster = {"num_cpus": 1, "object_store_memory": 100_000_000}, Cluster()
    try:
        try:
            cluster.add_node(**size, include_dashboard=False)
            second = cluster.add_node(**size)
        except Exception as e:
            if "timed out during startup" not in str(e):
                raise
            pytest.skip("this machine is too busy: ray gives a node 30 s to begin")
        yield cluster.address, second.node_id
    finally:
        cluster.shutdown()


def test_a_node_that_is_lost_costs_a_chunk_and_the_tables_are_those_of_one_process(
    two_nodes: tuple[str, str], birds: Path, tmp_path: Path
) -> None:
    """Half of ExCon's Table 1: a training after another, two that may begin at once, four measurements."""
    choice = Choice(["excon/1"], rows=["SupConOri", "ExCon"], on="synthbirds")
    wish, made = Wish("synthbirds", 1, tuple(TINY)), []
    for name in ("one", "cluster"):
        place = Place(birds, tmp_path / name, "cpu")
        place.results.mkdir()
        plan = make_plan(choice, wish, place)
        if name == "cluster":
            (place.results / "second").write_text(two_nodes[1])
            failed = launcher("ray", address=two_nodes[0])(plan.left, perform_and_lose_node, place)
        else:
            failed = local(plan.left, perform, place)
        assert failed == {}
        made.append(reproduce(make_plan(choice, wish, place), place))
    assert made[0] == made[1] and made[1][1]
    runs = [{run.name: (run.path / "last.pt").read_bytes() for run in read_runs(tmp_path / n)} for n in ("one", "cluster")]
    assert runs[0] == runs[1] and len(runs[0]) == 3
    lost = (place.results / "lost").read_text()
    attempts = {state.key: (state.attempts, state.state, state.launcher) for state in read_states(place.results)}
    assert attempts == {job.key: (1 + (job.key == lost), "finished", "ray") for job in plan.jobs}


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Slurm queue on this machine."""
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed: pip install 'cambench[slurm]'")
    if lacking() or os.getuid() != 0:
        pytest.skip(f"{lacking() or 'root'} is not here: apt-get install munge slurmctld slurmd slurm-client, as root")
    with slurm(tmp_path / "slurm") as environment:
        for name, value in {**environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}.items():
            monkeypatch.setenv(name, value)
        yield


def test_slurm_does_what_may_be_done_and_holds_back_what_needs_a_failed_job(
    queue: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_slurm, "EVERY", 0.5)
    place = Place(tmp_path, tmp_path / "results", "cpu")
    place.results.mkdir()
    first = [Job(Network(method, None, "synthbirds")) for method in ("ce", "ce-fails")]
    then = [replace(job, network=replace(job.network, seed=1), needs=(job.key,)) for job in first]
    failed = launcher("slurm", time="10")([*first, *then], fail_or_write, place)
    assert failed == {job.key: "it does not want to." for job in (first[1], then[1])}
    assert written(place) == {first[0].key, then[0].key}
    assert f"['{first[0].key}']" in (place.results / then[0].key).read_text(), "the first was done when the other began"
    states = [read_state(place.results, job.key) for job in (*first, *then)]
    assert [state and state.state for state in states] == ["finished", "failed", "finished", "queued"]
    assert len({state.slurm.partition("_")[0] for state in states if state}) == 3, "one array of two, and two after it"
