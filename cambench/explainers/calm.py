"""CALM's attribution maps: read off one forward pass of a network with a CALM head, no gradient.

The explained layer is the head's latent pair (N,C+1,h,w): log p(y|x,z) of every class, then p(z|x). v (N,C) are the target's
coefficients, so one rule serves the joint map (`logit`), counterfactuals (`versus:K`) and supersets (`subset:NAME`).
-> (N,h,w), raw and signed.
"""

from __future__ import annotations

from torch import Tensor, nn

from cambench.vocabulary import UsageError

LATENT = ".latent"
EPSILON = 1e-10


def joint(latent: Tensor) -> Tensor:
    """p(y,z|x) = p(y|x,z)·p(z|x): (N,C+1,h,w) -> (N,C,h,w). Σ_z gives p(y|x), Σ_y gives p(z|x)."""
    return latent[:, :-1].exp() * latent[:, -1:]


def calm(latent: Tensor, v: Tensor) -> Tensor:
    """Σ_c v_c·p(c,z|x), the attribution map s_z = p(ŷ,z|x) of CALM. Source: CALM eq. 7, §5.4 (CALM protocol §1.4)."""
    return (v[:, :, None, None] * joint(latent)).sum(1)


def posterior(latent: Tensor, v: Tensor) -> Tensor:
    """Σ_c v_c·p(z|x,c), p(z|x,c) = p(c,z|x) / (p(c|x) + 1e-10): where the class is, if it is there (CALM protocol §1.4)."""
    both = joint(latent)
    return (v[:, :, None, None] * both / (both.sum((2, 3), keepdim=True) + EPSILON)).sum(1)


def conditional(latent: Tensor, v: Tensor) -> Tensor:
    """Σ_c v_c·p(c|x,z), what each location by itself says. Source: CALM §4.1 (CALM protocol §1.4)."""
    return (v[:, :, None, None] * latent[:, :-1].exp()).sum(1)


def saliency(latent: Tensor, v: Tensor) -> Tensor:
    """p(z|x), where the network looks, whatever the class. Source: CALM §4.1 (CALM protocol §1.4)."""
    return latent[:, -1]


def has_head(model: nn.Module) -> bool:
    """Whether a network has a CALM head."""
    return bool(latents(model))


def latents(model: nn.Module) -> list[str]:
    """The names of a network's latent pairs."""
    return [name for name, _ in model.named_modules() if f".{name}".endswith(LATENT)]


def latent_layer(model: nn.Module) -> str:
    """The name of the latent pair of a network's CALM head.

    Raises: UsageError where the network has none.
    """
    layers = latents(model)
    if not layers:
        raise UsageError(
            "CALM's maps need a network with a CALM head, got one without; train one with the method calm-em or calm-ml."
        )
    return layers[-1]
