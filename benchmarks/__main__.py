"""`python -m benchmarks [NAME…]`: explain, cams, masks, insertion, metrics, heatmaps, cgc-step, training-steps,
costs, loader, boxes, augment, startup; all without a name.

`python -m benchmarks stability` trains every method on synthbirds with ten seeds, which takes hours: only by its name, as
`agreement`, which compares the peers' maps with ours on photographs.
"""

from __future__ import annotations

import argparse
import importlib
import platform
from pathlib import Path

import torch

from benchmarks.settings import Settings
from cambench.models import keep_heap

BENCHMARKS = (
    "explain",
    "cams",
    "masks",
    "insertion",
    "metrics",
    "heatmaps",
    "cgc-step",
    "training-steps",
    "costs",
    "loader",
    "boxes",
    "augment",
    "startup",
)
LONG = ("stability", "agreement")


def main() -> None:
    """Parse, say where it runs, run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, *LONG, []], help="which to run; all without a name")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that the medians are taken over")
    parser.add_argument("--batch", type=int, default=16, help="images in a batch, for explain")
    parser.add_argument(
        "--methods", nargs="+", default=[], help="which, for stability, training-steps, costs, agreement, metrics"
    )
    parser.add_argument("--seeds", type=int, default=10, help="seeds from 0 on, for stability")
    parser.add_argument("--results", type=Path, default=Settings.results, help="folder of CSVs and of stability's runs")
    parser.add_argument(
        "--photographs", type=Path, nargs="+", default=[], help="folders of images, for loader and agreement"
    )
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
    settings = Settings(
        options.rounds, options.batch, tuple(options.methods), options.seeds, options.results, tuple(options.photographs)
    )
    for name in options.names or BENCHMARKS:
        importlib.import_module(f"benchmarks.{name.replace('-', '_')}").run(settings)


if __name__ == "__main__":
    main()
