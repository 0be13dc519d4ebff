"""Faithfulness as it is measured beside the five papers: imputed pixels, and random sets of them."""

from __future__ import annotations

from cambench.metrics.entry import Direction, Input, Maps, Metric, Printing, Rows
from cambench.options import Option, inside

local = inside(__package__)

RESIZED = Maps(("resize",))
ROAD: dict[str, Direction] = {"morf": "down"}
SHARES = (1.0, 5.0, 10.0, 20.0, 40.0, 80.0)
UNDEFINED = "map the same everywhere, or an output that does not vary"

INDEX: dict[str, Metric] = {
    "road": Metric(
        local("road:measure"),
        Printing("%", scale=100, directions=ROAD),
        summary="accuracy where the most (morf), or the least (lerf), salient pixels are imputed; (lerf − morf)/2",
        source="ROAD (Rong et al. 2022), noisy linear imputation",
        asks="With the hottest pixels painted over from around them, is the network still right?",
        input=Input("resize"),
        maps=RESIZED,
        rows=Rows(local("road:VARIANTS")),
        options=(
            Option(
                "percent",
                (10.0, 20.0, 30.0, 40.0, 50.0, 70.0, 90.0),
                "percent of pixels that are imputed (authors' experiments)",
                least=0.0,
                most=99.0,
            ),
            Option("noise", 0.01, "deviation of the noise on imputed pixels of [0,1] (authors' code)", least=0.0),
            Option(
                "of",
                "accuracy",
                "what is followed: whether the explained class is predicted (the paper), or its probability (grad-cam)",
                choices={
                    "accuracy": Printing("%", scale=100, directions=ROAD),
                    "probability": Printing("probability", decimals=4, directions=ROAD),
                },
                sets="printing",
            ),
        ),
        aliases={"remove-and-debias": ""},
        cost=lambda *, percent=(10, 20, 30, 40, 50, 70, 90): 1 + 2 * len(percent),
    ),
    "sensitivity-n": Metric(
        local("sensitivity_n:measure"),
        Printing("correlation", decimals=3),
        summary="correlation of the relevance of n random pixels with what the output loses without them",
        source="Ancona et al. 2018, §4",
        asks="Do any n pixels matter as much as the heatmap says?",
        input=Input("resize"),
        maps=RESIZED,
        rows=Rows(local("sensitivity_n:variants"), leaves_out=UNDEFINED),
        options=(
            Option("percent", SHARES, "percent of pixels in a set; the paper goes to 80", least=0.0, most=99.0),
            Option("draws", 100, "random sets a size, our choice", least=2),
            Option(
                "of",
                "logit",
                "what is foretold: the class's logit (our choice), or its probability",
                ("logit", "probability"),
            ),
        ),
        cost=lambda *, percent=SHARES, draws=100: 2 + draws * len(percent),
    ),
    "faithfulness-correlation": Metric(
        local("faithfulness_correlation:measure"),
        Printing("correlation", decimals=3),
        summary="correlation of the relevance of a random set of pixels with what the probability loses without it",
        source="Bhatt et al. 2020, Definition 2",
        asks="Does a random set of pixels matter as much as the heatmap says?",
        input=Input("resize"),
        maps=RESIZED,
        rows=Rows(leaves_out=UNDEFINED),
        options=(
            Option("pixels", 224, "pixels in a set (Quantus)", least=1),
            Option("draws", 100, "random sets (Quantus)", least=2),
            Option("of", "probability", "what is foretold: the class's probability, or its logit", ("probability", "logit")),
        ),
        cost=lambda *, draws=100: 2 + draws,
    ),
}
