"""The entries of CALM's own metrics: of two classes' maps, and of what erasing costs."""

from __future__ import annotations

from cambench.metrics import cue_localisation
from cambench.metrics.metric import Metric

CALM: dict[str, Metric] = {
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
