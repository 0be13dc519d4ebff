"""Every table of the paper as LaTeX and Markdown, filled with records made by hand, beside a print that a person has read.

CAMBENCH_UPDATE_GOLDEN=1 writes the goldens anew; then read them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sample_records import NEAR, fill

from cambench.recipes.published import Key, Published, load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import cells, load_table, load_tables, table_files
from cambench.report.formats.latex import latex
from cambench.report.formats.markdown import markdown
from cambench.report.tables.model import Table
from cambench.report.tables.paper import paper_table

GOLDEN = Path(__file__).parent / "golden"
PAPERS = list(dict.fromkeys(table.partition("/")[0] for table in table_files()))
PUBLISHED = {paper: load_published(paper) for paper in PAPERS}
STANDING_IN = [table for table in table_files() if load_table(table).counts is None]
OTHERS = {"pets-binary": "synthbirds-binary", "sbd": "synthbirds-multilabel"}
SYNTHETIC = {"comparable": False, "partial": ("synthetic images (synthbirds)",)}
UNREL = {"comparable": False, "partial": ("UnRel with a category map of our own (27 categories)",)}
DROPS = {"counts": {"images left out": 12}}


def published(table: str) -> Mapping[Key, Published]:
    """The published values of a table's paper."""
    return PUBLISHED[table.partition("/")[0]]


def filled(table: str) -> Table:
    """A table whose cells but one are measured."""
    recipe = load_table(table)
    facts = {"cgc/3": UNREL, "cgc/4": DROPS}.get(table, {})
    return paper_table(recipe, fill(recipe, published(table), **facts), published(table))


def standing_in(table: str) -> Table:
    """The same on synthbirds."""
    recipe = stand_in(load_table(table), "synthbirds", split="test", arch="resnet8", others=OTHERS)
    return paper_table(recipe, fill(recipe, published(table), **SYNTHETIC), published(table))


def check(name: str, text: str) -> None:
    """Compare with the golden, or write it."""
    path = GOLDEN / name
    if os.environ.get("CAMBENCH_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("table", list(table_files()))
@pytest.mark.parametrize(("suffix", "draw"), [("tex", latex), ("md", markdown)])
def test_golden(table: str, suffix: str, draw: Callable[[list[Table]], str]) -> None:
    check(f"{table.replace('/', '-')}.{suffix}", draw([filled(table)]))


@pytest.mark.parametrize("paper", PAPERS)
def test_golden_of_the_stand_ins(paper: str) -> None:
    tables = [table for table in STANDING_IN if table.partition("/")[0] == paper]
    check(f"{paper}-on-synthbirds.md", markdown([standing_in(table) for table in tables]))


@pytest.mark.parametrize("table", [table for table in table_files() if not table.startswith("contrastive-cam/")])
def test_every_published_number_is_printed(table: str) -> None:
    text = latex([filled(table)]).replace("$-$", "-").replace(r"$\pm$", "±")
    for key, value in published(table).items():
        if key[0] == table.partition("/")[2] and value.value is not None and table != "cgc/3":
            of_table = {
                "weighted-contrast/1": 3,
                "calm/1": 1,
                "calm/2": 1,
                "calm/3": 1,
                "calm/4": 0,
                "calm/5": 1,
                "cgc/7": 1,
                "cgc/2": 4,
                "excon/2": 5,
            }
            decimals = of_table.get(table, 3 if table.startswith("excon/") else 2)
            assert f"({value.value:.{decimals}f}" in text, key


@pytest.mark.parametrize("table", STANDING_IN)
def test_a_stand_in_prints_no_published_number_and_no_difference(table: str) -> None:
    made = standing_in(table)
    assert made.banner[0].startswith("synthbirds stands in for the paper's data")
    assert made.banner[1:] == ("Not comparable with published numbers: synthetic images (synthbirds).",)
    for row in made.rows:
        for cell in row.cells:
            assert cell.published is None and cell.difference is None and cell.published_text == ""


@pytest.mark.parametrize("table", [table for table in table_files() if table.startswith("contrastive-cam/")])
def test_every_published_number_stands_in_its_cell(table: str) -> None:
    recipe, published = load_table(table), load_published("contrastive-cam")
    grid = cells(recipe)
    for row, drawn in zip(grid, filled(table).rows, strict=True):
        for cell, shown in zip(row, drawn.cells, strict=True):
            printed = published[cell.key].value if cell.key else None
            assert (shown.published.value if shown.published else None) == printed
            if printed is not None and cell.decimals is not None:
                assert f"({printed:.{cell.decimals}f}".replace("-", "−") in shown.text.replace("-", "−"), cell.key
    keys = {cell.key for row in grid for cell in row if cell.key}
    assert keys == {key for key in published if key[0] == recipe.number}


def test_means_over_episodes_say_so_and_carry_their_spread() -> None:
    table = filled("cgc/8")
    few, full = table.rows[0].cells[0], table.rows[0].cells[3]
    # seeds 0 … 19 lie 0, 0.2 and 0.4 % above 1.015 times the published value, by turns: 7, 7 and 6 of them
    assert few.measured is not None and few.measured.mean == pytest.approx(55.54 * (NEAR + (7 * 0.002 + 6 * 0.004) / 20))
    assert few.text == "56.48 ± 0.09 (55.54, +0.94)", "ours has a spread where the paper prints none"
    said = " ".join([*table.notes, *table.footnotes])
    assert "Mean ± std (ddof 1) over 20 episodes (0 to 19)" in said and "5,000 images an episode" in said
    assert full.measured is not None and len(full.measured.seeds) == 3
    assert "Mean ± std (ddof 1) over 3 seeds (0, 1, 2)" in said and "5,000 images a seed" in said


def test_all_tables_in_one_document_compile_and_fit(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    empty = [paper_table(recipe, [], PUBLISHED[paper]) for paper in PAPERS for recipe in load_tables(paper)]
    tables = [*map(filled, table_files()), *map(standing_in, STANDING_IN), *empty]
    (tmp_path / "t.tex").write_text(latex(tables, standalone=True), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=300)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-2000:]
    assert not [said for said in ("Overfull", "undefined", "Float too large") if said in log]
