"""The figure of counterfactual maps from real (tiny) runs: the sign, the masks, which pairs and images, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY

from cambench.data import cues
from cambench.data.loader import eval_batches
from cambench.explainers.batch import explain_batch
from cambench.stages.pairs import pairs_of
from cambench.stages.reporting.figures import counterfactual
from cambench.stages.reporting.figures import scene as scenes
from cambench.stages.reporting.figures.counterfactual import opened, rows_of, shared_out
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import Scene, labelled
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

RUNS = ["synthbirds-ce", "synthbirds-calm-em"]


@pytest.fixture(scope="module")
def there(place: Place) -> Place:
    """A tiny run of CALM_EM beside those of other methods."""
    train(TrainJob("calm-em", "synthbirds", overrides=TINY), place)
    return place


def class_map(c: Scene, row: int, label: int, place: Place) -> np.ndarray:
    """The map of a class by itself, the target `logit`."""
    (batch,) = eval_batches(c.dataset, c.view, batch_size=1, rows=[row], cache=place.results / "cache")
    options = {"explainer": c.ready.entry.name, "layer": c.ready.layer, "head": c.ready.head}
    return explain_batch(c.ready.model, batch.image, classes=torch.tensor([label]), **options).maps[0].double().numpy()


def test_a_map_is_that_of_class_a_less_that_of_class_b(there: Place) -> None:
    columns, shared = labelled(opened(RUNS, ["vanilla-gradient"], None, there))
    shown = columns[0]
    assert [c.label for c in columns] == ["ce score-map", "ce vanilla-gradient", "calm-em calm"]
    assert shared == "resnet8 s0" and {c.view.kind for c in columns} == {"resize"}
    found, said = rows_of(columns, 3, there)
    made, told = [row for row, _ in found], [facts for _, facts in found]
    index, names = {s.id: i for i, s in enumerate(shown.dataset.samples)}, list(shown.dataset.classes)
    assert [len(of["parts"]) for of in told] == [1, 2, 3] and said.startswith("3 of 6 pairs, evenly spaced")
    for row, of in zip(made, told, strict=True):
        at, a, b = index[of["image"]], names.index(of["a"]), names.index(of["b"])
        assert shown.dataset.samples[at].label == a < b and of["class"] == of["a"]
        mask, *maps = [panel for group in row.groups for panel in group.panels]
        assert [panel.title for panel in maps] == of["maps"] == [c.label for c in columns]
        for i, panel in enumerate(maps):
            own, other = (class_map(columns[i], at, c, there) for c in (a, b))
            assert np.abs(panel.heatmap - (own - other)).max() < 1e-5 * np.abs(own).max(), panel.title
            assert panel.kind == "signed" and np.abs(panel.heatmap).max() > 0
        sample, side = shown.dataset.samples[at], shown.view.size
        nearest = cues.nearest_part(cues.points_of(sample, (40, 40), side), side)
        parts = [cues.PARTS.index(part) + 1 for part in of["parts"]]
        cue = cues.cue_mask(nearest, parts, cues.foreground_of(sample, side))
        assert mask.kind == "mask" and np.array_equal(mask.heatmap, cue) and np.array_equal(row.mask, cue) and cue.any()
        assert [g.heading for g in row.groups] == [
            f"differ in {', '.join(of['parts'])}",
            f"A: {names[a]}\nB: {names[b]}",
        ]


def test_every_row_has_an_image_of_its_own(there: Place) -> None:
    (shown,) = opened(RUNS[:1], [], None, there)
    told = [facts for _, facts in rows_of([shown], 6, there)[0]]
    assert len({of["image"] for of in told}) == 6 and [len(of["parts"]) for of in told] == [1, 1, 2, 2, 3, 3]
    assert [(of["a"], of["b"]) for of in told] == [
        (shown.dataset.classes[p.a], shown.dataset.classes[p.b]) for p in pairs_of(shown.dataset)
    ]


def test_an_image_that_shows_no_such_part_is_passed_over(there: Place) -> None:
    dataset = opened(RUNS[:1], [], None, there)[0].dataset
    (pair, first, look), *_ = counterfactual.looked_at(dataset, [pairs_of(dataset)[0]], 32)
    blind = [s if i != first else replace(s, parts=()) for i, s in enumerate(dataset.samples)]
    other = replace(dataset, samples=tuple(blind))
    ((_, second, _),) = counterfactual.looked_at(other, [pair], 32)
    assert second == first + 1 and bool(look.mask.any())
    none = replace(dataset, samples=tuple(s for s in blind if s.label not in pair[:2]))
    assert not list(counterfactual.looked_at(none, [pair], 32))


def test_pairs_are_shared_out_by_their_number_of_parts_and_evenly_spaced() -> None:
    pairs = [cues.Pair(0, b, (1,)) for b in range(1, 10)] + [cues.Pair(1, 2, (1, 2))]
    pairs += [cues.Pair(2, b, (1, 2, 3)) for b in range(3, 8)]
    assert [p[:2] for p in shared_out(pairs, 8)] == [(0, 1), (0, 5), (0, 9), (1, 2), (2, 3), (2, 7)]
    assert [p[:2] for p in shared_out(pairs, 2)] == [(0, 1), (1, 2)]
    assert [p[:2] for p in shared_out(pairs[9:], 4)] == [(1, 2), (2, 3), (2, 7)], "no pair of one part"


def test_the_figure_is_written_and_says_what_it_is(there: Place, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    told = draw("counterfactual", out, there, [*RUNS, RUNS[0]], images=2).shows
    assert len(told["images"]) == 2 and [name.rsplit("-", 1)[0] for name in told["runs"]] == [
        f"{r}-resnet8-s0" for r in RUNS
    ]
    with Image.open(out) as image:
        assert image.width > 800
    said = " ".join(told["notes"])
    for part in ("class A less the map of class B", "All: resnet8 s0.", "synthetic images (synthbirds).", "2 of 6 pairs,"):
        assert part in said
    assert said.count(told["runs"][0]) == 1, "a run that is named twice is one"


def test_what_cannot_be_drawn_is_said(there: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="figure counterfactual: expected one RUN or more, got none"):
        draw("counterfactual", tmp_path / "f.png", there)
    with pytest.raises(UsageError, match="vanilla-gradient needs a run without a CALM head"):
        opened(RUNS[1:], ["vanilla-gradient"], None, there)
    with pytest.raises(UsageError, match="calm-posterior needs a run with a CALM head"):
        opened(RUNS[:1], ["calm-posterior"], None, there)
    assert not list(tmp_path.iterdir())


def test_runs_on_other_images_are_refused(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = opened(RUNS[:1], [], None, there)[0].dataset
    found = iter([whole, replace(whole, samples=whole.samples[1:])])
    monkeypatch.setattr(scenes, "open_data", lambda *_: next(found))
    with pytest.raises(UsageError, match="expected runs on the same images, got synthbirds test; choose with --dataset"):
        opened(RUNS, [], None, there)
