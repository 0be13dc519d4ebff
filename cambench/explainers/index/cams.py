"""CAMs of a layer, and those of a GAP + linear head."""

from __future__ import annotations

from cambench.explainers.entry import Explainer
from cambench.options import Option, inside

local = inside("cambench.explainers")
INDEX: dict[str, Explainer] = {
    "cam": Explainer(
        local("cam:cam"),
        "layer",
        closed="sum",
        summary="class weights of a GAP + linear head on its activations",
        source="Zhou et al. 2016, eq. 2",
    ),
    "grad-cam": Explainer(
        local("gradient_cam:grad_cam"),
        "layer",
        closed="mean",
        summary="spatial mean of the gradient weighs the activations; no ReLU here",
        source="Selvaraju et al. 2017, eq. 1–2",
        options=(
            Option(
                "head",
                True,
                "false: class c is channel c of the layer, as CGC's released script measures SwAV's network (Table 9)",
                sets="head",
            ),
        ),
        aliases={"gradcam": ""},
    ),
    "hires-cam": Explainer(
        local("gradient_cam:hires_cam"),
        "layer",
        closed="mean",
        summary="gradient × activation, summed over channels",
        source="Draelos & Carin 2020; Wang & Wang 2022, eq. 4",
        options=(
            Option(
                "channels",
                "sum",
                "over the channels: sum (Wang & Wang 2022, eq. 4), or mean (their code: a positive factor)",
                choices={"sum": "mean", "mean": "channel-mean"},
                sets="closed",
            ),
        ),
        aliases={"linear-approximation": "", "hirescam": ""},
    ),
    "score-map": Explainer(
        local("cam:score_map"),
        "head",
        summary="class score at each cell of a GAP + linear head: cam plus the class's bias",
        source="CALM eq. 1",
    ),
    "min-max-cam": Explainer(
        local("cam:min_max_cam"),
        "head",
        unit="none",
        linear=False,
        summary="cam of each class between 0 and 1, then the target's sum: with subset:NAME, CALM's CAM + superset",
        source="CALM protocol §1.4, authors' code",
    ),
}
