"""ImageNet-1k (ILSVRC 2012). Class index: rank of the wnid in sorted order (CGC protocol §3.1).

Images: `train/<wnid>/*.JPEG`; `val/` flat or sorted into `val/<wnid>/`; both also below `Data/CLS-LOC/` (Kaggle's packing).
Boxes of val: one XML an image (0-based, inclusive), or LOC_val_solution.csv. Only boxes of the ground-truth class are kept.
Boxes of train are not read. Labels of a flat val come from LOC_val_solution.csv, the devkit, or the first object of the XML.
Val is in the order of the file names in either layout, so that both give the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from importlib.resources import files
from pathlib import Path

from cambench.data import matlab, readers, wordnet, xml_boxes
from cambench.data.xml_boxes import Objects, Size
from cambench.vocabulary import DataError, Dataset, Sample

ANNOTATIONS = (
    "annotation",
    "val/annotation",
    "Annotations/CLS-LOC/val",
    "ILSVRC2012_bbox_val_v3/val",
    "ILSVRC2012_bbox_val_v3",
    "bbox/val",
    "bbox_val",
    "val",
)
SOLUTION = "LOC_val_solution.csv"
DEVKITS = ("ILSVRC2012_devkit_t12/data", "devkit/data", "data")


def read_100(root: Path, split: str) -> Dataset:
    """One split of ImageNet-100: the 100 classes that CMC drew, which is the subset in wide use (CGC protocol §3.8)."""
    wnids = (files("cambench.data") / "imagenet_100.txt").read_text(encoding="utf-8")
    return read(root, split, frozenset(wnids.split()))


def read(root: Path, split: str, only: Set[str] = frozenset()) -> Dataset:
    """One split (`train`, `val`); of the wnids `only`, where some are named, the class index being the rank among them.

    Raises: DataError naming what is missing or malformed: images, labels of a flat val, an annotation, a class.
    """
    folder = image_folder(root, split)
    if split == "train":
        labelled = {name: name.partition("/")[0] for name in readers.images_in(folder)}
        annotations: Mapping[str, tuple[Size | None, Objects]] = {}
    else:
        annotations = val_annotations(root)
        labelled = val_labels(root, folder, annotations)
    if not labelled:
        raise readers.broken(folder, "images", "none")
    wnids, names = class_list(root, labelled)
    if only:
        wnids, names = subset(root, wnids, names, only)
        labelled = {name: wnid for name, wnid in labelled.items() if wnid in only}
    rank = {wnid: i for i, wnid in enumerate(wnids)}
    samples = []
    for name, wnid in labelled.items():
        if wnid not in rank:
            expected = f"one of the {len(wnids)} known classes"
            raise DataError(f"{folder / name}: expected {expected}, got {wnid!r}; mend the label or the class list.")
        size, objects = annotations.get(Path(name).stem, (None, []))
        own = [(box, flagged) for w, box, flagged in objects if w == wnid]
        key = f"train/{name}" if split == "train" else f"val/{Path(name).name}"
        difficult = bool(own) and all(flagged for _, flagged in own)
        samples.append(Sample(key, folder / name, rank[wnid], tuple(box for box, _ in own), size, difficult=difficult))
    sets = wordnet.families(wnids)
    return Dataset("imagenet", split, root, names, tuple(samples), "inclusive", class_sets=sets)


def is_imagenet(root: Path) -> bool:
    """Whether a folder with train/ or val/ is ImageNet: Tiny ImageNet has a wnids.txt, one's own classes are no wnids."""
    named = readers.subfolders(root / "train") or readers.subfolders(root / "Data" / "CLS-LOC" / "train")
    return not (root / "wnids.txt").exists() and (not named or any(is_wnid(name) for name in named))


def image_folder(root: Path, split: str) -> Path:
    """The folder of a split's images."""
    kaggle = root / "Data" / "CLS-LOC" / split
    return kaggle if kaggle.is_dir() else readers.need(root / split)


def class_list(root: Path, labelled: Mapping[str, str]) -> tuple[list[str], tuple[str, ...]]:
    """Sorted wnids and their names: from LOC_synset_mapping.txt, the devkit, the folders of train or val, or the labels."""
    mapping = root / "LOC_synset_mapping.txt"
    if mapping.exists():
        words = {wnid: text for _, (wnid, text) in readers.table(mapping, 2, rest=True)}
    elif devkit(root) is not None:
        words = dict(synsets(root).values())
    else:
        folders = [w for split in ("train", "val") for w in class_folders(root, split)]
        words = {wnid: wnid for wnid in folders or labelled.values()}
    wnids = sorted(words)
    return wnids, readers.distinct([words[w].partition(",")[0] for w in wnids], wnids)


def subset(root: Path, wnids: list[str], names: tuple[str, ...], only: Set[str]) -> tuple[list[str], tuple[str, ...]]:
    """The classes `only` and their names, among all that the set has.

    Raises: DataError naming one that is not there.
    """
    if missing := sorted(only - set(wnids)):
        raise DataError(f"{root}: expected {len(only)} classes, {len(missing)} are not there, first {missing[0]}; add them.")
    name = dict(zip(wnids, names, strict=True))
    return sorted(only), tuple(name[wnid] for wnid in sorted(only))


