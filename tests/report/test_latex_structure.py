"""What LaTeX would stumble over, without LaTeX: braces, environments, and the number of columns in every row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sample_table import SAMPLE

from cambench.recipes.published import load_published
from cambench.recipes.tables import load_table, table_files
from cambench.report.formats.latex import latex, listing
from cambench.report.tables.paper import paper_table

GOLDENS = sorted((Path(__file__).parent / "golden").glob("*.tex"))
NESTED = re.compile(r"\\begin\{tabular\}\[t\]\{@\{\}c@\{\}\}(.*?)\\end\{tabular\}")
GRID = re.compile(r"\\begin\{tabular\}\{([lc]+)\}\n(.*?)\\end\{tabular\}", re.DOTALL)
SPAN = re.compile(r"\\multicolumn\{(\d+)\}\{c\}")
RULE = re.compile(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}")


def check_braces(text: str) -> None:
    """Every brace that is no printed one closes, none before it opens."""
    depth = 0
    for c in re.sub(r"\\[\\{}]", "", text):
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0, "a brace closes that was not open"
    assert depth == 0, "a brace stays open"


def check_environments(text: str) -> None:
    """Each `end` ends what began last."""
    open_ones: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            open_ones.append(name)
        else:
            assert open_ones and open_ones.pop() == name, f"{name} ends, but did not begin last"
    assert not open_ones, f"{open_ones} stay open"


def width(row: str) -> int:
    """Columns of a row."""
    cells = re.sub(r"\\&", "", row).split("&")
    spans = [SPAN.search(cell) for cell in cells]
    return sum(int(span[1]) if span else 1 for span in spans)


def parts(body: str) -> Iterator[list[str]]:
    """The lines of a grid from one header's rule to the next header, header and rows together."""
    lines = [line for line in body.splitlines() if line not in (r"\toprule", r"\bottomrule", r"\addlinespace")]
    rules = [i for i, line in enumerate(lines) if line == r"\midrule"]
    ends = [*rules[1::2], len(lines)]  # a rule below each header, and one between two blocks
    assert len(rules) == 2 * len(ends) - 1, "expected a rule below each header and one between blocks"
    starts = [0, *(end + 1 for end in ends[:-1])]
    for start, end in zip(starts, ends, strict=True):
        yield [line for line in lines[start:end] if line != r"\midrule"]


def check_columns(text: str) -> int:
    """Every row has as many columns as its block's header, the widest block as many as are declared; the grids' number."""
    assert all("&" not in cell for cell in NESTED.findall(text))
    grids = GRID.findall(NESTED.sub("x", text))
    for declared, body in grids:
        widest = 0
        for part in parts(body):
            rows = [line for line in part if not RULE.fullmatch(line)]
            assert all(row.endswith(r" \\") and row.count(r"\\") == 1 for row in rows)
            widths = {width(row) for row in rows}
            assert len(widths) == 1, f"rows of {sorted(widths)} columns in one block"
            widest = max(widest, *widths)
            assert all(1 < int(a) <= int(b) <= max(widths) for a, b in RULE.findall("\n".join(part)))
        assert widest == len(declared), f"{len(declared)} columns declared, {widest} used"
    return len(grids)


def check(text: str) -> None:
    """All of it."""
    check_braces(text)
    check_environments(text)
    assert check_columns(text) and text.count(r"\begin{tabular}{") == len(GRID.findall(NESTED.sub("x", text)))


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_goldens_are_well_formed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    check(text)
    assert "[U+" not in text or path.stem == "sample", "a character that has no name in LaTeX"


@pytest.mark.parametrize("table", list(table_files()))
def test_tables_without_a_measurement_are_well_formed(table: str) -> None:
    check(latex([paper_table(load_table(table), [], load_published(table.partition("/")[0]))]))


@pytest.mark.parametrize("columns", [2, 9, 40])
def test_listings_of_any_size_are_well_formed(columns: int) -> None:
    check(listing([{f"c{j}": f"{i}_{j}" for j in range(columns)} for i in range(70)], ["A & B"], ["5 %"]))


@pytest.mark.parametrize(("good", "bad"), [
    (r" & CGC", " CGC"), (r"\multicolumn{2}", r"\multicolumn{3}"), (r"{lccc", "{lcccc"), (r"{llcc", "{llccc"),
    (r"\end{minipage}", ""), (r"\end{tabular}}", r"\end{tabular}"), (r"\caption{", r"\caption"),
    (r"\cmidrule(lr){3", r"\cmidrule(lr){9"), (r"\midrule", ""), (r" \\", ""),
])  # fmt: skip
def test_a_slip_is_noticed(good: str, bad: str) -> None:
    text = latex([SAMPLE]) + latex([paper_table(load_table("cgc/8"), [], load_published("cgc"))])
    assert good in text
    with pytest.raises(AssertionError):
        check(text.replace(good, bad, 1))
