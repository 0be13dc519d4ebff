"""Targets: what is explained, as the scalar S = Σ_c v_c·y_c of the logits y with detached coefficients v.

Gradients, input × gradient, Grad-CAM and HiResCAM are linear in what is differentiated, so contrast is a choice of v and
works with each of them. t is the explained class, p = softmax(y), α_s = e^{y_s} / Σ_{k≠t} e^{y_k}.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambench.lookup import canonical, find
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ClassSets = Mapping[str, "Tensor"]
"""Name -> (C,C) bool: row t marks the classes of Y(t)."""
POOLS = ("pool=sum", "pool=mean")
"""What becomes of the classes of a set; their sum where nothing is said."""


@dataclass(frozen=True)
class Target:
    """One target: `rule(logits (N,C), classes (N,)) -> v (N,C)`; None where the name carries an argument (`versus:K`).

    value: (logits (N,C), classes (N,)) -> S (N,), where S is a function of the input, whose v is its gradient in the logits
    at every point that an explainer visits. Without it v weighs the explanations of the classes, stays that of the image,
    and S = Σ_c v_c·y_c. Source: Wang & Wang 2022, eq. 1.
    """

    name: str
    formula: str
    source: str
    rule: Callable[[Tensor, Tensor], Tensor] | None = None
    argument: str = ""
    value: Callable[[Tensor, Tensor], Tensor] | None = None

    @property
    def anew(self) -> bool:
        """Whether v is taken anew at every point."""
        return self.value is not None


def coefficients(logits: Tensor, name: str, classes: Tensor | None = None, subsets: ClassSets | None = None) -> Tensor:
    """The coefficients v of the target `name`; `classes` None explains each image's best class.

    Source: named by each entry of `INDEX`. logits (N,C), classes (N,) int64 -> (N,C)
    detached, in float32 (float64 stays).
    Raises: UsageError for an unknown target, a class out of range, a contrast with fewer than 2 classes, or a class set
    that is not given.
    """
    from cambench.maps import widened

    y = widened(logits.detach())
    t = y.argmax(1) if classes is None else check_classes(classes, y.shape).to(y.device)
    entry, argument = find_target(name)
    if entry.name == "versus":
        return versus(y, t, argument)
    if entry.name == "subset":
        return subset(y, t, *family(argument), subsets)
    if entry.name == "finer":
        return finer(y, t, strength(argument))
    assert entry.rule is not None
    return entry.rule(y, t)


def scalar(logits: Tensor, name: str, v: Tensor, classes: Tensor) -> Tensor:
    """S of the target `name` at other images of the same classes: logits (B,C), the images' v (B,C), classes (B,) -> (B,).

    Σ_c v_c·y_c, but the function itself (`Target.value`) of a target that is one.
    """
    value = find_target(name)[0].value
    return (v * logits).sum(1) if value is None else value(logits, classes)


def find_target(name: str) -> tuple[Target, str]:
    """The entry of a target's name and the argument after its colon ("" where it takes none).

    Raises: UsageError for an unknown target, or an argument that is missing or not wanted.
    """
    kind, colon, argument = name.partition(":")
    entry = find(kind, INDEX, "target")
    if bool(argument) != bool(entry.argument) and not (entry.argument.startswith("[") and not colon):
        wanted = f"{entry.name}:{entry.argument}" if entry.argument else entry.name
        raise UsageError(f"target {name!r}: expected {wanted}, for example {EXAMPLES.get(entry.name, entry.name)}.")
    if entry.name == "subset":
        family(argument)
    if entry.name == "finer":
        strength(argument)
    return entry, argument.strip()


def settled(name: str) -> str:
    """A target as it is stored, whatever way it is written. Raises: as `find_target`."""
    entry, argument = find_target(name)
    if entry.name == "finer" and argument:
        gamma = strength(argument)
        argument = RELEASED if gamma is None else str(gamma).removesuffix(".0")
    if entry.name == "versus":
        argument = canonical(argument)
    return f"{entry.name}:{argument}" if argument else entry.name


def logit(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t."""
    return y.new_zeros(y.shape).scatter(1, t[:, None], 1)


def others(y: Tensor, t: Tensor) -> Tensor:
    """The logits with that of t masked by −∞. Raises: UsageError where there is no other class."""
    if y.shape[1] < 2:
        raise UsageError(f"a contrast needs at least 2 classes, got logits of shape {tuple(y.shape)}; use the target logit.")
    return y.masked_fill(logit(y, t).bool(), -math.inf)


