"""Tasks of an srun: which GPU each takes, how many share a machine, and who is the first, without a Slurm."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed

from cambench import processes
from cambench.stages.elastic import together
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

TASK = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NUM_TASKS": "7",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_GPUS_ON_NODE": "2",
    "SLURM_STEP_TASKS_PER_NODE": "2(x3),1",
    "SLURM_STEP_NODELIST": "gpu[03-06]",
}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the second task on the second of four machines, which has met the others."""
    environment = {**TASK, "PATH": os.environ["PATH"], "MASTER_ADDR": "gpu03"}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 7)
    monkeypatch.setattr(distributed, "get_rank", lambda: 3)
    return environment


def see(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    """Let the task see so many GPUs."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


@pytest.mark.parametrize(("gpus", "device"), [(1, "cuda:0"), (2, "cuda:1"), (8, "cuda:1")])
def test_a_task_takes_the_only_gpu_that_it_sees_or_that_of_its_number(
    gpus: int, device: str, task: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, gpus)
    assert processes.join("auto") == device
    assert processes.join("auto") == device, "and again, with torch's own variables set"


def test_more_processes_than_gpus_are_refused_without_an_option_that_nobody_typed(
    task: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, 2)
    task.update(SLURM_LOCALID="2", SLURM_STEP_TASKS_PER_NODE="3(x2),1")
    with pytest.raises(UsageError, match="^processes: expected at most 2 on this machine, one a GPU, got 3; start fewer"):
        processes.join("cuda")
    see(monkeypatch, 1)
    task.update(SLURM_LOCALID="1", SLURM_GPUS_ON_NODE="1", LOCAL_RANK="1")
    with pytest.raises(UsageError, match="at most 1 on this machine, one a GPU, got 2"):
        processes.join("cuda")  # both see the same one
    task.update({"LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", processes.AGENT: "torchrun within a task"})
    with pytest.raises(UsageError, match="at most 1 on this machine, one a GPU, got 2"):
        processes.join("cuda")


@pytest.mark.parametrize(("node", "workers"), [("1", 4), ("3", 8)])
def test_the_workers_of_a_machine_are_shared_out_among_its_tasks(
    node: str, workers: int, task: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, 1)
    task["SLURM_NODEID"] = node
    monkeypatch.setattr("cambench.stages.progress.console.quiet", False)
    monkeypatch.setattr("logging.Logger.setLevel", lambda *_: None)
    assert together(Place(Path(), Path(), "auto", workers=8)).workers == workers


def test_a_container_without_scontrol_is_one_line(task: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    del task["MASTER_ADDR"]
    for error in (FileNotFoundError(2, "No such file", "scontrol"), subprocess.CalledProcessError(1, "scontrol")):

        def run(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(subprocess, "run", run)
        with pytest.raises(UsageError, match=r"srun: expected scontrol to name the first of gpu\[03-06\], got .*; set MAST"):
            processes.join("cpu")
