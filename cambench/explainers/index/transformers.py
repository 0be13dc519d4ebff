"""Of a vision transformer: what its attention says."""

from __future__ import annotations

from cambench.explainers.entry import Explainer, Layer
from cambench.functions import Function
from cambench.options import Option, inside

local = inside("cambench.explainers")
TRANSFORMER = "cambench.explainers.attention:transformer"
INDEX: dict[str, Explainer] = {
    "attention-rollout": Explainer(
        local("attention:attention_rollout"),
        "attention",
        unit="share of a token",
        layer=Layer(prepare=Function(TRANSFORMER, {"graph": "none"})),
        class_specific=False,
        summary="attention of all blocks multiplied, each half identity: what the class token has of each patch; no class",
        source="Abnar & Zuidema 2020, eq. 1",
        options=(Option("heads", "mean", "over the heads: mean (the paper), max or min", choices=("mean", "max", "min")),),
        aliases={"rollout": ""},
    ),
    "generic-attention": Explainer(
        local("attention:generic_attention"),
        "attention",
        layer=Layer(prepare=Function(TRANSFORMER, {"graph": "whole"})),
        summary="positive part of gradient × attention, mean over heads, rolled out over the blocks",
        source="Chefer et al. 2021, Generic Attention-model Explainability, eq. 5–6",
        aliases={"attention-flow": "", "chefer": "", "gae": ""},
        cost=3,
    ),
    "legrad": Explainer(
        local("attention:legrad"),
        "attention",
        layer=Layer(prepare=Function(TRANSFORMER, {"graph": "blocks"})),
        summary="positive gradient of attention, of the score that the head gives each block's mean token, mean over blocks",
        source="Bousselham et al. 2024, LeGrad, §3",
        cost=3,
    ),
}
