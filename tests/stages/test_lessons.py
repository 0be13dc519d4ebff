"""What a step is given: two loaders in step, nothing of the unlabelled images' labels, pieces of both."""

from __future__ import annotations

import torch

from cambench import data
from cambench.data.episodes import Draw
from cambench.data.views import View
from cambench.stages.training.lessons import Lessons, split
from cambench.stages.workplace import Place
from cambench.vocabulary import Batch


def lessons(place: Place, batch_size: int = 5) -> Lessons:
    """12 labelled images of 24, crops of the former and queries of all."""
    dataset = data.load("synthbirds", "train", place.data, draw=Draw(0, labelled=0.5))
    views = {"crop": View("random-resized-crop", 24)}, {"query": View("resize-center-crop", 24)}
    return Lessons(dataset, views[0], batch_size, 7, dataset.pool, views[1], {"workers": 0})


def test_an_epoch_is_one_pass_over_the_labelled_images(place: Place) -> None:
    given = lessons(place)
    batches = list(given.epoch(0))
    assert [len(b.rows) for b in batches] == [5, 5, 2] and given.steps == 3
    assert sorted(row for b in batches for row in b.rows) == list(range(12))
    assert [len(b.unlabelled.rows) for b in batches if b.unlabelled] == [5, 5, 5] and given.images == 12 + 15
    seen = [row for b in batches for row in b.unlabelled.rows]
    assert len(set(seen)) == 15 and set(seen) <= set(range(24))
    assert all((b.unlabelled.label == -1).all() and list(b.unlabelled.views) == ["query"] for b in batches)
    labels = [given.dataset.samples[row].label for b in batches for row in b.rows]
    assert labels == [int(label) for b in batches for label in b.label]


def test_the_unlabelled_images_are_shuffled_anew_and_an_epoch_can_be_repeated(place: Place) -> None:
    given = lessons(place)
    orders = [[b.unlabelled.rows for b in given.epoch(e)] for e in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    again = zip(given.epoch(3), lessons(place).epoch(3), strict=True)
    for a, b in again:
        assert torch.equal(a.views["crop"], b.views["crop"])
        assert torch.equal(a.unlabelled.views["query"], b.unlabelled.views["query"])


def test_few_images_are_one_batch(place: Place) -> None:
    given = Lessons(lessons(place).dataset, {"crop": View("resize", 24)}, 256, 0, source={"workers": 0})
    (batch,) = given.epoch(0)
    assert len(batch.rows) == 12 and given.steps == 1 and batch.unlabelled is None


def test_pieces_hold_every_image_once_and_match() -> None:
    other = Batch({"query": torch.arange(9.0)}, torch.full((9,), -1), tuple(range(9)))
    batch = Batch({"crop": torch.arange(7.0)}, torch.arange(7), tuple(range(7)), other)
    pieces = split(batch, 4)
    assert [len(p.rows) for p in pieces] == [1, 2, 2, 2] and [len(p.unlabelled.rows) for p in pieces] == [2, 2, 2, 3]
    assert torch.equal(torch.cat([p.views["crop"] for p in pieces]), batch.views["crop"])
    assert torch.equal(torch.cat([p.unlabelled.views["query"] for p in pieces]), other.views["query"])
    assert len(split(Batch(batch.views, batch.label, batch.rows), 99)) == 7
    assert split(batch, 1) == [batch]
