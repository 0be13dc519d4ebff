"""The figure of features from real (tiny) runs: features, masks, probabilities, the companion, the t-SNE's settings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import drop_increase
from reference import embedding as slow

from cambench import models
from cambench.data.loader import eval_batches
from cambench.explainers.batch import explain_batch
from cambench.metrics import find_metric
from cambench.models.heads import without_head
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob, Work, image_rows
from cambench.stages.reporting.figures.embedding import (
    Chosen,
    cloud,
    equally_spaced,
    explained,
    images_of,
    opened,
    perplexity,
)
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import Scene
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint, save_checkpoint
from cambench.store.records import read_rows, rows_path
from cambench.store.runs import find_run
from cambench.vocabulary import UsageError

RUNS = ["synthbirds-supcon", "synthbirds-ce"]
SMALL = ("input.size=16", "train.epochs=2", "train.batch_size=8")


@pytest.fixture(scope="module")
def there(place: Place) -> Place:
    """A tiny run with a projection head beside those of other methods."""
    train(TrainJob("supcon", "synthbirds", seed=3, overrides=SMALL), place)
    return place


@pytest.fixture(scope="module")
def shown(there: Place) -> list[Scene]:
    """Two runs whose images are of different sizes."""
    return opened(RUNS, None, "last", there)[0]


def images(chosen: Chosen, c: Scene, place: Place) -> torch.Tensor:
    """Every image of the figure as a network sees it."""
    batches = eval_batches(c.dataset, c.view, batch_size=64, rows=chosen.rows, **c.loaded.source(place))
    return torch.cat([batch.image for batch in batches])


def fed(model: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    """The input of a network's `fc`, by a hook."""
    kept: list[torch.Tensor] = []
    hook = model.get_submodule("fc").register_forward_pre_hook(lambda module, given: kept.append(given[0]))
    with torch.no_grad():
        model.double().eval()(image.double())
    hook.remove()
    return kept[0]


def test_classes_are_equally_spaced_and_few_points_have_a_small_perplexity() -> None:
    assert equally_spaced(100) == [0, 20, 40, 60, 80] and equally_spaced(200) == [0, 40, 80, 120, 160]
    assert equally_spaced(7) == [0, 1, 2, 4, 5] and equally_spaced(3) == [0, 1, 2]
    assert perplexity(1000) == perplexity(91) == 30 and perplexity(90) == pytest.approx(89 / 3) and perplexity(4) == 1


@pytest.mark.parametrize("surgery", [["projection"], []])
def test_without_its_head_a_network_returns_what_the_classifier_is_fed_with(surgery: list[str]) -> None:
    model = models.build("resnet8", 4, surgery=surgery, seed=0).eval()
    image = torch.randn(3, 3, 16, 16)
    features = without_head(model)(image)
    assert features.shape == (3, 64) and torch.allclose(model.fc(features), model(image), atol=1e-6)
    assert isinstance(model.fc, torch.nn.Linear), "the network itself keeps its head"
    with pytest.raises(UsageError, match="expected a network with a linear classifier"):
        without_head(torch.nn.Conv2d(3, 4, 1))


def test_the_features_are_those_beneath_the_classifier_of_the_unfolded_network(shown: list[Scene], there: Place) -> None:
    for column in shown:
        image = images(images_of(column), column, there)
        wanted = fed(models.for_inference(column.loaded.original, layer=None, fold=False), image)
        assert torch.allclose(column.loaded.features()(image).double(), wanted, atol=1e-4 * float(wanted.abs().max()))


