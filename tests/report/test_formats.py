"""Every format shows the same cells. Goldens lie in `golden/`; CAMBENCH_UPDATE_GOLDEN=1 writes them anew, then read them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from sample_table import NASTY, SAMPLE

from cambench.recipes.published import load_published
from cambench.recipes.tables import load_tables
from cambench.report.formats.frame import NUMBERS, as_json, csv
from cambench.report.formats.html import Page, html
from cambench.report.formats.latex import PREAMBLE, escape, latex, listing
from cambench.report.formats.markdown import markdown
from cambench.report.formats.terminal import terminal
from cambench.report.tables.model import Table, Tables
from cambench.report.tables.paper import paper_table
from cambench.report.tables.summary import summary

GOLDEN = Path(__file__).parent / "golden"


def printed(width: int) -> str:
    """What a terminal of that width shows."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(terminal(SAMPLE, width))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize(("name", "draw"), [
    ("sample.tex", lambda: latex([SAMPLE])), ("sample.md", lambda: markdown([SAMPLE])),
    ("sample.csv", lambda: csv([SAMPLE])), ("sample.txt", lambda: printed(160)),
])  # fmt: skip
def test_golden(name: str, draw: Callable[[], str]) -> None:
    path = GOLDEN / name
    if os.environ.get("CAMBENCH_UPDATE_GOLDEN"):
        path.write_text(draw(), encoding="utf-8")
    assert draw() == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("draw", [latex, markdown])
def test_the_banner_comes_before_the_first_number(draw: Callable[..., str]) -> None:
    text = draw([SAMPLE])
    assert 0 <= text.index("Not comparable") < text.index("80.0")


def test_latex_escapes_every_special_character() -> None:
    assert escape(r"_&%$#{}~^\ ") == r"\_\&\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert escape("<a|b> --- [c]") == r"\textless{}a\textbar{}b\textgreater{} -{}-{}- [c]"
    assert escape("[c] 中\n\tü ± −1") == r"{[}c] [U+4E2D] ü $\pm$ $-$1"
    assert escape("*star") == "{*}star"


