"""The official layouts in miniature: one function a layout, each writes into a data root and returns the set's own folder.

Names, columns, file formats and conventions are those of the releases; only the pictures are small and few.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from cambench.data.synthbirds.attributes import PARTS, Species

WNIDS = ("n01440764", "n01443537", "n02012849", "n03126707")
"""Four real wnids in sorted order: tench, goldfish, crane (the bird), crane (the machine)."""

WORDS = ("tench, Tinca tinca", "goldfish, Carassius auratus", "crane", "crane")


def picture(path: Path, size: tuple[int, int] = (40, 30), seed: int = 0) -> Path:
    """A smooth coloured picture of size (width, height); every seed gives another one."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path, quality=95)
    return path


def write(path: Path, *lines: str) -> Path:
    """A text file of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def cub(data_root: Path, *, size: tuple[int, int] = (40, 30)) -> Path:
    """CUB_200_2011: 3 classes of 4 images (2 train, 2 test), 15 parts, 4 attributes, segmentations beside the folder."""
    root = data_root / "CUB_200_2011"
    classes = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")
    names = [f"{c}/{c[4:]}_{n:04d}_{n}.jpg" for c in classes for n in range(4)]
    for i, name in enumerate(names):
        picture(root / "images" / name, size, seed=i)
        mask = np.zeros((size[1], size[0]), np.uint8)
        mask[5:20, 10:30], mask[10:15, 15:25] = 51, 255
        path = data_root / "segmentations" / name.replace(".jpg", ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    ids = range(1, len(names) + 1)
    write(root / "images.txt", *(f"{i} {name}" for i, name in zip(ids, names, strict=True)))
    write(root / "classes.txt", *(f"{i} {name}" for i, name in enumerate(classes, 1)))
    write(root / "image_class_labels.txt", *(f"{i} {(i - 1) // 4 + 1}" for i in ids))
    write(root / "train_test_split.txt", *(f"{i} {i % 2}" for i in ids))
    write(root / "bounding_boxes.txt", *(f"{i} 10.0 5.5 20.0 14.5" for i in ids))
    write(root / "parts" / "parts.txt", *(f"{p} part number {p}" for p in range(1, 16)))
    locations = [f"{i} {p} {10.5 + p} {6.0 + p} 1" if p <= 3 else f"{i} {p} 0.0 0.0 0" for i in ids for p in range(1, 16)]
    write(root / "parts" / "part_locs.txt", *locations)
    matrix = ("0.0 50.0 100.0 12.5", "75.0 50.0 0.0 12.5", "0.0 0.0 100.0 12.5")
    write(root / "attributes" / "class_attribute_labels_continuous.txt", *matrix)
    write(
        data_root / "attributes.txt",
        "1 has_bill_shape::dagger",
        "2 has_wing_color::blue",
        "3 has_size::large",
        "4 has_leg::x",
    )
    return root


def tiny_imagenet(data_root: Path, *, per_class: int = 3, val_per_class: int = 2, sort_val: bool = False) -> Path:
    """tiny-imagenet-200 of four classes: unsorted wnids.txt, one grey JPEG; `sort_val` moves val into class folders."""
    root = data_root / "tiny-imagenet-200"
    write(root / "wnids.txt", WNIDS[2], WNIDS[0], WNIDS[3], WNIDS[1])
    write(root / "words.txt", "n00001740\tentity", *(f"{w}\t{t}" for w, t in zip(WNIDS, WORDS, strict=True)))
    for label, wnid in enumerate(WNIDS):
        names = [f"{wnid}_{n}.JPEG" for n in range(per_class)]
        for n, name in enumerate(names):
            picture(root / "train" / wnid / "images" / name, (64, 64), seed=100 * label + n)
        write(
            root / "train" / wnid / f"{wnid}_boxes.txt",
            *(f"{name}\t{label}\t0\t63\t{40 + n}" for n, name in enumerate(names)),
        )
    grey = root / "train" / WNIDS[0] / "images" / f"{WNIDS[0]}_0.JPEG"
    Image.open(grey).convert("L").save(grey)
    lines = []
    for n in range(4 * val_per_class):
        wnid = WNIDS[n % 4]
        place = root / "val" / wnid / "images" if sort_val else root / "val" / "images"
        picture(place / f"val_{n}.JPEG", (64, 64), seed=1000 + n)
        lines.append(f"val_{n}.JPEG\t{wnid}\t{n}\t2\t50\t60")
    write(root / "val" / "val_annotations.txt", *lines)
    return root


def annotation(objects: list[tuple[str, tuple[int, int, int, int]]], size: tuple[int, int] = (40, 30)) -> str:
    """The XML of one ImageNet image."""
    boxes = "".join(
        f"<object><name>{w}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
        f"<xmin>{b[0]}</xmin><ymin>{b[1]}</ymin><xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox></object>"
        for w, b in objects
    )
    sizes = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return f"<annotation><folder>val</folder><filename>x</filename>{sizes}<segmented>0</segmented>{boxes}</annotation>"


def imagenet(data_root: Path, *, flat: bool = True, boxes: str = "xml", train: bool = True, kaggle: bool = False) -> Path:
    """ImageNet of four classes, eight val images in a scrambled class order.

    flat: val in one folder, else by class. boxes: `xml` (annotation/), `csv` (LOC_val_solution.csv), `val` (XML among the
    images' folder) or "" for none. The first val image has two boxes of its class and one of another.
    """
    root = data_root / "imagenet"
    images = root / "Data" / "CLS-LOC" if kaggle else root
    if train:
        for label, wnid in enumerate(WNIDS):
            for n in range(2):
                picture(images / "train" / wnid / f"{wnid}_{n}.JPEG", seed=10 * label + n)
    rows = []
    for n in range(8):
        wnid, stem = WNIDS[(3 * n + 1) % 4], f"ILSVRC2012_val_{n + 1:08d}"
        picture((images / "val" if flat else images / "val" / wnid) / f"{stem}.JPEG", seed=200 + n)
        objects = [(wnid, (0, n, 20, 29))]
        if n == 0:
            objects += [(WNIDS[0], (1, 1, 2, 2)), (wnid, (30, 0, 39, 9))]
        if boxes in ("xml", "val"):
            write(root / ("annotation" if boxes == "xml" else "val") / f"{stem}.xml", annotation(objects))
        rows.append((stem, " ".join(f"{w} {b[0]} {b[1]} {b[2]} {b[3]}" for w, b in objects) + " "))
    if boxes == "csv":
        write(
            root / "LOC_val_solution.csv", "ImageId,PredictionString", *(f"{stem},{text}" for stem, text in reversed(rows))
        )
    return root


def imagenet_devkit(root: Path) -> None:
    """The devkit beside an `imagenet` miniature: ids in another order than the wnids, and a synset that is no leaf."""
    ids = {WNIDS[3]: 1, WNIDS[0]: 2, WNIDS[2]: 3, WNIDS[1]: 4}
    rows = [(i, wnid, WORDS[WNIDS.index(wnid)], 0) for wnid, i in ids.items()] + [(5, "n00001740", "entity", 4)]
    fields = ("ILSVRC2012_ID", "WNID", "words", "num_children")
    place = root / "ILSVRC2012_devkit_t12" / "data"
    place.mkdir(parents=True)
    savemat(place / "meta.mat", {"synsets": struct_array(fields, rows)})
    write(place / "ILSVRC2012_validation_ground_truth.txt", *(str(ids[WNIDS[(3 * n + 1) % 4]]) for n in range(8)))


def struct_array(fields: tuple[str, ...], rows: list[Any]) -> np.ndarray:
    """A MATLAB struct array with one struct a row."""
    array = np.empty((1, len(rows)), dtype=[(f, object) for f in fields])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row)
    return array


CAR_FIELDS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
CAR_NAMES = ("AM General Hummer SUV 2000", "Acura RL Sedan 2012", "smart fortwo Convertible 2012")


def cars(data_root: Path, *, labels: bool = True) -> Path:
    """Stanford Cars of three classes with a devkit: 6 train and 3 test images; `labels` adds the labelled test file."""
    root = data_root / "stanford_cars"
    (root / "devkit").mkdir(parents=True)
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": np.array([list(CAR_NAMES)], dtype=object)})
    for split, count in (("train", 6), ("test", 3)):
        rows = [(1, 2 + i, 38, 28, i % 3 + 1, f"{i + 1:05d}.jpg") for i in range(count)]
        for i, row in enumerate(rows):
            picture(root / f"cars_{split}" / row[-1], seed=len(split) * 50 + i)
        full = {"annotations": struct_array((*CAR_FIELDS, "class", "fname"), rows)}
        bare = {"annotations": struct_array((*CAR_FIELDS, "fname"), [(*r[:4], r[5]) for r in rows])}
        savemat(root / "devkit" / f"cars_{split}_annos.mat", full if split == "train" else bare)
        if split == "test" and labels:
            savemat(root / "cars_test_annos_withlabels.mat", full)
    return root


def cars_single(data_root: Path) -> Path:
    """The other packing of Stanford Cars: car_ims/ and cars_annos.mat with a `test` flag."""
    root = data_root / "cars"
    rows = [(f"car_ims/{i + 1:06d}.jpg", 1, 2 + i, 38, 28, i % 3 + 1, int(i >= 4)) for i in range(6)]
    for i, row in enumerate(rows):
        picture(root / row[0], seed=i)
    fields = ("relative_im_path", *CAR_FIELDS, "class", "test")
    names = np.array([list(CAR_NAMES)], dtype=object)
    savemat(root / "cars_annos.mat", {"annotations": struct_array(fields, rows), "class_names": names})
    return root


def aircraft(data_root: Path) -> Path:
    """FGVC-Aircraft of two variants whose names hold spaces and slashes; pictures end in 20 white rows of credit."""
    root = data_root / "fgvc-aircraft-2013b"
    data = root / "data"
    variants = ("Boeing 707-320", "F/A-18")
    write(data / "variants.txt", *variants)
    ids = {"train": ("0000001", "0000002"), "val": ("0000003", "0000004"), "test": ("0000005", "0000006", "0000007")}
    lists = {part: [f"{key} {variants[int(key) % 2]}" for key in keys] for part, keys in ids.items()}
    for part, lines in (*lists.items(), ("trainval", lists["train"] + lists["val"])):
        write(data / f"images_variant_{part}.txt", *lines)
    every = [key for keys in ids.values() for key in keys]
    write(data / "images_box.txt", *(f"{key} 1 11 40 {60 + n}" for n, key in enumerate(every)))
    for n, key in enumerate(every):
        path = picture(data / "images" / f"{key}.jpg", (48, 80), seed=n)
        pixels = np.asarray(Image.open(path)).copy()
        pixels[:60], pixels[60:] = pixels[:60] // 2, 255
        Image.fromarray(pixels).save(path, quality=95)
    return root


def flowers(data_root: Path) -> Path:
    """Flowers-102 of three classes: 2 train, 2 validation and 5 test images, 1-based and scrambled."""
    root = data_root / "flowers-102"
    root.mkdir(parents=True)
    labels = np.array([[3, 1, 2, 3, 1, 2, 3, 1, 2]], dtype=np.uint8)
    savemat(root / "imagelabels.mat", {"labels": labels})
    parts = {"trnid": np.array([[5, 9]]), "valid": np.array([[1, 2]]), "tstid": np.array([[8, 3, 4, 6, 7]])}
    savemat(root / "setid.mat", parts)
    for n in range(1, 10):
        picture(root / "jpg" / f"image_{n:05d}.jpg", seed=n)
    return root


def cell_array(*items: Any) -> np.ndarray:
    """A MATLAB cell array (1,N)."""
    array = np.empty((1, len(items)), dtype=object)
    for i, item in enumerate(items):
        array[0, i] = item
    return array


def unrel(data_root: Path) -> Path:
    """UnRel of five images: two categories in one, two names of one category, no object, no mapped one, a turned picture."""
    root = data_root / "unrel"

    def item(category: str, *box: float) -> dict[str, Any]:
        return {"category": category, "box": np.array([box])}

    objects = {
        "1.jpg": (
            item("dog", 1, 2, 20, 25),
            item("car", 5, 6, 40, 30),
            item("dog", 22, 3, 30, 9),
            item("person", 1, 1, 9, 9),
        ),
        "2.jpg": (item("shoes", 3, 4, 12, 13),),
        "3.jpg": (),
        "4.jpg": (item("person", 1, 1, 40, 30), item("kite", 2, 2, 4, 4)),
        "5.jpg": (item("shoe", 30, 20, 45, 35), item("traffic light", 1, 1, 4, 8)),
    }
    rows = []
    for i, (name, found) in enumerate(objects.items(), 1):
        picture(root / "images" / name, seed=300 + i)
        relation = {
            "sub": "dog",
            "rels": cell_array("ride"),
            "obj": "car",
            "sub_box": [1, 2, 20, 25],
            "obj_box": [5, 6, 40, 30],
        }
        relations = cell_array(relation) if i == 1 else cell_array()
        rows.append({"filename": name, "im_id": i, "objects": cell_array(*found), "relationships": relations})
    savemat(root / "annotations.mat", {"annotations": cell_array(*rows)})
    savemat(root / "annotated_triplets.mat", {"annotated_triplets": cell_array("dog-ride-car", "car-on-dog")})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / "images" / "5.jpg").save(root / "images" / "5.jpg", exif=exif)
    return root


def own_folder(
    path: Path,
    *,
    parts: tuple[str, ...] = (),
    size: tuple[int, int] = (40, 30),
    per_class: int = 2,
) -> Path:
    """Three class folders `ant`, `bee`, `cat` of PNG images, below each of the parts if there are any."""
    for p, part in enumerate(parts or ("",)):
        for c, name in enumerate(("ant", "bee", "cat")):
            for n in range(per_class):
                picture(path / part / name / f"{n}.png", size, seed=100 * p + 10 * c + n)
    return path


def write_csv(path: Path, header: str, *rows: tuple[object, ...]) -> Path:
    """A CSV file; fields are quoted where they need it."""
    with path.open("w", newline="", encoding="utf-8") as f:
        f.write(f"{header}\n")
        csv.writer(f, lineterminator="\n").writerows(rows)
    return path


def differing(a: Species, b: Species) -> frozenset[str]:
    """The parts in which two species of synthbirds look different."""
    return frozenset(part for part in PARTS if getattr(a, part) != getattr(b, part))
