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
            Option("variant", "released", "the loss as released, or as printed", choices=("released", "paper")),
        ),
        cost=4,
    )
}
