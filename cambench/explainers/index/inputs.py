"""Gradients of the input."""

from __future__ import annotations

from cambench.explainers.entry import Around, Explainer
from cambench.options import Option, inside

local = inside("cambench.explainers")
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


INDEX: dict[str, Explainer] = {
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
}
