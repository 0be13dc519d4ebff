"""The figure of maps up a hierarchy: which levels a row shows, and that each is the sum of its classes' maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import TINY

from cambench.data import wordnet
from cambench.report.figures.panels import Group, Panel, Row, panels
from cambench.stages.reporting.figures import calm, hierarchy
from cambench.stages.reporting.figures.hierarchy import chain, some
from cambench.stages.reporting.figures.index import draw
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

RUN = "synthbirds-calm-em"
SETS = {"all": ("all",) * 4, "supersets": ("x", "x", "x", "w"), "kind": ("x", "x", "y", "z"), "again": ("p", "p", "p", "q")}


@pytest.fixture(scope="module")
def there(place: Place) -> Place:
    """A tiny run of CALM_EM beside those of other methods."""
    train(TrainJob("calm-em", "synthbirds", overrides=TINY), place)
    return place


def test_the_sets_around_a_class_from_itself_to_all_each_once() -> None:
    levels = chain(SETS, "abcd".__getitem__, 0)
    assert [(level.name, level.members.tolist(), level.superset) for level in levels] == [
        ("a", [True, False, False, False], False),
        ("x", [True, True, False, False], False),
        ("x", [True, True, True, False], True),
        ("all", [True] * 4, False),
    ]
    assert [level.family for level in levels] == ["", "kind", "supersets", "all"]
    alone = chain(SETS, "abcd".__getitem__, 3)
    assert [(level.name, level.superset) for level in alone] == [("d", True), ("all", False)], "its superset is itself"


def test_afghan_hound_dog_entity() -> None:
    """CALM Figure 6."""
    wnids = wordnet.classes()
    sets = {"all": ("all",) * 1000, **wordnet.families(wnids)}
    levels = chain(sets, lambda label: wordnet.in_words(wnids[label]), wnids.index("n02088094"))
    shown = [(level.name, int(level.members.sum())) for level in levels]
    assert shown[:4] == [("Afghan hound", 1), ("hound", 17), ("hunting dog", 61), ("dog", 116)]
    assert [n for _, n in shown] == [1, 17, 61, 116, 121, 398, 407, 936, 946, 992, 1000]
    assert [level.name for level in levels if level.superset] == ["dog"]
    assert [level.name for level in some(levels, 3)] == ["Afghan hound", "dog", "all"]
    assert [level.name for level in some(levels, 2)] == ["Afghan hound", "all"]
    seven = [level.name for level in some(levels, 7)]
    assert len(seven) == 7 and seven[0] == "Afghan hound" and seven[-1] == "all" and "dog" in seven
    assert some(levels, 20) == levels


def test_each_map_is_the_sum_over_the_classes_of_its_set(there: Place) -> None:
    shown = calm.opened([RUN], None, there)
    shown = replace(shown, dataset=replace(shown.dataset, class_sets=SETS))
    last = len(shown.dataset) - 1
    (first, told), (second, _) = hierarchy.rows_of(shown, [0, last], 4, there)
    batch = next(iter(shown.batches(there, [0])))
    alone = [calm.map_of(shown, batch.image, "calm", "logit", c) for c in range(4)]
    p = torch.softmax(shown.loaded.logits(batch.image).double(), 1)[0]
    for group, classes, level in zip(first.groups, ([0], [0, 1], [0, 1, 2], range(4)), told["levels"], strict=True):
        (panel,) = group.panels
        np.testing.assert_allclose(panel.heatmap, sum(alone[c] for c in classes), rtol=1e-4, atol=1e-7)
        assert level["p"] == pytest.approx(float(p[list(classes)].sum()), rel=1e-5) and level["classes"] == len(classes)
    assert first.groups[2].heading.startswith("Y: x, 3 classes\np ") and told["levels"][2]["superset"]
    assert [group.panels[0].kind for group in second.groups] == ["positive", "positive", "blank", "blank"]
    assert second.groups[0].heading.startswith(f"Y: {shown.dataset.classes[3]}, 1 class\np ")


def test_a_place_that_stays_empty_is_white() -> None:
    image, heatmap = np.zeros((8, 8, 3), np.uint8), np.ones((2, 2), np.float32)
    full, blank = Panel("b", heatmap, kind="positive"), Panel("b", heatmap, kind="blank")
    rows = [Row(image, "x", [Group("one", [Panel("a", heatmap, kind="positive")]), Group("", [p])]) for p in (full, blank)]
    assert [len(panels([row], ("", "")).axes) for row in rows] == [4, 3], "the picture, its maps and the bar"


def test_the_figure_is_written_and_says_what_it_is(there: Place, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    told = draw("hierarchy", out, there, [RUN], images=2, levels=3).shows
    with Image.open(out) as image:
        assert image.width > 400
    assert [[level["set"] for level in of["levels"]][-1] for of in told["images"]] == ["all", "all"]
    assert "Y: marks the superset" in " ".join(told["notes"])
    with pytest.raises(UsageError, match="--levels: expected at least 2"):
        draw("hierarchy", tmp_path / "g.png", there, [RUN], levels=1)
    with pytest.raises(UsageError, match="need a network with a CALM head"):
        draw("hierarchy", tmp_path / "g.png", there, ["synthbirds-ce"])
