"""The page of agreement with the peers is what was measured: a line a method, a reason for each that differs."""

from __future__ import annotations

import csv
import runpy

from conftest import ROOT

from cambench.explainers import INDEX

WRITER = runpy.run_path(str(ROOT / "docs" / "peers.py"), run_name="peers")
ROWS = list(csv.DictReader(WRITER["MEASURED"].read_text(encoding="utf-8").splitlines()))


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    assert written == WRITER["page"](), "write docs/peers.md anew: python docs/peers.py"


def test_every_method_of_the_peers_has_a_line() -> None:
    assert [row["peer"] for row in ROWS] == [name for name, entry in INDEX.items() if entry.layer.prepare and entry.package]


def test_what_differs_has_a_reason_and_nothing_else() -> None:
    differing = {row["peer"] for row in ROWS if not row["note"] and not WRITER["agrees"](row)}
    assert differing == set(WRITER["WHY"])
