"""CIFAR-100's python version: the reader, pictures within a file, and what pickles may not hold."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.cifar_miniature import CLASSES, cifar100, images, python2, split
from torchvision.datasets import CIFAR100

from cambench.data import arrays, cifar, decode, load, packed, pickles
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.vocabulary import DataError


def text_keys(content: Any) -> bytes:
    """As someone packs it again with Python 3: keys and names as text."""
    return pickle.dumps(
        {k.decode(): [v.decode() for v in vs] if k.endswith(b"names") else vs for k, vs in content.items()}, 4
    )


@pytest.mark.parametrize("pack", [python2, lambda x: pickle.dumps(x, 2), lambda x: pickle.dumps(x, 4), text_keys])
def test_fine_labels_and_planes_of_colour_whoever_packed_them(tmp_path: Path, pack: Any) -> None:
    root = cifar100(tmp_path, pack)
    train, test = load("cifar100", "train", tmp_path), load("CIFAR100", "eval", tmp_path)
    assert train.classes == tuple(name.decode() for name in CLASSES) and test.split == "test"
    assert [s.label for s in train.samples] == [1, 0, 2, 1, 0, 2] and not train.samples[0].boxes
    assert [s.id for s in test.samples] == ["test/0", "test/1", "test/2"] and test.samples[2].path == root / "test" / "2"
    for dataset, seed in ((train, 0), (test, 1)):
        found = np.stack([decode.pixels(s.path) for s in dataset.samples])
        assert np.array_equal(found, images(len(dataset), seed).transpose(0, 2, 3, 1))
    assert decode.image_size(train.samples[0].path) == (32, 32)


def test_it_is_what_torchvision_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar100(tmp_path)
    monkeypatch.setattr(CIFAR100, "_check_integrity", lambda self: True)
    monkeypatch.setattr(CIFAR100, "_load_meta", lambda self: None)
    theirs, ours = CIFAR100(str(tmp_path), train=True), load("cifar100", "train", tmp_path)
    assert theirs.targets == [s.label for s in ours.samples]
    assert all(np.array_equal(a, decode.pixels(s.path)) for a, s in zip(theirs.data, ours.samples, strict=True))


def test_another_md5_is_a_warning_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = cifar100(tmp_path)
    for _ in range(2):
        train = load("cifar100", "train", tmp_path)
        assert train.notes == ("6 of the 50000 official train images",) and train.comparable
    digest = hashlib.md5((root / "train").read_bytes()).hexdigest()  # noqa: S324
    first, second = caplog.messages
    assert first == f"{root / 'train'}: md5 {digest} is not the published {cifar.PUBLISHED['train']}; it is used as it is"
    assert second.startswith(f"{root / 'meta'}: md5 ")
    monkeypatch.setattr(cifar, "PUBLISHED", {name: arrays.md5(root / name) for name in cifar.PUBLISHED})
    cifar.warn.cache_clear()
    load("cifar100", "train", tmp_path)
    assert len(caplog.messages) == 2, "the published files need no warning"


def test_the_fingerprint_knows_the_pixels(tmp_path: Path) -> None:
    """Another picture leaves the file's size as it is, and must not be taken for the one that a cache holds."""
    root = cifar100(tmp_path)
    before = load("cifar100", "train", tmp_path)
    assert load("cifar100", "train", tmp_path).fingerprint == before.fingerprint
    array = packed.packed_array(before, tmp_path / "c")
    assert array is not None and array.shape == (6, 32, 32, 3)
    content = split(6, 0)
    content[b"data"][3, 5] ^= 1
    (root / "train").write_bytes(python2(content))
    after = load("cifar100", "train", tmp_path)
    assert after.fingerprint != before.fingerprint
    again = packed.packed_array(after, tmp_path / "c")
    assert again is not None and int((array != again).sum()) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_stream_or_come_from_the_cache_and_classes_may_be_few(tmp_path: Path, workers: int) -> None:
    cifar100(tmp_path)
    dataset = load("cifar100", "train", tmp_path, classes=2)
    assert [s.path.name for s in dataset.samples] == ["0", "1", "3", "4"]
    settings = {"batch_size": 3, "workers": workers}
    streamed = list(eval_batches(dataset, View("resize", 32), **settings))  # type: ignore[arg-type]
    kept = list(eval_batches(dataset, View("resize", 32), cache=tmp_path / "c", **settings))  # type: ignore[arg-type]
    assert [b.label.tolist() for b in streamed] == [[1, 0, 1], [0]]
    for a, b in zip(streamed, kept, strict=True):
        assert torch.allclose(a.views["image"], b.views["image"], atol=1e-5)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("train", None, r"train: expected by the official layout, found nothing there; unpack the archive again"),
        ("meta", None, r"meta: expected by the official layout"),
        ("train", lambda raw: raw[: len(raw) // 2], r"train: expected a pickle of plain .*, got one that ends too early"),
        ("train", lambda raw: b"", r"train: expected a pickle of plain .*, got one that ends too early; unpack"),
        ("train", lambda raw: pickle.dumps([1]), r"train: expected a pickled dictionary, got list"),
        ("train", lambda raw: python2(split(6, 0) | {b"fine_labels": [0]}), r"a list of 6 classes, got 1 labels"),
        ("train", lambda raw: python2(split(6, 0) | {b"fine_labels": None}), r"a list of 6 classes, got NoneType"),
        ("train", lambda raw: python2(split(6, 0) | {b"fine_labels": [0, 1, 2, 3, 0, 1]}), r"0 to 2 for image 3, got 3"),
        ("train", lambda raw: python2(split(6, 0) | {b"data": np.zeros((6, 3071), "u1")}), r"\(N,3072\).*got \(6, 3071\)"),
        ("train", lambda raw: python2(split(6, 0) | {b"data": np.zeros((6, 3072), "f4")}), r"of other values than uint8"),
        ("train", lambda raw: python2(split(6, 0) | {b"data": None}), r"an array \(N,3072\) of uint8, got NoneType"),
        (
            "meta",
            lambda raw: python2({b"label_names": [b"a"]}),
            r"meta: expected `fine_label_names`, a list of names, got None",
        ),
    ],
)
def test_what_is_missing_or_malformed_is_one_clear_error(tmp_path: Path, file: str, change: Any, message: str) -> None:
    path = cifar100(tmp_path) / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=message) as caught:
        load("cifar100", "train", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_number_past_the_end_is_no_picture(tmp_path: Path) -> None:
    root = cifar100(tmp_path)
    for name in ("6", "-1", "x.png"):
        with pytest.raises(DataError, match=rf"train/{name}: expected a number below 6"):
            decode.load_image(root / "train" / name)
    assert arrays.inside(root / "train" / "6") and not arrays.inside(root / "train")


@pytest.mark.parametrize(
    "value", [print, Path("x"), np.float32(1), np.array([print], dtype=object), np.zeros((2, 2), "u1", "F")]
)
def test_nothing_but_arrays_of_bytes_is_let_through(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x"
    path.write_bytes(pickle.dumps({"data": value}, 2))
    with pytest.raises(DataError, match="expected a pickle of plain numbers, texts, containers and arrays of uint8, got "):
        pickles.load_arrays(path)


def test_plain_pickles_take_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pickle.dumps(np.zeros(2, "u1"), 2))
    with pytest.raises(DataError, match="got the name numpy.*, which could run code"):
        pickles.load(path)
