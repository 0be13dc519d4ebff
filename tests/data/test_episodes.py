"""Few-shot episodes and few labels: what is drawn, from what, and that it can be loaded again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data.miniatures import WNIDS, imagenet, write

from cambench import data
from cambench.data import synthbirds
from cambench.data.episodes import HELD_OUT, Draw
from cambench.data.loader import eval_batches, train_batches
from cambench.data.views import View
from cambench.vocabulary import DataError, Dataset, UsageError


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with 4 classes of birds, 6 training and 4 test images each."""
    root = tmp_path_factory.mktemp("datasets")
    synthbirds.make(root / "synthbirds", classes=4, per_class=6, test_per_class=4, size=32, seed=0)
    return root


def ids(dataset: Dataset) -> set[str]:
    return {s.id for s in dataset.samples}


@pytest.mark.parametrize("shots", [1, 5])
def test_an_episode_is_n_images_a_class_of_both_splits_and_the_rest_is_for_evaluation(birds: Path, shots: int) -> None:
    train = data.load("synthbirds", "train", birds, draw=Draw(0, shots))
    rest = data.load("synthbirds", "eval", birds, draw=Draw(0, shots))
    every = ids(data.load("synthbirds", "train", birds)) | ids(data.load("synthbirds", "test", birds))
    assert Counter(s.label for s in train.samples) == dict.fromkeys(range(4), shots)
    assert Counter(s.label for s in rest.samples) == dict.fromkeys(range(4), 10 - shots)
    assert ids(train).isdisjoint(ids(rest)) and ids(train) | ids(rest) == every
    assert (train.split, rest.split) == ("train", "episode")
    assert rest.notes == ("synthetic images (synthbirds)",), "an episode is the protocol, not a part"


def test_a_seed_decides_and_seeds_share_what_they_draw_from(birds: Path) -> None:
    drawn = [data.load("synthbirds", "train", birds, draw=Draw(seed, 5)) for seed in (0, 0, 1)]
    assert drawn[0].fingerprint == drawn[1].fingerprint != drawn[2].fingerprint
    rest = data.load("synthbirds", "episode", birds, draw=Draw(1, 1))
    assert len({d.drawn_from for d in (*drawn, rest)}) == 1
    assert data.load("synthbirds", "train", birds).drawn_from != rest.drawn_from
    official = ids(data.load("synthbirds", "train", birds))
    from_test = [len(ids(data.load("synthbirds", "train", birds, draw=Draw(s, 1))) - official) for s in range(20)]
    assert 16 <= sum(from_test) <= 50, "4 of 10 images of a class are the test split's: 32 of 80 expected"


def test_fewer_shots_and_fewer_classes_leave_the_draw_as_it_is(birds: Path) -> None:
    five = data.load("synthbirds", "train", birds, draw=Draw(3, 5))
    one = data.load("synthbirds", "train", birds, draw=Draw(3, 1))
    two_classes = data.load("synthbirds", "train", birds, classes=2, draw=Draw(3, 5))
    assert ids(one) < ids(five)
    assert ids(two_classes) == {s.id for s in five.samples if s.label < 2}
    assert "2 of 4 classes" in two_classes.notes


def test_the_train_pool_leaves_the_official_evaluation_split(birds: Path) -> None:
    draw = Draw(0, 5, "train")
    train = data.load("synthbirds", "train", birds, draw=draw)
    assert len(train) == 20 and ids(train) < ids(data.load("synthbirds", "train", birds))
    held_out = data.load("synthbirds", "eval", birds, draw=draw)
    assert held_out.split == "test" and held_out.fingerprint == data.load("synthbirds", "test", birds).fingerprint


def test_what_cannot_be_drawn_is_said(birds: Path) -> None:
    with pytest.raises(UsageError, match=r"at least 11 of every class for data.shots=11, got 10 of .* \(4 such classes\)"):
        data.load("synthbirds", "train", birds, draw=Draw(0, 11))
    with pytest.raises(UsageError, match="train images: expected at least 7"):
        data.load("synthbirds", "train", birds, draw=Draw(0, 7, "train"))
    with pytest.raises(UsageError, match="expected images left for the episode split, got none"):
        data.load("synthbirds", "eval", birds, draw=Draw(0, 10))
    with pytest.raises(UsageError, match="expected split train or episode .* got 'test'"):
        data.load("synthbirds", "test", birds, draw=Draw(0, 1))


def test_what_is_held_out_is_the_beginning_of_numpys_legacy_shuffle(birds: Path) -> None:
    """ExCon's authors' code shuffles a list of 0..N−1 by the global generator (ExCon protocol §1.7); 0.3·24 is 7 images."""
    every = [s.id for s in data.load("synthbirds", "train", birds).samples]
    indices = list(range(24))
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()  # noqa: NPY002
    np.random.shuffle(indices)  # noqa: NPY002
    np.random.set_state(before)  # noqa: NPY002
    kept, out = (data.load("synthbirds", split, birds, draw=Draw(5, held_out=0.3)) for split in ("train", HELD_OUT))
    assert [s.id for s in out.samples] == [every[i] for i in sorted(indices[:7])]
    assert [s.id for s in kept.samples] == [every[i] for i in sorted(indices[7:])]
    assert np.array_equal(before[1], np.random.get_state()[1]) and before[2] == np.random.get_state()[2]  # noqa: NPY002
    assert (kept.split, out.split) == ("train", "held-out") and kept.drawn_from == out.drawn_from
    assert kept.notes == (*out.notes, "trained on 17 of 24 training images, the others held out to validate on")
    other = data.load("synthbirds", HELD_OUT, birds, draw=Draw(6, held_out=0.3))
    assert len(other) == 7 and ids(other) != ids(out)
    official = data.load("synthbirds", "eval", birds, draw=Draw(5, held_out=0.3))
    assert official.fingerprint == data.load("synthbirds", "test", birds).fingerprint


