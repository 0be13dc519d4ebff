"""ExConB: supervised contrast in which images that lost their object are only to be kept away from (ExCon protocol §1.2)."""

from __future__ import annotations

from torch import Tensor

from cambench.losses.supcon import Mode, contrast


def exconb_loss(
    features: Tensor,
    labels: Tensor,
    background: Tensor,
    temperature: float = 0.1,
    base_temperature: float = 0.07,
    *,
    mode: Mode = "all",
    background_anchor: bool = False,
) -> Tensor:
    """The SupCon loss with a background B in every denominator; B is no anchor, no positive, and never meets itself.

    L = (τ/τ0)·mean_{i∈I} −1/|P(i)| Σ_{p∈P(i)} log( e^{⟨e_i,e_p⟩/τ} / Σ_{a∈(I∪B)∖i} e^{⟨e_i,e_a⟩/τ} )
    Source: ExCon eq. 3 (a sum there); mean over the N·V anchors of I and τ/τ0 are the authors' code (ExCon protocol §1.2).
    mode, background_anchor: see `supcon.contrast`; the mean is then over the anchors that there are.
    features (N,V,D) and background (B,V,D), each of unit length; labels (N,) of the features -> (). Gradients reach B.
    Raises: UsageError for other shapes.
    """
    terms = contrast(features, labels, background, temperature, mode=mode, background_anchor=background_anchor)
    return terms.mean() * (temperature / base_temperature)
