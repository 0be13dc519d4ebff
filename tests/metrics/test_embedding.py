"""The distances of ExCon's figures of features: by hand, against the slow twin, batch by batch, and what is refused."""

from __future__ import annotations

import pytest
import torch
from reference import drop_increase
from reference import embedding as slow

from cambench.metrics import find_metric
from cambench.metrics.faithfulness.embedding import centroids, relative
from cambench.vocabulary import CambenchError


def drawn(n: int, d: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of images and of their masked twins, and labels of four classes."""
    generator = torch.Generator().manual_seed(seed)
    original, noise = torch.randn(2, n, d, generator=generator, dtype=torch.float64)
    return original, original + 0.3 * noise, torch.randint(0, 4, (n,), generator=generator)


def test_by_hand() -> None:
    original = torch.tensor([[0.0, 0.0], [2.0, 0.0], [1.0, 4.0], [4.0, 0.0]])
    masked = torch.tensor([[3.0, 4.0], [2.0, 1.0], [1.0, 4.0], [4.0, 2.0]])
    labels = torch.tensor([7, 7, 9, 8])
    classes = centroids([(original, labels)])
    # centroids (1, 0), (4, 0), (1, 4), apart 3, 4, 5
    assert classes.apart == pytest.approx(4) and [m.tolist() for m in classes.means.values()] == [[1, 0], [4, 0], [1, 4]]
    rows = relative(original, masked, labels, classes)
    assert rows["own-mask"].tolist() == pytest.approx([1.25, 0.25, 0, 0.5])
    assert rows["own-class"].tolist() == pytest.approx([0.25, 0.25, 0, 0])


def test_as_the_slow_twin_whatever_the_batches() -> None:
    original, masked, labels = drawn(23, 17)
    wanted = slow.relative(original.tolist(), masked.tolist(), labels.tolist())
    pieces = centroids(zip(original.split(5), labels.split(5), strict=True))
    for classes, rel in ((pieces, 1e-12), (centroids([(original.float(), labels)]), 1e-6)):
        rows = relative(original, masked, labels, classes)
        assert [column.tolist() for column in rows.values()] == [pytest.approx(column, rel=rel) for column in wanted]


def test_neither_scale_nor_place_matter_but_which_mask_is_whose_does() -> None:
    original, masked, labels = drawn(12, 5, seed=1)
    rows = relative(original, masked, labels, centroids([(original, labels)]))
    moved = relative(7 * original + 5, 7 * masked + 5, labels, centroids([(7 * original + 5, labels)]))
    assert all(torch.allclose(rows[name], moved[name]) for name in rows)
    other = relative(original, masked.roll(1, 0), labels, centroids([(original, labels)]))
    assert torch.equal(other["own-class"], rows["own-class"]) and not torch.allclose(other["own-mask"], rows["own-mask"])


def test_the_metric_shows_60_percent_of_the_pixels_of_the_predicted_class() -> None:
    generator = torch.Generator().manual_seed(2)
    image = torch.randn(3, 3, 10, 10, generator=generator, dtype=torch.float64)
    raw = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 300, generator=generator, dtype=torch.float64)
    asked = []

    def explain(x: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        asked.append(classes.tolist())
        return raw

    def features(x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ weight.T

    label = torch.tensor([0, 1, 1])
    classes = centroids([(features(image), label)])
    metric = find_metric("embedding-distance")
    rows = metric.measure(image, label, features, explain, features, classes)
    assert asked == [features(image).argmax(1).tolist()] and set(rows) == set(metric.variants)
    kept = []
    for picture, heat in zip(image, raw, strict=True):
        wide = drop_increase.bilinear(heat.numpy(), 10, 10)
        order = sorted(range(100), key=lambda at, wide=wide: (-wide.flat[at], at))[:60]
        mask = torch.zeros(100, dtype=torch.bool)
        mask[order] = True
        kept.append(torch.where(mask.view(10, 10), picture, torch.zeros(())))
    wanted = slow.relative(features(image).tolist(), features(torch.stack(kept)).tolist(), label.tolist())
    assert [rows["own-mask"].tolist(), rows["own-class"].tolist()] == [pytest.approx(column) for column in wanted]
    every = find_metric("embedding-distance:kept=1").measure(image, label, features, explain, features, classes)
    assert every["own-mask"].tolist() == [0, 0, 0]


def test_what_has_no_answer_is_refused() -> None:
    features, labels = torch.randn(4, 3), torch.tensor([0, 0, 1, 1])
    classes = centroids([(features, labels)])
    with pytest.raises(CambenchError, match=r"expected \(N,d\).* got \(4, 3\), \(3, 3\) and \(4,\)"):
        relative(features, features[1:], labels, classes)
    with pytest.raises(CambenchError, match="at least two classes, got 1"):
        centroids([(features, torch.zeros(4))])
    with pytest.raises(CambenchError, match="features of masked images: expected finite"):
        relative(features, features / 0, labels, classes)
    with pytest.raises(CambenchError, match="features: expected finite"):
        centroids([(features / 0, labels)])
    with pytest.raises(CambenchError, match="the same centroid for all"):
        centroids([(torch.ones(4, 3), labels)])
