"""SIGTERM, with which Slurm warns before it kills: the epoch is finished where time allows, and its state saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cambench import processes
from cambench.stages.progress import say


@contextmanager
def terminations() -> Iterator[Callable[[], bool]]:
    """Within the block a first SIGTERM is remembered, which the function that it gives says; a second one ends the process.

    Outside of the main thread, where Python hears no signals, it ends the process as ever.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if processes.count() == 1:  # several say so in the end, with one voice
            say("SIGTERM: stopping once this epoch is finished and its state is saved")

    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(signal.SIGTERM, before)
