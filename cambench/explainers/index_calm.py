"""CALM's maps and the maps it is compared with: those of CAM, and gradients.

The authors' code pools gradients as max_colour |∂S/∂x|, never signed.
"""

from __future__ import annotations

from cambench.explainers import calm, points
from cambench.explainers.cam import min_max_cam, score_map
from cambench.explainers.explanation import Explainer
from cambench.explainers.gradients import largest_gradient
from cambench.maps import min_max

CALM: dict[str, Explainer] = {
    "calm": Explainer(
        "calm",
        calm.calm,
        "latent",
        "joint probability of class and location; with versus a counterfactual, with subset a superset",
        "CALM eq. 7",
        unit="probability",
        own_layer=calm.latent_layer,
    ),
    "calm-posterior": Explainer(
        "calm-posterior",
        calm.posterior,
        "latent",
        "probability of the location, given the class",
        "CALM protocol §1.4",
        unit="probability",
        own_layer=calm.latent_layer,
    ),
    "calm-conditional": Explainer(
        "calm-conditional",
        calm.conditional,
        "latent",
        "probability of the class at each location by itself",
        "CALM §4.1",
        unit="probability",
        own_layer=calm.latent_layer,
    ),
    "calm-saliency": Explainer(
        "calm-saliency",
        calm.saliency,
        "latent",
        "probability of the location, whatever the class",
        "CALM §4.1",
        unit="probability",
        own_layer=calm.latent_layer,
    ),
    "score-map": Explainer(
        "score-map",
        score_map,
        "layer",
        "class score at each cell of a GAP + linear head: cam plus the class's bias",
        "CALM eq. 1",
        closed="sum",
        biased=True,
    ),
    "min-max-cam": Explainer(
        "min-max-cam",
        min_max_cam,
        "layer",
        "cam of each class between 0 and 1, then the target's sum: with subset:NAME, CALM's CAM + superset",
        "CALM protocol §1.4, authors' code",
        closed="sum",
        unit="none",
        each=min_max,
    ),
    "vanilla-gradient": Explainer(
        "vanilla-gradient",
        largest_gradient,
        "input",
        "largest absolute gradient of the input over colours",
        "Simonyan et al. 2014; CALM protocol §1.7",
        unit="logits / pixel",
    ),
    "integrated-vanilla-gradient": Explainer(
        "integrated-vanilla-gradient",
        largest_gradient,
        "input",
        "vanilla-gradient summed over 51 points from zeros to the image, over 50; not multiplied by the input",
        "CALM protocol §1.7, authors' code",
        unit="logits / pixel",
        points=points.path_with_ends,
        pool=points.path_sum,
    ),
    "smooth-vanilla-gradient": Explainer(
        "smooth-vanilla-gradient",
        largest_gradient,
        "input",
        "mean vanilla-gradient of 50 noisy copies, σ a quarter of the image's range",
        "CALM protocol §1.7, authors' code",
        unit="logits / pixel",
        points=points.noisy,
    ),
    "variance-vanilla-gradient": Explainer(
        "variance-vanilla-gradient",
        largest_gradient,
        "input",
        "variance of vanilla-gradient over 50 noisy copies",
        "CALM protocol §1.7, authors' code",
        unit="(logits / pixel)²",
        points=points.noisy,
        pool=points.variance,
    ),
}
