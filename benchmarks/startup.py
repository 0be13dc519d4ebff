"""Start-up: CPU seconds of commands that need no tensor, beside `import torch` alone, which all of them did once."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.settings import Settings

COMMANDS = {
    "import torch": ["-c", "import torch"],
    **{
        f"cambench {words}": ["-m", "cambench", *words.split()]
        for words in ("--help", "ls methods", "ls metrics", "ls tables", "report cgc/6", "doctor --quick")
    },
}


def run(settings: Settings) -> None:
    """Print the least CPU seconds of each command over a few rounds."""
    print("start-up, CPU seconds (user + system), the least of a few rounds")
    for name, arguments in COMMANDS.items():
        print(f"  {name:26s} {min(cpu([sys.executable, *arguments]) for _ in range(settings.rounds)):.2f}", flush=True)


def cpu(command: list[str]) -> float:
    """CPU seconds of a process and its children."""
    before = os.times()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
