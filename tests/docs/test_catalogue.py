"""The catalogue page is what the indices say."""

from __future__ import annotations

import re
import runpy

import pytest
from conftest import ROOT

from cambench.metrics import find_metric

WRITER = runpy.run_path(str(ROOT / "docs" / "catalogue.py"), run_name="catalogue")


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert written == WRITER["page"](), "write docs/catalogue.md anew: python docs/catalogue.py"


def test_a_cell_cannot_break_its_table_and_links_its_protocol() -> None:
    assert WRITER["linked"]("p(c|x), CALM protocol §1.4") == "p(c\\|x), [CALM protocol](protocols/calm.md) §1.4"


@pytest.mark.parametrize("kind", ["methods", "explainers", "targets", "metrics", "options", "datasets", "tables"])
def test_every_entry_is_on_the_page(kind: str) -> None:
    names = [row["name"] for row in WRITER["CATALOGUES"][kind]()]
    text = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert names and all(f"| `{name}` |" in text for name in names)


def test_the_page_of_metrics_has_the_entries_passes() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*`) \|.*\| ([\d,]+) \|$", text, flags=re.MULTILINE)
    written = {name: int(count.replace(",", "")) for names, count in rows for name in re.findall(r"`([^`]+)`", names)}
    assert written == {name: find_metric(name).passes for name in written} and len(written) > 15