def class_folders(root: Path, split: str) -> list[str]:
    """The class folders of a split that is there; train decides where it has any."""
    if split == "val" and class_folders(root, "train"):
        return []
    places = [root / "Data" / "CLS-LOC" / split, root / split]
    return [name for name in readers.subfolders(next((p for p in places if p.is_dir()), places[0])) if is_wnid(name)]


def is_wnid(name: str) -> bool:
    """True for `n` and eight digits."""
    return len(name) == 9 and name[0] == "n" and name[1:].isdigit()


def val_labels(root: Path, folder: Path, annotations: Mapping[str, tuple[Size | None, Objects]]) -> dict[str, str]:
    """Image path below val -> wnid, in the order of the file names."""
    names = sorted(readers.images_in(folder), key=lambda name: Path(name).name)
    if any(is_wnid(name.partition("/")[0]) for name in names):
        return {name: name.partition("/")[0] for name in names}
    truth = devkit_labels(root, names) or {stem: objects[0][0] for stem, (_, objects) in annotations.items() if objects}
    missing = [name for name in names if Path(name).stem not in truth]
    if missing:
        raise DataError(
            f"{folder}: expected a label for each image of a flat val, got none for {len(missing)}, first {missing[0]}; add "
            f"{SOLUTION}, the devkit or annotation/*.xml to {root}, or sort val into val/<wnid>/."
        )
    return {name: truth[Path(name).stem] for name in names}


def devkit(root: Path) -> Path | None:
    """The devkit's data folder, if it was unpacked."""
    return next((root / d for d in DEVKITS if (root / d / "meta.mat").exists()), None)


def synsets(root: Path) -> dict[int, tuple[str, str]]:
    """ILSVRC id -> (wnid, words) of the leaf synsets in the devkit's meta.mat. The ids are not the class indices."""
    path = (devkit(root) or root) / "meta.mat"
    fields = {"ILSVRC2012_ID": int, "WNID": str, "words": str, "num_children": int}
    rows = matlab.structs(path, "synsets", fields)
    return {r["ILSVRC2012_ID"]: (r["WNID"], r["words"]) for r in rows if r["num_children"] == 0}


def devkit_labels(root: Path, names: list[str]) -> dict[str, str]:
    """Image stem -> wnid by the devkit's ground truth, whose line n is the label of image n; {} without a devkit."""
    place = devkit(root)
    path = place / "ILSVRC2012_validation_ground_truth.txt" if place is not None else None
    if path is None or not path.exists():
        return {}
    leaves = synsets(root)
    truth = {}
    for line, text in readers.lines(path):
        number = readers.whole(text, path, line, low=1)
        if number not in leaves:
            raise readers.malformed(path, line, "an id of a leaf synset in meta.mat", text)
        truth[line] = leaves[number][0]
    stems = [Path(name).stem for name in names]
    numbers = {stem: int(stem[-8:]) for stem in stems if stem[-8:].isdigit()}
    return {stem: truth[n] for stem, n in numbers.items() if n in truth}


def val_annotations(root: Path) -> dict[str, tuple[Size | None, Objects]]:
    """Image stem -> (stated size, objects (wnid, box)) from the XML files, else from LOC_val_solution.csv, else nothing."""
    folder = annotation_folder(root)
    if folder is not None:
        return {path.stem: xml_boxes.objects(path) for path in sorted(folder.glob("*.xml"))}
    return csv_objects(root / SOLUTION) if (root / SOLUTION).exists() else {}


def annotation_folder(root: Path) -> Path | None:
    """The folder of the XML files, if there is one."""
    return next((root / a for a in ANNOTATIONS if next((root / a).glob("*.xml"), None)), None)


def csv_objects(path: Path) -> dict[str, tuple[Size | None, Objects]]:
    """`ImageId,PredictionString` with repeated "wnid xmin ymin xmax ymax"; it states no sizes."""
    annotations: dict[str, tuple[Size | None, Objects]] = {}
    for line, row in readers.csv_lines(path):
        if row == ["ImageId", "PredictionString"]:
            continue
        words = row[1].split() if len(row) == 2 else []
        if not words or len(words) % 5:
            raise readers.malformed(path, line, "ImageId and groups of wnid xmin ymin xmax ymax", ",".join(row))
        groups = [words[i : i + 5] for i in range(0, len(words), 5)]
        annotations[row[0]] = None, [(g[0], readers.box(g[1:], path, line), False) for g in groups]
    return annotations


def audit(root: Path) -> list[str]:
    """Val annotations of images that are not there, val images without an annotation."""
    stems = {Path(name).stem for name in readers.images_in(image_folder(root, "val"))}
    annotated = val_annotations(root)
    if not annotated:
        return []
    place = annotation_folder(root) or root / SOLUTION
    return readers.unpaired(place, annotated, stems, "annotations", "no annotation for val images")
