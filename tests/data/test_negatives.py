"""Negatives: images of other classes beside each image, drawn by seed and epoch alone, each with a crop of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cambench import data
from cambench.data.loader import train_batches
from cambench.data.negatives import negative_batches, negatives
from cambench.data.views import View
from cambench.stages.training.lessons import Lessons, split
from cambench.vocabulary import Dataset, Sample

VIEWS = {"crop": View("random-resized-crop", 16, flip=0.5)}


def labelled(labels: list[int]) -> Dataset:
    """A data set of which nothing but the labels counts."""
    samples = tuple(Sample(str(i), Path(str(i)), label) for i, label in enumerate(labels))
    return Dataset("toy", "train", Path(), tuple("abcdef"), samples)


def test_no_negative_shows_the_class_of_its_image_and_classes_and_images_are_uniform() -> None:
    labels = [0] * 4000 + [2] * 40 + [5] * 400  # classes without images are never drawn
    drawn = negatives(labelled(labels), 3, seed=0, epoch=0)
    shown = torch.tensor([s.label for s in drawn.samples]).reshape(len(labels), 3)
    assert not bool((shown == torch.tensor(labels)[:, None]).any())
    of_zero = Counter(shown[:4000].flatten().tolist())
    assert set(of_zero) == {2, 5} and of_zero[2] / 12000 == pytest.approx(0.5, abs=0.02), "however many images a class has"
    images = Counter(s.id for s in drawn.samples[:12000] if s.label == 2)
    assert len(images) == 40 and max(images.values()) < 2 * 150
    pairs = shown[:4000]
    assert float((pairs[:, 0] == pairs[:, 1]).double().mean()) == pytest.approx(0.5, abs=0.03), "with replacement"


def test_seed_and_epoch_decide_them() -> None:
    given = labelled([i % 5 for i in range(50)])
    ids = {key: [s.id for s in negatives(given, 3, *key).samples] for key in ((0, 0), (0, 1), (1, 0))}
    assert ids[0, 0] == [s.id for s in negatives(given, 3, 0, 0).samples]
    assert len({tuple(v) for v in ids.values()}) == 3


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    """Training images of synthbirds, and a cache."""
    root = tmp_path_factory.mktemp("negatives")
    return data.load("synthbirds", "train", root), root / "cache"


def test_batches_come_in_the_order_of_their_images_with_crops_of_their_own(birds: tuple[Dataset, Path]) -> None:
    given, cache = replace(birds[0], samples=birds[0].samples[::9], pool=birds[0]), birds[1]
    options = {"batch_size": 16, "seed": 1, "epoch": 2, "cache": cache}
    beside = list(negative_batches(given, VIEWS, 3, **options))
    images = list(train_batches(given, VIEWS, **options))
    for batch, own in zip(beside, images, strict=True):
        assert batch.rows == tuple(3 * row + i for row in own.rows for i in range(3))
        assert batch.views["crop"].shape == (3 * len(own.rows), 3, 16, 16)
        assert not bool((batch.label.reshape(-1, 3) == own.label[:, None]).any())
    few = replace(given, samples=(given.samples[0], next(s for s in given.samples if s.label != given.samples[0].label)))
    first, second = next(negative_batches(few, VIEWS, 3, **options)).views["crop"].unflatten(0, (2, 3)).unbind()
    for crops in (first, second):  # of one and the same image
        assert not torch.equal(crops[0], crops[1]) and not torch.equal(crops[1], crops[2])


def test_workers_and_the_cache_change_no_negative(birds: tuple[Dataset, Path]) -> None:
    given = replace(birds[0], samples=birds[0].samples[::40], pool=birds[0])
    ways = ({"workers": 0}, {"workers": 2})
    one, two = (list(negative_batches(given, VIEWS, 3, batch_size=8, seed=0, epoch=0, **way)) for way in ways)
    packed = list(negative_batches(given, VIEWS, 3, batch_size=8, seed=0, epoch=0, cache=birds[1]))
    for a, b, c in zip(one, two, packed, strict=True):
        assert torch.equal(a.views["crop"], b.views["crop"]) and torch.equal(a.label, c.label)


def test_lessons_carry_them_and_parts_of_a_batch_keep_their_own(birds: tuple[Dataset, Path]) -> None:
    given = replace(birds[0], samples=birds[0].samples[:100:10], pool=birds[0])
    lessons = Lessons(given, VIEWS, 8, 0, source={"cache": birds[1]}, epochs=1, negatives=3)
    batch = next(iter(lessons.epoch(0)))
    assert lessons.images == 10 and len(batch.negatives.rows) == 24
    parts = split(batch, 3)
    assert [len(part.negatives.rows) for part in parts] == [3 * len(part.rows) for part in parts] == [6, 9, 9]
    assert torch.equal(torch.cat([part.negatives.views["crop"] for part in parts]), batch.negatives.views["crop"])
