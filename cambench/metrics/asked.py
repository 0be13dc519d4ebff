"""What metrics that query the network share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cambench.vocabulary import CambenchError, NotFiniteError

Predict = Callable[[Tensor], Tensor]
"""image (N,3,H,W) -> logits (N,C)."""

Explain = Callable[[Tensor, Tensor], Tensor]
"""image (N,3,H,W), classes (N,) -> raw maps (N,h,w)."""

ClassMaps = Callable[[Tensor], Tensor]
"""image (N,3,H,W) -> raw maps of every class's logit (N,C,h,w)."""


def checked(x: Tensor, what: str) -> Tensor:
    """x itself. Raises: NotFiniteError if anything in it is NaN or infinite: such a row must not become a number."""
    if not bool(torch.isfinite(x).all()):
        bad = int((~torch.isfinite(x)).flatten(1).any(1).sum()) if x.ndim > 1 else int((~torch.isfinite(x)).sum())
        raise NotFiniteError(
            f"{what}: expected finite values, got NaN or infinity in {bad} of {len(x)} rows; check the weights."
        )
    return x


def fitted(heatmap: Tensor, image: Tensor) -> Tensor:
    """The heatmap (N,H,W) of images (N,3,H,W), on their device.

    Raises: CambenchError for another shape, NotFiniteError where it is not finite.
    """
    if heatmap.shape != (len(image), *image.shape[2:]):
        raise CambenchError(f"expected a heatmap (N,H,W) for images {tuple(image.shape)}, got {tuple(heatmap.shape)}.")
    return checked(heatmap, "heatmap").to(image.device)
