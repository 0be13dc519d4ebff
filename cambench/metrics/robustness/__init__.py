"""How much does a heatmap change when the picture, or the network, does?"""

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
    ),
    "sensitivity-max": Metric(
        local("sensitivity_max:measure"),
        Printing("ratio", better="down", decimals=3),
        summary="how far the heatmap moves at most where the image is disturbed a little, as a share of its own length",
        source="Yeh et al. 2019, Definition 3; divided by the map's length as in its reference code",
        asks="How much does the heatmap change when the picture is disturbed a little?",
        maps=Maps(),
        rows=Rows(leaves_out="map zero everywhere"),
        options=(
            Option("samples", 50, "random disturbances an image (reference code)", least=1),
            Option("radius", 0.2, "the largest disturbance, in pixels of [0,1] (reference code)", least=0.0),
        ),
        aliases={"max-sensitivity": ""},
        cost=lambda *, samples=50: 1 + samples,
    ),
    "randomisation": Metric(
        local("randomisation:measure"),
        Printing("similarity", better="down", decimals=3),
        summary="how alike the heatmaps of the network and of the network with randomised layers are, mean over the layers",
        source="Adebayo et al. 2018, §4",
        asks="Does the heatmap stay as it is when the network forgets what it learned?",
        maps=Maps(),
        rows=Rows(
            local("randomisation:VARIANTS"),
            leaves_out="map the same everywhere",
            tallies=("randomised maps that are the same everywhere",),
        ),
        options=(
            Option(
                "mode",
                "cascading",
                "layers are randomised from the output down and stay so, or independently, one block at a time",
                choices=("cascading", "independent"),
            ),
            Option("blocks", 10, "blocks of consecutive layers that are randomised together, our choice", least=1),
        ),
        aliases={"randomization": "", "sanity-check": ""},
        cost=lambda *, blocks=10: 1 + blocks,
    ),
}
