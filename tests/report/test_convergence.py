"""The curves of ExCon's Figure 3 from hand-made logs: means, stds, which runs belong together, what is published."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cambench.report.figures import convergence as c
from cambench.report.tables.varied import SPACE
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError

ACCURACIES = {0: [10.0, 20.0, 40.0], 1: [14.0, 20.0, 46.0], 2: [12.0, 26.0, 43.0]}
STDS = [2.0, math.sqrt(12), 3.0]
"""By hand, ddof 1: of 10, 14, 12; of 20, 20, 26; of 40, 46, 43."""


def run(method: str, seed: int, accuracies: list[float], root: Path, **facts: Any) -> Run:
    """A finished run with a log."""
    settings = {
        "summary": f"seed {seed}",
        "train": {"epochs": len(accuracies), "batch_size": facts.pop("batch", 128)},
        "optimizer": {"lr": facts.pop("lr", 0.5)},
        "model": {"frozen": facts.pop("frozen", False)},
    }
    info = {"method": method, "seed": seed, "dataset": "tiny-imagenet", "arch": "torchvision:resnet50", "recipe": settings}
    info |= {"partial": [], "deviations": [], "comparable": True, "weights": None, "finished": True}
    info["data"] = {"fingerprint": facts.pop("data", "d")}
    made = Run(root / f"{method}-s{seed}-{len(list(root.iterdir()))}")
    made = made.save(**info | facts)
    made.write_log([{"epoch": n, c.ACCURACY: a, c.LOSS: 5 - a / 10} for n, a in enumerate(accuracies, 1)])
    return made


def seeds(method: str, root: Path, **facts: Any) -> list[Run]:
    """Three of them, not in order."""
    return [run(method, seed, ACCURACIES[seed], root, **facts) for seed in (2, 0, 1)]


def test_a_band_is_the_mean_and_the_std_over_seeds_at_each_epoch(tmp_path: Path) -> None:
    (one,) = c.trainings(seeds("excon", tmp_path))
    assert one.seeds == [0, 1, 2] and one.epochs == (1, 2, 3)
    accuracy, loss = one.bands[c.ACCURACY], one.bands[c.LOSS]
    assert accuracy.mean == pytest.approx((12, 22, 43)) and accuracy.std == pytest.approx(STDS)
    assert loss.mean == pytest.approx((3.8, 2.8, 0.7)) and loss.std == pytest.approx([s / 10 for s in STDS])
    assert accuracy.average == pytest.approx(sum(STDS) / 3), "not the std of the means, nor over all values"


def test_one_seed_has_no_band_and_says_so(tmp_path: Path) -> None:
    shown = c.trainings([run("excon", 7, [1.0, 2.0], tmp_path)])
    assert shown[0].bands[c.ACCURACY].std is None and shown[0].bands[c.ACCURACY].average is None
    assert c.summary(shown[0]) == "excon: one seed, no band (published 0.63)"
    assert "excon 7 (one: no band)" in c.notes(shown)[0]
    figure = c.convergence(shown, c.notes(shown))
    assert [len(axes.lines) for axes in figure.axes] == [1, 1] and not any(axes.collections for axes in figure.axes)


def test_only_seeds_of_one_training_are_averaged(tmp_path: Path) -> None:
    every = [*seeds("supcon", tmp_path), *seeds("excon", tmp_path), run("excon", 5, [1.0, 2.0, 3.0], tmp_path, lr=0.1)]
    shown = c.trainings(every)
    assert [(t.label, t.seeds) for t in shown] == [
        (f"excon (lr{SPACE}0.5)", [0, 1, 2]),
        (f"excon (lr{SPACE}0.1)", [5]),
        ("supcon", [0, 1, 2]),
    ]
    for facts in ({"arch": "resnet8"}, {"data": "other"}, {"deviations": ["x"]}, {"partial": ["x"]}, {"comparable": False}):
        alone = c.trainings([*every[:3], run("supcon", 9, [1.0, 2.0, 3.0], tmp_path, **facts)])
        assert [len(t.runs) for t in alone] == [3, 1], facts
        assert alone[0].label != alone[1].label
    begun = c.trainings([run("ce", s, [1.0], tmp_path, weights=w) for s in range(2) for w in (None, "a.pth")])
    assert [(t.label, t.seeds) for t in begun] == [(label, [0, 1]) for label in ("ce", f"ce (weights{SPACE}a.pth)")]
    twice = c.trainings([*every[:3], run("supcon", 1, [1.0, 2.0, 3.0], tmp_path)])
    assert [t.seeds for t in twice] == [[0, 1, 2], [1]], "a second run of one seed is not averaged"


def test_the_published_summary_stands_beside_what_it_is_of(tmp_path: Path) -> None:
    shown = {t.label: t for t in c.trainings([r for m in ("excon", "exconb", "supcon", "ce") for r in seeds(m, tmp_path)])}
    assert {name: t.published for name, t in shown.items()} == {"excon": 0.63, "exconb": 0.69, "supcon": 0.92, "ce": None}
    assert c.summary(shown["supcon"]) == "supcon: 2.82 (published 0.92)"
    assert any("does not say" in sentence for sentence in c.notes([*shown.values()]))
    for facts in ({"dataset": "cifar100"}, {"batch": 256}, {"arch": "resnet18"}, {"partial": ["x"]}, {"comparable": False}):
        (other,) = c.trainings(seeds("excon", tmp_path, **facts))
        assert other.published is None, facts
        assert not any("does not say" in sentence for sentence in c.notes([other]))


def test_the_notes_say_what_a_frozen_training_is_and_what_it_departs_from(tmp_path: Path) -> None:
    given = {"frozen": True, "deviations": ["train.epochs = 3 instead of 200"], "partial": ["synthetic images"]}
    said = c.notes(c.trainings(seeds("supcon-ori", tmp_path, **given)))
    assert said[0].startswith("tiny-imagenet. Lines: mean over seeds") and "Seeds: supcon-ori 0, 1, 2." in said[0]
    assert said[1:] == [
        "supcon-ori: the epochs of its classifier alone, on a finished encoder.",
        "synthetic images.",
        "train.epochs = 3 instead of 200.",
    ]


def test_the_picture_shows_the_numbers(tmp_path: Path) -> None:
    shown = c.trainings([*seeds("supcon", tmp_path), *seeds("excon", tmp_path, batch=64)])
    figure = c.convergence(shown, c.notes(shown))
    assert [axes.get_ylabel() for axes in figure.axes] == ["validation accuracy (%)", "validation cross-entropy"]
    for axes, quantity in zip(figure.axes, c.QUANTITIES, strict=True):
        for line, one in zip(axes.lines, shown, strict=True):
            assert line.get_xdata().tolist() == [1, 2, 3]
            assert line.get_ydata().tolist() == list(one.bands[quantity].mean)
        for band, one in zip(axes.collections, shown, strict=True):
            heights = sorted({round(y, 6) for x, y in band.get_paths()[0].vertices if x == 1})
            mean, std = one.bands[quantity].mean[0], (one.bands[quantity].std or ())[0]
            assert heights == pytest.approx([mean - std, mean + std])
    legend = figure.legends[0]
    assert legend.get_title().get_text() == c.TITLE
    assert [t.get_text() for t in legend.get_texts()] == ["excon: 2.82", "supcon: 2.82 (published 0.92)"]
    assert [h.get_color() for h in legend.legend_handles] == [line.get_color() for line in figure.axes[0].lines]
    told = c.listed(shown)
    assert told[1]["points"][0] == {
        "epoch": 1,
        c.ACCURACY: {"mean": pytest.approx(12), "std": pytest.approx(2)},
        c.LOSS: {"mean": pytest.approx(3.8), "std": pytest.approx(0.2)},
    }
    assert told[0]["seeds"] == [0, 1, 2] and told[1]["mean_std"][c.ACCURACY] == pytest.approx(sum(STDS) / 3)


@pytest.mark.parametrize(
    "methods", [("excon",), ("excon", "exconb", "supcon", "supcon-ori", "ce", "cgc", "cfce", "rcfce", "x")]
)
def test_no_text_is_cut_and_none_overlaps(methods: tuple[str, ...], tmp_path: Path) -> None:
    shown = c.trainings([r for m in methods for r in seeds(m, tmp_path, deviations=["a long departure " * 9])])
    figure = c.convergence(shown, c.notes(shown))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *figure.legends[0].get_texts(), figure.legends[0].get_title()]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label]
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()]
    boxes += [("axes", axes.bbox) for axes in figure.axes]
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1, text
    for (text, a), (other, b) in combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), (text, other)


def test_logs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    short = run("excon", 0, [1.0, 2.0], tmp_path)
    other = run("excon", 1, [1.0, 2.0], tmp_path)
    other.write_log(other.log()[:1])
    with pytest.raises(CambenchError, match="excon-s1-1: expected the 2 epochs of excon-s0-0 in its log, got 1"):
        c.trainings([short, other])
    (short.path / "log.jsonl").write_text('{"epoch": 1, "validation_accuracy": NaN, "validation_loss": 1.0}\n')
    with pytest.raises(CambenchError, match="expected a finite validation_accuracy, got nan in epoch 1"):
        c.trainings([short])


def test_a_run_is_shown_that_is_finished_and_validated_in_every_epoch(tmp_path: Path) -> None:
    whole = run("excon", 0, [1.0, 2.0], tmp_path)
    assert c.validated(whole)
    assert not c.validated(run("excon", 1, [1.0, 2.0], tmp_path, finished=False))
    assert not c.validated(run("pretrained", 0, [], tmp_path))
    whole.write_log([whole.log()[0], {"epoch": 2, c.ACCURACY: 3.0}])
    assert not c.validated(whole)
