"""Nothing is cut on a terminal, whatever its width: every word of every cell is printed once, whole, in its column."""

from __future__ import annotations

import io
import random
from collections import Counter
from dataclasses import replace

import pytest
from rich.cells import cell_len
from sample_table import SAMPLE, measured

from cambench.report.formats.grid import GAP, fitted, grid
from cambench.report.formats.terminal import drawn, row_labels, terminal
from cambench.report.tables.model import Cell, Column, Row, Table
from cambench.stages.listing import Plain, print_rows

WIDTHS = (*range(20, 120, 6), 137, 160)
NUMBERS = ("0.8319", "−0.1119", "[−0.2415, −0.0623]", "3 × 200", "5e-04", "56.70 ± 1.20³,¹¹", "12", "—", "")
TEXTS = (
    *(
        "iauc:rows=4 (probability) ↑",
        "grad-cam logit",
        "folder:photosb val",
        "ce",
        "size 32, weights r8-7.pth",
    ),
    *("  cgc > ce, ch correct (%)", "synthbirds-cgc-resnet8-s0-2732d524", "Ünïcødé 鳥鳥 (n = 12)", "one\ntwo words"),
)


def printed(renderable: object, width: int) -> str:
    """What a terminal of that width is sent."""
    console = Plain(width=width, file=io.StringIO(), color_system=None)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def odd_table(seed: int) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a table of columns of texts and of numbers, in any order."""
    draw = random.Random(seed)
    kinds = [draw.choice((NUMBERS, TEXTS)) for _ in range(draw.randint(1, 8))]
    head = [draw.choice(("metric", "95 %", "A − B", "over seeds", "p")) for _ in kinds]
    return head, [[draw.choice(kind) for kind in kinds] for _ in range(draw.randint(1, 5))]


@pytest.mark.parametrize("ruled", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_every_word_of_every_cell_is_printed_whole(seed: int, ruled: bool) -> None:
    head, rows = odd_table(seed)
    columns = [list(column) for column in zip(head, *rows, strict=True)]
    lines = [[line for text in column for line in text.splitlines()] for column in columns]
    words = Counter(word for column in lines for line in column for word in line.split())
    whole = sum(max(map(cell_len, column)) for column in lines) + GAP * (len(columns) - 1)
    for width in WIDTHS:
        out = printed(grid(head, rows, width, right=[1], ruled=ruled), width)
        assert Counter(out.replace("─", "").split()) == words, width
        used = sum(fitted(columns, width)) + GAP * (len(columns) - 1)
        assert max(map(cell_len, out.splitlines())) == used <= whole
        assert width < whole or all(line.strip() in out for column in lines for line in column), "no need to fold"


def test_texts_fold_first_and_numbers_last() -> None:
    """The very row that was cropped: at 80 columns no digit of it may lack."""
    head = ["metric", "maps", "n", "A", "B", "A − B", "95 %", "p", "Holm"]
    row = [TEXTS[0], TEXTS[1], "16", "0.8332", "0.9820", "−0.1487", "[−0.2415, −0.0623]", "0.029", "0.058"]

    def folded(width: int) -> list[str]:
        out = printed(grid(head, [row], width), width)
        assert Counter(out.split()) == Counter(" ".join([*head, *row]).split())
        return [text for text in row if text not in out]

    assert folded(120) == [] and folded(100) == [TEXTS[0]] and folded(90) == [TEXTS[0], TEXTS[1]]
    assert folded(80) == [TEXTS[0], TEXTS[1], row[6]], "between its two numbers, as it fits then"
    assert folded(40) == [TEXTS[0], TEXTS[1]], "a table that is too wide in any case leaves its numbers whole"


def test_an_indented_line_folds_under_its_beginning() -> None:
    lines = printed(grid(["claim"], [["cgc-ch: supported\n  cgc > ce, ch correct (%)"]], 14), 14).splitlines()
    assert [line.rstrip() for line in lines] == ["claim", "cgc-ch:", "supported", "  cgc > ce, ch", "  correct (%)"]


def wide_labels(columns: int) -> Table:
    """Rows whose labels and marks leave a value no room, as runs of two networks, two splits and several settings have."""
    labels = [("ce (trained on 40e3dbf2de078e49)", "python:mynet:n4", "held-out", "–", "–"),
              ("ce (size 32, scale 0.08,1, weights r8-7.pth)", "resnet8", "val", "–", "–")]  # fmt: skip
    cells = [Cell(2, measured(c, mean=50.0 + c), marks=(c + 1, 11)) for c in range(columns)]
    return replace(
        SAMPLE,
        row_headers=("Method", "Arch", "Split", "Explainer", "Target"),
        columns=tuple(Column((f"metric-{c}", "constancy of classes"), "%", "up") for c in range(columns)),
        rows=tuple(Row(label, tuple(cells), marks=(1, 2, 3, 4, 11)) for label in labels),
    )


@pytest.mark.parametrize("table", [SAMPLE, wide_labels(1), wide_labels(5)], ids=["sample", "one", "five"])
def test_a_report_has_all_its_values_and_marks_at_every_width(table: Table) -> None:
    texts = [text for label in row_labels(table) for text in label]
    texts += [drawn(cell).plain for row in table.rows for cell in row.cells]
    for width in WIDTHS:
        words = Counter(printed(terminal(table, width), width).split())
        assert not Counter(word for text in texts for word in text.split()) - words, width


@pytest.mark.parametrize("columns", [40, 80])
def test_a_listing_on_a_terminal_is_not_cropped(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rows = [dict.fromkeys(("name", "maps", "A", "95 %", "p"), "") | {"name": TEXTS[6], "maps": TEXTS[1], "95 %": NUMBERS[2]}]
    print_rows([{**row, "A": "0.8332", "p": "0.029"} for row in rows])
    out = capsys.readouterr().out
    assert {TEXTS[6], "grad-cam", "logit", "0.8332", "[−0.2415,", "−0.0623]", "0.029"} <= set(out.split())
