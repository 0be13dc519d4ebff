"""The entries of CALM's own metrics: of two classes' maps, and of what erasing costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from cambench.metrics.entry import Metric
from cambench.metrics.faithfulness import remove_and_classify
from cambench.metrics.localisation import cue_localisation

CUE_LOCALISATION = Metric(
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
)

CALM: dict[str, Metric] = {
    "cue-localisation": CUE_LOCALISATION,
    "cue-localisation-exact": replace(
        CUE_LOCALISATION,
        name="cue-localisation-exact",
        measure=cue_localisation.measure_exact,
        source="our choice, for comparison",
        summary="cue-localisation with a bin for every score, so that none falls out",
        aliases=(),
    ),
    "cue-localisation-normalised": replace(
        CUE_LOCALISATION,
        name="cue-localisation-normalised",
        steps=cue_localisation.NORMALISED,
        source="CALM eq. 2, §5.2, as printed",
        summary="cue-localisation with the maps of CAM and gradients between 0 and 1 before they are subtracted",
        aliases=("cue-localization-normalized",),
    ),
    "cue-localisation-blurred": replace(
        CUE_LOCALISATION,
        name="cue-localisation-blurred",
        steps=cue_localisation.BLURRED,
        source="CALM §5.1, which states no size; 31×31 is our choice",
        summary="cue-localisation with the maps of CAM and gradients under a Gaussian blur",
        aliases=(),
    ),
    "remove-and-classify": Metric(
        "remove-and-classify",
        remove_and_classify.measure,
        "ratio",
        False,
        "CALM §5.3, Figure 5",
        "accuracy after the most salient pixels are blurred, as a share of that after random ones are",
        view="resize",
        steps=remove_and_classify.STEPS,
        variants=remove_and_classify.VARIANTS,
        mean=remove_and_classify.mean,
        asks="How much accuracy is left without the hottest pixels?",
    ),
    "remove-and-classify-zero": Metric(
        "remove-and-classify-zero",
        partial(remove_and_classify.measure, fill="zero"),
        "ratio",
        False,
        "CALM, authors' code",
        "remove-and-classify with the mean colour in the place of the blur",
        view="resize",
        steps=remove_and_classify.STEPS,
        variants=remove_and_classify.VARIANTS,
        mean=remove_and_classify.mean,
    ),
}
