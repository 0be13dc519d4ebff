"""Time things side by side in one process: every round runs each of them once, in turning order.

Cores are shared and clocks drift, so a single time says little: what is compared is the median over the rounds of the ratio
to the floor *of the same round*, in wall time and in the process's CPU seconds.
"""

from __future__ import annotations

import csv
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

ROUNDS = 7


@dataclass(frozen=True)
class Times:
    """Wall and CPU seconds of one contestant, one entry a round."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Median wall seconds."""
        return statistics.median(self.wall)


def interleave(contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, warm_up: int = 1) -> dict[str, Times]:
    """Run every contestant once a round, starting one further each round; the warm-up rounds are not counted."""
    names = list(contestants)
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warm_up + rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            start, busy = time.perf_counter(), time.process_time()
            contestants[name]()
            if turn >= warm_up:
                wall[name].append(time.perf_counter() - start)
                cpu[name].append(time.process_time() - busy)
    return {name: Times(tuple(wall[name]), tuple(cpu[name])) for name in names}


def ratio(times: Times, floor: Times) -> tuple[float, float]:
    """Median over the rounds of time / floor's time in the same round: (wall, CPU)."""
    wall = statistics.median(a / b for a, b in zip(times.wall, floor.wall, strict=True))
    cpu = statistics.median(a / b for a, b in zip(times.cpu, floor.cpu, strict=True))
    return wall, cpu


def total(a: Times, b: Times) -> Times:
    """Both together, round by round."""
    wall = tuple(x + y for x, y in zip(a.wall, b.wall, strict=True))
    return Times(wall, tuple(x + y for x, y in zip(a.cpu, b.cpu, strict=True)))


def show(title: str, times: Mapping[str, Times], floor: str, targets: Mapping[str, float] | None = None) -> None:
    """Print the ratios to `floor` beside the targets, in wall time; a missed target is marked."""
    print(f"\n{title}\n{'':<44} {'seconds':>9} {'CPU s':>9} {'x floor':>8} {'(CPU)':>8} {'target':>8}")
    for name, measured in times.items():
        wall, cpu = ratio(measured, times[floor])
        target = (targets or {}).get(name)
        told = "" if target is None else f"<= {target:.2f}" + (" MISSED" if min(wall, cpu) > target else "")
        print(
            f"{name:<44} {measured.seconds:>9.4f} {statistics.median(measured.cpu):>9.4f} {wall:>8.3f} {cpu:>8.3f} {told:>8}"
        )


def save(path: Path, tables: Mapping[str, Mapping[str, Times]], floor: str, targets: Mapping[str, float]) -> None:
    """Write the medians of titled tables, all with the same floor and targets: one line a contestant beside its floor."""
    written(path, [line for title, times in tables.items() for line in lines(title, times, floor, targets)])


def keep(path: Path, title: str, times: Mapping[str, Times], floor: str, targets: Mapping[str, float]) -> None:
    """Print a table and write its medians into a file beside what that has of other titles; `load`: how many processes
    wanted a core, the mean of the last minute."""
    show(title, times, floor, targets)
    load = {"threads": str(torch.get_num_threads()), "load": f"{os.getloadavg()[0]:.1f}"}
    before: list[dict[str, str]] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            before = [line for line in csv.DictReader(file) if line["what"] != title]
    written(path, [*before, *({**line, **load} for line in lines(title, times, floor, targets))])


def lines(title: str, times: Mapping[str, Times], floor: str, targets: Mapping[str, float]) -> list[dict[str, str]]:
    """The medians of a table, one line a contestant beside its floor."""
    made = []
    for name, measured in times.items():
        wall, cpu = ratio(measured, times[floor])
        numbers = {"seconds": measured.seconds, "floor_seconds": times[floor].seconds}
        line = {"what": title, "contestant": name, "floor": floor, **{key: f"{s:.4f}" for key, s in numbers.items()}}
        line |= {"ratio": f"{wall:.3f}", "cpu_ratio": f"{cpu:.3f}", "target": str(targets.get(name, ""))}
        made.append({**line, "rounds": str(len(measured.wall))})
    return [line for line in made if line["contestant"] != floor]


def written(path: Path, lines: list[dict[str, str]]) -> None:
    """Write a CSV file, when all is measured: a cut run leaves the file of before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(lines)
