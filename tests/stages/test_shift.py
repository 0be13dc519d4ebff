"""The figures of ContrastiveCAM's Figures 1 and 2: a shift of all classes' maps, and classes by their names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from cambench import data
from cambench.data import load
from cambench.explainers.batch import all_class_maps
from cambench.stages.network import load_network
from cambench.stages.reporting.figures import contrast, shift, versus
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import Scene
from cambench.stages.training.train import TrainJob, named_or_first, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

RUN = "synthbirds-ce"
CHOICE = (None, "hires-cam", "resize-center-crop", 2)


@pytest.fixture
def shown(place: Place) -> Scene:
    return contrast.opened("shift", [RUN], place, CHOICE)[0]


def test_a_shift_moves_maps_and_logits_but_no_probability_and_no_contrast(place: Place, shown: Scene) -> None:
    (one,) = contrast.best_of(shown, [5], 2, place)
    row, facts = shift.shifted(shown, one)
    every = all_class_maps(shown.loaded.model, one.image, "hires-cam", shown.loaded.layer)[0].double().numpy()
    logits = shown.loaded.logits(one.image)[0].double().numpy()
    first, second = one.classes
    h, w = every.shape[1:]
    peak = np.unravel_index(every[first].argmax(), (h, w))
    cells = [(i, j) for i in range(h) for j in range(w)]
    far = max(cells, key=lambda c: ((c[0] - peak[0]) ** 2 + (c[1] - peak[1]) ** 2, -cells.index(c)))
    m = np.zeros((h, w))
    for i, j in cells:
        square = ((i - far[0]) ** 2 + (j - far[1]) ** 2) / (2 * (max(h, w) / 6) ** 2)
        m[i, j] = 2 * np.abs(every[first]).max() * np.exp(-square)
    wanted = [m, every[first], every[first] + m, every[second], every[second] + m, *[every[first] - every[second]] * 2]
    panels = [panel for group in row.groups for panel in group.panels]
    assert [p.title for p in panels] == ["M", *["hires-cam", "+ M"] * 2, "ContrastiveCAM", "+ M"]
    size = one.image.shape[2:]
    for panel, native in zip(panels, wanted, strict=True):
        large = interpolate(torch.from_numpy(native)[None, None], size=size, mode="bilinear", align_corners=True)[
            0, 0
        ].numpy()
        assert np.abs(panel.heatmap - large).max() < 1e-4 * np.abs(native).max(), panel.title
    told = facts["shifted"]
    assert told["logits"][1] == pytest.approx([logits[second], logits[second] + m.sum()], rel=1e-4)
    assert abs(told["logits"][0][1] - told["logits"][0][0]) > 0 and told["contrast"] < 1e-12
    assert all(before == pytest.approx(after, rel=1e-9) for before, after in told["p"])
    assert f"f = {logits[first]:.2f} → {logits[first] + m.sum():.2f}" in row.groups[1].heading
    assert row.groups[1].heading.endswith(f"p = {told['p'][0][0]:.2f} → {told['p'][0][1]:.2f}")


def test_a_shift_is_no_matter_of_several_labels(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = data.load
    monkeypatch.setattr(data, "load", lambda *a, **k: replace(whole(*a, **k), multilabel=True))
    with pytest.raises(UsageError, match="figure shift: expected one class an image, .* got synthbirds, whose"):
        draw("shift", Path("f.png"), place, [RUN])


def test_classes_by_name_are_shown_against_each_other_in_the_sets_order(place: Place, tmp_path: Path) -> None:
    names = list(load("synthbirds", "test", place.data).classes)
    asked = [names[2].upper(), names[0].replace(" ", "-"), names[3].replace(" ", "_")]
    drawn = draw("versus", tmp_path / "f.png", place, [RUN], images=3, class_names=asked).shows
    chosen = [names[i] for i in (0, 2, 3)]
    assert [[c["class"] for c in of["classes"]] for of in drawn["images"]] == [chosen] * 3
    assert [of["class"] for of in drawn["images"]] == chosen, "evenly spaced, so one of each class"
    with Image.open(tmp_path / "f.png") as image:
        assert image.width > 1000
    for given, error in (
        ({"class_names": [names[0], "Robin"]}, "unknown class of synthbirds 'Robin'"),
        ({"class_names": [names[0]]}, f"expected two classes or more, got {names[0]} alone"),
        ({"class_names": names[:2], "classes": 2}, "expected --class or --classes, got both"),
    ):
        with pytest.raises(UsageError, match=error):
            draw("versus", tmp_path / "g.png", place, [RUN], **given)


def test_maps_of_named_classes_and_of_the_label_against_them(place: Place, shown: Scene) -> None:
    (batch,) = shown.batches(place, [0])
    own = shown.dataset.samples[0].label
    p = torch.softmax(shown.loaded.logits(batch.image).double(), 1)[0, [0, 1, 2]].tolist()
    row, told = versus.between(shown, contrast.Best(0, batch.image, torch.tensor([[0, 1, 2]]), p))
    every = all_class_maps(shown.loaded.model, batch.image, "hires-cam", shown.loaded.layer).double()
    every = interpolate(every, size=batch.image.shape[2:], mode="bilinear", align_corners=True)[0].numpy()
    wanted = [every[0], every[1], every[2], *(every[own] - every[c] for c in range(3) if c != own)]
    found = [panel.heatmap for group in row.groups for panel in group.panels]
    assert len(found) == len(wanted) == 5 and [c["p"] for c in told["classes"]] == p
    assert all(np.abs(a - b).max() < 1e-4 * np.abs(every).max() for a, b in zip(found, wanted, strict=True))


def test_a_network_is_trained_and_looked_at_on_classes_by_their_names(place: Place, tmp_path: Path) -> None:
    whole = load("synthbirds", "train", place.data)
    names = whole.classes[1], whole.classes[3]
    part = load("synthbirds", "train", place.data, classes=[names[1].lower(), names[0].replace(" ", "_")])
    assert part.classes == names and part.notes[-1] == f"2 of {len(whole.classes)} classes: {names[0]}, {names[1]}"
    kept = [s for s in whole.samples if s.label in (1, 3)]
    assert [(s.id, s.label) for s in part.samples] == [(s.id, {1: 0, 3: 1}[s.label]) for s in kept]
    if whole.attributes:
        assert part.attributes == (whole.attributes[1], whole.attributes[3])
    assert load("synthbirds", "train", place.data, classes=list(whole.classes)).fingerprint == whole.fingerprint
    there = Place(place.data, tmp_path, "cpu")
    overrides = ["input.size=32", "train.epochs=1", "train.batch_size=16"]
    run = train(TrainJob("ce-adam", "synthbirds", classes=named_or_first(None, names), overrides=overrides), there)
    assert tuple(run.info.class_names) == names and tuple(run.info.data["classes"]) == names
    shows = draw("versus", tmp_path / "f.png", there, [run.name], images=2, class_names=names).shows
    assert {of["class"] for of in shows["images"]} == set(names)
    head = load_network(run, there).head
    assert head is not None and head.out_features == 2


@pytest.mark.parametrize(("first", "names"), [(3, ["a", "b"]), (None, ["a"])])
def test_classes_are_given_by_number_or_by_names(first: int | None, names: list[str]) -> None:
    assert named_or_first(3, ()) == 3 and named_or_first(None, ()) is None and named_or_first(None, ["a", "b"]) == ("a", "b")
    with pytest.raises(
        UsageError, match="classes: expected --classes N, or --class NAME twice or more, got (both|one name)"
    ):
        named_or_first(first, names)
