"""Hard ImageNet: masks and ImageNet together, the balanced subset, metadata that must not run code."""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.masked_miniatures import HARD_WNIDS, hard_imagenet, save_pickle
from PIL import Image

from cambench.data import hard_imagenet as reader
from cambench.data import load, pickles, regions
from cambench.data.check import Row, check
from cambench.vocabulary import DataError


@pytest.mark.parametrize("flat", [False, True])
def test_masks_and_images_come_together(tmp_path: Path, flat: bool) -> None:
    root = hard_imagenet(tmp_path, flat=flat)
    train, val = load("hard-imagenet", "train", tmp_path), load("hard-imagenet", "eval", tmp_path)
    assert val.classes == ("dog sled", "howler monkey", "seat belt")
    assert [s.label for s in val.samples] == [1, 1, 0, 0, 2, 2]  # by name; the label is the place in the list of indices
    wnid = HARD_WNIDS[379]
    assert val.samples[0].id == f"val/{wnid}/ILSVRC2012_val_00000010.JPEG"
    folder = tmp_path / "imagenet" / "val" if flat else tmp_path / "imagenet" / "val" / wnid
    assert val.samples[0].path == folder / "ILSVRC2012_val_00000010.JPEG"
    assert val.samples[0].segmentation == root / "val" / f"{wnid}_ILSVRC2012_val_00000010.JPEG"
    assert len(train) == 15 and train.samples[0].path.name == f"{wnid}_0.JPEG"
    for dataset in (train, val):
        found = regions.load_regions(dataset, 0, "segmentation") == 1
        exact = np.zeros((30, 40), dtype=bool)
        exact[5:20, 8:24] = True
        assert (found != exact).mean() < 0.03  # the noise of a JPEG's background stays out


def test_imagenet_may_lie_inside_the_set(tmp_path: Path) -> None:
    root = hard_imagenet(tmp_path)
    (tmp_path / "imagenet").rename(root / "ILSVRC2012")
    assert len(load(f"hard-imagenet:{root}", "val", tmp_path / "elsewhere")) == 6


def test_the_balanced_train_split_has_the_ends_of_each_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hard_imagenet(tmp_path)
    monkeypatch.setattr(reader, "BALANCED", 2)
    train = load("hard-imagenet-balanced", "train", tmp_path)
    assert train.name == "hard-imagenet-balanced" and [s.label for s in train.samples] == [0] * 4 + [1] * 4 + [2] * 4
    assert [s.path.stem.partition("_")[2] for s in train.samples] == ["4", "3", "1", "0"] * 3
    assert not any("ranked" in note for note in train.notes)
    val = load("hard-imagenet-balanced", "val", tmp_path)
    assert [s.id for s in val.samples] == [s.id for s in load("hard-imagenet", "val", tmp_path).samples]
    monkeypatch.setattr(reader, "BALANCED", 3)
    train = load("hard-imagenet-balanced", "train", tmp_path)
    assert len(train) == 15 and train.notes[0] == "fewer than 6 ranked images in 3 classes, first dog sled"


def test_hard_imagenet_is_checked_whole_and_empty_masks_are_counted(tmp_path: Path) -> None:
    root = hard_imagenet(tmp_path)
    Image.fromarray(np.full((30, 40), 5, np.uint8)).save(next((root / "val").iterdir()), format="PNG")
    report = check("hard-imagenet", tmp_path)
    assert report.problems == [] and report.rows == [Row("train", 15, 3, 0, 0), Row("val", 6, 3, 0, 0)]
    assert "val: 1 images whose segmentation is empty" in report.notes
    assert any("6 of the 750 official val images" in note for note in report.notes)


def test_hard_imagenet_without_its_images(tmp_path: Path) -> None:
    hard_imagenet(tmp_path)
    folder = tmp_path / "imagenet" / "val" / HARD_WNIDS[785]
    (folder / "ILSVRC2012_val_00000021.JPEG").unlink()
    with pytest.raises(
        DataError, match=r"1 of 6 masks are of images that are not in .*val, first .*00000021.JPEG; complete"
    ):
        load("hard-imagenet", "val", tmp_path)
    (tmp_path / "imagenet").rename(tmp_path / "pictures")
    with pytest.raises(DataError, match=r"expected ImageNet-1k, .* as a folder imagenet or ILSVRC2012 or ILSVRC in"):
        load("hard-imagenet", "val", tmp_path)


