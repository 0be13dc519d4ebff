"""The figure of CALM's maps from a real (tiny) run: each map against the head's own numbers, the sets, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY

from cambench.data.loader import eval_batches
from cambench.explainers.probe import Probe
from cambench.report.figures.panels import Panel
from cambench.stages.reporting.figures import calm
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import Scene, evenly
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

RUN = "synthbirds-calm-em"


@pytest.fixture(scope="module")
def there(place: Place) -> Place:
    """A tiny run of CALM_EM beside those of other methods."""
    train(TrainJob("calm-em", "synthbirds", overrides=TINY), place)
    return place


def with_sets(shown: Scene, **sets: tuple[str, ...]) -> Scene:
    """The same with families of class sets of the test's own."""
    return replace(shown, dataset=replace(shown.dataset, class_sets={**shown.dataset.class_sets, **sets}))


def test_every_map_is_the_heads_own(there: Place) -> None:
    kinds = ["Finch", "Finch", "Jay", "Finch"]
    shown = with_sets(calm.opened([RUN], None, there), kind=tuple(kinds))
    chosen, said = evenly(shown.dataset, 3)
    pairs = calm.rows_of(shown, chosen, there)
    made, told = [row for row, _ in pairs], [facts for _, facts in pairs]
    assert said == "3 of 40 images, evenly spaced." and shown.view.kind == "resize"
    index, names = {s.id: i for i, s in enumerate(shown.dataset.samples)}, list(shown.dataset.classes)
    assert [index[of["image"]] for of in told] == [0, 20, 39]
    for row, of in zip(made, told, strict=True):
        at = index[of["image"]]
        (batch,) = eval_batches(shown.dataset, shown.view, batch_size=1, rows=[at], cache=there.results / "cache")
        with torch.no_grad(), Probe(shown.ready.model, str(shown.ready.layer)) as probe:
            shown.ready.model(batch.image)
            latent = probe.activation[0].double().numpy()
        g, h = np.exp(latent[:-1]), latent[-1]
        joint, t = g * h, shown.dataset.samples[at].label
        p = joint.sum((1, 2))
        other = max((c for c in range(len(p)) if c != t), key=lambda c: p[c])
        kin = [c for c in range(len(p)) if kinds[c] == kinds[t]]
        wanted = {
            "joint": joint[t],
            "conditional": g[t],
            "saliency": h,
            "counterfactual": joint[t] - joint[other],
            "kind": joint[kin].sum(0),
            "supersets, all": joint.sum(0),
        }
        found = {panel.title: panel for group in row.groups for panel in group.panels}
        assert list(found) == list(wanted)
        for title, panel in found.items():
            assert np.abs(panel.heatmap - wanted[title]).max() < 1e-5 * np.abs(wanted[title]).max(), title
            assert panel.kind == ("signed" if title == "counterfactual" else "positive")
        assert of["class"] == names[t] and of["p"] == pytest.approx(p[t], rel=1e-4)
        assert of["against"] == {"class": names[other], "p": pytest.approx(p[other], rel=1e-4)}
        assert of["sets"]["supersets, all"] == {"set": "all", "classes": 4, "p": pytest.approx(1, rel=1e-4)}
        assert row.groups[1].heading.startswith(f"against {names[other]}\np ") and row.mask is not None


def test_the_sets_run_from_the_smallest_to_all_and_equal_ones_are_one_column() -> None:
    sets = {"all": ("all",) * 4, "supersets": ("b",) * 4, "kind": ("x", "x", "y", "y"), "mine": ("q", "r", "r", "s")}
    assert calm.families(sets) == {"mine": "mine", "kind": "kind", "supersets, all": "all"}
    singles = {"all": ("all",) * 3, "supersets": ("a", "b", "c")}
    assert list(calm.families(singles)) == ["supersets", "all"]
    two = {"all": ("all",) * 4, "one": ("x", "y", "y", "y"), "other": ("x", "x", "y", "y")}
    assert len(calm.families(two)) == 3, "as many sets, yet other ones"


def test_the_heading_of_a_set_says_whose_it_is(there: Place) -> None:
    shown = with_sets(calm.opened([RUN], None, there), mine=("Finch_and_kin", "Finch_and_kin", "alone", "alone too"))
    pairs = calm.rows_of(shown, [0, len(shown.dataset) - 1], there)
    made, told = [row for row, _ in pairs], [facts for _, facts in pairs]
    first, last = (next(g.heading for g in row.groups if g.panels[0].title == "mine") for row in made)
    assert first.startswith("Finch and kin, 2 classes\np ")
    assert last.startswith(f"{shown.dataset.classes[3]}, 1 class\np ")
    assert told[1]["sets"]["mine"] == {"set": shown.dataset.classes[3], "classes": 1, "p": pytest.approx(told[1]["p"])}


def test_files_of_class_sets_are_further_columns(there: Place, tmp_path: Path) -> None:
    fine, coarse = tmp_path / "fine.csv", tmp_path / "coarse.csv"
    fine.write_text("class,set\n0,first two\n1,first two\n")
    coarse.write_text("class,set\n0,first three\n1,first three\n2,first three\n")
    (of,) = draw("calm", tmp_path / "f.png", there, [RUN], images=1, class_sets=[coarse, fine]).shows["images"]
    assert list(of["sets"]) == ["fine", "coarse", "kind, supersets, all"]
    assert [(s["set"], s["classes"]) for s in of["sets"].values()][:2] == [("first two", 2), ("first three", 3)]
    assert of["p"] <= of["sets"]["fine"]["p"] <= of["sets"]["coarse"]["p"] <= 1 + 1e-6
    with pytest.raises(UsageError, match="figure versus: no option 'class_sets'"):
        draw("versus", tmp_path / "f.png", there, [RUN], class_sets=[fine])


def test_the_figure_is_written_and_says_what_it_is(there: Place, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    told = draw("calm", out, there, [RUN], images=2).shows
    assert told["runs"][0].startswith(RUN) and len(told["images"]) == 2
    with Image.open(out) as image:
        assert image.width > 1000
    said = " ".join(told["notes"])
    for part in ("synthetic images (synthbirds).", "Outlines: the annotated object.", "layer avgpool.latent", "2 of 40"):
        assert part in said


def test_a_run_without_a_calm_head_is_one_clear_error(there: Place, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="need a network with a CALM head, got one without; train one with the method calm-"
    ):
        draw("calm", tmp_path / "f.png", there, ["synthbirds-ce"])
    with pytest.raises(UsageError, match="figure calm: expected one RUN, got none"):
        draw("calm", tmp_path / "f.png", there)
    with pytest.raises(UsageError, match="figure calm: no option 'classes'"):
        draw("calm", tmp_path / "f.png", there, [RUN], classes=2)
    assert not list(tmp_path.iterdir()) and Panel("", np.zeros((1, 1), np.float32)).kind == "signed"
