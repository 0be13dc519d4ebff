"""Targets with 60 decimal digits, class by class."""

from __future__ import annotations

from decimal import Decimal, getcontext

getcontext().prec = 60


def softmax(y: list[Decimal]) -> list[Decimal]:
    """p."""
    total = sum(v.exp() for v in y)
    return [v.exp() / total for v in y]


STEP = Decimal("1e-20")


def released(y: list[Decimal], t: int, moved: int, way: int = 1) -> Decimal:
    """Finer-CAM's score in the authors' later code, one logit moved by a step: the margins over three classes, weighed."""
    near = sorted((s for s in range(len(y)) if s != t), key=lambda s: abs(y[s] - y[t]))[:3]
    there = [v + way * STEP * (s == moved) for s, v in enumerate(y)]
    p = softmax(there)
    return sum(p[s] * (there[t] - there[s]) for s in near) / sum(p[s] for s in near)


def coefficients(logits: list[float], name: str, t: int) -> list[float]:
    """v of one image."""
    y = [Decimal(v) for v in logits]
    p, n = softmax(y), len(y)
    other = [s for s in range(n) if s != t]
    ranked = sorted(range(n), key=lambda s: -logits[s])
    v = [Decimal(0)] * n
    v[t] += 1
    if name == "probability":
        v = [p[t] * ((s == t) - p[s]) for s in range(n)]
    elif name == "log-probability":
        v = [(s == t) - p[s] for s in range(n)]
    elif name == "residual-softmax":
        v = [2 * (s == t) - p[s] for s in range(n)]
    elif name == "finer:released":
        v = [(released(y, t, s) - released(y, t, s, -1)) / (2 * STEP) for s in range(n)]
    elif name.startswith("finer"):
        near = sorted(other, key=lambda s: abs(y[s] - y[t]))[:3]
        for s in near:
            v[s] -= Decimal(name.partition(":")[2] or "0.6") / len(near)
    elif name in ("weighted", "log-odds"):
        total = sum(y[s].exp() for s in other)
        for s in other:
            v[s] -= y[s].exp() / total
    elif name == "mean":
        for s in other:
            v[s] -= Decimal(1) / (n - 1)
    elif name == "max":
        v[max(other, key=lambda s: logits[s])] -= 1
    elif name == "reconstructed":
        v = [w - Decimal(1) / n for w in v]
    elif name.startswith("versus:"):
        k = name.removeprefix("versus:")
        v[ranked[1] if k == "second" else int(k)] -= 1
    else:
        assert name == "logit", name
    return [float(w) for w in v]
