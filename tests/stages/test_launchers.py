"""Launchers: which there are, what they need, in which order jobs go, and what Slurm is asked for, line by line."""

from __future__ import annotations

import importlib.util
import multiprocessing
import stat
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from boards import board, fail_or_write, written
from conftest import ROOT

from cambench.stages.reproducing import on_slurm
from cambench.stages.reproducing.launch import Worker, local
from cambench.stages.reproducing.launchers import launcher, turns
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.on_ray import resources
from cambench.stages.reproducing.on_slurm import arrays, minutes
from cambench.stages.reproducing.plan import Job, Network, Wish, make_jobs
from cambench.stages.workplace import Place
from cambench.store.jobs import read_state
from cambench.vocabulary import CambenchError, UsageError

PLACE = Place(Path("data"), Path("results"), "cpu")
CE = Network("ce", None, "synthbirds")


def measuring(metric: str, explainer: str | None = "grad-cam", needs: tuple[str, ...] = ()) -> Job:
    """A measurement of one network."""
    return Job(CE, Measurement(metric, "synthbirds", "test", explainer, explainer and "logit"), needs)


@pytest.mark.parametrize(("name", "options", "said"), [
    ("slurn", {}, "Did you mean slurm"),
    ("local", {"address": "a:1"}, "--launcher local: --address is not used here, it is for --launcher ray"),
    ("ray", {"time": "3"}, "--time is not used here, it is for --launcher slurm"),
], ids=str)  # fmt: skip
def test_what_is_asked_wrong_is_said_before_anything(name: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        launcher(name, **options)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_package_that_is_not_there_is_named_with_its_extra(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"expected the package {package}, found none; pip install 'cambench\[{name}\]'"):
        launcher(name)
    assert launcher("local", address=None) is local


def test_ray_is_given_its_package_and_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("ray")
    monkeypatch.setitem(sys.modules, "ray", package)
    for address in (None, "a:1"):
        made = launcher("ray", address=address)
        assert isinstance(made, partial) and (made.args, made.keywords) == ((package,), {"address": address})


def test_of_those_that_look_at_the_same_heatmaps_one_makes_them() -> None:
    training = Job(CE)
    after = (training.key,)
    work = [training, *(measuring(metric, needs=after) for metric in ("ch", "px-ap")), measuring("top1", None, after)]
    work += [measuring("top5", None, after), measuring("ch", "layer-cam", ("not in this work",))]
    ordered = turns(work)
    assert [turn.needs for turn in ordered] == [(), after, after, after, after, ()]
    assert [turn.after for turn in ordered] == [(), (), (work[1].key,), (), (), ()], "without heatmaps there is no maker"
    made, asked, other = [work[1], work[3], work[4]], [work[2]], work[5]
    groups = [[turn.job for turn in array] for array in arrays(ordered, [])]
    assert groups == [[work[0], other], made, asked]
    assert [[turn.job for turn in array] for array in arrays(ordered, after)] == [made, asked, [other]]


def test_every_job_of_a_table_is_in_one_array_after_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_slurm, "ARRAY", 4)
    table = board({m: f'{{ method = "{m}" }}' for m in ("ce", "cgc", "supcon-ori")}, {"A": 'metric = "ch"'}, seeds=3)
    work, known = make_jobs([table], Wish(), lambda network: False), set[str]()
    for array in arrays(turns(work), []):
        assert len(array) <= 4 and all(known.issuperset((*turn.needs, *turn.after)) for turn in array)
        assert not known & {turn.job.key for turn in array}
        known |= {turn.job.key for turn in array}
    assert known == {job.key for job in work}


@pytest.mark.parametrize(("time", "expected"), [
    ("90", 90), ("90:30", 91), ("4:00:00", 240), ("0:00:01", 1), ("2-12", 3600), ("1-0:30", 1470), ("1-00:00:01", 1441)
])  # fmt: skip
def test_a_time_is_read_as_slurm_reads_it(time: str, expected: int) -> None:
    assert minutes(time) == expected


@pytest.mark.parametrize("time", ["", "4h", "1:2:3:4", "-3", "1-", "-", "1.5"])
def test_what_is_no_time_is_refused(time: str) -> None:
    with pytest.raises(UsageError, match="--time"):
        minutes(time)


def test_a_job_takes_a_card_and_its_share_of_the_processors() -> None:
    nodes = [{"CPU": 16.0, "GPU": 4.0}, {"CPU": 64.0, "GPU": 8.0}, {"CPU": 4.0}, {"memory": 1.0}]
    assert resources(replace(PLACE, device="auto", workers=8), nodes) == {"num_gpus": 1, "num_cpus": 4}
    assert resources(replace(PLACE, device="cuda", workers=2), nodes) == {"num_gpus": 1, "num_cpus": 3}
    few = [{"CPU": 2.0, "GPU": 4.0}]
    assert resources(replace(PLACE, device="auto", workers=8), few) == {"num_gpus": 1, "num_cpus": 1}, "fewer than cards"
    assert resources(replace(PLACE, workers=8), nodes) == {"num_cpus": 4}
    assert resources(replace(PLACE, device="auto"), nodes[2:]) == {"num_cpus": 1}
    with pytest.raises(UsageError, match="expected a GPU in the ray cluster, got 2 nodes without"):
        resources(replace(PLACE, device="cuda"), nodes[2:])


