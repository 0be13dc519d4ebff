"""Explainers: model and images to raw, signed maps at their native grid. Nothing here imports torch."""

from __future__ import annotations

from cambench import options
from cambench.explainers.entry import Around, Explainer, Layer
from cambench.lookup import Catalogue
from cambench.options import Option, inside

__all__ = ["INDEX", "Explainer", "find_explainer", "known_explainer"]

local = inside(__name__)

LATENT = Layer(own=local("calm:latent_layer"))
COLOURS = Option(
    "colours",
    "sum",
    "over the colours: sum, or largest: max |·|, never negative (Simonyan et al. 2014; CALM, authors' code)",
    choices={"sum": local("gradients:gradient"), "largest": local("gradients:largest_gradient")},
    sets="rule",
)
NOISE = (
    Option("samples", 50, "noisy copies an image", least=1),
    Option("sigma", 0.25, "deviation of the noise as a share of the image's range", least=0.0),
)
ABOUT = Option(
    "about",
    "mean",
    "about what the squares are taken: the mean, or zero, which is their mean (SmoothGrad-Squared; CALM, authors' code)",
    choices={"mean": local("points:variance"), "zero": local("points:mean_square")},
    sets="around.pool",
)


def of_points(*, samples: int = 50) -> int:
    """Passes of gradients at so many points, and of the image itself."""
    return 3 * samples + 1


INDEX = Catalogue(
    "explainer",
    Explainer,
    {
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
        "gradient": Explainer(
            local("gradients:gradient"),
            "input",
            unit="logits / pixel",
            summary="gradient of the input, summed over colours",
            source="Simonyan et al. 2014",
            options=(COLOURS,),
            aliases={"vanilla-gradient": "colours=largest"},
            cost=3,
        ),
        "input-x-gradient": Explainer(
            local("gradients:input_x_gradient"),
            "input",
            summary="input × gradient, summed over colours",
            source="Shrikumar et al. 2016",
            aliases={"ixg": ""},
            cost=3,
        ),
        "integrated-gradients": Explainer(
            local("gradients:input_x_gradient"),
            "input",
            around=Around(local("points:path")),
            summary="input × mean gradient on the path from zeros, at midpoints",
            source="Sundararajan et al. 2017, eq. 1; Wang & Wang 2022, §4",
            options=(Option("steps", 50, "midpoints of the path", least=1),),
            aliases={"ig": ""},
            cost=lambda *, steps=50: of_points(samples=steps),
        ),
        "smoothgrad": Explainer(
            local("gradients:gradient"),
            "input",
            unit="logits / pixel",
            around=Around(local("points:noisy")),
            summary="mean gradient of noisy copies, summed over colours",
            source="Smilkov et al. 2017, eq. 1; n and σ as in CALM",
            options=(COLOURS, *NOISE),
            aliases={"smooth-gradient": "", "smooth-vanilla-gradient": "colours=largest"},
            cost=of_points,
        ),
        "vargrad": Explainer(
            local("gradients:gradient"),
            "input",
            unit="(logits / pixel)²",
            around=Around(local("points:noisy"), local("points:variance")),
            summary="variance of the gradient over noisy copies; never negative",
            source="Adebayo et al. 2018, app. A; n and σ as in CALM",
            options=(COLOURS, *NOISE, ABOUT),
            aliases={
                "variance-gradient": "",
                "variance-vanilla-gradient": "colours=largest",
                "smooth-grad-square": "about=zero,colours=largest",
            },
            cost=of_points,
        ),
        "integrated-vanilla-gradient": Explainer(
            local("gradients:largest_gradient"),
            "input",
            unit="logits / pixel",
            around=Around(local("points:path_with_ends"), local("points:path_sum")),
            summary="largest absolute gradient over colours, summed over the path from zeros with its ends, over its steps",
            source="CALM protocol §1.7, authors' code; not multiplied by the input",
            options=(Option("steps", 50, "steps of the path, which has one point more", least=1),),
            cost=lambda *, steps=50: of_points(samples=steps + 1),
        ),
        "cmwp": Explainer(
            local("contrast:cmwp"),
            "network",
            unit="winning probability",
            partial=True,
            layer=Layer(own=local("contrast:own_layer"), prepare=local("contrast:walk")),
            summary="contrastive excitation backprop to the last stage but one; no ReLU here",
            source="CGC §4, Table 4, authors' code; Zhang et al. 2016",
            options=(
                Option("contrast", True, "R⁺ − R⁻ goes down from the pool; false: R⁺ alone, plain excitation backprop"),
            ),
            aliases={
                "contrastive-excitation-backprop": "",
                "contrastive-mwp": "",
                "mwp": "contrast=false",
                "excitation-backprop": "contrast=false",
            },
            cost=lambda *, contrast=True: 4 if contrast else 3,
        ),
        "calm": Explainer(
            local("calm:calm"),
            "latent",
            unit="probability",
            layer=LATENT,
            summary="joint probability of class and location; with versus a counterfactual, with subset a superset",
            source="CALM eq. 7",
        ),
        "calm-posterior": Explainer(
            local("calm:posterior"),
            "latent",
            unit="probability",
            layer=LATENT,
            summary="probability of the location, given the class",
            source="CALM protocol §1.4",
        ),
        "calm-conditional": Explainer(
            local("calm:conditional"),
            "latent",
            unit="probability",
            layer=LATENT,
            summary="probability of the class at each location by itself",
            source="CALM §4.1",
        ),
        "calm-saliency": Explainer(
            local("calm:saliency"),
            "latent",
            unit="probability",
            layer=LATENT,
            summary="probability of the location, whatever the class",
            source="CALM §4.1",
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
        "acol": Explainer(
            local("acol:acol"),
            "network",
            unit="none",
            layer=Layer(own=local("acol:features_layer"), prepare=local("acol:prepare")),
            summary="ACoL's map: the larger of its two classifiers' class scores, each between 0 and 1",
            source="Zhang et al. 2018, ACoL; WSOL benchmark, its code (rivals protocol §3.2)",
        ),
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
    },
)


def known_explainer(text: str) -> Explainer | None:
    """The entry of a record's explainer; None where there is none any more."""
    return options.known(text, INDEX)


def find_explainer(text: str) -> Explainer:
    """The entry that `NAME` or `NAME:option=value,…` names. Raises: UsageError naming the nearest and all."""
    return options.find(text, INDEX)
