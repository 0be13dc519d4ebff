"""`python -m benchmarks [explain] [insertion] [heatmaps] [cgc-step] [boxes] [augment]`: all of them without a name."""

from __future__ import annotations

import argparse
import importlib
import platform

import torch

from benchmarks.settings import Settings
from cambench.models import keep_heap

BENCHMARKS = ("explain", "insertion", "heatmaps", "cgc-step", "boxes", "augment")


def main() -> None:
    """Parse, say where it runs, run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which to run; all without a name")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that the medians are taken over")
    parser.add_argument("--batch", type=int, default=16, help="images in a batch, for explain")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--no-keep-heap", action="store_true", help="let malloc return memory to the system after every batch"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    kept = not options.no_keep_heap and keep_heap()
    capability = torch.backends.cpu.get_cpu_capability()
    print(
        f"torch {torch.__version__}, {platform.machine()} {capability}, {options.threads} threads, heap kept: {kept}",
        flush=True,
    )
    for name in options.names or BENCHMARKS:
        importlib.import_module(f"benchmarks.{name.replace('-', '_')}").run(Settings(options.rounds, options.batch))


if __name__ == "__main__":
    main()
