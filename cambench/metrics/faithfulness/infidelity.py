"""Infidelity: how far a map is from foretelling what a perturbation does to the predicted class's probability.

ExCon reports it and states no estimator (ExCon protocol §2.3), so four of them are measured side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from cambench import maps
from cambench.metrics.asked import Explain, Predict, checked
from cambench.pixels import Normalisation, to_input, to_pixels

VARIANTS = ("yeh-gaussian", "yeh-square", "captum-gaussian", "captum-gaussian-scaled")
DRAWS = 1000
"""Perturbations an image of `yeh-*`. Our choice (ExCon protocol §2.3); Yeh et al. 2019 take 10,000."""
DRAWS_CAPTUM = 10
"""Of `captum-*`: captum's default (ExCon protocol §2.3)."""
SIGMA = 0.2
"""Of `yeh-gaussian`, in pixels of [0,1]. Source: Yeh et al. 2019, reference implementation (ExCon protocol §2.3)."""
SIGMA_CAPTUM = 0.003
"""Of `captum-*`, in normalised space. Source: captum's documentation (ExCon protocol §2.3)."""
SIDES = 10
"""The squares of `yeh-square` have 1 … 10 pixels a side. Source: ExCon protocol §2.3."""
CHUNK = 250
"""Changed images a forward pass; the draws of an image do not depend on its batch."""
STEPS = ("resize",)
Of = Literal["probability", "logit"]
Colours = Literal["together", "each"]
Draws = Iterator[tuple[Tensor, Tensor]]
"""Pieces of at most CHUNK perturbed inputs (D,3,H,W) with their <I,φ> (D,) float64."""


@torch.no_grad()
def measure(
    predict: Predict,
    image: Tensor,
    explain: Explain,
    generators: Sequence[torch.Generator],
    normalisation: Normalisation,
    *,
    draws: int = DRAWS,
    sigma: float = SIGMA,
    side: int = SIDES,
    captum_draws: int = DRAWS_CAPTUM,
    captum_sigma: float = SIGMA_CAPTUM,
    of: Of = "probability",
    colours: Colours = "together",
) -> dict[str, Tensor]:
    """INFD = mean over I of (β<I,φ> − (F(x) − F(x − I)))² with F the predicted class's probability, for four kinds of I.

    φ: the raw, signed map of the predicted class, resized bilinearly, the same for the three colours. β: see `infidelity`.
    of `logit`: F is the class's logit. colours `each`: I is 0 but in one colour, which each draw chooses evenly.
    Each image draws from its own generator, the same draws for every network. Source: Yeh et al. 2019, eq. 1; kinds and
    numbers of draws as in ExCon protocol §2.3, our choice. Sums run in float64.
    image (N,3,H,W) normalised, N generators, normalisation: mean and std of the colours, draws of `yeh-*`
    -> variant: (N,) float64.
    Raises: CambenchError for logits or maps that are not finite.
    """
    logits = checked(predict(image), "logits of whole images")
    known = logits.argmax(1)
    raw = checked(explain(image, known), "maps of the predicted class")
    maps_of = maps.apply(maps.widened(raw), STEPS, (image.shape[2], image.shape[3])).double()
    whole = answer(logits, known, of)
    values: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for one, heat, f, c, generator in zip(image, maps_of, whole, known, generators, strict=True):
        kinds = {
            "yeh-gaussian": yeh_gaussian(one, heat, generator, normalisation, draws, sigma=sigma, colours=colours),
            "yeh-square": yeh_square(one, heat, generator, draws, side, colours=colours),
            "captum-gaussian": captum_gaussian(one, heat, generator, captum_draws, captum_sigma, colours=colours),
        }
        for name, drawn in kinds.items():
            dot, change = answers(predict, drawn, f, c, of=of)
            values[name].append(float(infidelity(dot, change, scaled=name.startswith("yeh"))))
        values["captum-gaussian-scaled"].append(float(infidelity(dot, change, scaled=True)))
    return {name: torch.tensor(rows, dtype=torch.float64) for name, rows in values.items()}


def infidelity(dot: Tensor, change: Tensor, *, scaled: bool) -> Tensor:
    """E[(β<I,φ> − ΔF)²], β = E[<I,φ>ΔF]/E[<I,φ>²] where `scaled`, else 1; β = 0 where E[<I,φ>²] = 0.

    Source: Yeh et al. 2019, eq. 1 and its optimal scale (ExCon protocol §2.3). dot, change (D,) float64 -> ().
    """
    square = dot.square().mean()
    beta = torch.where(square > 0, (dot * change).mean() / square, 0.0) if scaled else torch.ones_like(square)
    return (beta * dot - change).square().mean()


def answer(logits: Tensor, classes: Tensor, of: Of) -> Tensor:
    """F: the class's softmax or logit, in float64: (N,C), (N,) -> (N,)."""
    y = logits.double()
    return (torch.softmax(y, 1) if of == "probability" else y).gather(1, classes[:, None])[:, 0]