@pytest.mark.parametrize(
    ("file", "value", "message"),
    [
        ("meta/hard_imagenet_idx.pkl", ["dog sled"], r"idx.pkl: expected a list of ImageNet indices, got list of 1"),
        ("meta/hard_imagenet_idx.pkl", [10**5000], r"idx.pkl: expected a list of ImageNet indices, got list of 1"),
        ("meta/hard_imagenet_idx.pkl", 7, r"idx.pkl: expected a list of ImageNet indices, got int"),
        ("meta/idx_to_wnid.pkl", {537: "n03218198"}, r"wnid.pkl: expected the wnid of each index, got none for 379"),
        ("meta/idx_to_wnid.pkl", [1, 2], r"wnid.pkl: expected the wnid of each index, got none for 537"),
        ("paths_by_rank2.pkl", ["a.JPEG"], r"rank2.pkl: expected lists of image paths by class, got list of 1"),
        ("paths_by_rank2.pkl", {537: [("a.JPEG", 1)]}, r"rank2.pkl: expected image paths of each class, got list of 1"),
        ("paths_by_rank2.pkl", {537: ["a.JPEG"]}, r"rank2.pkl: expected images of train/, got a.JPEG, which has no mask"),
    ],
)
def test_malformed_metadata(tmp_path: Path, file: str, value: Any, message: str) -> None:
    save_pickle(hard_imagenet(tmp_path) / file, value)
    with pytest.raises(DataError, match=message):
        load("hard-imagenet-balanced", "train", tmp_path)


def test_a_mask_of_another_class_is_named(tmp_path: Path) -> None:
    root = hard_imagenet(tmp_path)
    next((root / "val").iterdir()).rename(root / "val" / "n01440764_x.JPEG")
    with pytest.raises(DataError, match=r"n01440764_x.JPEG: expected a mask called <one of the 3 wnids>_<file>"):
        load("hard-imagenet", "val", tmp_path)


class Malicious:
    """Unpickled by an ordinary unpickler, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, protocol: int) -> None:
    root = hard_imagenet(tmp_path)
    path = save_pickle(root / "meta" / "hard_imagenet_idx.pkl", [537, Malicious(tmp_path / "run")], protocol)
    with pytest.raises(
        DataError, match=r"expected a pickle of plain .*, got the name (posix|nt)\.mkdir, which could run code"
    ):
        load("hard-imagenet", "val", tmp_path)
    assert not (tmp_path / "run").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "run").exists()  # the pickle was malicious indeed


@pytest.mark.parametrize("value", [np.int64(3), Fraction(1, 2), getattr, Path("x")], ids=str)
def test_other_objects_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(DataError, match="which could run code"):
        pickles.load(save_pickle(tmp_path / "x.pkl", [value]))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_read(tmp_path: Path, protocol: int) -> None:
    lists = defaultdict(list, {537: ["a", "b"]})
    value = {1: "n1", "x": [1, 2.5, None, True, (3, "é")], "s": {1, 2}, "o": OrderedDict(a=1), "d": lists}
    assert pickles.load(save_pickle(tmp_path / "x.pkl", value, protocol)) == value


def test_a_value_of_a_large_number_takes_no_memory(tmp_path: Path) -> None:
    """In a pickle values have numbers; the compiled unpickler has a table up to the largest."""
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02]r" + struct.pack("<I", 2**22) + b".")
    tracemalloc.start()
    assert pickles.load(tmp_path / "x.pkl") == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24, f"{peak} bytes"


def test_a_broken_pickle_is_named(tmp_path: Path) -> None:
    path = save_pickle(tmp_path / "x.pkl", list(range(1000)))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match=r"x.pkl: expected a pickle of plain"):
        pickles.load(path)
    path.write_bytes(b"not a pickle")
    with pytest.raises(DataError, match=r"x.pkl: expected a pickle of plain"):
        pickles.load(path)
