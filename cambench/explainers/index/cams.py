"""CAMs of a layer, and those of a GAP + linear head."""

from __future__ import annotations

from cambench.explainers.entry import Explainer
from cambench.options import Option, inside

local = inside("cambench.explainers")


def centred(usual: bool) -> Option:
    """Whether the mean over the cells is taken away before the singular vectors."""
    return Option("centred", usual, "the mean over the cells is taken away first, as in a principal component analysis")


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
    "grad-cam++": Explainer(
        local("gradient_cam:grad_cam_plus_plus"),
        "layer",
        summary="positive gradients, weighed by pixel, summed over space, weigh the activations; no ReLU of the map here",
        source="Chattopadhay et al. 2018, eq. 19",
        aliases={"grad-cam-plus-plus": "", "gradcam++": ""},
    ),
    "xgrad-cam": Explainer(
        local("gradient_cam:xgrad_cam"),
        "layer",
        closed="mean",
        summary="gradient's mean, weighed by the activation, weighs the activations; no ReLU here",
        source="Fu et al. 2020",
        aliases={"xgradcam": ""},
    ),
    "layer-cam": Explainer(
        local("gradient_cam:layer_cam"),
        "layer",
        summary="positive part of the gradient × activation, summed over channels; no ReLU of the map here",
        source="Jiang et al. 2021",
        aliases={"layercam": ""},
    ),
    "eigen-cam": Explainer(
        local("eigen:eigen_cam"),
        "score",
        unit="activation",
        class_specific=False,
        summary="activations on their first right singular vector, whatever the class; its channel means positive",
        source="Muhammad & Yeasin 2020",
        options=(centred(False),),
        aliases={"eigencam": ""},
    ),
    "eigen-grad-cam": Explainer(
        local("eigen:eigen_grad_cam"),
        "layer",
        summary="gradient × activation on its first principal direction; its channel means positive",
        source="pytorch-grad-cam, EigenGradCAM",
        options=(centred(True),),
        aliases={"eigengradcam": ""},
    ),
    "ablation-cam": Explainer(
        local("weighing:ablation_cam"),
        "score",
        unit="activation",
        summary="share of the score that is lost without a channel weighs the activations; no ReLU here",
        source="Desai & Ramaswamy 2020",
        aliases={"ablationcam": ""},
    ),
    "shapley-cam": Explainer(
        local("weighing:shapley_cam"),
        "score",
        summary="mean of the gradient less half the Hessian's product with the activations weighs them; no ReLU here",
        source="Cai 2025",
        aliases={"shapleycam": ""},
    ),
    "finer-cam": Explainer(
        local("gradient_cam:grad_cam"),
        "layer",
        closed="mean",
        target="finer",
        summary="grad-cam of the target finer: the class less 0.6 × the mean of the three nearest in logit; no ReLU here",
        source="Zhang et al. 2025",
        aliases={"finercam": ""},
    ),
    "full-grad": Explainer(
        local("full_grad:full_grad"),
        "biases",
        unit="none",
        summary="input and biases × their gradients, each |·| between 0 and 1, summed over channels and layers",
        source="Srinivas & Fleuret 2019",
        options=(
            Option(
                "scale",
                "channel",
                "what is scaled to between 0 and 1: each channel (the paper), or a layer's together (authors' code)",
                choices=("channel", "layer"),
            ),
        ),
        aliases={"fullgrad": ""},
        cost=3,
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
