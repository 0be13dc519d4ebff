"""SIGINT for a process that a test starts."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """In a child before its program begins (`preexec_fn`): SIGINT ends it again, though the suite may ignore SIGINT.

    A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
