"""SupCon and ExConB losses: golden values of ExCon protocol §1.2, slow twin, gradients, what must not matter."""

from __future__ import annotations

import math

import pytest
import torch
from reference import excon as twin
from torch.nn.functional import normalize

from cambench.losses.excon import exconb_loss
from cambench.losses.supcon import anchor_terms, contrast, supcon_loss
from cambench.vocabulary import UsageError

LABELS = torch.tensor([0, 0, 1, 2])
SCALE = 0.1 / 0.07


def golden() -> tuple[torch.Tensor, torch.Tensor]:
    """The protocol's features (4,2,4) and background (2,2,4), whose views are one and the same."""
    index = torch.arange(48, dtype=torch.float64).reshape(2, 6, 4)
    e = normalize(torch.sin(0.7 * index + 0.3), dim=2).transpose(0, 1)
    return e[:4], e[4:, :1].repeat(1, 2, 1)


def random(n: int, views: int, b: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unit features, labels of three classes, a background."""
    g = torch.Generator().manual_seed(seed)

    def draw(m: int) -> torch.Tensor:
        return normalize(torch.randn(m, views, 5, generator=g, dtype=torch.float64), dim=2)

    return draw(n), torch.randint(3, (n,), generator=g), draw(b)


def test_the_golden_values_of_the_spec() -> None:
    features, background = golden()
    assert float(exconb_loss(features, LABELS, background, 0.1)) == pytest.approx(18.983855, abs=5e-7)
    assert float(supcon_loss(features, LABELS, 0.1)) == pytest.approx(18.534226, abs=5e-7)
    assert float(exconb_loss(features, LABELS, background[:, :1], 0.1)) == pytest.approx(18.795107, abs=5e-7)
    assert float(contrast(features, LABELS, background, 0.1).sum()) == pytest.approx(106.309588, abs=5e-7)
    assert float(contrast(features, LABELS, background[:0], 0.1).sum()) == pytest.approx(103.791663, abs=5e-7)


@pytest.mark.parametrize(("n", "views", "b"), [(4, 2, 2), (7, 2, 0), (1, 2, 3), (5, 3, 5)])
@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
def test_values_and_gradients_agree_with_the_slow_twin(n: int, views: int, b: int, temperature: float) -> None:
    features, labels, background = random(n, views, b)
    given = [x.clone().requires_grad_() for x in (features, background)]
    fast = exconb_loss(given[0], labels, given[1], temperature, 0.07)
    slow_given = [x.clone().requires_grad_() for x in (features, background)]
    slow = twin.loss(slow_given[0], labels, slow_given[1], temperature) / (n * views) * temperature / 0.07
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-12)
    for x, y in zip(
        torch.autograd.grad(fast, given), torch.autograd.grad(slow, slow_given, allow_unused=b == 0), strict=True
    ):
        torch.testing.assert_close(x, torch.zeros_like(x) if y is None else y, rtol=1e-8, atol=1e-10)
    if b == 0:
        torch.testing.assert_close(supcon_loss(features, labels, temperature, 0.07), fast.detach())


@pytest.mark.parametrize("mode", ["all", "one"])
@pytest.mark.parametrize(("b", "anchored"), [(0, False), (2, False), (2, True), (1, True)])
def test_whose_views_are_anchors(mode: str, b: int, anchored: bool) -> None:
    features, labels, background = random(5, 2, b, seed=2)
    given = [x.clone().requires_grad_() for x in (features, background)]
    fast = exconb_loss(given[0], labels, given[1], 0.1, 0.07, mode=mode, background_anchor=anchored)
    again = [x.clone().requires_grad_() for x in (features, background)]
    slow = torch.stack(twin.terms(again[0], labels, again[1], 0.1, mode, anchored))
    assert len(slow) == (5 + b * anchored) * (2 if mode == "all" else 1)
    torch.testing.assert_close(fast, slow.mean() * SCALE, rtol=1e-10, atol=1e-12)
    pairs = [torch.autograd.grad(loss, x, allow_unused=b == 0) for loss, x in ((fast, given), (slow.mean() * SCALE, again))]
    for x, y in zip(*pairs, strict=True):
        torch.testing.assert_close(x, torch.zeros_like(x) if y is None else y, rtol=1e-8, atol=1e-10)
    if b == 0:
        torch.testing.assert_close(supcon_loss(features, labels, 0.1, 0.07, mode=mode), fast.detach())


def test_with_a_label_an_image_it_is_simclrs_cross_entropy() -> None:
    """NT-Xent: each view's softmax over all other views, its target the other view of its image."""
    features, _, _ = random(6, 2, 0, seed=3)
    found = supcon_loss(features, torch.arange(6), 0.5, 0.5)
    e = features.transpose(0, 1).flatten(0, 1)
    similarity = (e @ e.T / 0.5).fill_diagonal_(-torch.inf)
    expected = torch.nn.functional.cross_entropy(similarity, (torch.arange(12) + 6) % 12)
    torch.testing.assert_close(found, expected)


def test_the_gradient_through_the_anchors_slot_is_that_of_equations_4_and_5() -> None:
    features, labels, background = random(4, 2, 3, seed=1)
    entries = torch.cat([features.flatten(0, 1), background.flatten(0, 1)])
    kinds = torch.cat([labels.repeat_interleave(2), torch.full((6,), -1)])
    own = torch.eye(14, dtype=torch.bool)[:8]
    anchors = entries[:8].clone().requires_grad_()
    terms = anchor_terms(anchors, entries, (kinds[:8, None] == kinds) & ~own, ~own, 0.1)
    (gradient,) = torch.autograd.grad(terms.sum(), anchors)
    for i in range(8):
        torch.testing.assert_close(gradient[i], twin.anchor_gradient(i, entries, kinds, 0.1), rtol=1e-9, atol=1e-9)


def test_order_does_not_matter_and_large_similarities_do_no_harm() -> None:
    features, labels, background = random(6, 2, 2)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        exconb_loss(features[order].flip(1), labels[order], background.flip(0)), exconb_loss(features, labels, background)
    )
    cold = supcon_loss(features.float(), labels, 1e-3, 1e-3)
    torch.testing.assert_close(cold.double(), supcon_loss(features, labels, 1e-3, 1e-3), rtol=1e-4, atol=1e-4)
    assert bool(torch.isfinite(cold))


def test_by_hand() -> None:
    """One image twice: its only other entry is its positive, so the loss is 0; a background of the same place makes ln 2."""
    e = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    one = torch.tensor([3])
    assert float(supcon_loss(e, one, 0.1, 0.1)) == pytest.approx(0.0, abs=1e-6)
    assert float(exconb_loss(e, one, e[:, :1], 0.1, 0.1)) == pytest.approx(math.log(2), abs=1e-6)


def test_a_background_of_one_view_is_no_anchor() -> None:
    """It would have no positive."""
    features, labels, background = random(4, 2, 1)
    with pytest.raises(UsageError, match=r"expected features \(N,V,D\)"):
        exconb_loss(features, labels, background[:, :1], background_anchor=True)


@pytest.mark.parametrize(
    ("features", "labels", "background"),
    [((4, 1, 3), (4,), (0, 1, 3)), ((4, 2, 3), (3,), (0, 2, 3)), ((4, 3), (4,), (0, 2, 3)), ((4, 2, 3), (4,), (1, 2, 5))],
)
def test_wrong_shapes_are_one_clear_error(features: tuple, labels: tuple, background: tuple) -> None:
    with pytest.raises(UsageError, match=r"expected features \(N,V,D\)"):
        exconb_loss(torch.zeros(features), torch.zeros(labels, dtype=torch.long), torch.zeros(background))
