"""Masks by a user's own Segment Anything: its package's calls, one's own function, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from data.masked_miniatures import pets
from PIL import Image
from typer.testing import CliRunner

from cambench import data
from cambench.cli import app
from cambench.data.regions import load_regions
from cambench.stages.housekeeping.data import make
from cambench.stages.housekeeping.sam_masks import write
from cambench.vocabulary import CambenchError, DataError, UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with six training images of Pets."""
    pets(tmp_path)
    return tmp_path


class Predictor:
    """What SamPredictor has: three masks, of which the second is said to fit best."""

    def __init__(self, model: Any) -> None:
        self.model, self.size = model, (0, 0)

    def set_image(self, image: np.ndarray) -> None:
        assert image.dtype == np.uint8 and image.shape[2] == 3
        self.size = image.shape[:2]

    def predict(self, point_coords: np.ndarray, point_labels: np.ndarray, multimask_output: bool) -> tuple[Any, Any, Any]:
        high, wide = self.size
        assert multimask_output and point_labels.tolist() == [1] and point_coords.tolist() == [[wide / 2, high / 2]]
        masks = np.zeros((3, high, wide), dtype=bool)
        masks[1, 2 : high - 2, 3:] = True
        return masks, np.array([0.2, 0.9, 0.5]), None


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for the package; what it was asked for."""
    asked: list[Any] = []

    def build(checkpoint: str) -> SimpleNamespace:
        model = SimpleNamespace(eval=lambda: model, to=lambda device: asked.append((checkpoint, device)) or model)
        return model

    module = ModuleType("segment_anything")
    module.SamPredictor, module.sam_model_registry = Predictor, {"vit_h": build}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "segment_anything", module)
    return asked


def test_the_mask_that_fits_best_is_written_for_every_training_image_once(root: Path, package: list[Any]) -> None:
    weights = root / "sam_vit_h.pth"
    weights.touch()
    options = {"dataset": "pets", "weights": weights, "device": "cpu", "sam": None}
    folder = make("sam_masks", None, root, options)
    dataset = data.load("pets", "train", root)
    assert folder == dataset.root / "sam" and package == [(str(weights), "cpu")]
    assert {p.name for p in folder.iterdir()} == {f"{s.path.stem}.png" for s in dataset.samples}
    for row, sample in enumerate(dataset.samples):
        wanted = np.full((30, 40), -1)
        wanted[2:28, 3:] = sample.label
        assert np.array_equal(load_regions(dataset, row, str(folder)), wanted)
    kept, anew = sorted(folder.iterdir())[:2]
    Image.new("L", (40, 30), 1).save(kept)
    anew.unlink()
    before = kept.read_bytes()
    make("sam-masks", None, root, options)
    assert kept.read_bytes() == before and anew.is_file(), "what is there stays; what is missing is made"


def test_a_mask_that_cannot_be_written_leaves_nothing_behind(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Image.Image, path: Path, format: str) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "the disk is full")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(CambenchError, match=r"cannot write .*1\.png: the disk is full; free some space"):
        write(root / "1.png", np.ones((2, 2), dtype=bool))
    assert not [path for path in root.iterdir() if path.is_file()]


def test_ones_own_function_makes_masks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = root / "code"
    own.mkdir()
    text = "import numpy\ndef bright(x):\n    return x.mean(2) > 100\ndef small(x):\n    return numpy.ones((3, 4))\n"
    (own / "mine_segmenting.py").write_text(text)
    monkeypatch.syspath_prepend(str(own))
    ask = ["data", "make", "sam-masks", str(root / "out"), "--dataset", "pets-binary", "--data-root", str(root)]
    made = CliRunner().invoke(app, [*ask, "--sam", "python:mine_segmenting:bright"])
    assert made.exit_code == 0 and made.stdout.strip() == str(root / "out")
    dataset = data.load("pets-binary", "train", root)
    pixels = np.asarray(Image.open(dataset.samples[0].path).convert("RGB"))
    shown = load_regions(dataset, 0, str(root / "out")) >= 0
    assert np.array_equal(shown, pixels.mean(2) > 100) and 0 < shown.mean() < 1
    with pytest.raises(CambenchError, match=r"expected a mask of 40x30 pixels of python:.*, got shape \(3, 4\)"):
        make("sam-masks", root / "other", root, {"dataset": "pets", "sam": "python:mine_segmenting:small"})


def test_what_is_missing_is_said_with_where_to_get_it(
    root: Path, package: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for options, error in (
        ({}, "expected --dataset NAME, whose training images get masks"),
        ({"dataset": "pets", "sam": "vit-x"}, "unknown model 'vit-x'. Did you mean"),
        ({"dataset": "pets"}, "expected --weights sam_vit_h_4b8939.pth .*, got none; or masks of your own: a PNG"),
        ({"dataset": "pets", "weights": root / "w.pth", "sam": "vit_b"}, "sam_vit_b_01ec64.pth .*, got no file at"),
        ({"dataset": "pets", "classes": 3}, "make sam-masks: it takes no --classes"),
    ):
        with pytest.raises(UsageError, match=error):
            make("sam-masks", None, root, options)
    with pytest.raises(UsageError, match="make synthbirds: it takes no --sam; leave it out"):
        make("synthbirds", root / "b", root, {"sam": "vit-h"})
    monkeypatch.setitem(sys.modules, "segment_anything", None)
    with pytest.raises(UsageError, match=r"package segment_anything, found none; pip install 'cambench\[sam\]', or masks"):
        make("sam-masks", None, root, {"dataset": "pets"})
    with pytest.raises(DataError, match="imagenet: expected"):
        make("sam-masks", None, root, {"dataset": "imagenet", "sam": "python:os.path:join"})
