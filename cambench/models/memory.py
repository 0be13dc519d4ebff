"""Keep freed memory in the process, so that large activations are not faulted in anew with every batch."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of glibc's malloc.h."""


def keep_heap() -> bool:
    """Let glibc's malloc serve every block from the heap and never trim it; True if the C library took both settings.

    Elsewhere than on Linux with glibc it does nothing and returns False. Call it once, before the first large tensor.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))
