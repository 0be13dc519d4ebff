"""Jobs that are done one after another in one process: nothing of one is left to the next."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from data.miniatures import own_folder

from cambench.stages.reproducing import launch
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.training import train as training
from cambench.stages.training.loop import Loop
from cambench.stages.workplace import Place

SMALL = ("model.init=scratch", "input.size=16", "train.epochs=1", "train.batch_size=4")
METHODS = ("supcon", "excon", "ce")


def test_no_network_of_a_job_is_alive_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = f"folder:{own_folder(tmp_path / 'mine', parts=('train', 'val'))}"
    place, begin = Place(tmp_path, tmp_path / "results", "cpu"), Loop.__init__
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def remembered(self: Loop, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        made.extend(map(weakref.ref, (self, self.network.model, self.optimizer)))

    def act(job: Job, place: Place) -> None:
        gc.collect()
        alive.append(sum(one() is not None for one in made))
        training.train(training.TrainJob(job.network.method, spec, "resnet8", overrides=SMALL), place)

    monkeypatch.setattr(Loop, "__init__", remembered)
    work = [Job(Network(method, None, "mine")) for method in METHODS]
    assert launch.launch(work, act, place, [launch.Device("cpu")]) == {}
    gc.collect()
    assert len(made) == 9 and alive == [0, 0, 0] and not any(one() for one in made)


JOBS = """
import torch
from pathlib import Path
from cambench import models
from cambench.stages.reproducing.launch import attempt
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.workplace import Place
from cambench.vocabulary import CambenchError
left = []
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
def act(job, place):
    tensors = [torch.ones(2**16) for _ in range(800)]
    left.append(torch.ones(2**16))  # above the others, which the heap keeps for it
    if len(left) == 2:
        raise CambenchError("it does not want to.")
models.keep_heap()
before = resident()
for seed in range(3):
    attempt(Job(Network("ce", None, "x", seed=seed)), act, Place(Path(), Path("results"), "cpu"))
    print(resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the heap is kept under Linux alone")
def test_memory_that_a_job_took_is_given_back(tmp_path: Path) -> None:
    """200 MB of each of three jobs, of which the second one fails."""
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", JOBS], cwd=tmp_path, env=settings, capture_output=True, check=True)
    grown = [float(line) for line in done.stdout.split()]
    assert len(grown) == 3 and max(grown) < 60, f"{grown} MB more"