def test_latex_compiles(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    papers = [paper_table(recipe, [], load_published("cgc")) for recipe in load_tables("cgc")]
    check_fits(latex([SAMPLE, *papers], standalone=True), tmp_path)


def test_a_long_listing_compiles_and_fits(tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    rows = listed_rows(60)
    check_fits(f"{PREAMBLE}{listing(rows, ['A: a', 'B: b'], NOTES)}\\end{{document}}\n", tmp_path)


def test_a_listing_that_is_longer_than_a_page_goes_on_on_further_ones() -> None:
    text = listing(listed_rows(120), ["A: a", "B: b"], NOTES)
    first, *others = text.split(r"\end{table}")[:-1]
    assert r"\caption{A: a. B: b}" in first and len(others) > 1
    assert all(r"\caption{A: a. B: b (continued)}" in page for page in others)
    assert [text.count(f"metric-{i} & ") for i in range(120)] == [1] * 120
    assert [escape(note) in others[-1] for note in NOTES] == [True] * 3, "notes stand at the end"
    heads = text.count(r"metric & on & A $-$ B & p \\")
    assert heads == text.count(r"\begin{tabular}{llll}") == text.count(r"\bottomrule") > 1


NOTES = ["A − B: difference of the means.", "p: Wilcoxon's signed-rank test.", "Holm: corrected."]


def listed_rows(n: int) -> list[dict[str, str]]:
    """Rows of texts as `compare` has them."""
    return [{"metric": f"metric-{i}", "on": "synthbirds test", "A − B": "−0.12", "p": "0.012"} for i in range(n)]


def check_fits(text: str, folder: Path) -> None:
    """A document compiles, and nothing of it is wider or taller than the page."""
    (folder / "t.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300)
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-2000:]
    assert not [said for said in ("Overfull", "undefined", "Float too large") if said in log]


def test_markdown_has_one_grid_with_as_many_bars_in_every_line() -> None:
    lines = [line for line in markdown([SAMPLE]).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(SAMPLE.rows)
    assert {line.replace(r"\|", "").count("|") for line in lines} == {6}
    assert "<script>" not in markdown([SAMPLE])


def test_terminal_keeps_to_100_columns_and_drops_nothing() -> None:
    text = printed(100)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    for row in SAMPLE.rows:
        for cell in row.cells:
            assert cell.measured_text in text and cell.published_text.replace(" ± ", "±") in text
    assert text.count("AUC") == 1 and text.count("Top-1") == 1


@pytest.mark.parametrize("table", load_tables("cgc"), ids=lambda recipe: recipe.id)
def test_terminal_shows_the_papers_tables_side_by_side(table: object) -> None:
    drawn = paper_table(table, [], load_published("cgc"))  # type: ignore[arg-type]
    console = Console(width=100, file=io.StringIO(), color_system=None)
    console.print(terminal(drawn, 100))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    heads = [line for line, below in zip(lines, lines[1:], strict=False) if below.startswith("──")]
    blocks = {"cgc/7": 3}.get(
        drawn.id, len(drawn.blocks())
    )  # four of table 7's columns, which are not recoverable, are wide
    assert len(heads) == blocks and all(line.startswith(drawn.row_headers[0]) for line in heads)
    assert max(map(len, lines)) <= 100
    shown = [cell.published_text.replace(" ± ", "±") for row in drawn.rows for cell in row.cells]
    assert all(text in console.file.getvalue() for text in shown)


def test_the_numbers_of_a_frame_are_bare_and_unrounded() -> None:
    frame = SAMPLE.frame.set_index(["row", "column"])
    first = frame.loc[("ResNet18/Baseline", "Birds/Top-1 (%)")]
    assert first["measured"] == 80.0 and first["std"] == 1.41421 and first["seeds"] == 2 and pd.isna(first["low"])
    assert first["difference"] == pytest.approx(-0.09)
    other = frame.loc[(f"ResNet18/{NASTY}", "Birds/Top-1 (%)")]
    assert not other["comparable"] and pd.isna(other["difference"])
    assert other["footnotes"] == f"A class named {NASTY}. One seed. synthetic images_1."
    assert (first["n"], other["n"]) == (2, 100), "seeds behind a std, images behind an interval"
    assert set(frame["banner"]) == {" ".join(SAMPLE.banner)} and set(frame["notes"]) == {" ".join(SAMPLE.notes)}


def test_csv_is_read_as_it_stands() -> None:
    made = Tables([SAMPLE, replace(SAMPLE, rows=SAMPLE.rows[:1])])
    frame = pd.read_csv(io.StringIO(csv(made)), keep_default_na=False, na_values={name: [""] for name in NUMBERS})
    want = made.frame
    assert list(frame.columns) == list(want.columns) and len(frame) == len(want) == 12
    for name in ("row", "column", "footnotes", "notes", "banner"):
        assert frame[name].tolist() == want[name].tolist()
    for name in NUMBERS:
        assert frame[name].to_numpy() == pytest.approx(want[name].to_numpy(), rel=1e-9, nan_ok=True)


def test_a_table_shows_itself_in_a_notebook_and_in_one_line() -> None:
    shown = SAMPLE._repr_html_()
    assert shown.count("</tr>") == 2 + len(SAMPLE.rows) and "<button" not in shown and "<script>" not in shown
    assert all(sentence in unescape(shown) for sentence in (*SAMPLE.banner, *SAMPLE.footnotes))
    assert Tables([SAMPLE, SAMPLE])._repr_html_() == 2 * shown
    assert repr(Tables([SAMPLE])) == f"[<Table demo/1: {SAMPLE.title}; 3 rows × 3 columns>]"


WRONG = "Diverged in epoch 3: mean loss 142,000, more than 10 times that of a guess (2.3)"


@pytest.mark.parametrize(
    "draw", [latex, markdown, csv, as_json, lambda made: drawn_page(made), lambda made: on_terminal(made)]
)
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_training_that_went_wrong_is_told_by_every_format(record: Any, draw: Callable[..., str], seeds: int) -> None:
    values = {"ce": 10.0, "cgc": 80.0}
    wrong = {("ce", 0): (WRONG,)}
    records = [record(m, s, "top1", v + s, warnings=wrong.get((m, s), ())) for m, v in values.items() for s in range(seeds)]
    (table,) = made = summary(records)
    text = " ".join(draw(made).replace("\\textgreater{}", ">").split())
    assert f"seed 0: {WRONG}" in text
    measured = table.rows[0].cells[0].measured
    assert measured is not None and measured.seeds == tuple(range(seeds)), "it is averaged in, not left out"
    assert any(WRONG in note for note in table.footnotes) and table.rows[0].marks, "and its row has the footnote"
    assert not set(table.rows[0].marks) & set(table.rows[1].marks)


def drawn_page(made: list[Table]) -> str:
    """The page, as a reader sees its text."""
    return unescape(html(Page("t", made)))


def on_terminal(made: list[Table]) -> str:
    """What a wide terminal shows."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    for table in made:
        console.print(terminal(table, 200))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
