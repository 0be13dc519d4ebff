"""Random sets of pixels: does the relevance of a set foretell what the network's output loses without it?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cambench.metrics.asked import Predict, checked, fitted
from cambench.metrics.correlation import pearson, varies
from cambench.metrics.faithfulness.infidelity import CHUNK, Of, answer
from cambench.vocabulary import UsageError

ROUNDING = 1e-6
"""What a map may vary by, as a share of its largest value, and be the same everywhere."""


@torch.no_grad()
def correlations(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    explained: Tensor,
    generators: Sequence[torch.Generator],
    *,
    sizes: Sequence[int],
    draws: int,
    of: Of,
) -> Tensor:
    """r over random sets S of n pixels, of Σ_{p∈S} M_p and y(x) − y(x without S), for each n: -> (N,sizes) float64.

    Without S: its pixels are 0 in normalised space, in all colours, the data's mean colour. M: the raw, signed map at the
    image's size; y: logit or probability of the class that it explains. Each size draws `draws` sets, evenly, from the
    image's own generator. NaN where the map is the same everywhere or the output does not vary.
    image (N,3,H,W) normalised, heatmap (N,H,W), explained (N,), N generators.
    Raises: UsageError for a set of no pixel or of all; CambenchError for shapes that do not fit, what is not finite.
    """
    relevance = fitted(heatmap, image).flatten(1).double()
    pixels = relevance.shape[1]
    if not 0 < min(sizes) <= max(sizes) < pixels:
        raise UsageError(f"sets of pixels: expected 1 to {pixels - 1} of {pixels} pixels, got {max(sizes)}; take fewer.")
    whole = answer(checked(predict(image), "logits of whole images"), explained, of)
    values = image.new_full((len(image), len(sizes)), torch.nan, dtype=torch.float64)
    for i, generator in enumerate(generators):
        for j, size in enumerate(sizes):
            inside = sets(pixels, size, draws, generator).to(image.device)
            left = outputs(predict, image[i], inside, explained[i], of)
            values[i, j] = pearson(inside.double() @ relevance[i], whole[i] - left)
    return torch.where(varies(relevance, ROUNDING)[:, None], values, torch.nan)


def sets(pixels: int, size: int, draws: int, generator: torch.Generator) -> Tensor:
    """Which of so many pixels each set holds, `size` of them without repetition: (draws,pixels) bool."""
    chosen = torch.stack([torch.randperm(pixels, generator=generator)[:size] for _ in range(draws)])
    return torch.zeros(draws, pixels, dtype=torch.bool).scatter_(1, chosen, True)


def outputs(predict: Predict, image: Tensor, inside: Tensor, explained: Tensor, of: Of) -> Tensor:
    """y of an image (3,H,W) without each of the sets (D,H·W): (D,) float64."""
    values = []
    for part in torch.split(inside.view(-1, 1, *image.shape[1:]), CHUNK):
        logits = checked(predict(torch.where(part, 0.0, image)), "logits without a set of pixels")
        values.append(answer(logits, explained.expand(len(logits)), of))
    return torch.cat(values)
