"""Inputs that are wrong in one place: how each is spoilt, and what the line says of it."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data import masked_miniatures, miniatures
from data.cifar_miniature import cifar100
from data.miniatures import own_folder, picture, write
from data.test_openimages import openimages
from scipy.io import savemat

Spoil = Callable[[Path], Any]


def swap(file: str, old: str, new: str) -> Spoil:
    """Another text in place of the first one that is found in a file."""

    def spoil(root: Path) -> None:
        text = (root / file).read_text(encoding="utf-8")
        assert old in text, text
        (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def gone(file: str) -> Spoil:
    """No such file."""
    return lambda root: (root / file).unlink()


def holds(file: str, content: bytes) -> Spoil:
    """A file with other contents."""
    return lambda root: (root / file).write_bytes(content)


def cut(file: str, left: int) -> Spoil:
    """The beginning of a file."""
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[:left])


class Code:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


ENCODED = b'<?xml version="1.0" encoding="none"?><annotation/>'
META, CLS = "devkit/cars_meta.mat", "cls/2008_000002.mat"
CODE = pickle.dumps(Code())
LAUGHS = (
    "<!DOCTYPE a [<!ENTITY a0 'ha'>{}]><annotation>&a20;</annotation>".format(
        "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(20))
    )
).encode()
LARGE = b"BM" + bytes(8) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little") + (60_000).to_bytes(4, "little") * 2
LARGE += (1).to_bytes(2, "little") + (24).to_bytes(2, "little") + bytes(24)
"""The header of a bitmap of 60,000 × 60,000 pixels."""
CARS, PETS, WSOL = "devkit/cars_train_annos.mat", "annotations/trainval.txt", "metadata/OpenImages/train/class_labels.txt"
VAL, IDS, VARIANTS = "val/val_annotations.txt", "image_class_labels.txt", "data/images_variant_trainval.txt"
CONTINUOUS = "attributes/class_attribute_labels_continuous.txt"
XML, CLASSES, BOXES = "annotation/ILSVRC2012_val_00000001.xml", "index,folder", "image,xmin,ymin,xmax,ymax"
OPEN = f'{BOXES}\n"{"x" * 200_000}'.encode()
FIRST = "images/001.Black_footed_Albatross/Black_footed_Albatross_0000_0.jpg"
SETS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "cub": ("cub", miniatures.cub, "CUB_200_2011"),
    "tiny": ("tiny-imagenet", miniatures.tiny_imagenet, "tiny-imagenet-200"),
    "imagenet": ("imagenet", miniatures.imagenet, "imagenet"),
    "kaggle": ("imagenet", partial(miniatures.imagenet, boxes="csv"), "imagenet"),
    "cars": ("cars", miniatures.cars, "stanford_cars"),
    "aircraft": ("aircraft", miniatures.aircraft, "fgvc-aircraft-2013b"),
    "flowers": ("flowers", miniatures.flowers, "flowers-102"),
    "food": ("food-101", masked_miniatures.food101, "food-101"),
    "hard": ("hard-imagenet", masked_miniatures.hard_imagenet, "hard-imagenet"),
    "cifar": ("cifar100", cifar100, "cifar-100-python"),
    "pets": ("pets", masked_miniatures.pets, "oxford-iiit-pet"),
    "sbd": ("sbd", masked_miniatures.sbd, "benchmark_RELEASE/dataset"),
    "openimages": ("openimages-30k", openimages, "wsol"),
    "mine": ("folder", lambda root: own_folder(root / "mine", parts=("train", "val")), "mine"),
}
"""Name of the set, how it is made in miniature, its folder below the data root."""


def cells(header: str, *row: object) -> bytes:
    """A CSV file of one row."""
    return f"{header}\n{','.join(map(str, row))}\n".encode()


def no_split(root: Path) -> None:
    """No image of CUB is one to train on."""
    write(root / "train_test_split.txt", *(f"{i} 0" for i in range(1, 13)))


def no_field(root: Path) -> None:
    """Annotations of cars that name no file."""
    savemat(root / CARS, {"annotations": miniatures.struct_array(("class",), [(1,), (2,)])})


def car(label: Any) -> Spoil:
    """Annotations of a car whose class is something else."""
    fields, row = (*miniatures.CAR_FIELDS, "class", "fname"), (1, 2, 38, 28, label, "00001.jpg")
    return lambda root: savemat(root / CARS, {"annotations": miniatures.struct_array(fields, [row])})


def variable(file: str, name: str, value: Any) -> Spoil:
    """A MATLAB file with another value."""
    return lambda root: savemat(root / file, {name: value})


def no_flower(root: Path) -> None:
    """Splits that name a picture which is not there."""
    savemat(root / "setid.mat", {"trnid": [[99]], "valid": [[1]], "tstid": [[2]]})


def segmentation(shown: np.ndarray) -> Spoil:
    """Another class segmentation of SBD."""
    return lambda root: masked_miniatures.save_sbd(root / "cls" / "2008_000002.mat", shown)


def no_picture(root: Path) -> None:
    """Class folders without a picture."""
    for path in root.rglob("*.png"):
        path.unlink()


def name_in_latin1(root: Path) -> None:
    """A picture whose name is no UTF-8."""
    path = os.fsencode(root / "train" / "ant") + b"/\xe9.png"
    picture(root / "x.png").rename(os.fsdecode(path))


LAYOUTS: dict[str, tuple[str, Spoil, str]] = {
    "no list": ("cub", gone("images.txt"), "cub: expected a folder with images.txt, found none in"),
    "no UTF-8": ("cub", holds("images.txt", b"1 \xff\n"), "images.txt: expected UTF-8 text, got byte 0xff at 2"),
    "an empty list": ("cub", holds("images.txt", b""), f"{IDS}: expected ids of images.txt"),
    "an id twice": ("cub", swap("images.txt", "2 001", "1 001"), "images.txt:2: expected each id once, got '1'"),
    "an id in letters": ("cub", swap("images.txt", "2 001", "b 001"), "images.txt:2: expected a whole number"),
    "an id below 1": ("cub", swap("images.txt", "1 001", "0 001"), "images.txt:1: expected a whole number from 1"),
    "an image elsewhere": ("cub", swap("images.txt", "1 001.", "1 ../../001."), "names images that are not in"),
    "a class left out": ("cub", swap("classes.txt", "2 ", "7 "), "classes.txt: expected the class ids 1 to 3"),
    "a label of no class": ("cub", swap(IDS, "1 1\n", "1 9\n"), f"{IDS}:1: expected a whole number from 1 to 3"),
    "a label too few": ("cub", swap(IDS, "1 1\n", ""), "a line for each image of images.txt"),
    "a third split": ("cub", swap("train_test_split.txt", "1 1\n", "1 2\n"), "split.txt:1: .* from 0 to 1"),
    "an empty split": ("cub", no_split, "expected images of the split train, got none"),
    "a box of three": ("cub", swap("bounding_boxes.txt", " 14.5", ""), "bounding_boxes.txt:1: expected 5 fields"),
    "a box of NaN": ("cub", swap("bounding_boxes.txt", "14.5", "nan"), "boxes.txt:1: expected a finite number"),
    "an endless box": ("cub", swap("bounding_boxes.txt", "14.5", "1e999"), "expected a finite number, got '1e999'"),
    "a box without width": ("cub", swap("bounding_boxes.txt", "20.0", "0"), "a width and height above 0"),
    "a box in words": ("cub", swap("bounding_boxes.txt", "20.0", "wide"), "boxes.txt:1: expected a number"),
    "a part of no name": ("cub", swap("parts/part_locs.txt", "1 1 ", "1 99 "), "locs.txt:1: .* from 1 to 15"),
    "uneven attributes": ("cub", swap(CONTINUOUS, " 12.5", ""), "expected 3 rows of equal length"),
    "no such image": ("cub", gone(FIRST), "images.txt: names images that are not in"),
    "an unknown wnid": ("tiny", swap(VAL, "n02012849", "n99999999"), "val_annotations.txt:"),
    "a name too long": ("tiny", swap("wnids.txt", "n02012849", "x" * 300), "can be read, got: File name too long; mend"),
    "no wnid": ("tiny", holds("wnids.txt", b""), "expected images of the split train, got none"),
    "seven words": ("tiny", swap(VAL, "\t60", "\t60\t7"), "val_annotations.txt:1: expected 6 fields"),
    "half of an XML": ("imagenet", cut(XML, 60), "val_00000001.xml:1: expected XML, got"),
    "XML that multiplies": ("imagenet", holds(XML, LAUGHS), "val_00000001.xml:1: expected XML, got .*amplif"),
    "XML without a size": ("imagenet", swap(XML, "<width>40</width>", ""), "a whole number in size/width"),
    "a corner in words": ("imagenet", swap(XML, "<xmin>0<", "<xmin>left<"), "in bndbox/xmin, got 'left'"),
    "a box turned round": ("imagenet", swap(XML, "<xmax>20<", "<xmax>-9<"), "xmin, ymin before xmax, ymax"),
    "incomplete boxes": ("kaggle", swap("LOC_val_solution.csv", " 29 ", " "), "solution.csv:.: expected ImageId"),
    "XML of no encoding": ("imagenet", holds(XML, ENCODED), "val_00000001.xml:1: expected XML, got unknown encoding"),
    "half a MATLAB file": ("cars", cut(CARS, 300), "annos.mat: expected a MATLAB file, got"),
    "no MATLAB file": ("cars", holds(CARS, b""), "annos.mat: expected a MATLAB file, got"),
    "a field too few": ("cars", no_field, r"annotations\(1\): expected the fields"),
    "an unknown variant": ("aircraft", swap(VARIANTS, "F/A-18", "F/A-19"), "variant_trainval.txt:"),
    "a box too few": ("aircraft", swap("data/images_box.txt", "0000001", "9999999"), "an id with a box in images_box.txt"),
    "a class in words": ("cars", car("first"), r"annotations\(1\).class: expected a whole number, got str of 5"),
    "half a class": ("cars", car(1.5), r"annotations\(1\).class: expected a whole number, got 1.5"),
    "a class of several": ("cars", car(np.arange(3)), r"annotations\(1\).class: expected a whole number, got ndarray"),
    "a list of names that is none": (
        "cars",
        variable(META, "class_names", 7),
        "cars_meta.mat: .*: expected a text, got int",
    ),
    "complex flowers": ("flowers", variable("imagelabels.mat", "labels", 1j), "whole numbers in labels"),
    "too many flowers": ("flowers", variable("imagelabels.mat", "labels", 10**7), "from 1 to 999999, got 10000000"),
    "no such flower": ("flowers", no_flower, "setid.mat"),
    "no labels": ("flowers", gone("imagelabels.mat"), "imagelabels.mat: expected by the official layout"),
    "an unknown dish": ("food", swap("meta/train.txt", "baklava/", "x/"), "train.txt"),
    "a pickle of code": ("hard", holds("meta/hard_imagenet_idx.pkl", CODE), "posix.mkdir, which could run code"),
    "half a pickle": ("hard", cut("meta/idx_to_wnid.pkl", 9), "idx_to_wnid.pkl: expected a pickle of plain"),
    "images of code": ("cifar", holds("train", CODE), "posix.mkdir, which could run code"),
    "names that are numbers": ("cifar", holds("meta", pickle.dumps({"fine_label_names": [1, 2]})), "names, got list of 2"),
    "no images": ("cifar", holds("train", b""), "cifar-100-python/train: expected a pickle"),
    "a breed of many digits": ("pets", swap(PETS, " 1 1\n", " 1 99999999999\n"), "trainval.txt:1: .* from 1 to 999999"),
    "three words": ("pets", swap(PETS, " 1 1\n", " 1\n"), "trainval.txt:1: expected 4 fields"),
    "a third species": ("pets", swap(PETS, " 1 1\n", " 3 1\n"), "trainval.txt:1: expected"),
    "decimal classes": ("sbd", segmentation(np.zeros((30, 40))), "uint8 from 0 to 20, got float64"),
    "a text for a map": ("sbd", variable(CLS, "GTcls", {"Segmentation": "none"}), "uint8 from 0 to 20, got str of 4"),
    "class 21 of 20": ("sbd", segmentation(np.full((30, 40), 21, np.uint8)), "up to 21"),
    "a label too large": ("openimages", swap(WSOL, ",0", ",999999999"), "class_labels.txt:1: .* from 0 to 99,"),
    "a label in words": ("openimages", swap(WSOL, ",0", ",none"), "class_labels.txt:1: expected a whole number"),
    "no picture": ("mine", no_picture, "mine"),
    "an index below 0": ("mine", holds("classes.csv", cells(CLASSES, -1, "ant")), "classes.csv:2: expected a whole"),
    "an index too large": ("mine", holds("classes.csv", cells(CLASSES, 10**12, "ant")), "csv:2: .* to 999999"),
    "an index twice": ("mine", holds("classes.csv", cells(CLASSES, "0,ant\n0", "bee")), "csv:3: expected each index"),
    "no index": ("mine", holds("classes.csv", cells("folder,name", "ant", "x")), "csv:1: expected a header with index"),
    "a class too few": ("mine", holds("classes.csv", cells(CLASSES, 0, "ant")), "folder that classes.csv has"),
    "a header of an open quote": ("mine", holds("classes.csv", b'index,"folder\n0,ant\n'), "csv:1: .* and rows below it"),
    "a quote left open": ("mine", holds("boxes.csv", OPEN), "boxes.csv:2: expected a line of CSV, got field larger"),
    "a header alone": ("mine", holds("classes.csv", CLASSES.encode()), "classes.csv:1: .* and rows below it"),
    "a box of no image": ("mine", holds("boxes.csv", cells(BOXES, "x.png", 0, 0, 1, 1)), "boxes.csv:2: .* image"),
    "a box elsewhere": ("mine", holds("boxes.csv", cells(BOXES, "../x.png", 0, 0, 1, 1)), "boxes.csv:2: .* image"),
    "a short row": ("mine", holds("boxes.csv", cells(BOXES, "train/ant/0.png", 0)), "boxes.csv:2: .* 5 fields"),
    "an open quote": ("mine", holds("classes.csv", cells(CLASSES, 0, '"ant')), "classes.csv"),
    "a name in Latin-1": ("mine", name_in_latin1, r"expected names in UTF-8, got b'\\xe9.png'; rename it"),
}
"""The set, how it is spoilt below its own folder, what the line says; exit code 3."""
PICTURES: dict[str, tuple[Spoil, str]] = {
    "half a picture": (cut("train/ant/0.png", 120), "0.png: expected a readable image, got: "),
    "a text": (holds("train/ant/0.png", b"no picture"), "0.png: expected a readable image, got: cannot identify"),
    "nothing": (holds("train/ant/0.png", b""), "0.png: expected a readable image"),
    "more pixels than memory": (holds("train/ant/0.png", LARGE), "expected a readable image, got: "),
}
WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "not there": (lambda path: None, "expected a file of weights, found none there"),
    "empty": (lambda path: path.write_bytes(b""), "expected a file of tensors by torch.save"),
    "a text": (lambda path: path.write_bytes(b"weights"), "expected a file of tensors by torch.save"),
    "code": (lambda path: torch.save({"model": Code()}, path), "which is code and not weights, and code is never run"),
    "a pickle": (lambda path: path.write_bytes(CODE), "expected a file of tensors by torch.save"),
    "no weights": (lambda path: torch.save([1, 2], path), "expected a state dict, bare or under"),
    "another network": (lambda path: torch.save({"a": torch.ones(2)}, path), "do not fit resnet8"),
}
TRAINING = {
    "no equals": (["--set", "optimizer.lr"], "--set optimizer.lr: expected a.b=value"),
    "no such key": (["--set", "optimizer.rate=1"], "unknown key 'optimizer.rate'. Did you mean"),
    "no such table": (["--set", "optimiser.lr=1"], "unknown key 'optimiser.lr'"),
    "a word for a number": (["--set", "optimizer.lr=fast"], "optimizer.lr: input should be a valid number, got 'fast'"),
    "brackets without end": (["--set", "optimizer.lr=" + "[" * 5000], "optimizer.lr: input should be a valid number"),
    "a date": (["--set", "model.surgery=2020-01-01"], "model.surgery: input should be a valid list"),
    "a decimal for a whole number": (["--set", "train.batch_size=1.5"], "train.batch_size: "),
    "no epoch": (["--set", "train.epochs=0"], "train.epochs: "),
    "a rate that is none": (["--set", "optimizer.lr=nan"], "optimizer.lr: "),
    "twice": (["--set", "optimizer.lr=1", "--set", "optimizer.lr=2"], "--set optimizer.lr: expected it once"),
    "no such preset": (["--preset", "few"], "unknown preset 'few'"),
    "a class alone": (["--class", "ant"], "expected --classes N, or --class NAME twice or more"),
    "no such class": (["--class", "ant", "--class", "wasp"], "wasp"),
}
"""Settings of a training that are refused, exit code 2."""
