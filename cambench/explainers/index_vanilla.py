"""The gradient baselines of CALM: its authors' code pools max_colour |∂S/∂x|, never a signed gradient."""

from __future__ import annotations

from cambench.explainers import points
from cambench.explainers.explanation import Explainer
from cambench.explainers.gradients import largest_gradient

VANILLA: dict[str, Explainer] = {
    "vanilla-gradient": Explainer(
        "vanilla-gradient",
        largest_gradient,
        "input",
        "largest absolute gradient of the input over colours",
        "Simonyan et al. 2014; CALM spec §1.7",
        unit="logits / pixel",
    ),
    "integrated-vanilla-gradient": Explainer(
        "integrated-vanilla-gradient",
        largest_gradient,
        "input",
        "vanilla-gradient summed over 51 points from zeros to the image, over 50; not multiplied by the input",
        "CALM spec §1.7, authors' code",
        unit="logits / pixel",
        points=points.path_with_ends,
        pool=points.path_sum,
    ),
    "smooth-vanilla-gradient": Explainer(
        "smooth-vanilla-gradient",
        largest_gradient,
        "input",
        "mean vanilla-gradient of 50 noisy copies, σ a quarter of the image's range",
        "CALM spec §1.7, authors' code",
        unit="logits / pixel",
        points=points.noisy,
    ),
    "variance-vanilla-gradient": Explainer(
        "variance-vanilla-gradient",
        largest_gradient,
        "input",
        "variance of vanilla-gradient over 50 noisy copies",
        "CALM spec §1.7, authors' code",
        unit="(logits / pixel)²",
        points=points.noisy,
        pool=points.variance,
    ),
}
