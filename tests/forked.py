"""What is done in a process of its own: a fork of the test's, which need not import anything anew."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from typing import Any

from cambench.stages.training.loop import Loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place


def started(act: Callable[..., Any], *given: Any) -> ForkProcess:
    """Begin it."""
    process = multiprocessing.get_context("fork").Process(target=act, args=given)
    process.start()
    return process


def killed(act: Callable[..., Any], *given: Any) -> None:
    """Do what ends with `die`."""
    process = started(act, *given)
    process.join(300)
    assert process.exitcode == -signal.SIGKILL, f"expected to be killed, got exit code {process.exitcode}"


def die() -> None:
    """End this process as the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)


def train_until(step: int, job: TrainJob, place: Place) -> None:
    """Train, and die in the backward pass of a step."""
    backward, steps = Loop.backward, itertools.count(1)

    def counted(self: Loop, *given: Any) -> Any:
        if next(steps) == step:
            die()
        return backward(self, *given)

    Loop.backward = counted  # type: ignore[method-assign]
    train(job, place)
