"""Small table recipes for the tests of `reproduce`, and acts for its worker processes (which import them by name)."""

from __future__ import annotations

import os
from pathlib import Path

from cambench.recipes.tables import TableRecipe, parse_table
from cambench.stages.reproducing.plan import Job
from cambench.stages.reproducing.reproduce import perform
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
    return {path.name for path in Path(place.results).iterdir()}


def perform_and_say(job: Job, place: Place) -> None:
    """The real thing, and the process that did it."""
    perform(job, place)
    (place.results / f"{job.key}.pid").write_text(str(os.getpid()))
