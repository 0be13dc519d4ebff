"""Explainers of other packages, for those who want the peer's own numbers: `torchcam:NAME`, `captum:NAME`, `grad-cam:NAME`.

NAME is the method's name here; the peer's class by its own name is an alias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cambench.explainers.entry import Explainer, Layer
from cambench.functions import Function
from cambench.lookup import canonical
from cambench.options import CHANNELS

TORCHCAM = {
    "cam": "CAM",
    "finer-cam": "FinerCAM",
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMpp",
    "is-cam": "ISCAM",
    "layer-cam": "LayerCAM",
    "score-cam": "ScoreCAM",
    "smooth-grad-cam++": "SmoothGradCAMpp",
    "ss-cam": "SSCAM",
    "xgrad-cam": "XGradCAM",
}
CAPTUM = {
    "deconvnet": "Deconvolution",
    "deep-lift": "DeepLift",
    "grad-cam": "LayerGradCam",
    "guided-backprop": "GuidedBackprop",
    "guided-grad-cam": "GuidedGradCam",
    "hires-cam": "LayerGradientXActivation",
    "input-x-gradient": "InputXGradient",
    "integrated-gradients": "IntegratedGradients",
    "occlusion": "Occlusion",
    "saliency": "Saliency",
}
GRAD_CAM = {
    "ablation-cam": "AblationCAM",
    "eigen-cam": "EigenCAM",
    "eigen-grad-cam": "EigenGradCAM",
    "fem": "FEM",
    "finer-cam": "FinerCAM",
    "full-grad": "FullGrad",
    "grad-cam": "GradCAM",
    "grad-cam++": "GradCAMPlusPlus",
    "grad-cam-elementwise": "GradCAMElementWise",
    "hires-cam": "HiResCAM",
    "kpca-cam": "KPCA_CAM",
    "layer-cam": "LayerCAM",
    "score-cam": "ScoreCAM",
    "shapley-cam": "ShapleyCAM",
    "xgrad-cam": "XGradCAM",
}
"""The method's name here -> the peer's class."""


CHANNELWISE = {"ablation-cam": 1, "is-cam": 10, "score-cam": 1, "ss-cam": 35}
"""Method -> its forward passes a channel of the layer."""
PASSES = {
    "cam": 1,
    "deep-lift": 6,
    "eigen-cam": 1,
    "fem": 1,
    "guided-grad-cam": 6,
    "integrated-gradients": 150,
    "kpca-cam": 1,
    "occlusion": 226,
    "shapley-cam": 5,
    "smooth-grad-cam++": 13,
}
"""Method -> its forward passes an image, where they are not one and a backward pass, which costs two."""


def passes(method: str) -> int | Callable[..., int]:
    """Forward passes an image: one for the logits here, and the peer's own."""
    if method in CHANNELWISE:
        return lambda *, channels=CHANNELS: CHANNELWISE[method] * channels + 2
    return PASSES.get(method, 3) + 1


def family(package: str, prefix: str, methods: Mapping[str, str], done: str, source: str) -> dict[str, Explainer]:
    """The entries of a peer, `PREFIX:NAME`. done: what its maps have gone through already."""
    return {
        f"{prefix}:{method}": Explainer(
            Function(f"cambench.explainers.peers:{package}", {"made": made}),
            "network",
            unit="the peer's",
            layer=Layer(prepare=Function("cambench.explainers.peers:prepare", {"package": package})),
            summary=f"{made} of the package {package}; {done}",
            source=source,
            aliases={alias: "" for alias in [f"{prefix}:{canonical(made)}"] if alias != f"{prefix}:{method}"},
            cost=passes(method),
            package=package,
        )
        for method, made in methods.items()
    }


INDEX: dict[str, Explainer] = {
    **family(
        "torchcam",
        "torchcam",
        TORCHCAM,
        "at the layer's grid, after its ReLU (cam has none), not scaled",
        "torchcam (Fernandez)",
    ),
    **family(
        "captum",
        "captum",
        CAPTUM,
        "raw and signed but for guided-grad-cam's ReLU, summed over channels or colours here",
        "captum (Kokhlikyan et al. 2020)",
    ),
    **family(
        "pytorch_grad_cam",
        "grad-cam",
        GRAD_CAM,
        "after its ReLU, each map between 0 and 1, resized to the image",
        "pytorch-grad-cam (Gildenblat)",
    ),
}
