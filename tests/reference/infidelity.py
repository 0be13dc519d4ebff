"""Slow twin of infidelity: one draw, one colour, one pixel at a time."""

from __future__ import annotations

import numpy as np
import torch


def softmax(logits: np.ndarray) -> np.ndarray:
    """(C,) -> (C,)."""
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def infidelity(dots: list[float], changes: list[float], scaled: bool) -> float:
    """Mean of (β·dot − change)²."""
    n = len(dots)
    square = sum(d * d for d in dots) / n
    beta = 1.0
    if scaled:
        beta = sum(d * c for d, c in zip(dots, changes, strict=True)) / n / square if square else 0.0
    return sum((beta * d - c) ** 2 for d, c in zip(dots, changes, strict=True)) / n


def squares(height: int, width: int) -> list[tuple[int, int, int]]:
    """(top, left, side), sides first, then rows, then columns."""
    found = []
    for side in range(1, 11):
        for top in range(height - side + 1):
            for left in range(width - side + 1):
                found.append((top, left, side))
    return found


class Twin:
    """One image: what each kind of perturbation gives."""

    def __init__(self, predict, image: np.ndarray, heat: np.ndarray, mean, std, of: str = "probability") -> None:
        self.predict, self.image, self.heat, self.mean, self.std, self.of = predict, image, heat, mean, std, of
        p = self.answer(image)
        self.best = max(range(len(p)), key=lambda c: p[c])
        self.p = p[self.best]

    def answer(self, image: np.ndarray) -> np.ndarray:
        """F of every class."""
        logits = self.predict(torch.from_numpy(image[None]))[0].numpy()
        return softmax(logits) if self.of == "probability" else logits

    def change(self, perturbed: np.ndarray) -> float:
        """F(x) − F(x − I)."""
        return self.p - self.answer(perturbed)[self.best]

    def yeh_gaussian(self, noise: np.ndarray, colours=(0, 1, 2)) -> tuple[float, float]:
        """noise (3,H,W) standard normal."""
        perturbed, dot = self.image.copy(), 0.0
        for c in colours:
            for y in range(self.image.shape[1]):
                for x in range(self.image.shape[2]):
                    value = self.image[c, y, x] * self.std[c] + self.mean[c]
                    moved = min(max(value + 0.2 * noise[c, y, x], value - 1), value)
                    dot += moved * self.heat[y, x]
                    perturbed[c, y, x] = (value - moved - self.mean[c]) / self.std[c]
        return dot, self.change(perturbed)

    def yeh_square(self, square: tuple[int, int, int], colours=(0, 1, 2)) -> tuple[float, float]:
        """(top, left, side)."""
        top, left, side = square
        perturbed, dot = self.image.copy(), 0.0
        for y in range(top, top + side):
            for x in range(left, left + side):
                for c in colours:
                    perturbed[c, y, x] = 0
                dot += self.heat[y, x]
        return dot, self.change(perturbed)

    def captum_gaussian(self, noise: np.ndarray, colours=(0, 1, 2)) -> tuple[float, float]:
        """noise (3,H,W) standard normal."""
        moved = 0.003 * noise * np.isin(range(3), colours)[:, None, None]
        return float((moved * np.stack([self.heat] * 3)).sum()), self.change(self.image - moved)
