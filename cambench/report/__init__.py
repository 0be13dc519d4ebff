"""Reports: records and table recipes → tables → terminal, LaTeX, Markdown, CSV, HTML, DataFrame.

`summary.summary(records)` and `paper.paper_table(recipe, records, published)` make `Table`s. `terminal.terminal`,
`latex.latex`, `markdown.markdown`, `frame.csv`, `frame.tidy` and `html.html` draw them.
"""

from cambench.report.tables.model import Cell, Column, Measured, Row, Table, Tables

__all__ = ["Cell", "Column", "Measured", "Row", "Table", "Tables"]
