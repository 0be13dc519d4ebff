"""One image, or one seed: what no table, figure or comparison may print as a spread; and the plural of everything else."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from cambench.report.formats.frame import as_json, csv
from cambench.report.formats.html import Page, html
from cambench.report.formats.latex import latex
from cambench.report.formats.markdown import markdown
from cambench.report.formats.terminal import terminal
from cambench.report.tables import paired
from cambench.report.tables.model import Measured
from cambench.report.tables.summary import summary
from cambench.store.records import Rows, Value
from cambench.vocabulary import number_of

ALONE = "One seed (0); n = 1, no interval"


def alone(record: Any, method: str = "ce") -> Any:
    """The record of one image."""
    found = record(method, 0, "top1", 100.0)
    found.values[""] = Value(100.0, 1, None, None)
    return found


def printed(tables: Any) -> str:
    """What a terminal shows."""
    console = Console(width=100, file=io.StringIO(), color_system=None)
    for table in tables:
        console.print(terminal(table, 100))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("draw", [latex, markdown, printed, lambda tables: html(Page("t", tables))])
def test_no_format_prints_an_interval_of_one_image(record: Any, draw: Any) -> None:
    text = draw(summary([alone(record)]))
    assert "100.00" in text and "100.00 [" not in text and "±" not in text.partition("</p>")[0]
    assert ALONE in text and "1 image." in text and "1 images" not in text


def test_a_machine_reads_null(record: Any) -> None:
    (cell,) = json.loads(as_json(summary([alone(record)])))
    assert (cell["measured"], cell["std"], cell["low"], cell["high"], cell["images"]) == (100.0, None, None, None, 1)
    head, line = csv(summary([alone(record)])).splitlines()
    assert dict(zip(head.split(","), line.split(","), strict=False))["low"] == ""


def test_two_runs_on_one_image_have_a_difference_and_no_interval(record: Any) -> None:
    a = paired.Side(alone(record, "a"), lambda: Rows({"": np.array([1.0])}, ["0.jpg"]))
    b = paired.Side(alone(record, "b"), lambda: Rows({"": np.array([0.0])}, ["0.jpg"]))
    (found,) = paired.compare([a], [b], [])
    assert paired.printed(found)["95 %"] == "n = 1" and paired.printed(found)["A − B"] == "+100.00"
    (line,) = paired.tidy([found], "a", "b")
    assert (line["difference"], line["low"], line["high"]) == (100.0, None, None)


def test_a_figure_draws_no_line_for_it() -> None:
    facts = {"values": (2.0,), "seeds": (0,), "images": (1,)}
    assert Measured(2.0, **facts).ends is None
    assert Measured(2.0, **facts, interval=(1.0, 4.0)).ends == (1.0, 4.0)
    assert Measured(2.0, (1.0, 3.0), (0, 1), (1, 1), std=0.5).ends == (1.5, 2.5)


def test_nouns_agree_with_their_numbers() -> None:
    assert [number_of(n, "image") for n in (0, 1, 5794)] == ["0 images", "1 image", "5,794 images"]
    assert [number_of(n, "pair of classes") for n in (1, 2)] == ["1 pair of classes", "2 pairs of classes"]
    assert [number_of(n, "heatmap file") for n in (0, 1)] == ["0 heatmap files", "1 heatmap file"]
    assert [number_of(n, "class") for n in (1, 2)] == ["1 class", "2 classes"]
