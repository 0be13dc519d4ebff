"""Metrics: rows per image from a batch, a value from rows."""

from __future__ import annotations

from cambench.lookup import canonical, find
from cambench.metrics import cgc_loss, content_heatmap, cue_localisation, deletion, insertion, max_box_acc, px_ap, top_k
from cambench.metrics.metric import Metric, needs, reduce, summarise

__all__ = ["INDEX", "Metric", "find_metric", "needs", "reduce", "summarise"]

PERTURBATION_STEPS = ("relu", "resize", "min-max-epsilon")
CH_STEPS = ("relu", "sum-to-one-epsilon", "resize")
WSOL_STEPS = ("float64", "resize", "min-max")
CH_STEPS_ON = {"cmwp": ("relu", "resize")}  # CGC spec §2.5: no epsilon; the metric itself divides by the sum

INDEX: dict[str, Metric] = {
    "top1": Metric("top1", top_k.top1, "%", True, "CGC §4", "share of images whose best class is the label", scale=100),
    "top5": Metric(
        "top5", top_k.top5, "%", True, "CGC Table 9", "share of images with the label among five best", scale=100
    ),
    "top1-any": Metric(
        "top1-any",
        top_k.top1_any,
        "%",
        True,
        "CGC Table 3",
        "share of images whose best class is any of the right ones",
        scale=100,
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
    ),
}


INDEX |= {
    "max-box-acc": Metric(
        "max-box-acc",
        max_box_acc.measure,
        "%",
        True,
        "WSOL benchmark (Choe et al. 2020), MaxBoxAccV2; CALM Tables 3 and 5",
        "share of images whose thresholded map's box meets an annotated one, at the best threshold; mean over three IoUs",
        view="resize",
        scale=100,
        steps=WSOL_STEPS,
        variants=max_box_acc.VARIANTS,
        aliases=("maxboxaccv2", "max-box-acc-v2"),
        mean=max_box_acc.mean,
    ),
    "px-ap": Metric(
        "px-ap",
        px_ap.measure,
        "%",
        True,
        "WSOL benchmark (Choe et al. 2020), PxAP; CALM Tables 3 and 5",
        "average precision of the map's pixels as a detector of the object's",
        view="resize",
        scale=100,
        steps=WSOL_STEPS,
        aliases=("pixel-average-precision",),
        mean=px_ap.mean,
    ),
    "cue-localisation": Metric(
        "cue-localisation",
        cue_localisation.measure,
        "%",
        True,
        "CALM §5.2, Table 1; authors' code",
        "average precision of two classes' map difference on the parts in which they differ; mean over pairs",
        view="resize",
        scale=100,
        steps=cue_localisation.STEPS,
        steps_on=dict.fromkeys(cue_localisation.CALM, cue_localisation.CALM_STEPS),
        variants=cue_localisation.VARIANTS,
        aliases=("cue-localization", "mpxap"),
        leaves_out="without an image, or without a pixel of a cue in a bin",
        pairs=True,
        spread=cue_localisation.spread,
    ),
}


def find_metric(name: str) -> Metric:
    """The entry of a metric's name or alias. Raises: UsageError naming the nearest and all."""
    aliases = {alias: entry.name for entry in INDEX.values() for alias in entry.aliases}
    return find(aliases.get(canonical(name), name), INDEX, "metric")
