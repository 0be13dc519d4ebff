"""The network's answers about masked images: many forward passes, and a gradient only in the search for a mask."""

from __future__ import annotations

import math

from cambench.explainers.entry import Explainer, Hiding
from cambench.options import CHANNELS, Option, inside

local = inside("cambench.explainers")


def of_channels(*, samples: int = 1, channels: int = CHANNELS) -> int:
    """So many masked images a channel, and the image itself."""
    return samples * channels + 1


def of_windows(*, window: float = 0.125, stride: float = 0.0625, size: int = 224) -> int:
    """A masked image a place of the window, and the image itself."""
    side, step = (max(1, round(share * size)) for share in (window, stride))
    return (math.ceil((size - side) / step) + 1) ** 2 + 1


INDEX: dict[str, Explainer] = {
    "score-cam": Explainer(
        local("masks:score_cam"),
        "masked",
        unit="activations",
        hiding=Hiding(local("masking:channels"), layer=True),
        summary="each channel weighed by the score of the image that it masks, softmax over the channels; no ReLU here",
        source="Wang et al. 2020, Score-CAM §3",
        aliases={"scorecam": ""},
        cost=lambda *, channels=CHANNELS: of_channels(channels=channels),
    ),
    "ss-cam": Explainer(
        local("masks:score_cam"),
        "masked",
        unit="activations",
        hiding=Hiding(local("masking:smoothed"), layer=True),
        summary="Score-CAM whose channels are weighed by the mean score under noisy copies of their mask",
        source="Wang et al. 2020, SS-CAM; n, σ and where the noise is added as in torchcam",
        options=(
            Option("samples", 35, "noisy copies of a mask", least=1),
            Option("sigma", 2.0, "deviation of the noise; masks are between 0 and 1", least=0.0),
        ),
        aliases={"smoothed-score-cam": "", "sscam": ""},
        cost=lambda *, samples=35, channels=CHANNELS: of_channels(samples=samples, channels=channels),
    ),
    "is-cam": Explainer(
        local("masks:score_cam"),
        "masked",
        unit="activations",
        hiding=Hiding(local("masking:integrated"), layer=True),
        summary="Score-CAM whose channels are weighed by the mean score along a path to their mask and beyond",
        source="Naidu et al. 2020, IS-CAM; the path as in torchcam",
        options=(Option("samples", 10, "points of the path", least=1),),
        aliases={"integrated-score-cam": "", "iscam": ""},
        cost=lambda *, samples=10, channels=CHANNELS: of_channels(samples=samples, channels=channels),
    ),
    "occlusion": Explainer(
        local("masks:occlusion"),
        "masked",
        hiding=Hiding(local("masking:windows")),
        summary="how far the score falls where a square hides the pixel, the mean over the squares that do",
        source="Zeiler & Fergus 2014, §4.2; the mean as in captum, the window's size and stride are ours",
        options=(
            Option(
                "window",
                0.125,
                "side of the square as a share of the image's shorter side: 28 of 224 px",
                least=0.0,
                most=1.0,
            ),
            Option(
                "stride",
                0.0625,
                "from one square to the next, as a share of the same side: 14 of 224 px",
                least=0.0,
                most=1.0,
            ),
            Option(
                "baseline",
                "zero",
                "the square's colour: zero, the training images' mean, or the image's own mean",
                choices=("zero", "mean"),
            ),
        ),
        aliases={"sliding-window": ""},
        cost=of_windows,
    ),
    "rise": Explainer(
        local("masks:rise"),
        "masked",
        hiding=Hiding(local("masking:random_grids")),
        summary="mean score of the random masks that show a pixel; the paper explains the target probability",
        source="Petsiuk et al. 2018, RISE eq. 6 and §3.2",
        options=(
            Option("masks", 8000, "masked images an image: 8000 for the paper's ResNet-50, 4000 for its VGG-16", least=1),
            Option("grid", 7, "cells a side of a mask before it is stretched", least=1),
            Option("p", 0.5, "probability that a cell shows the image", least=0.001, most=1.0),
        ),
        cost=lambda *, masks=8000: masks + 1,
    ),
    "extremal-perturbation": Explainer(
        local("extremal:extremal_perturbation"),
        "search",
        unit="none",
        summary="the smooth mask of a given area, blurred outside, that keeps the score highest, found by gradient descent",
        source="Fong et al. 2019, §3; the bumps' width and the step size are ours",
        options=(
            Option("area", 0.1, "share of the image that the mask shows", least=0.0, most=1.0),
            Option("steps", 800, "steps of the descent, each a forward and a backward pass", least=1),
        ),
        cost=lambda *, steps=800: 3 * steps + 1,
    ),
}
