"""Loose pictures: the predicted class and its probability, and the heatmap over the picture; what is said of an input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typed import Typed

from cambench import data
from cambench.report.figures.drawing import overlay
from cambench.stages.images import make_view, open_data
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.network import load_network, open_run
from cambench.stages.reporting.figures.scene import photograph
from cambench.stages.workplace import Place

RUN = "synthbirds-cgc"


@pytest.fixture
def pictures(place: Place, tmp_path: Path) -> Path:
    """A folder with the first and the last test image, this one in a folder of its own."""
    samples = data.load("synthbirds", "eval", place.data).samples
    for name, sample in (("a.jpg", samples[0]), ("deep/b.jpg", samples[-1])):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sample.path.read_bytes())
    return tmp_path / "pictures"


def test_the_predicted_class_its_probability_and_a_png_each(pictures: Path, place: Place, typed: Typed) -> None:
    out = pictures.parent / "maps"
    pairs = ["-e", "grad-cam", "-e", "hires-cam", "-t", "logit", "-t", "weighted"]
    done = typed("explain", RUN, pictures, "--overlay", out, *pairs, "--results", place.results, "--device", "cpu", "--json")
    rows = json.loads(done.out)
    names = {f"{n}.{e}.{t}.png" for n in ("a", "deep-b") for e in ("grad-cam", "hires-cam") for t in ("logit", "weighted")}
    assert {Path(row["file"]).name for row in rows} == names == {path.name for path in out.iterdir()}
    loaded = load_network(open_run(RUN, place), place)
    dataset = open_data(loaded, place, None, "eval", None)
    maps = explain(ExplainJob("hires-cam", "weighted", "prediction"), loaded, dataset, place)
    for name, sample in (("a.jpg", 0), ("deep/b.jpg", -1)):
        (row,) = (r for r in rows if r["picture"].endswith(name) and r["file"].endswith("hires-cam.weighted.png"))
        best, sure = maps.logits[sample].argmax(), torch.from_numpy(maps.logits[sample]).softmax(0).max()
        assert row["class"] == dataset.classes[best].replace("_", " ") and row["probability"] == pytest.approx(
            float(sure), abs=2e-3
        )
        assert f"{name}: {row['class']}, {row['probability']:.1%} (hires-cam weighted)" in done.err
        picture = Image.fromarray(photograph(dataset, sample % len(dataset), make_view("resize-center-crop", loaded))[0])
        shown, wanted = (
            np.asarray(image, float) for image in (Image.open(row["file"]), overlay(picture, maps.maps[sample]))
        )
        assert shown.shape == wanted.shape and np.abs(shown - wanted).mean() < 1  # a set of small images is read otherwise


def test_options_of_an_explainer_and_of_a_target_are_in_the_files_name(pictures: Path, place: Place, typed: Typed) -> None:
    maps = ["-e", "smoothgrad:samples=2", "-t", "versus:1"]
    roots = ["--overlay", pictures.parent / "maps", "--results", place.results, "--device", "cpu"]
    done = typed("explain", RUN, pictures / "a.jpg", *maps, *roots)
    assert done.out == f"{pictures.parent / 'maps' / 'a.smoothgrad-samples-2.versus-1.png'}\n"


def test_two_pictures_of_one_name_are_refused(pictures: Path, place: Place, typed: Typed) -> None:
    done = typed("explain", RUN, pictures, pictures / "a.jpg", "--overlay", pictures, "--results", place.results)
    assert done.code == 2 and "expected one picture of a name, got" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected RUN and a picture or a folder of them, got synthbirds-cgc"),
        (["nothing.jpg"], "nothing.jpg: expected a picture or a folder of pictures, found none there"),
        (["nothing.jpg", "--split", "val"], "--overlay: --split is not used here, it is for explain"),
        (["nothing.jpg", "--classes", "label"], "--overlay: --classes is not used here"),
        (["nothing.jpg", "-t", "logits"], "unknown target 'logits'"),
    ],
)
def test_what_cannot_be_shown_is_said(
    arguments: list[str], message: str, place: Place, typed: Typed, tmp_path: Path
) -> None:
    done = typed("explain", RUN, *arguments, "--overlay", tmp_path, "--results", place.results, "--device", "cpu")
    assert done.code in (2, 3) and message in done.err and "Traceback" not in done.err
    assert not [*tmp_path.iterdir()]


def test_a_given_networks_input_is_said_and_belongs_to_its_identity(
    module: Path, place: Place, typed: Typed, tmp_path: Path
) -> None:
    (module.parent / "plainnets.py").write_text(
        "from torch import nn\n"
        "def plain(num_classes=4):\n"
        "    end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *end)\n"
        "def sized(num_classes=4):\n"
        "    network = plain(num_classes)\n"
        "    network.preprocessing = {'size': 40}\n"
        "    return network\n"
    )
    rest = ["-m", "top1", "-d", "synthbirds", "--data-root", place.data, "--results", tmp_path, "--device", "cpu", "--json"]
    given = ["--input-size", "32", "--mean", "0.4", "0.5", "0.6"]
    done = typed("eval", "python:plainnets:plain", *given, *rest)
    assert "as the command says: 32 px, mean (0.4, 0.5, 0.6), deviation (0.229, 0.224, 0.225)" in done.err
    (record,) = json.loads(done.out)
    assert record["job"]["input"]["view"]["size"] == 32 and record["job"]["input"]["view"]["mean"] == [0.4, 0.5, 0.6]
    (other,) = json.loads(typed("eval", "python:plainnets:plain", "--input-size", "40", *rest).out)
    assert other["run"] != record["run"] and len([*(tmp_path / "runs").iterdir()]) == 2
    (again,) = json.loads(typed("eval", record["run"], *rest).out)
    assert again["job"] == record["job"], "the run remembers its input"
    declares = typed("eval", "python:plainnets:sized", *given, *rest)
    assert declares.code == 2 and "expected a network that declares nothing for --input-size" in declares.err
    trained = typed("eval", RUN, "--std", "1", "1", "1", "-m", "top1", "--results", place.results)
    assert trained.err.startswith("error: --std: expected a given network, got the run")
    assert typed("eval", "--input-size", "32", *rest).err.startswith("error: --input-size: expected a given network as RUN")
