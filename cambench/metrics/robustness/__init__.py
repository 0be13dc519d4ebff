"""How much does a heatmap change when the picture does?"""

from __future__ import annotations

from cambench.metrics.entry import Maps, Metric, Printing, Rows
from cambench.options import Option, inside

local = inside(__name__)

INDEX: dict[str, Metric] = {
    "cgc-loss": Metric(
        local("cgc_loss:measure"),
        Printing("nats", better="down"),
        summary="how far heatmaps are from following a random crop, told from 31 others",
        source="CGC §4, Table 1",
        asks="How much does the heatmap change when the picture is cropped?",
        maps=Maps(),
        rows=Rows(group=32),
        options=(
            Option("group", 32, "images a group, each told from all others of it", least=2, sets="rows.group"),
            Option(
                "anchor",
                "released",
                "what negatives are held against: the crop's own map (authors' code), or the moved one (the equation)",
                choices=("released", "printed"),
            ),
        ),
        cost=4,
    )
}
