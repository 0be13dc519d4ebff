r"""Tables as LaTeX: booktabs, everything escaped, nothing cut: a table wider than the page is scaled to it, down to letters
that can be read; what would still not fit goes on in blocks beneath, and on further pages (`pages.py`).

Needs `\usepackage{booktabs,graphicx}` and, for accented letters, `\usepackage[T1]{fontenc}`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from cambench.report.formats.pages import Page, lines, pages, two_lines
from cambench.report.tables.model import Cell, Column, Row, Table, Text, group_starts, shown_label

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}", "−": "$-$", "±": r"$\pm$",
    "—": r"\textemdash{}", "–": r"\textendash{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$",
    "×": r"$\times$", "÷": r"$\div$", "·": r"$\cdot$", "≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$",
    "…": r"\dots{}", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "λ": r"$\lambda$", "σ": r"$\sigma$",
    "τ": r"$\tau$", "χ": r"$\chi$", "š": r"\v{s}", "Δ": r"$\Delta$", "Σ": r"$\Sigma$", "‖": r"$\Vert$", "§": r"\S{}",
    "²": r"$^2$", "ℓ": r"$\ell$", "≠": r"$\ne$", "ε": r"$\varepsilon$", "μ": r"$\mu$",
    "∂": r"$\partial$", "“": "``", "”": "''", "‘": "`", "’": "'",
}  # fmt: skip
PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,graphicx}
\begin{document}
"""
CLEAR = "\\clearpage\n"
"""Between tables of a document by itself: LaTeX holds only some fifty floats that wait for a page to end."""
CAPTION_LINE, CAPTION_CHARACTERS = 12.0, 90
NEEDS = "% needs \\usepackage{booktabs,graphicx}\n"
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def escape(text: str) -> str:
    """The text as LaTeX shows it literally; a character that the standard fonts lack is shown as its code point.

    A first `[` or `*` would be taken for an option of the line break before it.
    """
    escaped = "".join(character(c) for c in " ".join(text.split())).replace("--", "-{}-").replace("--", "-{}-")
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped.startswith(("[", "*")) else escaped


def character(c: str) -> str:
    """One character."""
    if c in ESCAPES:
        return ESCAPES[c]
    if c.isascii() and c.isprintable() or "À" <= c <= "ÿ":
        return c
    return f"[U+{ord(c):04X}]"


def latex(tables: Iterable[Table], standalone: bool = False) -> str:
    """Each table as a `table` environment, or several; `standalone` makes it a document that compiles by itself."""
    drawn = [one(table) for table in tables]
    return f"{PREAMBLE}\n{CLEAR.join(drawn)}\n\\end{{document}}\n" if standalone else "\n".join(drawn)


def one(table: Table) -> str:
    """One table: banner, caption, grid, notes; on further pages banner and caption again."""
    title = f"{table.id}: {table.title.rstrip('.')}." if table.title else ""
    caption = escape(" ".join(filter(None, [title, table.caption])))
    below = [*(escape(note) for note in table.notes)]
    below += [rf"\textsuperscript{{{i}}} {escape(text)}" for i, text in enumerate(table.footnotes, 1)]
    banner = CAPTION_LINE * sum(lines(text, CAPTION_CHARACTERS) for text in table.banner)
    above = banner + CAPTION_LINE * lines(caption, CAPTION_CHARACTERS)
    sheets = pages(table, below, above, banner + CAPTION_LINE)
    first = [rf"\caption{{{caption}}}", rf"\label{{tab:{label(table.id)}}}"]
    again = [r"\addtocounter{table}{-1}", rf"\caption{{{escape(table.id)} (continued)}}"]
    return "\n".join(page(table, sheet, again if i else first) for i, sheet in enumerate(sheets))


