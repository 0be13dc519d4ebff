"""OpenImages30k in miniature: masks of instances of any size, what is ignored, what is missing or broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import picture, write
from PIL import Image
from reference import wsol as slow

from cambench.data import decode, load
from cambench.data.check import check
from cambench.data.regions import regions_in_view
from cambench.data.views import View
from cambench.metrics.localisation.px_ap import IGNORED
from cambench.vocabulary import DataError, Dataset

CODES = ("01226z", "0bt9lr")
MASKS = {"a": ("aa", "ab"), "b": ("ba",)}
"""Image -> its masks; its class is its place."""


def mask(path: Path, seed: int, size: tuple[int, int]) -> Path:
    """A 1-bit PNG of blocks, size (width, height)."""
    blocks = np.random.default_rng(seed).random((size[1] // 3 + 1, size[0] // 3 + 1)) > 0.6
    pixels = np.kron(blocks, np.ones((3, 3), bool))[: size[1], : size[0]]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def openimages(data_root: Path, place: str = "dataset/OpenImages") -> Path:
    """Two classes; image a has two masks, of other sizes than itself; one mask to ignore an image, on its first line."""
    root = data_root / "wsol"
    for split in ("train", "val", "test"):
        metadata, lines = root / "metadata" / "OpenImages" / split, []
        names = {i: f"{split}/{code}/{i}{split}.jpg" for i, code in zip(MASKS, CODES, strict=True)}
        for seed, (i, name) in enumerate(names.items()):
            picture(root / place / name, (40, 30), seed=seed)
            stem = name.removesuffix(".jpg")
            files = [f"{stem}_m{CODES[seed]}_{m}.png" for m in MASKS[i]]
            for n, file in enumerate(files if split != "train" else []):
                mask(root / place / file, 10 * seed + n, (64, 48 + n))
                mask(root / place / f"{stem}_ignore.png", 7 + seed, (40, 31))
                lines.append(f"{name},{file},{f'{stem}_ignore.png' if n == 0 else ''}")
        write(metadata / "image_ids.txt", *names.values())
        write(metadata / "class_labels.txt", *(f"{n},{c}" for c, n in enumerate(names.values())))
        (metadata / "image_sizes.txt").touch()
        (metadata / "localization.txt").write_text("\n".join(lines), encoding="utf-8")  # no newline at the end
    return root


def read_mask(path: Path) -> slow.Mask:
    """A mask as OpenCV reads it: grey."""
    return np.asarray(Image.open(path).convert("L"))


@pytest.mark.parametrize("place", ["dataset/OpenImages", "OpenImages"])
def test_splits_labels_and_masks(tmp_path: Path, place: str) -> None:
    openimages(tmp_path, place)
    train, val, test = (load("openimages-30k", split, tmp_path) for split in ("train", "val", "eval"))
    assert train.classes == val.classes == test.classes == CODES and test.split == "test"
    assert [s.segmentation for s in train.samples] == [None, None] and [s.label for s in val.samples] == [0, 1]
    first, second = test.samples
    assert [p.name for p in (first.segmentation, *first.instances, first.ignore) if p] == [
        "atest_m01226z_aa.png",
        "atest_m01226z_ab.png",
        "atest_ignore.png",
    ]
    assert second.instances == () and second.ignore is not None and "2 of the 5000 official test images" in test.notes
    report = check("openimages-30k", tmp_path)
    assert report.problems == [] and [row.images for row in report.rows] == [2, 2, 2]


@pytest.mark.parametrize("size", [224, 13, 48])
def test_regions_are_those_of_the_benchmark(tmp_path: Path, size: int) -> None:
    openimages(tmp_path)
    dataset = load("openimages-30k", "test", tmp_path)
    for row, sample in enumerate(dataset.samples):
        assert sample.segmentation is not None and sample.ignore is not None
        masks = [read_mask(path) for path in (sample.segmentation, *sample.instances)]
        expected = slow.regions(masks, read_mask(sample.ignore), (size, size), sample.label)
        found = regions_in_view(dataset, row, View("resize", size), "segmentation")
        assert found.tolist() == expected.tolist()
        assert set(np.unique(found)) == {IGNORED, -1, sample.label}


def test_other_views_move_what_is_ignored_too(tmp_path: Path) -> None:
    openimages(tmp_path)
    dataset = load("openimages-30k", "test", tmp_path)
    whole = decode.load_regions(dataset.samples[0], "instances")
    assert whole.shape == (30, 40)
    cut = regions_in_view(dataset, 0, View("resize-center-crop", 30, resize=30), "segmentation")
    assert cut.tolist() == whole[:, 5:35].tolist()


def test_pixels_are_chosen_as_opencv_chooses_them() -> None:
    cv2 = pytest.importorskip("cv2")
    for n in range(30, 1400):
        row = np.arange(n, dtype=np.float32)[None]
        expected = cv2.resize(row, (224, 1), interpolation=cv2.INTER_NEAREST)[0].astype(int)
        assert decode.nearest_pixels(n, 224).tolist() == expected.tolist(), n
    others = [n for n in range(30, 1400) if decode.nearest_pixels(n, 224).tolist() != [x * n // 224 for x in range(224)]]
    assert len(others) == 95, "exact division gives other pixels for so many sizes"


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    root = openimages(tmp_path)
    gone = root / "dataset/OpenImages/test/01226z/atest_ignore.png"
    gone.unlink()
    with pytest.raises(DataError, match=r"localization.txt: names masks that are in none of .*: test/01226z/atest_ignore"):
        load("openimages-30k", "test", tmp_path)
    gone.write_bytes(b"no picture")
    dataset: Dataset = load("openimages-30k", "test", tmp_path)
    with pytest.raises(DataError, match=r"atest_ignore.png: expected a readable image"):
        regions_in_view(dataset, 0, View("resize", 9), "segmentation")
    assert any("atest_ignore.png" in p for p in check("openimages-30k", tmp_path).problems)
    localisation = root / "metadata/OpenImages/test/localization.txt"
    lines = localisation.read_text(encoding="utf-8").splitlines()
    write(localisation, *lines[:2])
    with pytest.raises(DataError, match=r"expected a line for each image of image_ids.txt, got none for test/0bt9lr/btest"):
        load("openimages-30k", "test", tmp_path)
    write(localisation, lines[0], lines[1] + "x.png", lines[2])
    with pytest.raises(DataError, match=r"localization.txt:2: expected a mask to ignore on the image's first line alone"):
        load("openimages-30k", "test", tmp_path)


def test_an_image_without_a_mask_to_ignore(tmp_path: Path) -> None:
    openimages(tmp_path)
    sample = replace(load("openimages-30k", "test", tmp_path).samples[0], ignore=None)
    assert IGNORED not in decode.load_instances(sample, (20, 20))
