"""Does the network depend on what the heatmap shows?"""

from __future__ import annotations

from math import ceil

from cambench.metrics.entry import Input, Maps, Metric, Printing, Rows
from cambench.metrics.faithfulness import beside
from cambench.options import Option, inside

local = inside(__name__)

PERTURBED = Maps(("relu", "resize", "min-max-epsilon"))
RESIZED = ("resize",)
ROWS = Option("rows", 8, "rows of pixels a step, 8 of 224 in the paper", least=1)
TRACK = Option("track", "predicted", "the class whose probability is followed", choices=("predicted", "label"))
BASELINES = ("blur", "zero", "black", "white", "mean", "noise")
NOTHING = "a blur, zeros, which are the data's mean colour (both of RISE), black, white, the image's mean colour, noise"

SQUARES = {
    "probability": Printing("p²", better="down", decimals=5),
    "logit": Printing("logit²", better="down", decimals=5),
}
"""How errors are printed, by what they are errors of."""


def steps(*, rows: int = 8, size: int = 224) -> int:
    """Passes of insertion and deletion: the steps, the whole image, and that of the map, be it in train mode or not."""
    return ceil(size / rows) + 2


INDEX: dict[str, Metric] = {
    "iauc": Metric(
        local("insertion:measure"),
        Printing("probability", decimals=4),
        summary="mean probability of the predicted class while salient pixels are inserted",
        source="CGC §4; authors' code, after RISE",
        asks="Shown the hottest pixels first, how soon is the network sure?",
        input=Input("resize"),
        maps=PERTURBED,
        options=(
            ROWS,
            TRACK,
            Option(
                "start",
                "blur",
                f"what pixels are inserted into: {NOTHING}",
                choices=BASELINES,
            ),
            Option(
                "batch-norms",
                "eval",
                "train: as CGC's released code has it, maps are made in train mode and batch norms drift over the classes",
                choices={"eval": None, "train": (100, 5000)},
                sets="maps.train_bn",
            ),
        ),
        aliases={
            "iauc-train-bn": "batch-norms=train",
            "insertion-auc": "",
            "insertion": "",
            "insertion-auc-train-bn": "batch-norms=train",
        },
        cost=steps,
    ),
    "dauc": Metric(
        local("deletion:measure"),
        Printing("probability", better="down", decimals=4),
        summary="mean probability of the predicted class while salient pixels are deleted",
        source="RISE (Petsiuk et al. 2018)",
        asks="With the hottest pixels taken away first, how long does the network stay sure?",
        input=Input("resize"),
        maps=PERTURBED,
        options=(
            ROWS,
            TRACK,
            Option("end", "zero", f"what deleted pixels become: {NOTHING}", choices=BASELINES),
        ),
        aliases={"deletion-auc": "", "deletion": ""},
        cost=steps,
    ),
    "relative-probability": Metric(
        local("relative_probability:measure"),
        Printing("probability", decimals=3, directions={"t?/p": "none", "*negative": "down"}, headline="t1/blur/positive"),
        summary="probability of one of an image's two likely classes where the other part of its map is replaced",
        source="Wang & Wang 2022, Table 1",
        input=Input("resize"),
        maps=Maps(("resize-corners",)),
        rows=Rows(
            local("relative_probability:variants"),
            leaves_out="second-best class at most 0.1 probable",
            tallies=local("relative_probability:TALLIES"),
        ),
        options=(
            Option(
                "rule",
                "sign",
                "pixels of one sign are replaced, or equally many under the targets logit and weighted (authors' code)",
                choices=("sign", "equal-count"),
            ),
        ),
        aliases={"relative-probability-equal-count": "rule=equal-count"},
        cost=lambda *, rule="sign": {"sign": 15, "equal-count": 31}[rule],
    ),
    "gradient-sign": Metric(
        local("gradient_sign:measure"),
        Printing("change", decimals=3, headline="0.001/1/probability"),
        summary="what the label gains when the image takes small steps along the sign of its gradient",
        source="Wang & Wang 2022, Figure 3",
        maps=Maps(explainer="gradient"),
        rows=Rows(local("gradient_sign:VARIANTS")),
        options=(
            Option("printed", False, "clip bounds as printed (Wang & Wang 2022, §5.1), which clip next to nothing"),
            Option(
                "scale",
                1.0,
                "side of the images as a multiple of the network's own; 0.9333 shows EfficientNet-B1 224 of its 240 pixels",
                least=0.1,
                most=16.0,
                sets="input.scale",
            ),
        ),
        aliases={"gradient-sign-printed": "printed=true"},
        cost=70,
    ),
    "remove-and-classify": Metric(
        local("remove_and_classify:measure"),
        Printing("ratio", better="down"),
        summary="accuracy after the most salient pixels are erased, as a share of that after random ones are",
        source="CALM §5.3, Figure 5",
        asks="How much accuracy is left without the hottest pixels?",
        input=Input("resize"),
        maps=Maps(RESIZED),
        rows=Rows(local("remove_and_classify:variants"), mean=local("remove_and_classify:mean")),
        options=(
            Option(
                "fill",
                "blur",
                "what erases: a blur; zero, the data's mean colour; mean, the image's own (all of the authors' code)",
                choices=("blur", "zero", "mean"),
            ),
            Option("percent", (10.0, 30.0, 50.0, 70.0, 90.0), "percent of pixels that are erased", least=0.0, most=100.0),
            Option(
                "blur",
                1,
                "pixels a side of a Gaussian blur of the maps, 1: none (authors' code; CALM §5.1 states no size)",
                least=1,
                odd=True,
                sets="maps.blur",
            ),
        ),
        aliases={"remove-and-classify-zero": "fill=zero"},
        cost=lambda *, percent=(10, 30, 50, 70, 90): 1 + 2 * len(percent),
    ),
    "drop-increase": Metric(
        local("drop_increase:measure"),
        Printing("fraction", decimals=3, directions={"*/drop-*": "down"}),
        summary="how the predicted class's probability changes where only its most salient pixels are kept",
        source="ExCon §4.3, Tables 3 to 8; authors' code",
        asks="How sure does the network stay if it sees only the hottest pixels?",
        maps=Maps(RESIZED, explainer="grad-cam"),
        rows=Rows(local("drop_increase:variants")),
        options=(Option("kept", (0.15, 0.3, 0.45), "shares of the pixels that are kept", least=0.0, most=1.0),),
        cost=lambda *, kept=(0.15, 0.3, 0.45): 2 + len(kept),
    ),
    "embedding-distance": Metric(
        local("embedding:measure"),
        Printing("ratio", better="down", decimals=3),
        summary="distance of an image's features to its masked twin's, and to its class's centre, by that of two classes",
        source="ExCon §4.4, Figures 1 and 6 to 8, which show it; the numbers are ours (ExCon protocol §2.4)",
        asks="Do features stay where they are if the network sees only the hottest pixels?",
        maps=Maps(RESIZED, explainer="grad-cam"),
        rows=Rows(local("embedding:VARIANTS")),
        options=(Option("kept", 0.6, "share of the pixels that is kept", least=0.0, most=1.0),),
        cost=5,
    ),
    "infidelity": Metric(
        local("infidelity:measure"),
        SQUARES["probability"],
        summary="how far the map of the predicted class is from foretelling what perturbations do to its probability",
        source="ExCon §4.3, Table 2, after Yeh et al. 2019; its estimator is not published",
        asks="How badly does the heatmap foretell what a disturbance does?",
        maps=Maps(RESIZED, explainer="grad-cam"),
        rows=Rows(local("infidelity:VARIANTS"), first=1000),
        options=(
            Option("images", 1000, "only the first so many: our choice; Yeh et al. take 50", least=1, sets="rows.first"),
            Option("draws", 1000, "perturbations an image of yeh-*: our choice; Yeh et al. take 10,000", least=1),
            Option("sigma", 0.2, "deviation of yeh-gaussian, in pixels of [0,1] (Yeh et al., reference code)", least=0.0),
            Option("side", 10, "the largest square of yeh-square, in pixels", least=1),
            Option("captum-draws", 10, "perturbations an image of captum-* (captum's default)", least=1),
            Option("captum-sigma", 0.003, "deviation of captum-*, in normalised space (captum's documentation)", least=0.0),
            Option(
                "of",
                "probability",
                "what the map is to foretell: the class's probability (our choice), or its logit (Yeh et al. 2019)",
                choices=SQUARES,
                sets="printing",
            ),
            Option(
                "colours",
                "together",
                "what a perturbation disturbs: all colours, or each by itself, drawn evenly (our choice)",
                choices=("together", "each"),
            ),
        ),
        aliases={"infidelity-small": "images=50,draws=100"},
        cost=lambda *, draws=1000, captum_draws=10: 2 * draws + captum_draws + 2,
    ),
    **beside.INDEX,
}
