"""Gradients of the input that pass each ReLU by a rule of their own."""

from __future__ import annotations

from cambench.explainers.entry import Explainer
from cambench.explainers.index.inputs import COLOURS
from cambench.options import inside

local = inside("cambench.explainers")

INDEX: dict[str, Explainer] = {
    "guided-backprop": Explainer(
        local("gradients:gradient"),
        "input",
        unit="logits / pixel",
        relu=local("rectifiers:guided"),
        summary="gradient of the input through ReLUs that pass what is positive and was let through, summed over colours",
        source="Springenberg et al. 2015, §4; networks of ReLU or ReLU6 alone",
        options=(COLOURS,),
        aliases={"guided-backpropagation": "", "gbp": ""},
        cost=3,
    ),
    "deconvnet": Explainer(
        local("gradients:gradient"),
        "input",
        unit="logits / pixel",
        relu=local("rectifiers:deconvnet"),
        summary="gradient of the input through ReLUs that pass what is positive, summed over colours",
        source="Zeiler & Fergus 2014, §2.1; networks of ReLU or ReLU6 alone",
        options=(COLOURS,),
        aliases={"deconvolution": ""},
        cost=3,
    ),
    "guided-grad-cam": Explainer(
        local("rectifiers:guided_grad_cam"),
        "input-and-layer",
        unit="logits² / pixel",
        relu=local("rectifiers:guided"),
        summary="guided-backprop, summed over colours, × the positive part of grad-cam, resized bilinearly to the image",
        source="Selvaraju et al. 2017, §3.2; networks of ReLU or ReLU6 alone",
        aliases={"guided-gradcam": ""},
        cost=4,
    ),
}
