"""Figures of signed maps from a real (tiny) run: which images, which classes, and the identities of their maps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from reference import relative_probability as twin
from torch.nn.functional import interpolate

from cambench.data.loader import eval_batches
from cambench.data.regions import regions_in_view
from cambench.explainers.batch import all_class_maps
from cambench.metrics.faithfulness.relative_probability import best
from cambench.report.figures.panels import Row
from cambench.stages.reporting.figures import contrast, versus
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import Scene, evenly, headings, pixels, spaced
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

RUN = "synthbirds-ce"
VERSUS = ("hires-cam", "resize-center-crop", 3)
"""What `versus` takes where nothing else is asked for, and what the others take."""
OTHERS = ("grad-cam", "resize", 2)
ROWS = {"contrast": contrast.contrasted, "blurred": contrast.with_blurred, "versus": versus.against}


def opened(kind: str, place: Place, classes: int | None = None) -> tuple[Scene, int]:
    """The tiny run, ready for a figure, and its number of best classes."""
    explainer, view, own = VERSUS if kind == "versus" else OTHERS
    return contrast.opened(kind, [RUN], place, (None, explainer, view, classes or own))


def rows(kind: str, images: int, place: Place, classes: int | None = None) -> tuple[Scene, list[Row], list[dict], str]:
    """The network of a figure, its rows, what they show, which images they are."""
    shown, k = opened(kind, place, classes)
    chosen, which = evenly(shown.dataset, images) if kind == "versus" else contrast.undecided(kind, shown, k, images, place)
    made = [ROWS[kind](shown, one) for one in contrast.best_of(shown, chosen, k, place)]
    return shown, [row for row, _ in made], [facts for _, facts in made], which


def class_maps(shown: Scene, image: torch.Tensor) -> np.ndarray:
    """(C,H,W) maps of every class, up-sampled between corner centres, in float64."""
    maps = all_class_maps(shown.ready.model, image, shown.ready.entry.name, shown.ready.layer)
    size = (image.shape[2], image.shape[3])
    return interpolate(maps.double(), size, mode="bilinear", align_corners=True)[0].numpy()


def images_of(shown: Scene, place: Place) -> dict[int, torch.Tensor]:
    """Row -> (1,3,H,W)."""
    batches = eval_batches(shown.dataset, shown.view, batch_size=1, cache=place.results / "cache")
    return {batch.rows[0]: batch.image for batch in batches}


def by_title(row: Row) -> list[dict[str, np.ndarray]]:
    """For each group, title -> map."""
    return [{panel.title: panel.heatmap for panel in group.panels} for group in row.groups]


def test_contrast_shows_the_four_contrasts_of_the_best_classes(place: Place) -> None:
    shown, made, told, said = rows("contrast", 4, place, classes=3)
    assert shown.ready.entry.name == "grad-cam" and shown.view.kind == "resize" and len(made) == len(told) == 4
    images, index = images_of(shown, place), {s.id: i for i, s in enumerate(shown.dataset.samples)}
    for row, of in zip(made, told, strict=True):
        image = images[index[of["image"]]]
        p = torch.softmax(shown.loaded.logits(image)[0].double(), 0).numpy()
        order = (-p).argsort()[:3]
        assert [c["class"] for c in of["best"]] == [shown.dataset.classes[t] for t in order]
        assert [c["p"] for c in of["best"]] == pytest.approx(p[order].tolist()) and p[order[2]] > 0.1
        every = class_maps(shown, image)
        for t, group in zip(order, by_title(row), strict=True):
            others = [s for s in range(len(p)) if s != t]
            wanted = {
                "original": every[t],
                "mean": every[t] - every[others].mean(0),
                "max": every[t] - every[max(others, key=lambda s: p[s])],
                "weighted": every[t] - (every[others] * (p[others] / (1 - p[t]))[:, None, None]).sum(0),
            }
            assert list(group) == list(wanted)
            for title, heatmap in group.items():
                assert np.abs(heatmap - wanted[title]).max() < 1e-4 * np.abs(every).max(), title
        first, second = by_title(row)[:2]
        assert np.allclose(first["max"], -second["max"], atol=1e-6), "each is the other's best rival"
        assert row.mask is None
    assert f"of {len(shown.dataset)} images have p > 0.1 for their 3rd best class; 4 of them, evenly spaced." in said


def test_versus_is_the_difference_of_two_classes(place: Place) -> None:
    shown, made, told, said = rows("versus", 3, place)
    assert shown.ready.entry.name == "hires-cam" and said == "3 of 40 images, evenly spaced."
    index, names = {s.id: i for i, s in enumerate(shown.dataset.samples)}, list(shown.dataset.classes)
    for row, of in zip(made, told, strict=True):
        at = index[of["image"]]
        every = class_maps(shown, images_of(shown, place)[at])
        first, second, third = (names.index(c["class"]) for c in of["best"])
        found = {title: heatmap for group in by_title(row) for title, heatmap in group.items()}
        wanted = {
            "hires-cam": every[first],
            "against the 2nd best": every[first] - every[second],
            "against the 3rd best": every[first] - every[third],
            "reconstructed": every[first] - every.mean(0),
        }
        assert list(found) == list(wanted)
        for title, heatmap in found.items():
            assert np.abs(heatmap - wanted[title]).max() < 1e-4 * np.abs(every).max(), title
        regions = regions_in_view(shown.dataset, at, shown.view, "segmentation")
        assert row.mask is not None and np.array_equal(row.mask, regions == shown.dataset.samples[at].label)
    assert [index[of["image"]] for of in told] == [0, 20, 39]


def test_blurred_shows_what_is_left_of_an_image_and_what_the_network_then_says(place: Place) -> None:
    shown, made, told, said = rows("blurred", 2, place)
    images, index = images_of(shown, place), {s.id: i for i, s in enumerate(shown.dataset.samples)}
    four, partial = rows("contrast", 2, place)[1:], False
    assert said == four[2] and [of["best"] for of in told] == [of["best"] for of in four[1]], "the same images and classes"
    for row, of, other in zip(made, told, four[0], strict=True):
        x, panels = images[index[of["image"]]], [panel for group in row.groups for panel in group.panels]
        best = [shown.dataset.classes.index(c["class"]) for c in of["best"]]
        assert [(b["class"], b["contrast"]) for b in of["blurred"]] == [
            (c["class"], title) for c in of["best"] for title in ("original", "weighted")
        ]
        for group, contrasted in zip(by_title(row), by_title(other), strict=True):
            assert list(group) == ["original", "weighted"]
            assert all(np.array_equal(heatmap, contrasted[title]) for title, heatmap in group.items())
        blur = twin.blur(x[0].double())
        for panel, after in zip(panels, of["blurred"], strict=True):
            gone = twin.sign_rule(torch.from_numpy(panel.heatmap))["positive"]
            partial |= 0 < len(gone) < panel.heatmap.size
            less = twin.replace(x[0].double(), blur, gone).float()
            p = torch.softmax(shown.loaded.logits(less[None])[0].double(), 0)
            assert after["p"] == pytest.approx(p[best].tolist(), rel=1e-4)
            assert panel.below is not None
            assert np.abs(panel.below.image.astype(int) - pixels(less, shown.view)).max() <= 1
            own = [c["class"] for c in of["best"]].index(after["class"])
            assert [line[1] for line in panel.below.lines] == [i == own for i in range(2)]
            for i, (line, _) in enumerate(panel.below.lines):
                assert line == f"p(t{i + 1}) {of['best'][i]['p']:.2f} → {after['p'][i]:.2f}"
    assert partial, "of some map a part is negative"


def test_negative_pixels_are_blurred_and_others_kept_by_hand() -> None:
    image = torch.tensor([3.0, 0.0]).expand(1, 3, 3, 2)  # every line is 3 0, so nothing changes down the columns
    phi = torch.tensor([[[-1.0, 0.0], [2.0, -3.0], [0.0, 1.0]]])
    w = math.exp(-1 / 450)  # σ = 15; two pixels reflect to 0 3 0 around the left one and 3 0 3 around the right one
    left, right = 3 / (1 + 2 * w), 6 * w / (1 + 2 * w)
    less, p = contrast.without_negative(
        lambda x: torch.cat([x[:, 0].sum(1), torch.zeros(len(x), 1)], 1), image, phi, torch.tensor([[1, 2]])
    )
    assert less[0, 2].flatten().tolist() == pytest.approx([left, 0, 3, right, 3, 0])
    logits = [left + 3 + 3, right, 0]
    assert p == pytest.approx([math.exp(y) / sum(map(math.exp, logits)) for y in logits[1:]])
    whole, p = contrast.without_negative(lambda x: x[:, 0, 0], image, phi.abs(), torch.tensor([[0, 1]]))
    assert torch.equal(whole, image) and p[0] == pytest.approx(1 / (1 + math.exp(-3)))


def test_words_of_changed_probabilities() -> None:
    assert contrast.changes([0.6, 0.3], [0.724, 0.004], own=0) == [
        ("p(t1) 0.60 → 0.72", True),
        ("p(t2) 0.30 → < 0.01", False),
    ]
    assert headings(["a cat", "a dog"], [0.6, 0.009], numbered=True) == [
        "t1: a cat\np = 0.60",
        "t2: a dog\np < 0.01",
    ]
    assert headings(["a cat"], [0.6]) == ["a cat\np = 0.60"]


def test_undecided_images_are_chosen_by_probability_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, k = opened("contrast", place)
    logits = {row: shown.loaded.logits(image)[0] for row, image in images_of(shown, place).items()}
    chances = {row: torch.softmax(y, 0).topk(2).values[1].item() for row, y in logits.items()}
    middle = sorted(chances.values())[20]
    monkeypatch.setattr(contrast, "THRESHOLD", middle + 1e-6)
    assert contrast.undecided("contrast", shown, k, 40, place)[0] == [row for row, p in chances.items() if p > middle + 1e-6]
    monkeypatch.setattr(contrast, "THRESHOLD", 0.5)
    with pytest.raises(UsageError, match=r"none of the 40 images of synthbirds has p > 0.5 for their 2nd best class"):
        rows("contrast", 4, place)


def test_equal_logits_take_the_lower_class_first() -> None:
    order, p = best(torch.tensor([[1.0, 3.0, 1.0, 3.0]]), 3)
    assert order.tolist() == [[1, 3, 0]] and float(p.sum()) < 1


def test_images_are_evenly_spaced() -> None:
    assert spaced([3, 5, 7, 9, 11], 3) == [3, 7, 11]
    assert spaced([3, 5], 8) == [3, 5] and spaced(range(100), 1) == [0]
    assert spaced(range(10), 4) == [0, 3, 6, 9] and spaced(range(11), 4) == [0, 3, 7, 10], "the nearest places"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("contrast", {}),
        ("contrast", {"explainer": "gradient"}),
        ("blurred", {"explainer": "hires-cam"}),
        ("versus", {"explainer": "grad-cam", "classes": 2}),
    ],
)
def test_a_figure_is_written_and_tells_what_it_shows(kind: str, options: dict, place: Place, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    shows = draw(kind, out, place, [RUN], images=2, **options).shows
    assert shows["dataset"] == "synthbirds" and shows["runs"][0].startswith(RUN) and len(shows["images"]) == 2
    assert shows["images"][0].keys() == {"image", "class", "best"} | ({"blurred"} if kind == "blurred" else set())
    with Image.open(out) as image:
        assert image.width > 1000
    foot = " ".join(shows["notes"])
    for part in ("synthetic images (synthbirds).", "train.epochs = 2 instead of 30", "2 of "):
        assert part in foot, part
    assert ("Outlines: the annotated object." in foot) == (kind == "versus")
    layer = "" if options.get("explainer") == "gradient" else ", layer layer3"
    assert f"{options.get('explainer', 'grad-cam')}{layer}. Shown is" in foot


def test_what_cannot_be_drawn_is_said(place: Place, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    for runs in ([], [RUN, RUN]):
        with pytest.raises(UsageError, match=f"figure versus: expected one RUN, got {len(runs) or 'none'}"):
            draw("versus", out, place, runs)
    with pytest.raises(UsageError, match="unknown explainer 'gradcamm'. Did you mean gradcam or"):
        draw("contrast", out, place, [RUN], explainer="gradcamm")
    with pytest.raises(UsageError, match="figure contrast: expected 2 or 3 classes, got 4"):
        draw("contrast", out, place, [RUN], classes=4)
    with pytest.raises(UsageError, match="figure qualitative: no option 'classes'; it has dataset, images"):
        draw("qualitative", out, place, [RUN], classes=2)
    assert not out.exists()
