"""Slow twin of Sensitivity-n and faithfulness correlation: one set of pixels, one forward pass, one sum at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def pearson(a: list[float], b: list[float]) -> float:
    """The correlation of two lists, NaN where one is constant."""
    if len(set(a)) == 1 or len(set(b)) == 1:
        return math.nan
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    cross = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return cross / math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))


def spearman(a: list[float], b: list[float]) -> float:
    """Pearson of ranks, where equal values share the mean of theirs."""
    ranks = []
    for values in (a, b):
        below = [sum(other < v for other in values) for v in values]
        same = [sum(other == v for other in values) for v in values]
        ranks.append([n + (k + 1) / 2 for n, k in zip(below, same, strict=True)])
    return pearson(*ranks)


def output(predict: Callable[[Tensor], Tensor], image: Tensor, known: int, of: str) -> float:
    """A class's logit or probability."""
    y = [float(v) for v in predict(image[None])[0]]
    return y[known] if of == "logit" else math.exp(y[known]) / sum(math.exp(v) for v in y)


def correlation(
    predict: Callable[[Tensor], Tensor], image: Tensor, heat: Tensor, known: int, sets: list[list[int]], of: str
) -> float:
    """Over sets of pixels (indices), of the relevance of each with what the output loses without it."""
    width, relevance, losses = image.shape[2], [], []
    for pixels in sets:
        without, total = image.clone(), 0.0
        for p in pixels:
            total += float(heat[p // width, p % width])
            for colour in range(3):
                without[colour, p // width, p % width] = 0
        relevance.append(total)
        losses.append(output(predict, image, known, of) - output(predict, without, known, of))
    return pearson(relevance, losses)


def drawn(pixels: int, size: int, draws: int, generator: torch.Generator) -> list[list[int]]:
    """Sets without repetition, one after another."""
    return [torch.randperm(pixels, generator=generator)[:size].tolist() for _ in range(draws)]