def test_60_percent_of_the_pixels_are_kept_those_that_the_slow_twin_ranks_highest(shown: list[Scene], there: Place) -> None:
    for column, side in zip(shown, (16, 32), strict=True):
        image = images(images_of(column), column, there)[:3]
        kept, predicted, p, masked_p = explained(column, image)
        options = {"layer": column.ready.layer, "head": column.ready.head}
        raw = explain_batch(column.ready.model, image, explainer="grad-cam", classes=predicted, **options).maps
        logits = [column.loaded.logits(x).double() for x in (image, kept)]
        assert predicted.tolist() == logits[0].argmax(1).tolist()
        for n in range(3):
            heat = drop_increase.bilinear(raw[n].double().numpy(), side, side)
            order = sorted(range(side * side), key=lambda at: (-heat.flat[at], at))[: side * side * 6 // 10]
            wanted = torch.zeros(side * side, dtype=torch.bool)
            wanted[order] = True
            same = torch.where(wanted.view(side, side), image[n], torch.zeros(()))
            assert int((same != kept[n]).any(0).sum()) <= 2, "float32 may swap neighbours at the edge"
            before, after = (drop_increase.softmax(y[n].numpy())[int(predicted[n])] for y in logits)
            assert float(p[n]) == pytest.approx(before, rel=1e-5) and float(masked_p[n]) == pytest.approx(after, rel=1e-5)


def test_one_tsne_of_images_and_masks_and_the_companion_of_their_features(shown: list[Scene], there: Place) -> None:
    calls = []

    def tsne(features: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
        calls.append((features, perplexity, seed))
        return features[:, :2].astype(np.float64)

    chosen = images_of(shown[0])
    made, told = zip(*(cloud(column, chosen, 4, tsne, there) for column in shown), strict=True)
    assert [(len(f), round(p, 3), s) for f, p, s in calls] == [(80, 26.333, 3), (80, 26.333, 0)]
    for i, (column, one, panel) in enumerate(zip(shown, made, told, strict=True)):
        image, features, encoded = images(chosen, column, there), calls[i][0], column.loaded.features()
        kept = explained(column, image)[0]
        assert np.allclose(features, torch.cat([encoded(image), encoded(kept)]), atol=1e-5)
        labels = [column.dataset.samples[row].label for row in chosen.rows]
        wanted = [np.mean(column) for column in slow.relative(features[:40].tolist(), features[40:].tolist(), labels)]
        assert [*panel["embedding-distance"].values()] == pytest.approx(wanted, rel=1e-6)
        assert (
            one.caption == "image to its mask {:.3f}, to its class {:.3f}".format(*wanted) and one.labels.tolist() == labels
        )
        assert np.array_equal(one.original, features[:40, :2]) and np.array_equal(one.masked, features[40:, :2])
        points = panel["points"]
        assert [p["image"] for p in points] == [column.dataset.samples[row].id for row in chosen.rows]
        assert points[7]["place"] == one.original[7].tolist() and points[7]["masked_place"] == one.masked[7].tolist()
        assert [s.label for s in one.samples] == [0, 1, 2, 3]
        assert one.samples[0].p == points[0]["p"] and one.samples[3].masked_p == points[39]["masked_p"]
        assert (one.samples[0].original != one.samples[0].masked).any(2).mean() <= 0.41
    assert [c.label for c in shown] == ["supcon s3", "ce s0"] and opened(RUNS, None, "last", there)[1] == "resnet8 grad-cam"


def test_the_metrics_record_has_the_figures_numbers_and_a_row_an_image(shown: list[Scene], there: Place) -> None:
    """Of four classes the figure shows all, so the means over its images are those of the whole split."""
    chosen = images_of(shown[0])
    for column in shown:
        record = evaluate(EvalJob("embedding-distance", batch_size=16), column.loaded, column.dataset, there)
        _, panel = cloud(column, chosen, 2, lambda features, perplexity, seed: features[:, :2].astype(float), there)
        means = {name: value.value for name, value in record.values.items()}
        assert means == pytest.approx(panel["embedding-distance"], rel=1e-5)
        assert (record.explainer, record.layer) == ("grad-cam", column.ready.layer)
        assert read_rows(rows_path(record.path)).ids == [sample.id for sample in column.dataset.samples]


def test_what_is_left_of_a_split_is_measured_against_all_of_its_classes(shown: list[Scene], there: Place) -> None:
    metric, column = find_metric("embedding-distance"), shown[1]
    job = EvalJob(metric.name)
    every, rest = (
        next(image_rows(metric, job, column.loaded, Work(column.dataset, None, [rows], there, [])))
        for rows in ([*range(32)], [3])
    )
    assert all(rest[name][0] == pytest.approx(every[name][3], rel=1e-5) for name in metric.variants)
    several = Work(replace(column.dataset, multilabel=True), None, [[3]], there, [])
    with pytest.raises(UsageError, match="expected one label an image, got synthbirds with several"):
        next(image_rows(metric, job, column.loaded, several))


def test_the_figure_is_written_twice_the_same_and_says_what_it_is(there: Place, tmp_path: Path) -> None:
    first, second = (draw("embedding", tmp_path / name, there, RUNS[:1], images=3).shows for name in ("a.png", "b.png"))
    assert first["panels"] == second["panels"] and (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert first["panels"][0]["features"] == 64 and len(first["classes"]) == 4
    said = " ".join(first["notes"])
    for part in ("the 60 % of its pixels", "perplexity 26.3, a third of the other points", "at layer2.0.conv2 ranks",
                 "synthetic images (synthbirds).", "40 images of 4 equally spaced classes", "last epoch"):  # fmt: skip
        assert part in said, part
    numbers = [f"{mean:.3f}" for mean in first["panels"][0]["embedding-distance"].values()]
    assert " ".join([first["panels"][0]["run"], *numbers]) in said


def test_the_best_epochs_weights_are_others(there: Place, tmp_path: Path) -> None:
    path = find_run(RUNS[0], there.results).path
    state = load_checkpoint(path / "last.pt")
    state["model"] = {k: v * 0.5 if k == "fc.bias" else v * 2 if k == "fc.weight" else v for k, v in state["model"].items()}
    save_checkpoint(path / "best.pt", state)
    both = (draw("embedding", tmp_path / "f.png", there, RUNS[:1], images=2, checkpoint=c) for c in ("last", "best"))
    last, best = (drawn.shows["panels"][0] for drawn in both)
    assert (last["checkpoint"], best["checkpoint"]) == ("last", "best")
    assert [p["p"] for p in last["points"]] != [p["p"] for p in best["points"]]


def test_what_cannot_be_drawn_is_said(there: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "f.png"
    with pytest.raises(UsageError, match="figure embedding: expected one RUN or more, got none"):
        draw("embedding", out, there)
    with pytest.raises(UsageError, match="--checkpoint first: expected last or best"):
        draw("embedding", out, there, RUNS, checkpoint="first")
    with pytest.raises(UsageError, match="figure contrast: no option 'checkpoint'"):
        draw("contrast", out, there, RUNS[:1], checkpoint="best")
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    text = r"figure embedding: expected the package sklearn.manifold, found none; pip install 'cambench\[plots\]'\."
    with pytest.raises(UsageError, match=text):
        draw("embedding", out, there, RUNS)
    assert not list(tmp_path.iterdir())
