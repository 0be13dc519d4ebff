"""Writes docs/catalogue.md from the indices, as `cambench ls` lists them: `python docs/catalogue.py`."""

from __future__ import annotations

import re
from pathlib import Path

from cambench.stages.housekeeping.catalogue import CATALOGUES, Row

PAGE = Path(__file__).with_suffix(".md")
PROTOCOLS = {
    "CGC": "cgc",
    "ExCon": "excon",
    "weighted-contrast": "weighted-contrast",
    "ContrastiveCAM": "contrastive-cam",
    "CALM": "calm",
    "rivals": "rivals",
}
HEAD = """# Catalogue

What cambench has, from its indices. `cambench ls metrics` prints the same, with plug-ins, and
`cambench ls metrics iauc` an entry's own page: formula, options, cost, tables;
this page is written by `python docs/catalogue.py`.
"""


def linked(text: str) -> str:
    """A cell of a Markdown table, in which a reference to a protocol is a link to its page."""
    names = "|".join(PROTOCOLS)
    link = re.sub(rf"\b({names}) protocol\b", lambda m: f"[{m[0]}](protocols/{PROTOCOLS[m[1]]}.md)", text)
    return link.replace("|", "\\|")


def section(kind: str, rows: list[Row]) -> str:
    """One catalogue as a heading and a table, the names as code."""
    columns = [column for column in rows[0] if any(row[column] for row in rows)]
    cells = [[f"`{row[c]}`" if c == "name" else linked(row[c]) for c in columns] for row in rows]
    lines = [f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *cells)]
    return "\n".join([f"## {kind.capitalize()}", "", *lines, ""])


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(kind, rows()) for kind, rows in CATALOGUES.items())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
