"""Peak memory of a process that does one thing, from the kernel's own count."""

from __future__ import annotations

import importlib
import os
import resource
import subprocess
import sys
from pathlib import Path


def peak(function: str, *arguments: str | int) -> float:
    """Peak resident MB of a fresh process that runs `module:function(*arguments)`.

    Memory is handed back to the system as malloc does by default, so what counts is what was held at once.
    """
    command = [sys.executable, "-m", "benchmarks.peak", function, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return float(done.stdout.split()[-1])


def main() -> None:
    """Run the function named on the command line, then print the peak."""
    module, _, name = sys.argv[1].partition(":")
    getattr(importlib.import_module(module), name)(*sys.argv[2:])
    print(own_peak())


def own_peak() -> float:
    """Peak resident MB of this process.

    Linux's `ru_maxrss` is not it: a child begins with its parent's. `VmHWM` begins anew.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
