"""Targets: 60-digit twin, the identities between them, stability in float32 at large margins."""

from __future__ import annotations

import pytest
import torch
from reference import targets as twin

from cambench.targets import INDEX, coefficients, find_target, settled
from cambench.vocabulary import UsageError

OF_ALL = ["logit", "probability", "log-probability", "log-odds", "mean", "max", "weighted", "reconstructed"]
NAMES = [*OF_ALL, "versus:2", "finer:released"]
PARTIAL = ["residual-softmax", "finer", "finer:1", "finer:0"]
"""Those whose coefficients do not sum to 0."""
CLASSES = torch.tensor([0, 3, 1, 4])


def logits(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Four images, five classes."""
    return 3 * torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", [*NAMES, "versus:second", *PARTIAL])
def test_coefficients_match_their_twin(name: str) -> None:
    y = logits()
    expected = [twin.coefficients(row, name, int(t)) for row, t in zip(y.tolist(), CLASSES, strict=True)]
    torch.testing.assert_close(
        coefficients(y, name, CLASSES), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("margin", [25.0, 40.0, -25.0, -40.0])
@pytest.mark.parametrize("name", [*NAMES, "versus:second", *PARTIAL])
def test_coefficients_keep_their_relative_precision_in_float32(name: str, margin: float) -> None:
    y = torch.tensor([[margin, 0.5, 0.0, -1.0]])
    got = coefficients(y, name, torch.tensor([0]))
    expected = torch.tensor([twin.coefficients(y[0].tolist(), name, 0)], dtype=torch.float64)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=2e-5, atol=0)


def test_gradients_of_probabilities_are_multiples_of_the_weighted_contrast() -> None:
    y = logits().requires_grad_()
    p = torch.softmax(y, 1).gather(1, CLASSES[:, None])
    others = y.masked_fill(torch.nn.functional.one_hot(CLASSES, 5).bool(), -torch.inf)
    log_odds = y.gather(1, CLASSES[:, None])[:, 0] - torch.logsumexp(others, 1)
    weighted = coefficients(y, "weighted", CLASSES)
    checks = {
        "probability": (p.sum(), p * (1 - p)),
        "log-probability": (p.log().sum(), 1 - p),
        "log-odds": (log_odds.sum(), 1.0),
    }
    for name, (score, factor) in checks.items():
        (gradient,) = torch.autograd.grad(score, y, retain_graph=True)
        torch.testing.assert_close(coefficients(y, name, CLASSES), gradient, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(coefficients(y, name, CLASSES), (factor * weighted).detach(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "logit"])
def test_contrasts_sum_to_zero(name: str) -> None:
    assert float(coefficients(logits(), name, CLASSES).sum(1).abs().max()) < 1e-14


@pytest.mark.parametrize("name", ["mean", "max", "weighted", "log-odds", "versus:second"])
def test_with_two_classes_every_contrast_is_the_difference_of_the_logits(name: str) -> None:
    y = logits()[:, :2]
    best = y.argmax(1)
    expected = torch.nn.functional.one_hot(best, 2) * 2.0 - 1
    torch.testing.assert_close(coefficients(y, name, best), expected.double(), rtol=0, atol=1e-15)
    if name != "versus:second":
        assert torch.equal(coefficients(y, name, 1 - best), -coefficients(y, name, best))


def test_reconstructed_is_the_mean_of_versus_every_class() -> None:
    y = logits()
    mean = torch.stack([coefficients(y, f"versus:{k}", CLASSES) for k in range(5)]).mean(0)
    torch.testing.assert_close(coefficients(y, "reconstructed", CLASSES), mean, rtol=0, atol=1e-15)


def test_max_takes_the_best_other_class_and_second_the_second_of_all() -> None:
    y = torch.tensor([[3.0, 2.0, 1.0]])
    assert coefficients(y, "max", torch.tensor([0])).tolist() == [[1, -1, 0]]
    assert coefficients(y, "max", torch.tensor([1])).tolist() == [[-1, 1, 0]]
    assert coefficients(y, "versus:second", torch.tensor([2])).tolist() == [[0, -1, 1]]
    assert coefficients(y, "versus:second", torch.tensor([1])).tolist() == [[0, 0, 0]]


def test_finer_takes_what_classes_there_are() -> None:
    y = torch.tensor([[3.0, 2.0, 9.0, 4.5, -8.0], [3.0, 2.0, 9.0, 4.5, -8.0]])
    third = torch.tensor(0.2)
    expected = torch.stack([torch.stack([torch.tensor(1.0), -third, -third, -third, 0 * third])] * 2)
    torch.testing.assert_close(coefficients(y, "finer", torch.tensor([0, 0])), expected)
    torch.testing.assert_close(coefficients(y[:1, :2], "finer:1", torch.tensor([1])), torch.tensor([[-1.0, 1.0]]))
    with pytest.raises(UsageError, match="a contrast needs at least 2 classes"):
        coefficients(y[:, :1], "finer")


def test_the_best_class_is_the_default_and_nothing_is_attached() -> None:
    y = logits().requires_grad_()
    v = coefficients(y, "weighted")
    assert torch.equal(v, coefficients(y, "weighted", y.argmax(1))) and not v.requires_grad
    assert coefficients(y.bfloat16(), "weighted").dtype == torch.float32


def test_subsets_sum_the_classes_of_the_set() -> None:
    table = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    v = coefficients(torch.zeros(2, 3), "subset:Super_Sets", torch.tensor([1, 2]), {"super-sets": table})
    assert v.tolist() == [[1, 1, 0], [0, 0, 1]]
    for pool, share in (("sum", 1.0), ("mean", 0.5)):
        v = coefficients(torch.zeros(2, 3), f"subset:super_sets, pool={pool}", torch.tensor([1, 2]), {"super-sets": table})
        assert v.tolist() == [[share, share, 0], [0, 0, 1]]
    with pytest.raises(UsageError, match="needs a class-set file; none given"):
        coefficients(torch.zeros(2, 3), "subset:supersets", torch.tensor([1, 2]))
    with pytest.raises(UsageError, match="3×3"):
        coefficients(torch.zeros(2, 3), "subset:s", torch.tensor([1, 2]), {"s": torch.ones(2, 2)})


@pytest.mark.parametrize(
    ("written", "name"),
    [("Weighted", "weighted"), ("finer:RELEASED", "finer:released"), ("finer:1.0", "finer:1"), ("finer:0.25", "finer:0.25")]
    + [("FINER", "finer"), ("versus:Second", "versus:second"), ("versus: 3", "versus:3"), ("subset:Birds", "subset:Birds")],
)
def test_a_target_has_one_name(written: str, name: str) -> None:
    assert settled(written) == name == settled(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wieghted", "Did you mean weighted"),
        ("versus", "versus:second"),
        ("versus:9", "class from 0 to 4"),
        ("versus:-1", "class from 0 to 4"),
        ("versus:best", "class from 0 to 4"),
        ("logit:3", "expected logit"),
        ("subset", "subset:supersets"),
        ("finer:", "expected finer:.STRENGTH or released., for example finer:1"),
        ("finer:much", r"expected a number from 0 to 1e\+06, or released, got 'much'; finer alone is 0.6"),
        ("finer:6.8e38", "expected a number from 0"),
        ("finer:-1", "expected a number from 0"),
        ("subset:supersets,pool=max", "expected subset:NAME, pool=sum or pool=mean behind it, got 'pool=max'"),
    ],
)
def test_wrong_names_say_what_is_right(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        coefficients(logits(), name, CLASSES)


def test_wrong_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="0 to 4, got 0 to 5"):
        coefficients(logits(), "logit", torch.tensor([0, 1, 2, 5]))
    with pytest.raises(UsageError, match="each of 4 images"):
        coefficients(logits(), "logit", torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="at least 2 classes"):
        coefficients(torch.zeros(3, 1), "weighted")
    assert coefficients(torch.zeros(3, 1), "logit").tolist() == [[1.0]] * 3


def test_index_names_each_target() -> None:
    assert all(name == entry.name and entry.formula and entry.source for name, entry in INDEX.items())
    assert find_target("Log_Odds")[0] is INDEX["log-odds"] and find_target("versus:7") == (INDEX["versus"], "7")
    assert all((entry.rule is None) == bool(entry.argument) for entry in INDEX.values())
