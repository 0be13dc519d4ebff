"""Relative probability: which of two likely classes is left where one map's negative or positive part is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from cambench import maps
from cambench.metrics.asked import Explain, Predict, checked
from cambench.metrics.faithfulness.perturbation import ranks

THRESHOLD = 0.1
BLUR_WIDTH, BLUR_SIGMA = 50, 15.0
STEPS = ("resize-corners",)
TARGETS = ("t1", "t2")
SIGNS = ("positive", "negative")

Replacing = Literal["sign", "equal-count"]
Masks = Iterator[tuple[str, str, Tensor]]
"""(rule, sign that is kept, pixels (n,H,W) that are replaced)."""
Rule = Callable[[Tensor, Tensor, Tensor], Masks]
"""image (n,3,H,W), classes (n,), φ (n,H,W) -> masks."""


def measure(
    image: Tensor, explain: Explain, predict: Predict, *, rule: Replacing = "sign", chunk: int = 64
) -> dict[str, Tensor]:
    """r_i = e^{y_ti} / (e^{y_t1} + e^{y_t2}) of an image's two best classes where pixels with φ < 0, or > 0, are replaced.

    Source: Wang & Wang 2022, §5.2.2 and Table 1 (weighted-contrast protocol §3). Only images with p_t2 > 0.1 count; both
    classes stay those of the whole image. `t1/p`: r_1 of the whole image. `t1/blur/positive`: r_1 where φ of t1 is kept
    where it is positive, its negative pixels replaced by the blurred image; pixels with φ = 0 are never replaced. φ: the
    raw map of the job's explainer and target, bilinear to the image's size by `STEPS`, signed.
    image (N,3,H,W) normalised; explain: image, classes -> raw maps; predict: image -> logits
    -> columns (N,) float64 in 0..1, NaN where `counted` is False, and marks of maps of one sign.
    rule: `equal-count` replaces equally many pixels under the targets `logit` and `weighted`; see `by_count`.
    Raises: CambenchError for logits or maps that are not finite.
    """
    masks = by_sign if rule == "sign" else partial(by_count, explain)
    return scored(image, explain, predict, masks, variants(rule=rule), chunk=chunk)


@torch.no_grad()
def scored(
    image: Tensor, explain: Explain, predict: Predict, rule: Rule, variants: Sequence[str], *, chunk: int
) -> dict[str, Tensor]:
    """The columns of `measure` under a rule for what is replaced."""
    logits = predictions(predict, image, chunk, "logits of whole images")
    pairs, counted = two_best(logits)
    columns = {name: logits.new_full((len(image),), torch.nan) for name in variants}
    columns |= {"counted": counted, **{name: torch.zeros_like(counted) for name in TALLIES}}
    if not bool(counted.any()):
        return columns
    x, pair = image[counted], pairs[counted]
    clean, ends = relative(logits[counted], pair), {name: make(x) for name, make in BASELINES.items()}
    for i, t in enumerate(TARGETS):
        columns[f"{t}/p"][counted] = clean[:, i]
        phi = signed(explain, x, pair[:, i])
        for mark, same in zip(MARKS, one_sign(phi), strict=True):
            columns[f"{t} {mark}"][counted] = same
        for kind, sign, mask in rule(x, pair[:, i], phi):
            for name, end in ends.items():
                mixed = predictions(predict, replaced(x, end, mask), chunk, "logits of replaced images")
                columns["/".join(filter(None, (kind, t, name, sign)))][counted] = relative(mixed, pair)[:, i]
    return columns


def by_sign(image: Tensor, classes: Tensor, phi: Tensor) -> Masks:
    """Positive kept: φ < 0 is replaced; negative kept: φ > 0 is."""
    yield "", "positive", phi < 0
    yield "", "negative", phi > 0


def replaced(image: Tensor, end: Tensor, mask: Tensor) -> Tensor:
    """`end` in the pixels of the mask (n,H,W), all colours of them, and the image elsewhere: (n,3,H,W)."""
    return torch.where(mask[:, None], end, image)


def by_count(explain: Callable[..., Tensor], image: Tensor, classes: Tensor, phi: Tensor) -> Masks:
    """Equally many pixels for the targets `logit` and `weighted`.

    n = min(#{φ_logit > 0}, #{φ_weighted > 0}) for positive, max(#{φ_logit < 0}, #{φ_weighted < 0}) for negative.
    `official/…`: the n lowest pixels of φ are replaced, or the n − 1 highest, as in the authors' code, which counts the sign
    that is kept and removes as many from the other end. `topk/…`: the n highest, or the n lowest, are kept.
    Source: authors' code (weighted-contrast protocol §3, mask_rule=equal_count); ties in the order of a stable sort.
    """
    both = torch.stack([signed(partial(explain, target=name), image, classes) for name in ("logit", "weighted")])
    most, least = (both > 0).sum((2, 3)).amin(0)[:, None, None], (both < 0).sum((2, 3)).amax(0)[:, None, None]
    size = phi[0].numel()
    rank = size - 1 - ranks(phi)
    yield "official", "positive", rank < most
    yield "official", "negative", rank > size - least
    yield "topk", "positive", rank < size - most
    yield "topk", "negative", rank >= least


def two_best(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The best and the second-best class (N,2), ties in the order of the classes, and whether p_t2 > 0.1 (N,)."""
    classes, p = best(logits, 2)
    return classes, p[:, 1] > THRESHOLD


def best(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best classes (N,K) and their probabilities (N,K) float64; of equal logits the lower class comes first."""
    classes = logits.argsort(dim=1, descending=True, stable=True)[:, :count]
    return classes, torch.softmax(logits.double(), 1).gather(1, classes)


def relative(logits: Tensor, pair: Tensor) -> Tensor:
    """r = (σ(y_t1 − y_t2), σ(y_t2 − y_t1)): logits (n,C), pair (n,2) -> (n,2) float64; no logit overflows."""
    first, second = logits.gather(1, pair).unbind(1)
    return torch.sigmoid(torch.stack([first - second, second - first], 1))


def predictions(predict: Predict, image: Tensor, chunk: int, what: str) -> Tensor:
    """Logits in float64, at most `chunk` images at a time. Raises: CambenchError where they are not finite."""
    return checked(torch.cat([predict(part).double() for part in torch.split(image, chunk)]), what)


def signed(explain: Explain, image: Tensor, classes: Tensor) -> Tensor:
    """The raw maps at the image's size: (n,H,W), signed."""
    return maps.apply(checked(explain(image, classes), "maps"), STEPS, (image.shape[2], image.shape[3]))


def one_sign(phi: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whether each map (n,H,W) is positive, negative or zero everywhere: such an image is replaced whole or not at all."""
    low, high = phi.amin((1, 2)), phi.amax((1, 2))
    return low > 0, high < 0, (low == 0) & (high == 0)


def blurred(image: Tensor) -> Tensor:
    """Gaussian blur of 101×101 pixels, σ = 15, edges reflected: (n,3,H,W) -> same shape.

    Source: size from the authors' code, whose σ is random in [10, 20]; 15 as in the reproduction (weighted-contrast
    protocol §3). Departure: an image of at most 50 pixels has too few to reflect, so there the kernel reaches side − 1
    pixels.
    """
    high, wide = (min(BLUR_WIDTH, side - 1) for side in image.shape[2:])
    return maps.gaussian_blur(image, (high, wide), BLUR_SIGMA)


def channel_mean(image: Tensor) -> Tensor:
    """Every colour's mean over the image, everywhere: (n,3,H,W) -> same shape."""
    return image.mean((2, 3), keepdim=True).expand_as(image)


BASELINES: dict[str, Callable[[Tensor], Tensor]] = {"blur": blurred, "zeros": torch.zeros_like, "channel-mean": channel_mean}
"""What replaces pixels, made of the normalised image; zeros are the mean colour of the run's normalisation."""
MARKS = ("maps positive everywhere", "maps negative everywhere", "maps zero everywhere")
TALLIES = tuple(f"{t} {mark}" for t in TARGETS for mark in MARKS)
CLEAN = tuple(f"{t}/p" for t in TARGETS)
REPLACED = tuple(f"{t}/{name}/{sign}" for t in TARGETS for name in BASELINES for sign in SIGNS)


def variants(*, rule: Replacing = "sign") -> tuple[str, ...]:
    """The names of the values: 14, or 26 where equally many pixels are replaced."""
    return (
        *CLEAN,
        *(REPLACED if rule == "sign" else (f"{kind}/{name}" for kind in ("official", "topk") for name in REPLACED)),
    )
