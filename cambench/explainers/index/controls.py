"""Maps that know nothing."""

from __future__ import annotations

from cambench.explainers.entry import Explainer
from cambench.options import inside

local = inside("cambench.explainers")
INDEX: dict[str, Explainer] = {
    "center": Explainer(
        local("control:center"),
        "control",
        unit="none",
        summary="a Gaussian around the image's middle, whatever the image: how far a guess gets",
        source="control; CALM protocol §6",
    ),
    "random": Explainer(
        local("control:random"),
        "control",
        unit="none",
        summary="uniform noise at the layer's grid: the floor for every metric",
        source="control, as in RISE §4",
    ),
}
