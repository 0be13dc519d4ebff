"""Stanford Cars: 196 models with a box each. Box: 1-based, inclusive. Class index: the .mat files' class − 1.

Two packings: `cars_train/`, `cars_test/`, `devkit/*.mat` and `cars_test_annos_withlabels.mat` (the devkit's own
test file has no labels), or `car_ims/` with `cars_annos.mat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cambench.data import matlab, readers
from cambench.vocabulary import DataError, Dataset, Sample

CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
FIELDS: dict[str, type] = {**dict.fromkeys(CORNERS, float), "class": int}
LABELLED = "cars_test_annos_withlabels.mat"


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`) in the order of its .mat file.

    Raises: DataError naming the file and the struct that are missing or malformed, or the images that are not there.
    """
    single = root / "cars_annos.mat"
    if single.exists():
        rows = matlab.structs(single, "annotations", {**FIELDS, "relative_im_path": str, "test": int})
        paths = {i: row["relative_im_path"] for i, row in enumerate(rows) if bool(row["test"]) == (split == "test")}
        classes, source, folder = matlab.texts(single, "class_names"), single, root
    else:
        source, folder = labelled(root, split), root / f"cars_{split}"
        rows = matlab.structs(source, "annotations", {**FIELDS, "fname": str})
        paths = {i: row["fname"] for i, row in enumerate(rows)}
        classes = matlab.texts(first(root, "cars_meta.mat"), "class_names")
    images = root / "car_ims" if single.exists() else folder
    readers.require_images([path.removeprefix("car_ims/") for path in paths.values()], images, source)
    samples = (sample(rows[i], f"{source}: annotations({i + 1})", folder / path, len(classes)) for i, path in paths.items())
    return Dataset("cars", split, root, classes, readers.filled(samples, source, split), "one-based")


def first(root: Path, name: str) -> Path:
    """The .mat file, in the root or in devkit/."""
    return next((p for p in (root / name, root / "devkit" / name) if p.exists()), root / "devkit" / name)


def labelled(root: Path, split: str) -> Path:
    """The labelled annotation file of a split."""
    path = first(root, LABELLED if split == "test" else "cars_train_annos.mat")
    if split == "test" and not path.exists():
        raise DataError(
            f"{root / LABELLED}: expected the labels of the test images, found nothing there or in devkit/ (the devkit's "
            f"cars_test_annos.mat has none); obtain that file too."
        )
    return path


def sample(row: Mapping[str, Any], place: str, path: Path, classes: int) -> Sample:
    """One struct of the annotations, which lies at `place`."""
    label = row["class"]
    if not 1 <= label <= classes:
        raise readers.broken(place, f"a class from 1 to {classes}", label)
    box = readers.box_of([row[c] for c in CORNERS], place, "one-based")
    return Sample(f"{path.parent.name}/{path.name}", path, label - 1, (box,))
