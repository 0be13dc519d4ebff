"""What a network of its own kind, or a way of its own through any, gives."""

from __future__ import annotations

from cambench.explainers.entry import Explainer, Layer
from cambench.options import Option, inside

local = inside("cambench.explainers")
LATENT = Layer(own=local("calm:latent_layer"))
INDEX: dict[str, Explainer] = {
    "cmwp": Explainer(
        local("contrast:cmwp"),
        "network",
        unit="winning probability",
        partial=True,
        layer=Layer(own=local("contrast:own_layer"), prepare=local("contrast:walk")),
        summary="contrastive excitation backprop to the last stage but one; no ReLU here",
        source="CGC §4, Table 4, authors' code; Zhang et al. 2016",
        options=(Option("contrast", True, "R⁺ − R⁻ goes down from the pool; false: R⁺ alone, plain excitation backprop"),),
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
    "acol": Explainer(
        local("acol:acol"),
        "network",
        unit="none",
        layer=Layer(own=local("acol:features_layer"), prepare=local("acol:prepare")),
        summary="ACoL's map: the larger of its two classifiers' class scores, each between 0 and 1",
        source="Zhang et al. 2018, ACoL; WSOL benchmark, its code (rivals protocol §3.2)",
    ),
}