def weighted(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t − Σ_{s≠t} α_s e_s, the gradient of the log-odds y_t − logsumexp_{s≠t} y_s; exact at any margin."""
    return logit(y, t) - others(y, t).softmax(1)


def log_probability(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t − p = (1 − p_t)·v_weighted, with 1 − p_t = e^{logsumexp_{s≠t} y_s − logsumexp y}, which never rounds to 0."""
    rest = others(y, t).logsumexp(1, keepdim=True)
    return (rest - y.logsumexp(1, keepdim=True)).exp() * weighted(y, t)


def residual_softmax(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t + (e_t − p), the gradient of y_t + log p_t."""
    return logit(y, t) + log_probability(y, t)


def probability(y: Tensor, t: Tensor) -> Tensor:
    """v = p_t·(e_t − p) = p_t·(1 − p_t)·v_weighted, the gradient of p_t."""
    return y.softmax(1).gather(1, t[:, None]) * log_probability(y, t)


def of_probability(y: Tensor, t: Tensor) -> Tensor:
    """S = p_t."""
    return of_log_probability(y, t).exp()


def of_log_probability(y: Tensor, t: Tensor) -> Tensor:
    """S = log p_t."""
    return y.log_softmax(1).gather(1, t[:, None])[:, 0]


def of_residual_softmax(y: Tensor, t: Tensor) -> Tensor:
    """S = y_t + log p_t."""
    return y.gather(1, t[:, None])[:, 0] + of_log_probability(y, t)


def of_log_odds(y: Tensor, t: Tensor) -> Tensor:
    """S = log(p_t/(1 − p_t)) = y_t − logsumexp_{s≠t} y_s."""
    return y.gather(1, t[:, None])[:, 0] - others(y, t).logsumexp(1)


def mean(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t − 1/(C−1)·Σ_{s≠t} e_s."""
    others(y, t)
    own = logit(y, t)
    return own - (1 - own) / (y.shape[1] - 1)


def best_other(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t − e_{s*}, s* = argmax_{s≠t} y_s."""
    return logit(y, t) - logit(y, others(y, t).argmax(1))


def reconstructed(y: Tensor, t: Tensor) -> Tensor:
    """v = e_t − 1/C·Σ_c e_c, t included in the sum."""
    return logit(y, t) - 1 / y.shape[1]


def versus(y: Tensor, t: Tensor, argument: str) -> Tensor:
    """v = e_t − e_K, K a class number or `second`, the image's second-best class of all; 0 where K = t."""
    others(y, t)
    if canonical(argument) == "second":
        return logit(y, t) - logit(y, y.topk(2, dim=1).indices[:, 1])
    if not argument.isdecimal() or int(argument) >= y.shape[1]:
        raise UsageError(
            f"target versus:{argument}: expected a class from 0 to {y.shape[1] - 1} or `second`, got {argument!r}."
        )
    return logit(y, t) - logit(y, t.new_full(t.shape, int(argument)))


SIMILAR, STRENGTH, STRONGEST, RELEASED = 3, 0.6, 1e6, "released"
"""The classes that `finer` compares with, how much they count, how much they may, and the argument for the authors' code."""


def strength(argument: str) -> float | None:
    """γ of a target `finer:γ`; None of `finer:released`.

    Raises: UsageError for anything else but a number from 0 to a million.
    """
    if canonical(argument) == RELEASED:
        return None
    try:
        gamma = float(argument or STRENGTH)
    except ValueError:
        gamma = math.nan
    if not 0 <= gamma <= STRONGEST:
        got = f"got {argument!r}; finer alone is {STRENGTH}"
        raise UsageError(f"target finer:{argument}: expected a number from 0 to {STRONGEST:g}, or {RELEASED}, {got}.")
    return gamma


def finer(y: Tensor, t: Tensor, gamma: float | None) -> Tensor:
    """v = e_t − γ/T·Σ_d e_d, d the T = 3 other classes whose logits are nearest to y_t (all, where there are fewer).

    None, the authors' later code: the gradient of y_t − ȳ, ȳ = Σ_d β_d y_d with β the softmax of the y_d alone, which is
    v = e_t − Σ_d β_d (1 + y_d − ȳ) e_d. There the β_d are p_d/(Σ_d p_d + 10⁻⁹); here nothing is added.
    """
    distance = (others(y, t) - y.gather(1, t[:, None])).abs()
    nearest = distance.topk(min(SIMILAR, y.shape[1] - 1), dim=1, largest=False).indices
    if gamma is None:
        near = y.gather(1, nearest)
        beta = near.softmax(1)
        weights = beta * (1 + near - (beta * near).sum(1, keepdim=True))
    else:
        weights = y.new_full(nearest.shape, gamma / nearest.shape[1])
    return logit(y, t) - y.new_zeros(y.shape).scatter(1, nearest, weights)


def family(argument: str) -> tuple[str, bool]:
    """The family of class sets that a target `subset:NAME` or `subset:NAME,pool=mean` names, and whether it is a mean.

    Raises: UsageError for another option.
    """
    name, comma, option = (part.strip() for part in argument.partition(","))
    if comma and option not in POOLS:
        raise UsageError(f"target subset:{argument}: expected subset:NAME, {' or '.join(POOLS)} behind it, got {option!r}.")
    return name, option == POOLS[1]


def subset(y: Tensor, t: Tensor, name: str, averaged: bool, subsets: ClassSets | None) -> Tensor:
    """v = Σ_{s∈Y(t)} e_s for the named family of class sets; averaged: over |Y(t)| (CALM protocol §1.4)."""
    if not subsets:
        raise UsageError(f"target subset:{name} needs a class-set file; none given.")
    table = find(name, {canonical(k): v for k, v in subsets.items()}, "subset")
    if tuple(table.shape) != (y.shape[1], y.shape[1]):
        raise UsageError(
            f"target subset:{name}: expected a table of {y.shape[1]}×{y.shape[1]} classes, got {tuple(table.shape)}."
        )
    v = table.to(y.device)[t].to(y.dtype)
    return v / v.sum(1, keepdim=True) if averaged else v


def check_classes(classes: Tensor, shape: torch.Size) -> Tensor:
    """The classes as int64. Raises: UsageError unless they are N numbers below C."""
    n, c = shape
    if classes.shape != (n,):
        raise UsageError(f"classes: expected one for each of {n} images, got shape {tuple(classes.shape)}.")
    if n and (int(classes.min()) < 0 or int(classes.max()) >= c):
        raise UsageError(f"classes: expected 0 to {c - 1}, got {int(classes.min())} to {int(classes.max())}.")
    return classes.long()


WANG = "Wang & Wang 2022"
INDEX: dict[str, Target] = {
    "logit": Target("logit", "e_t", "the convention of every CAM paper", logit),
    "probability": Target("probability", "p_t·(e_t − p)", f"{WANG} Prop. 2", probability, value=of_probability),
    "log-probability": Target(
        "log-probability", "e_t − p", f"{WANG} Prop. 2, after the logarithm", log_probability, value=of_log_probability
    ),
    "residual-softmax": Target(
        "residual-softmax",
        "e_t + (e_t − p)",
        "Cai 2025, ReST, the score of ShapleyCAM: y_t + log p_t",
        residual_softmax,
        value=of_residual_softmax,
    ),
    "log-odds": Target(
        "log-odds", "e_t − Σ_{s≠t} α_s e_s (equal to weighted at one point)", f"{WANG} eq. 1", weighted, value=of_log_odds
    ),
    "mean": Target("mean", "e_t − 1/(C−1)·Σ_{s≠t} e_s", f"{WANG} §3.3", mean),
    "max": Target("max", "e_t − e_{s*}, s* the best other class", f"{WANG} §3.3", best_other),
    "weighted": Target("weighted", "e_t − Σ_{s≠t} α_s e_s, α = softmax of the other logits", f"{WANG} eq. 1", weighted),
    "versus": Target("versus", "e_t − e_K, K a class or `second`", "ContrastiveCAM eq. 7", argument="K"),
    "finer": Target(
        "finer",
        "e_t − γ/3·Σ_d e_d, d the 3 classes nearest in logit, γ = 0.6; released: weighed by their probabilities",
        "Zhang et al. 2025, Finer-CAM; γ from the authors' first code, `released` is their later one",
        argument="[STRENGTH or released]",
    ),
    "reconstructed": Target("reconstructed", "e_t − 1/C·Σ_c e_c", "ContrastiveCAM eq. 8", reconstructed),
    "subset": Target(
        "subset", "Σ_{s∈Y(t)} e_s; with pool=mean over |Y|", "CALM §5.4, superset aggregation", argument="NAME[,pool=mean]"
    ),
}
EXAMPLES = {"versus": "versus:second", "finer": "finer:1", "subset": "subset:supersets"}
