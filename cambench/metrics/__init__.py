"""Metrics: rows per image from a batch, a value from rows."""

from __future__ import annotations

from functools import partial

from cambench.lookup import Catalogue
from cambench.metrics.accuracy import top_k
from cambench.metrics.entry import Metric, needs, reduce, summarise
from cambench.metrics.faithfulness import deletion, gradient_sign, insertion, relative_probability
from cambench.metrics.index_calm import CALM
from cambench.metrics.index_excon import EXCON
from cambench.metrics.index_regions import REGIONS
from cambench.metrics.index_wsol import WSOL
from cambench.metrics.localisation import content_heatmap
from cambench.metrics.robustness import cgc_loss

__all__ = ["INDEX", "Metric", "find_metric", "needs", "reduce", "summarise"]

PERTURBATION_STEPS = ("relu", "resize", "min-max-epsilon")
CH_STEPS = ("relu", "sum-to-one-epsilon", "resize")
CH_STEPS_ON = {"cmwp": ("relu", "resize")}  # CGC protocol §2.5: no epsilon; the metric itself divides by the sum

METRICS: dict[str, Metric] = {
    "top1": Metric(
        "top1",
        top_k.top1,
        "%",
        True,
        "CGC §4",
        "share of images whose best class is the label",
        scale=100,
        asks="How often is the network right?",
    ),
    "top5": Metric(
        "top5",
        top_k.top5,
        "%",
        True,
        "CGC Table 9",
        "share of images with the label among five best",
        scale=100,
        asks="How often is the right class among the network's five best?",
    ),
    "top1-any": Metric(
        "top1-any",
        top_k.top1_any,
        "%",
        True,
        "CGC Table 3",
        "share of images whose best class is any of the right ones",
        scale=100,
        asks="How often is the network's answer one of the right ones?",
    ),
    "ch": Metric(
        "ch",
        content_heatmap.measure,
        "%",
        True,
        "CGC §4; authors' code",
        "share of the heatmap inside the boxes of the ground-truth class",
        view="full",
        view_scale=2.0,
        scale=100,
        steps=CH_STEPS,
        variants=("official", "correct"),
        aliases=("content-heatmap",),
        steps_on=CH_STEPS_ON,
        asks="How much of the heat lies on the object, inside the outlined box?",
    ),
    "ch-224": Metric(
        "ch-224",
        content_heatmap.measure,
        "%",
        True,
        "CGC §4; default of the authors' script",
        "content heatmap at the network's own input size in place of twice it",
        view="full",
        scale=100,
        steps=CH_STEPS,
        variants=("official", "correct"),
        aliases=("content-heatmap-224",),
        steps_on=CH_STEPS_ON,
    ),
    "cgc-loss": Metric(
        "cgc-loss",
        cgc_loss.measure,
        "nats",
        False,
        "CGC §4, Table 1",
        "how far heatmaps are from following a random crop, told from 31 others",
        group=32,
        asks="How much does the heatmap change when the picture is cropped?",
    ),
    "iauc": Metric(
        "iauc",
        insertion.measure,
        "probability",
        True,
        "CGC §4; authors' code, after RISE",
        "mean probability of the predicted class while salient pixels are inserted",
        view="resize",
        decimals=4,
        steps=PERTURBATION_STEPS,
        aliases=("insertion-auc", "insertion"),
        asks="Shown the hottest pixels first, how soon is the network sure?",
    ),
    "iauc-train-bn": Metric(
        "iauc-train-bn",
        insertion.measure,
        "probability",
        True,
        "authors' code of CGC, as published",
        "iauc as released: maps in train mode, batch norms drift over the classes in order",
        view="resize",
        decimals=4,
        steps=PERTURBATION_STEPS,
        aliases=("insertion-auc-train-bn",),
        train_bn=(100, 5000),
    ),
    "dauc": Metric(
        "dauc",
        deletion.measure,
        "probability",
        False,
        "RISE (Petsiuk et al. 2018)",
        "mean probability of the predicted class while salient pixels are deleted",
        view="resize",
        decimals=4,
        steps=PERTURBATION_STEPS,
        aliases=("deletion-auc", "deletion"),
        asks="With the hottest pixels taken away first, how long does the network stay sure?",
    ),
    "relative-probability": Metric(
        "relative-probability",
        relative_probability.measure,
        "probability",
        True,
        "Wang & Wang 2022, Table 1",
        "probability of one of an image's two likely classes where the other part of its map is replaced",
        view="resize",
        decimals=3,
        steps=relative_probability.STEPS,
        variants=relative_probability.VARIANTS,
        leaves_out=relative_probability.LEAVES_OUT,
        directions=relative_probability.DIRECTIONS,
        tallies=relative_probability.TALLIES,
    ),
    "relative-probability-equal-count": Metric(
        "relative-probability-equal-count",
        relative_probability.measure_equal_count,
        "probability",
        True,
        "Wang & Wang 2022, authors' code",
        "relative-probability with equally many pixels replaced under the targets logit and weighted",
        view="resize",
        decimals=3,
        steps=relative_probability.STEPS,
        variants=relative_probability.EQUAL_COUNT,
        leaves_out=relative_probability.LEAVES_OUT,
        directions=relative_probability.EQUAL_DIRECTIONS,
        tallies=relative_probability.TALLIES,
    ),
    "gradient-sign": Metric(
        "gradient-sign",
        gradient_sign.measure,
        "change",
        True,
        "Wang & Wang 2022, Figure 3",
        "what the label gains when the image takes small steps along the sign of its gradient",
        decimals=3,
        variants=gradient_sign.VARIANTS,
        explainer="gradient",
    ),
    "gradient-sign-printed": Metric(
        "gradient-sign-printed",
        partial(gradient_sign.measure, printed=True),
        "change",
        True,
        "Wang & Wang 2022, §5.1",
        "gradient-sign with the clip bounds as printed, which clip next to nothing",
        decimals=3,
        variants=gradient_sign.VARIANTS,
        explainer="gradient",
    ),
    **REGIONS,
    **CALM,
    **WSOL,
    **EXCON,
}

INDEX = Catalogue("metric", Metric, METRICS)


def find_metric(name: str) -> Metric:
    """The entry of a metric's name or alias. Raises: UsageError naming the nearest and all."""
    return INDEX.find(name)