def answers(predict: Predict, draws: Draws, whole: Tensor, known: Tensor, *, of: Of) -> tuple[Tensor, Tensor]:
    """<I,φ> and ΔF = F(x) − F(x − I) of every draw: (D,), (D,) float64, on the device. whole, known: () of the image."""
    dots, changes = [], []
    for perturbed, dot in draws:
        logits = checked(predict(perturbed), "logits of perturbed images")
        dots.append(dot)
        changes.append(whole - answer(logits, known.expand(len(logits)), of))
    return torch.cat(dots), torch.cat(changes)


def sizes(draws: int) -> list[int]:
    """The draws in pieces of at most CHUNK."""
    return [min(CHUNK, draws - i) for i in range(0, draws, CHUNK)]


def product(noise: Tensor, heat: Tensor) -> Tensor:
    """<I,φ> = Σ over colours and pixels of I·φ: (D,3,H,W), (H,W) float64 -> (D,) float64."""
    return (noise.sum(1, dtype=torch.float64) * heat).sum((1, 2))


def of_one(noise: Tensor, generator: torch.Generator, colours: Colours) -> Tensor:
    """I (D,3,H,W) itself, or for `each` in one colour alone, drawn evenly for every one."""
    if colours == "together":
        return noise
    chosen = one_hot(torch.randint(noise.shape[1], (len(noise),), generator=generator), noise.shape[1])
    return noise * chosen.to(noise)[:, :, None, None]


def yeh_gaussian(
    image: Tensor,
    heat: Tensor,
    generator: torch.Generator,
    normalisation: Normalisation,
    draws: int,
    *,
    sigma: float = SIGMA,
    colours: Colours = "together",
) -> Draws:
    """I = clip(x + Z, x − 1, x) in pixels of [0,1], Z ~ N(0, 0.2²) an element: the network sees x − I, within [0,1].

    Source: Yeh et al. 2019, reference implementation (ExCon protocol §2.3). image (3,H,W) normalised, heat (H,W) float64.
    """
    x = to_pixels(image[None], *normalisation)
    for n in sizes(draws):
        noise = torch.minimum(torch.maximum(x + sigma * gaussian(n, image, generator), x - 1), x)
        noise = of_one(noise, generator, colours)
        yield to_input(x - noise, *normalisation), product(noise, heat)


def captum_gaussian(
    image: Tensor,
    heat: Tensor,
    generator: torch.Generator,
    draws: int = DRAWS_CAPTUM,
    sigma: float = SIGMA_CAPTUM,
    *,
    colours: Colours = "together",
) -> Draws:
    """I ~ N(0, 0.003²) an element in normalised space: the network sees x − I. Source: captum (ExCon protocol §2.3)."""
    for n in sizes(draws):
        noise = of_one(sigma * gaussian(n, image, generator), generator, colours)
        yield image - noise, product(noise, heat)


def gaussian(n: int, image: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers (n,3,H,W) for an image (3,H,W), drawn on the CPU so that every device sees the same."""
    return torch.randn(n, *image.shape, generator=generator, dtype=torch.float32).to(image)


def yeh_square(
    image: Tensor,
    heat: Tensor,
    generator: torch.Generator,
    draws: int,
    largest: int = SIDES,
    *,
    colours: Colours = "together",
) -> Draws:
    """A square becomes 0 in normalised space, <I,φ> = Σ of φ over it; squares drawn without repetition, all equally likely.

    colours `each`: there are three times as many, one a colour, of which the same square is next to itself.
    Source: Yeh et al. 2019, square removal (ExCon protocol §2.3). image (3,H,W) normalised, heat (H,W) float64.
    """
    places, kinds = squares(heat.shape[0], heat.shape[1], largest), 1 if colours == "together" else len(image)
    drawn = torch.randperm(len(places) * kinds, generator=generator)[:draws]
    every = torch.cat([places[drawn // kinds], drawn[:, None] % kinds], 1).to(image.device)
    y, x = (torch.arange(n, device=image.device) for n in heat.shape)
    for part in torch.split(every, CHUNK):
        top, left, side, colour = (column[:, None] for column in part.T)
        rows, columns = ((y >= top) & (y < top + side), (x >= left) & (x < left + side))
        inside = rows[:, :, None] & columns[:, None]
        own = (torch.arange(len(image), device=image.device) == colour) | (kinds == 1)
        yield torch.where(inside[:, None] & own[:, :, None, None], 0.0, image), (inside * heat).sum((1, 2))


def squares(height: int, width: int, largest: int = SIDES) -> Tensor:
    """Every square of 1 … 10 pixels a side within the image: (S,3) int64 of top, left, side; 7,645 of them at 32 pixels."""
    places = [
        torch.cartesian_prod(torch.arange(height - side + 1), torch.arange(width - side + 1), torch.tensor([side]))
        for side in range(1, min(largest, height, width) + 1)
    ]
    return torch.cat(places)