def test_what_cannot_be_held_out_is_said(birds: Path) -> None:
    for split in ("train", HELD_OUT):
        with pytest.raises(UsageError, match=r"at least one image to hold out, got none: data.held_out=0.04 of 24 training"):
            data.load("synthbirds", split, birds, draw=Draw(0, held_out=0.04))
    with pytest.raises(UsageError, match="expected a seed from 0 to 4294967295, got -1"):
        data.load("synthbirds", "train", birds, draw=Draw(-1, held_out=0.5))
    with pytest.raises(UsageError, match="expected split train or test or eval, got 'held-out'"):
        data.load("synthbirds", HELD_OUT, birds, draw=Draw(0, labelled=0.5))


@pytest.mark.parametrize("draw", [Draw(2, 5), Draw(2, 5, "train"), Draw(2, labelled=0.5), Draw(2, held_out=0.5), None])
@pytest.mark.parametrize("split", ["train", "eval"])
def test_the_origin_loads_the_same_images_again(birds: Path, draw: Draw | None, split: str) -> None:
    import json

    first = data.load("synthbirds", split, birds, classes=3, limit=9, draw=draw)
    again = data.reload(json.loads(json.dumps(first.origin)), birds)
    assert (again.fingerprint, again.notes, again.origin) == (first.fingerprint, first.notes, first.origin)


@pytest.mark.parametrize("limit", [None, 7])
def test_drawn_images_come_out_of_their_pools_cache(birds: Path, tmp_path: Path, limit: int | None) -> None:
    drawn = data.load("synthbirds", "eval", birds, draw=Draw(1, 5), limit=limit)
    alone = replace(drawn, pool=None)
    views = {"crop": View("random-resized-crop", 24, flip=0.5), "query": View("resize-center-crop", 24)}
    options = {"batch_size": 6, "seed": 4, "epoch": 2}
    pairs = [
        zip(
            train_batches(drawn, views, cache=tmp_path / "pool", **options),
            train_batches(alone, views, cache=tmp_path / "own", **options),
            strict=True,
        ),
        zip(
            eval_batches(drawn, views["query"], batch_size=4, cache=tmp_path / "pool"),
            eval_batches(alone, views["query"], batch_size=4, cache=tmp_path / "own"),
            strict=True,
        ),
    ]
    for ours, theirs in (pair for both in pairs for pair in both):
        assert ours.rows == theirs.rows and torch.equal(ours.label, theirs.label)
        assert all(torch.equal(ours.views[name], theirs.views[name]) for name in ours.views)
    assert [p.stem for p in (tmp_path / "pool").glob("*.npy")] == [drawn.drawn_from]


def test_a_share_of_the_labels_is_the_same_of_each_class_and_at_least_one(birds: Path) -> None:
    half = data.load("synthbirds", "train", birds, draw=Draw(0, labelled=0.5))
    assert Counter(s.label for s in half.samples) == dict.fromkeys(range(4), 3)
    least = data.load("synthbirds", "train", birds, draw=Draw(0, labelled=0.01))
    assert Counter(s.label for s in least.samples) == dict.fromkeys(range(4), 1)
    other = data.load("synthbirds", "train", birds, draw=Draw(1, labelled=0.5))
    assert ids(other) != ids(half)
    assert half.pool is not None and ids(half.pool) == ids(data.load("synthbirds", "train", birds))
    assert data.load("synthbirds", "eval", birds, draw=Draw(0, labelled=0.5)).split == "test"


@pytest.mark.parametrize("draw", [Draw(0, 3, "train"), Draw(0, labelled=0.5)])
def test_every_class_draws_by_itself(birds: Path, draw: Draw) -> None:
    whole, drawn = data.load("synthbirds", "train", birds), ids(data.load("synthbirds", "train", birds, draw=draw))
    own = [[s.id for s in whole.samples if s.label == label] for label in range(4)]
    places = {tuple(i for i, name in enumerate(names) if name in drawn) for names in own}
    assert {len(kept) for kept in places} == {3} and len(places) > 1, "not the same three of six images in every class"


def test_imagenet_takes_its_published_list(tmp_path: Path) -> None:
    root = imagenet(tmp_path)
    draw = Draw(0, labelled=0.01)
    with pytest.raises(DataError, match=r"expected the list of labelled images .*1percent.txt, found none. Obtain: https"):
        data.load("imagenet", "train", tmp_path, draw=draw)
    write(root / "1percent.txt", f"{WNIDS[2]}_1.JPEG", f"{WNIDS[0]}_0.JPEG", "n99999999_7.JPEG")
    drawn = data.load("imagenet", "train", tmp_path, draw=draw)
    assert [s.id for s in drawn.samples] == [f"train/{WNIDS[0]}/{WNIDS[0]}_0.JPEG", f"train/{WNIDS[2]}/{WNIDS[2]}_1.JPEG"]
    assert data.load("imagenet", "train", tmp_path, draw=Draw(1, labelled=0.01)).fingerprint == drawn.fingerprint
    assert data.load("imagenet", "eval", tmp_path, draw=draw).split == "val"
    (root / "1percent.txt").rename(root / "10percent.txt")
    assert len(data.load("imagenet", "train", tmp_path, draw=Draw(0, labelled=0.1))) == 2
    write(root / "10percent.txt", f"{WNIDS[2]}_1.JPEG", f"{WNIDS[2]}_77.JPEG")
    with pytest.raises(DataError, match=r"10percent.txt:2: expected an image of .* \(1 are not there\), got '.*_77.JPEG'"):
        data.load("imagenet", "train", tmp_path, draw=Draw(0, labelled=0.1))
