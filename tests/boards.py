"""Small table recipes for the tests of `reproduce`, and acts for its worker processes (which import them by name)."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path
from typing import Any

from cambench.recipes.tables import TableRecipe, parse_table
from cambench.stages.reproducing.plan import Job
from cambench.stages.reproducing.reproduce import perform
from cambench.stages.training.loop import Loop
from cambench.stages.workplace import Place
from cambench.vocabulary import CambenchError

HEAD = """
id = "demo/1"
paper = "Demo"
title = "Demo"
caption = "Demo."
source = "demo"
repeats = "seeds"
seeds = {seeds}
row_headers = ["Method"]
select = {{ dataset = "{dataset}", split = "test" }}
"""
COLUMN = """
[[columns]]
label = ["{label}"]
ours = true
unit = "%"
direction = "up"
decimals = 2
select = {{ {select} }}
"""
ROW = """
[[rows]]
label = ["{label}"]
select = {select}
"""


def board(
    rows: dict[str, str], columns: dict[str, str] | None = None, seeds: int = 1, dataset: str = "synthbirds"
) -> TableRecipe:
    """A table: label -> what its line selects, as TOML (a row: a whole value, a column: the inside of one)."""
    text = HEAD.format(seeds=seeds, dataset=dataset)
    text += "".join(COLUMN.format(label=k, select=v) for k, v in (columns or {"Top-1": 'metric = "top1"'}).items())
    return parse_table(text + "".join(ROW.format(label=k, select=v) for k, v in rows.items()), "demo/1")


def fail_or_write(job: Job, place: Place) -> None:
    """Writes which process on which device did a job; dies at the method `ce-dies`, fails at `ce-fails`."""
    if job.network.method == "ce-dies":
        os._exit(7)
    if job.network.method == "ce-fails":
        raise CambenchError("it does not want to.")
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    (place.results / job.key).write_text(f"{os.getpid()} {place.device} {seen} {sorted(written(place))}")


def written(place: Place) -> set[str]:
    """Keys of the jobs that were done."""
    return {path.name for path in Path(place.results).iterdir() if path.is_file()}


def perform_and_say(job: Job, place: Place) -> None:
    """The real thing, and the process that did it."""
    perform(job, place)
    (place.results / f"{job.key}.pid").write_text(str(os.getpid()))


def perform_and_lose_node(job: Job, place: Place) -> None:
    """The real thing; on the node that the file `second` names, node and process are killed in the 5th training step.

    The other node waits until that one is lost, so that both have a job by then.
    """
    import ray

    lost, second = place.results / "lost", (place.results / "second").read_text()
    here = ray.get_runtime_context().get_node_id() == second
    if here:
        steps = itertools.count(1)
        backward = Loop.backward

        def counted(self: Loop, *arguments: Any) -> Any:
            if next(steps) == 5:
                lost.write_text(job.key)
                os.kill(os.getppid(), signal.SIGKILL)  # ray's own process of the node, which started this one
                os.kill(os.getpid(), signal.SIGKILL)
            return backward(self, *arguments)

        Loop.backward = counted  # type: ignore[method-assign]
    end = time.monotonic() + 300
    while not here and not lost.exists() and time.monotonic() < end:
        time.sleep(0.1)
    perform(job, place)