SCRIPT = """#!/bin/bash

# Parameters
#SBATCH --array=0-1%2
#SBATCH --cpus-per-task=3
#SBATCH --dependency=afterok:7_1,afterany:8
#SBATCH --error={folder}/%A_%a_0_log.err
#SBATCH --gpus-per-node=1
#SBATCH --job-name=cambench
#SBATCH --kill-on-invalid-dep=yes
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output={folder}/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=240
"""
SBATCH = """#!/bin/sh
cp "$1" {folder}/script
echo Submitted batch job 42
"""


@pytest.fixture
def submitit() -> Any:
    """The package, where it is installed."""
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("submitit is not installed: pip install 'cambench[slurm]'")
    import submitit

    return submitit


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an `sbatch` that keeps its script, and commands that say nothing, in the place of Slurm's."""
    for name, text in (("sbatch", SBATCH.format(folder=tmp_path)), ("srun", "#!/bin/sh\n"), ("squeue", "#!/bin/sh\n")):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def test_the_script_that_slurm_gets_line_by_line(submitit: Any, commands: Path) -> None:
    place = replace(PLACE, results=commands / "results", device="cuda", workers=3)
    executor = submitit.SlurmExecutor(on_slurm.logs(place), max_num_timeout=1)
    executor.update_parameters(**on_slurm.parameters({"partition": "gpu", "time": 240}, place))
    array = [replace(turn, needs=("a",), after=("b",)) for turn in turns([Job(CE), Job(replace(CE, seed=1))])]
    numbers = on_slurm.submit(executor, array, {"a": "7_1", "b": "8"}, fail_or_write, place)
    assert numbers == {turn.job.key: f"42_{i}" for i, turn in enumerate(array)}
    lines = (commands / "script").read_text().splitlines()
    expected = SCRIPT.format(folder=on_slurm.logs(place)).splitlines()
    assert [line for line in lines[: len(expected) + 1] if "wckey" not in line] == expected
    (command,) = [line for line in lines if line.startswith("srun")]
    assert "--cpus-per-task=3" in command and command.endswith(f"-m submitit.core._submit {on_slurm.logs(place)}")
    state = read_state(place.results, array[1].job.key)
    assert state is not None and (state.state, state.slurm, state.launcher) == ("queued", "42_1", "slurm")


def test_slurm_is_given_its_package_the_partition_and_the_time(submitit: Any, commands: Path) -> None:
    for options, asks in (
        ({"partition": "gpu", "time": "0:30:00"}, {"partition": "gpu", "time": 30}),
        ({}, {"partition": None, "time": 240}),
    ):
        made = launcher("slurm", **options)
        assert isinstance(made, partial) and made.args == (submitit, asks)


def test_what_slurm_refuses_is_one_line(submitit: Any, commands: Path) -> None:
    (commands / "bin" / "sbatch").write_text("#!/bin/sh\necho sbatch: invalid partition specified >&2\nexit 1\n")
    slurm, place = launcher("slurm", partition="nosuch"), replace(PLACE, results=commands / "results")
    with pytest.raises(CambenchError, match="expected to submit 1 jobs, got: sbatch: invalid partition specified; see"):
        slurm([Job(CE)], fail_or_write, place)
    (commands / "bin" / "squeue").write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
    with pytest.raises(CambenchError, match="squeue: expected an answer of Slurm, got: no controller;"):
        slurm([Job(CE)], fail_or_write, place)


def test_what_left_the_queue_unfinished_says_where_its_log_is(submitit: Any, commands: Path) -> None:
    first = Job(CE)
    work = [first, measuring("top1", None, (first.key,))]
    failed = launcher("slurm", time="30")(work, fail_or_write, replace(PLACE, results=commands / "results"))
    log = on_slurm.logs(replace(PLACE, results=commands / "results")) / "42_0_log.err"
    assert failed == {job.key: f"Slurm ended it; its log is {log}; run the command again." for job in work}


def test_a_task_runs_in_a_process_of_submitit_and_fails_as_its_job(
    submitit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On submitit's own local executor, which runs the same pickles as Slurm's."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'tests'}")
    place = replace(PLACE, results=tmp_path / "results")
    place.results.mkdir()
    executor = submitit.LocalExecutor(tmp_path / "logs")
    works, fails = Job(CE), Job(replace(CE, method="ce-fails"))
    running = [executor.submit(on_slurm.Task(), job, fail_or_write, place) for job in (works, fails)]
    assert running[0].result() is None and "it does not want to." in str(running[1].exception())
    assert written(place) == {works.key}
    states = [read_state(place.results, job.key) for job in (works, fails)]
    assert [state and (state.state, state.reason) for state in states] == [
        ("finished", ""),
        ("failed", "it does not want to."),
    ]


def test_a_worker_that_is_killed_before_it_reads_its_job_has_an_end(tmp_path: Path) -> None:
    """The pipe of such a one is reset, not ended; one that is gone already breaks it."""
    worker = object.__new__(Worker)
    worker.link, theirs = multiprocessing.Pipe()
    worker.process = SimpleNamespace(join=lambda: None, exitcode=-9)  # type: ignore[assignment]
    worker.begin(Job(CE))
    theirs.close()
    assert worker.result() == (False, "its worker process ended with exit code -9; run the command again.")
    worker.begin(Job(CE))
    assert worker.job == Job(CE)
