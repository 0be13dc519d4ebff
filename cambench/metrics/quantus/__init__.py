"""What does Quantus say? Its metrics of one number an image, on our maps: `quantus:NAME`, NAME that of the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from cambench.functions import Function
from cambench.metrics.entry import Input, Maps, Metric, Printing, Rows
from cambench.options import inside

local = inside(__name__)


def stepwise(*, size: int = 224) -> int:
    """Passes of a metric that goes on by a row of pixels of a colour: one a row, the image, and that of the map."""
    return 3 * size + 2


def patchwise(*, size: int = 224) -> int:
    """Passes of ten perturbations of each patch of 4×4 pixels, the image, and that of the map."""
    return 10 * (size // 4) ** 2 + 2


def of(
    name: str,
    summary: str,
    source: str,
    *,
    better: Literal["up", "down"] = "up",
    cost: int | Callable[..., int] = 1,
    measure: str = "measure",
) -> Metric:
    """The entry of a class of Quantus."""
    several = sum(map(str.isupper, name)) > 1 and not name.isupper()
    return Metric(
        Function(local(f"adapter:{measure}").target, {"metric": name}),
        Printing("value", better=better, decimals=4),
        summary=f"{summary}, by Quantus's {name}",
        source=f"{source}, as Quantus (Hedström et al. 2023) has it",
        input=Input("resize"),
        maps=Maps(("resize",)),
        rows=Rows(leaves_out="Quantus gives no number"),
        aliases={f"quantus:{name.lower()}": ""} if several else {},
        cost=cost,
        package="quantus",
    )


INDEX: dict[str, Metric] = {
    "quantus:faithfulness-correlation": of(
        "FaithfulnessCorrelation", "relevance of random pixels against what the output loses", "Bhatt et al. 2020", cost=102
    ),
    "quantus:faithfulness-estimate": of(
        "FaithfulnessEstimate",
        "relevance of pixels, row by row, against what the output loses",
        "Alvarez-Melis & Jaakkola 2018",
        cost=stepwise,
    ),
    "quantus:monotonicity": of(
        "Monotonicity", "whether the output grows while relevant pixels are added", "Arya et al. 2019", cost=stepwise
    ),
    "quantus:infidelity": of(
        "Infidelity", "error of the map's forecast of what patches do", "Yeh et al. 2019", better="down", cost=patchwise
    ),
    "quantus:local-lipschitz-estimate": of(
        "LocalLipschitzEstimate",
        "how fast the map changes with the image",
        "Alvarez-Melis & Jaakkola 2018",
        better="down",
        cost=201,
    ),
    "quantus:max-sensitivity": of(
        "MaxSensitivity", "how far the map moves at most with noise", "Yeh et al. 2019", better="down", cost=201
    ),
    "quantus:avg-sensitivity": of(
        "AvgSensitivity", "how far the map moves on average with noise", "Yeh et al. 2019", better="down", cost=201
    ),
    "quantus:continuity": of(
        "Continuity", "how far the map moves while the image is shifted", "Montavon et al. 2018", better="down", cost=58
    ),
    "quantus:relative-input-stability": of(
        "RelativeInputStability",
        "how far the map moves, by how far the image does",
        "Agarwal et al. 2022",
        better="down",
        cost=601,
    ),
    "quantus:relative-output-stability": of(
        "RelativeOutputStability",
        "how far the map moves, by how far logits do",
        "Agarwal et al. 2022",
        better="down",
        cost=802,
    ),
    "quantus:pointing-game": of(
        "PointingGame", "whether the highest pixel is in the region", "Zhang et al. 2018", measure="localised"
    ),
    "quantus:top-k-intersection": of(
        "TopKIntersection", "share of the region's pixels among the highest", "Theiner et al. 2021", measure="localised"
    ),
    "quantus:relevance-mass-accuracy": of(
        "RelevanceMassAccuracy", "share of the relevance in the region", "Arras et al. 2021", measure="localised"
    ),
    "quantus:relevance-rank-accuracy": of(
        "RelevanceRankAccuracy",
        "share of the region among as many highest pixels",
        "Arras et al. 2021",
        measure="localised",
    ),
    "quantus:attribution-localisation": of(
        "AttributionLocalisation",
        "positive relevance in the region",
        "Kohlbrenner et al. 2020",
        measure="localised",
    ),
    "quantus:auc": of("AUC", "area under the curve of pixels in the region", "Fawcett 2006", measure="localised"),
    "quantus:completeness": of(
        "Completeness", "whether the relevance adds up to what a black image loses", "Sundararajan et al. 2017", cost=3
    ),
    "quantus:sparseness": of("Sparseness", "Gini index of the relevance", "Chalasani et al. 2020"),
    "quantus:complexity": of("Complexity", "entropy of the relevance", "Bhatt et al. 2020", better="down"),
    "quantus:effective-complexity": of(
        "EffectiveComplexity", "number of pixels that are relevant at all", "Nguyen & Martínez 2020", better="down"
    ),
}