def page(table: Table, sheet: Page, caption: Sequence[str]) -> str:
    """One `table` environment: a caption, the banner, a part of the grid, a part of the notes."""
    tall = two_lines(table)
    texts = [
        r"\begin{table}[htbp]",
        r"\centering",
        *caption,
        r"\par\smallskip",
        *(rf"\textbf{{{escape(sentence)}}}\par\smallskip" for sentence in table.banner),
        *(grid(sheet.blocks, tall=tall) if sheet.blocks else []),
        *([r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright"] if sheet.notes else []),
        *(rf"{text}\par" for text in sheet.notes),
        *([r"\end{minipage}"] if sheet.notes else []),
        r"\end{table}",
        "",
    ]
    return "\n".join(texts)


def grid(blocks: Sequence[Table], *, tall: bool) -> list[str]:
    """Blocks of columns, one beneath another, scaled to the page if they are wider."""
    widest = max(blocks, key=lambda part: len(part.columns))
    columns = "l" * len(widest.row_headers) + "".join("l" if isinstance(c, Text) else "c" for c in widest.rows[0].cells)
    return [
        FIT,
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *itertools.chain.from_iterable(block(part, first=i == 0, tall=tall) for i, part in enumerate(blocks)),
        r"\bottomrule",
        r"\end{tabular}}",
    ]


def block(table: Table, *, first: bool, tall: bool) -> list[str]:
    """The header and the rows of one block of columns, ruled off from the block above."""
    rows = itertools.chain.from_iterable(line(table, r, tall=tall) for r in range(len(table.rows)))
    return [*([] if first else [r"\midrule"]), *header(table), r"\midrule", *rows]


def label(name: str) -> str:
    """A table's id as a label: letters, digits, colons and hyphens."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def header(table: Table) -> list[str]:
    """One line a level; the lines between levels lie under the headings that span columns."""
    lines = []
    for level in range(table.levels):
        last = level == table.levels - 1
        spans = table.spans(level)
        texts = [escape(name) if last else "" for name in table.row_headers]
        marks = [mark(column.marks) if last else "" for column in table.columns]
        texts += (
            [rf"\multicolumn{{{n}}}{{c}}{{{escape(text)}}}" for text, n in spans]
            if not last
            else [escape(text) + marks[i] for i, (text, _) in enumerate(spans)]
        )
        lines.append(" & ".join(texts) + r" \\")
        if not last:
            lines += rules(spans, len(table.row_headers) + 1)
    return lines


def rules(spans: Sequence[tuple[str, int]], first: int) -> list[str]:
    r"""`\cmidrule` under each heading of an upper level."""
    lines = []
    for text, width in spans:
        lines += [rf"\cmidrule(lr){{{first}-{first + width - 1}}}"] if text else []
        first += width
    return lines


def listing(rows: Sequence[Mapping[str, str]], above: Sequence[str], below: Sequence[str]) -> str:
    """Rows of texts as a table with a caption above and notes beneath, on as many pages as it takes."""
    title, (first, *others) = ". ".join(above), rows[0]
    return one(
        Table(
            id=title,
            title="",
            caption=title,
            row_headers=(first,),
            columns=tuple(Column((name,)) for name in others),
            rows=tuple(Row((row[first],), tuple(Text(words=row[name]) for name in others)) for row in rows),
            notes=tuple(below),
        )
    )


def line(table: Table, index: int, *, tall: bool) -> list[str]:
    """A row, with some room above where a new group of rows begins or where cells take two lines."""
    row = table.rows[index]
    *upper, last = shown_label(table, index)
    cells = [drawn(cell, two_lines=tall) for cell in row.cells]
    texts = [*(escape(text) for text in upper), escape(last) + mark(row.marks), *cells]
    apart = group_starts(table)[index] or (index > 0 and tall)
    return [*([r"\addlinespace"] if apart else []), " & ".join(texts) + r" \\"]


def drawn(cell: Cell, *, two_lines: bool = False) -> str:
    """The cell with its marks after the measured number, the published one behind it or below it."""
    measured, published = f"{escape(cell.measured_text)}{mark(cell.marks)}", escape(cell.published_text)
    if two_lines and cell.measured is not None and published:
        return rf"\begin{{tabular}}[t]{{@{{}}c@{{}}}}{measured}\\{published}\end{{tabular}}"
    return f"{measured} {published}".rstrip()


def mark(marks: Sequence[int]) -> str:
    """Footnote marks."""
    return rf"\textsuperscript{{{','.join(str(m) for m in marks)}}}" if marks else ""
