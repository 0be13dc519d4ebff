"""Batches: the same for any number of workers, either pixel source, any start; in order, with their labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from data.miniatures import aircraft, own_folder, picture
from PIL import Image
from reference import streamed

from cambench.data import load
from cambench.data.decode import pixels
from cambench.data.loader import batches_of, eval_batches, train_batches
from cambench.data.plan import Plan
from cambench.data.views import View, normalise
from cambench.vocabulary import Batch, DataError, Dataset, UsageError

VIEWS = {"ce": View("random-resized-crop", 20, flip=0.5), "query": View("resize-center-crop", 16)}


@pytest.fixture
def even(tmp_path: Path) -> Dataset:
    """Nine images of one size."""
    return load(f"folder:{own_folder(tmp_path / 'even', size=(32, 28), per_class=3)}", "eval", tmp_path)


@pytest.fixture
def mixed(tmp_path: Path) -> Dataset:
    """Six images, of which the last three have other sizes."""
    root = own_folder(tmp_path / "mixed", size=(32, 28))
    for n, size in enumerate([(50, 40), (25, 20), (40, 50)]):
        picture(root / "dog" / f"{n}.png", size, seed=n)
    return load(f"folder:{root}", "eval", tmp_path)


def collect(batches: Iterator[Batch]) -> tuple[tuple[int, ...], dict[str, torch.Tensor], torch.Tensor]:
    """All rows, views and labels of a pass."""
    found = list(batches)
    views = {name: torch.cat([b.views[name] for b in found]) for name in found[0].views}
    return tuple(r for b in found for r in b.rows), views, torch.cat([b.label for b in found])


def epoch(dataset: Dataset, **settings: object) -> Iterator[Batch]:
    """A training pass with small batches."""
    return train_batches(dataset, VIEWS, **{"batch_size": 4, "seed": 0, "epoch": 1, "workers": 0, **settings})  # type: ignore[arg-type]


def test_an_epoch_holds_every_row_once_with_its_label(even: Dataset) -> None:
    rows, views, labels = collect(epoch(even))
    assert sorted(rows) == list(range(9)) and rows != tuple(range(9))
    assert labels.tolist() == [even.samples[r].label for r in rows] and labels.dtype == torch.int64
    assert views["ce"].shape == (9, 3, 20, 20) and views["query"].shape == (9, 3, 16, 16)
    assert views["ce"].dtype == torch.float32 and views["ce"].is_contiguous()
    assert [len(b.rows) for b in epoch(even)] == [4, 4, 1]
    assert collect(epoch(even, epoch=2))[0] != rows != collect(epoch(even, seed=1))[0]


@pytest.mark.parametrize("packed", [False, True])
def test_batches_repeat_and_may_end_anywhere(even: Dataset, tmp_path: Path, packed: bool) -> None:
    cache = tmp_path / "cache" if packed else None
    torch.manual_seed(0)
    first = list(epoch(even, cache=cache))
    state = torch.get_rng_state()
    again = list(epoch(even, cache=cache, stop=2))
    assert torch.equal(state, torch.get_rng_state())  # nothing is taken from the global generator
    for a, b in zip(first[:2], again, strict=True):
        assert a.rows == b.rows and all(torch.equal(a.views[name], b.views[name]) for name in VIEWS)


def test_crops_depend_on_the_row_not_on_the_batch(even: Dataset) -> None:
    rows_a, views_a, _ = collect(epoch(even))
    rows_b, views_b, _ = collect(epoch(even, batch_size=9))
    assert rows_a == rows_b and torch.equal(views_a["ce"], views_b["ce"])
    _, other, _ = collect(epoch(even, epoch=2))
    assert not torch.equal(views_a["ce"].sort(0).values, other["ce"].sort(0).values)


def test_any_number_of_workers_gives_the_same_batches(mixed: Dataset) -> None:
    wanted = collect(epoch(mixed))
    for workers in (1, 2):
        rows, views, labels = collect(epoch(mixed, workers=workers))
        assert rows == wanted[0] and torch.equal(labels, wanted[2])
        assert all(torch.equal(views[name], wanted[1][name]) for name in VIEWS)


@pytest.mark.parametrize(
    "view", [*VIEWS.values(), View("resize", 40), View("full", 35), View("squash-random-crop", 16, flip=0.5)]
)
def test_both_sources_give_the_same_pixels(even: Dataset, tmp_path: Path, view: View) -> None:
    settings = {"batch_size": 4, "seed": 0, "epoch": 0, "workers": 0}
    streamed = collect(train_batches(even, {"v": view}, **settings))  # type: ignore[arg-type]
    packed = collect(train_batches(even, {"v": view}, **settings, cache=tmp_path / "c"))  # type: ignore[arg-type]
    assert list((tmp_path / "c").iterdir()) == [tmp_path / "c" / f"{even.fingerprint}.npy"]
    assert streamed[0] == packed[0] and streamed[1]["v"].shape == packed[1]["v"].shape
    assert (streamed[1]["v"] - packed[1]["v"]).abs().max() < 1.01 / (255 * 0.224)  # one grey level: Pillow rounds twice


@pytest.mark.parametrize("view", [View("random-resized-crop", 200, flip=0.5), View("resize-center-crop", 150, resize=160),
                                  View("resize", 40, std=(0.3, 0.2, 0.1))], ids=lambda view: view.kind)  # fmt: skip
def test_streamed_pixels_are_the_references_to_the_bit(tmp_path: Path, view: View) -> None:
    for n, size in enumerate([(320, 240), (200, 300), (161, 160), (90, 70)]):
        picture(tmp_path / "birds" / f"{n}.jpg", size, seed=n)
    Image.open(tmp_path / "birds" / "0.jpg").convert("L").save(tmp_path / "birds" / "4.png")
    Image.open(tmp_path / "birds" / "1.jpg").save(tmp_path / "birds" / "5.jpg", progressive=True)
    dataset = load(f"folder:{tmp_path}", "eval", tmp_path)
    plan = Plan(((0, 1, 2, 3, 4, 5),), {"v": view}, seed=3, epoch=1)
    wanted = streamed.batch([sample.path for sample in dataset.samples], plan, "v")
    (batch,) = batches_of(dataset, plan, torch.device("cpu"), 0, None)
    assert torch.equal(batch.views["v"], wanted) and batch.views["v"].is_contiguous()
    assert not torch.equal(wanted, wanted.flip(3)) and wanted.std() > 0.1


def test_normalised_pieces_are_the_whole_to_the_bit() -> None:
    every = torch.arange(256, dtype=torch.uint8).repeat(3, 1).reshape(1, 3, 16, 16)
    view = View("resize", 16)
    mean, std = (torch.tensor(colours)[:, None, None] for colours in (view.mean, view.std))
    for source in (every, every.float() * 0.731, every.repeat(7, 1, 40, 30), every.repeat(400, 1, 1, 1)):
        before = source.clone()
        assert torch.equal(normalise(source, view), (source.float() / 255 - mean) / std)
        assert torch.equal(source, before)


def test_an_untouched_image_arrives_exactly(even: Dataset, tmp_path: Path) -> None:
    view = View("full", 28, mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255))
    wanted = np.stack([pixels(s.path) for s in even.samples]).transpose(0, 3, 1, 2)
    for cache in (None, tmp_path / "c"):
        rows, views, _ = collect(eval_batches(even, view, batch_size=2, workers=0, cache=cache))
        assert rows == tuple(range(9))
        assert np.abs(views["image"].numpy() - wanted).max() < 1e-3


def test_evaluation_keeps_the_order_and_takes_rows(mixed: Dataset) -> None:
    view = View("resize-center-crop", 16)
    rows, views, labels = collect(eval_batches(mixed, view, batch_size=4, workers=0))
    assert rows == tuple(range(9)) and labels.tolist() == [s.label for s in mixed.samples]
    some = collect(eval_batches(mixed, view, batch_size=2, workers=0, rows=[7, 2, 3]))
    assert some[0] == (7, 2, 3) and torch.equal(some[1]["image"], views["image"][[7, 2, 3]])
    assert list(eval_batches(mixed, view, batch_size=2, workers=0, rows=[])) == []


def test_full_views_share_a_batch_only_with_their_size(mixed: Dataset) -> None:
    found = list(eval_batches(mixed, View("full", 40), batch_size=4, workers=0))
    assert [b.rows for b in found] == [(0, 1, 2, 3), (4, 5), (6, 7), (8,)]
    assert [tuple(b.image.shape[2:]) for b in found] == [(40, 45), (40, 45), (40, 50), (50, 40)]
    parts = list(eval_batches(mixed, View("full", 40), batch_size=4, workers=0, chunks=[[6, 0, 7, 1, 8], [2, 3]]))
    assert [b.rows for b in parts] == [(0, 1), (6, 7), (8,), (2, 3)], "equal sizes of a part come together"
    for batch in parts:
        for row, image, label in zip(batch.rows, batch.image, batch.label, strict=True):
            (alone,) = eval_batches(mixed, View("full", 40), batch_size=1, workers=0, rows=[row])
            assert torch.equal(alone.image[0], image) and int(label) == mixed.samples[row].label
    with pytest.raises(UsageError, match="expected images of one size, got 45x40 and 50x40"):
        list(train_batches(mixed, {"v": View("full", 40)}, batch_size=9, seed=0, epoch=0, workers=0))


def test_evaluation_refuses_randomness(mixed: Dataset) -> None:
    for view in (VIEWS["ce"], View("resize", 8, flip=0.5)):
        with pytest.raises(UsageError, match="without randomness"):
            list(eval_batches(mixed, view, batch_size=2))


def test_a_picture_that_breaks_off_is_named_among_its_neighbours(tmp_path: Path) -> None:
    for n in range(3):
        picture(tmp_path / "birds" / f"{n}.jpg", (64, 64), seed=n)
    bad = tmp_path / "birds" / "1.jpg"
    bad.write_bytes(bad.read_bytes()[:-300])
    with pytest.raises(DataError, match=r"birds.1.jpg: expected a readable image, got: image file is truncated"):
        list(eval_batches(load(f"folder:{tmp_path}", "eval", tmp_path), View("resize", 8), batch_size=3, workers=0))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_ends_the_pass_with_one_line(mixed: Dataset, workers: int) -> None:
    bad = mixed.samples[4].path
    bad.write_bytes(bad.read_bytes()[:100])
    with pytest.raises(DataError, match=r"cat.0.png: expected a readable image") as caught:
        list(epoch(mixed, workers=workers))
    assert "\n" not in str(caught.value)


def test_the_banner_never_reaches_a_view(tmp_path: Path) -> None:
    aircraft(tmp_path)
    test = load("aircraft", "test", tmp_path)
    view = View("full", 48, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    for cache in (None, tmp_path / "c"):
        _, views, _ = collect(eval_batches(test, view, batch_size=3, workers=0, cache=cache))
        assert views["image"].shape == (3, 3, 60, 48) and float(views["image"].max()) < 0.8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("packed", [False, True])
def test_a_gpu_gives_the_same_pixels(even: Dataset, tmp_path: Path, packed: bool) -> None:
    cache = tmp_path / "c" if packed else None
    rows, views, labels = collect(epoch(even, cache=cache))
    there = collect(epoch(even, cache=cache, device="cuda"))
    assert there[0] == rows and there[2].cpu().equal(labels)
    for name in VIEWS:
        assert there[1][name].is_cuda and torch.allclose(there[1][name].cpu(), views[name], atol=2e-2)
