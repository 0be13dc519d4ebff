"""Keep freed memory in the process, so that large activations are not faulted in anew with every batch."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of glibc's malloc.h."""


def keep_heap() -> bool:
    """Let glibc's malloc serve every block from the heap and never trim it; True if the C library took both settings.

    Elsewhere than on Linux with glibc it does nothing and returns False. Call it once, before the first large tensor.
    """
    mallopt = of_c("mallopt")
    return mallopt is not None and bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))


def trim_heap() -> bool:
    """Give memory that nothing uses back to the system, between two jobs of a process; True if there was any.

    What `keep_heap` keeps of a job is the most that it took at once, and the next one's tensors do not fit into its gaps.
    """
    malloc_trim = of_c("malloc_trim")
    return malloc_trim is not None and bool(malloc_trim(0))


@contextmanager
def trimming() -> Iterator[None]:
    """One job of several of a process, after which, however it ends, memory goes back (`trim_heap`).

    As a decorator it ends once the function's own tensors are gone.
    """
    try:
        yield
    finally:
        trim_heap()


def of_c(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it is not glibc's."""
    library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    return getattr(library, name, None)
