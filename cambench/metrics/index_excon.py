"""The entries of ExCon's metrics: what masking costs the network's confidence, and how well a map foretells a change."""

from __future__ import annotations

from functools import partial

from cambench.metrics.entry import Metric
from cambench.metrics.faithfulness import drop_increase, infidelity

EXCON: dict[str, Metric] = {
    "drop-increase": Metric(
        "drop-increase",
        drop_increase.measure,
        "fraction",
        True,
        "ExCon §4.3, Tables 3 to 8; authors' code",
        "how the predicted class's probability changes where only its most salient pixels are kept",
        decimals=3,
        steps=drop_increase.STEPS,
        variants=drop_increase.VARIANTS,
        explainer="grad-cam",
        directions=drop_increase.DIRECTIONS,
        asks="How sure does the network stay if it sees only the hottest pixels?",
    ),
    "infidelity": Metric(
        "infidelity",
        infidelity.measure,
        "p²",
        False,
        "ExCon §4.3, Table 2, after Yeh et al. 2019; its estimator is not published",
        "how far the map of the predicted class is from foretelling what perturbations do to its probability",
        decimals=5,
        steps=infidelity.STEPS,
        variants=infidelity.VARIANTS,
        explainer="grad-cam",
        first=infidelity.IMAGES,
        asks="How badly does the heatmap foretell what a disturbance does?",
    ),
    "infidelity-small": Metric(
        "infidelity-small",
        partial(infidelity.measure, draws=infidelity.FEW_DRAWS),
        "p²",
        False,
        "as infidelity; our choice of images and draws",
        "infidelity of 50 images with 100 perturbations each, a first look or a stand-in",
        decimals=5,
        steps=infidelity.STEPS,
        variants=infidelity.VARIANTS,
        explainer="grad-cam",
        first=infidelity.FEW_IMAGES,
    ),
}
