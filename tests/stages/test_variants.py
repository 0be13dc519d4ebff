"""Protocols of their own: cMWP's left-out images, drifting batch norms, sets of right classes."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from data.miniatures import unrel
from forked import die, killed
from reference import insertion as slow
from torch.nn.functional import interpolate

from cambench import metrics
from cambench.data import annotated, load
from cambench.data.loader import eval_batches
from cambench.explainers import find_explainer
from cambench.explainers.batch import explain
from cambench.metrics.localisation.boxes import box_mask
from cambench.recipes.tables import Select
from cambench.report.tables.measure import with_options
from cambench.report.tables.select import matches
from cambench.stages.images import make_view
from cambench.stages.measuring import rows as measuring
from cambench.stages.measuring import works
from cambench.stages.measuring.drift import drifting
from cambench.stages.measuring.evaluate import evaluate, left_out
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import Loaded, load_network, open_run, weights_hash
from cambench.stages.reproducing.inventory import is_record
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.workplace import Place
from cambench.store.heatmaps import Heatmaps, read_heatmaps
from cambench.store.parts import Parts
from cambench.store.records import Record
from cambench.store.runs import find_run
from cambench.vocabulary import CambenchError

ONLY = works.Works(["synthbirds-ce"])
SMALL = (8, 16)


def fresh(place: Place, folder: Path) -> Place:
    """A results root with the finished runs and nothing measured."""
    (folder / "runs").symlink_to(place.results / "runs")
    return Place(place.data, folder, "cpu")


def rows_of(record: Record, place: Place) -> dict[int, float]:
    """Row -> value of the only record of its metric."""
    (path,) = (place.results / "records" / record.run).glob(f"*.{record.metric}.*.h5")
    with h5py.File(path) as f:
        return dict(zip(f["row"][()].tolist(), f["value"][()].tolist(), strict=True))


def opened(place: Place) -> Loaded:
    """The loaded run."""
    return load_network(open_run("synthbirds-ce", place), place)


def cmwp_file(place: Place) -> Path:
    """The heatmaps that `ch` reads."""
    (path,) = works.explain_all(ONLY, [ExplainJob("cmwp", view="full", scale=2.0)], place)
    return path


def test_maps_come_from_the_network_with_its_batch_norms(place: Place, tmp_path: Path) -> None:
    there = fresh(place, tmp_path)
    stored = read_heatmaps(cmwp_file(there))
    loaded, dataset = opened(there), load("synthbirds", "test", there.data)
    assert stored.job["layer"] == "layer2" and loaded.layer == "layer3"
    batch = next(
        eval_batches(dataset, make_view("full", loaded, 2.0), batch_size=40, workers=0, cache=there.results / "cache")
    )
    expected = explain(loaded.original, batch.image, "cmwp", classes=batch.label, size=loaded.size)
    torch.testing.assert_close(torch.from_numpy(np.stack(stored.maps)), expected, rtol=1e-3, atol=1e-5)
    norms = [
        any(isinstance(m, torch.nn.BatchNorm2d) for m in loaded.ready_for(find_explainer(name)).model.modules())
        for name in ("cmwp", "grad-cam")
    ]
    assert norms == [True, False]


def test_content_heatmap_of_cmwp_by_hand_leaves_out_images_without_a_map(place: Place, tmp_path: Path) -> None:
    there = fresh(place, tmp_path)
    path = cmwp_file(there)
    with h5py.File(path, "r+") as f:
        f["maps"][3], f["maps"][5] = np.nan, -1.0
    (record,) = works.evaluate_all(ONLY, [EvalJob("ch", "cmwp")], there)
    dataset, shares = load("synthbirds", "test", there.data), []
    for row, (sample, raw) in enumerate(zip(dataset.samples, read_heatmaps(path).maps, strict=True)):
        s = torch.from_numpy(raw).double().clamp(min=0)
        if row in (3, 5) or not s.sum() > 0:
            continue
        big = interpolate(s[None, None], size=(40, 40), mode="bilinear", align_corners=False)[0, 0]
        mask = box_mask(sample.boxes, 40, 40, dataset.box_convention, "correct")
        shares.append(float((big / big.sum() * mask).sum()))
    assert record.values["correct"].n == len(shares) <= 38
    assert record.values["correct"].value == pytest.approx(100 * np.mean(shares), rel=1e-4)
    assert (
        record.counts["images without a map (NaN, or nothing positive)"]
        == record.counts["images left out"]
        == 40 - len(shares)
    )
    assert record.layer == "layer2" and record.job["steps"] == ["relu", "resize"]


def test_difficult_images_count_for_other_explainers(place: Place) -> None:
    dataset = load("synthbirds", "test", place.data, limit=3)
    hard = replace(dataset, samples=(replace(dataset.samples[0], difficult=True), *dataset.samples[1:]))
    assert annotated.digest(hard, "boxes") != annotated.digest(dataset, "boxes")
    maps = [np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)]
    none = np.zeros(3, np.int32)
    heatmaps = Heatmaps(maps, none, none, np.zeros((3, 4), np.float32), [], {}, {})
    ch, iauc, cmwp = metrics.INDEX["ch"], metrics.INDEX["iauc"], find_explainer("cmwp")
    assert [*left_out(ch, cmwp, heatmaps, hard).values()] == [{1}, {0}]
    assert [*left_out(iauc, cmwp, heatmaps, hard).values()] == [{1}]
    assert left_out(ch, find_explainer("grad-cam"), heatmaps, hard) == {}
    with pytest.raises(
        CambenchError, match=r"ch of cmwp: expected an image to measure, got none of 3: 3 images without a map"
    ):
        left_out(ch, cmwp, replace(heatmaps, maps=[0 * m for m in maps]), hard)


def test_an_input_size_variant_is_a_metric_of_its_own(place: Place) -> None:
    small, large = works.evaluate_all(ONLY, [EvalJob("ch-224"), EvalJob("ch")], place)
    sizes = [r.job["maps"]["view"]["size"] for r in (small, large)]
    assert sizes == [32, 64] and small.values["correct"].value != large.values["correct"].value


def slow_train_bn(loaded: Loaded, place: Place) -> dict[int, float]:
    """The drifting protocol written out, on the network as it was trained."""
    dataset = load("synthbirds", "test", place.data)
    order = sorted(range(40), key=lambda r: (dataset.samples[r].label, r))
    model, found = copy.deepcopy(loaded.original), {}
    (batch,) = eval_batches(dataset, make_view("resize", loaded), batch_size=40, workers=0, cache=place.results / "cache")
    for start in range(0, 40, SMALL[1]):
        chunk, heat = order[start : start + SMALL[1]], {}
        for first in range(0, len(chunk), SMALL[0]):
            rows = chunk[first : first + SMALL[0]]
            kept: list[torch.Tensor] = []
            handle = model.layer3.register_forward_hook(lambda m, i, o, kept=kept: kept.append(o))
            with torch.no_grad():
                model.train()(batch.image[rows])
            handle.remove()
            for row, a in zip(rows, kept[0], strict=True):
                m = torch.einsum("k,khw->hw", model.fc.weight[batch.label[row]], a).detach().clamp(min=0)
                big = interpolate(m[None, None], size=(32, 32), mode="bilinear", align_corners=False)[0, 0]
                heat[row] = (big - big.min()).numpy().astype(np.float64)
        model.eval()
        for row in chunk:
            scores = slow.curve(lambda x: model(x.float()), batch.image[row].double().numpy(), heat[row], "insertion")
            found[row] = slow.auc(scores)
    return found


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 8 and chunks of 16 in place of 100 and 5,000."""
    (norms,) = (option for option in metrics.INDEX["iauc"].options if option.name == "batch-norms")
    monkeypatch.setitem(norms.choices, "train", SMALL)


def test_norms_drift_by_a_tenth_whatever_the_network_was_trained_with(place: Place) -> None:
    loaded = opened(place)
    for module in loaded.original.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.01
    moved = drifting(loaded, "layer3").model
    before, x = moved.bn1.running_mean.clone(), torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        seen = moved.conv1(x).mean((0, 2, 3))
        moved.train()(x)
    torch.testing.assert_close(moved.bn1.running_mean, 0.9 * before + 0.1 * seen)


@pytest.mark.usefixtures("small_chunks")
def test_drifting_batch_norms_match_the_protocol_written_out(place: Place, tmp_path: Path) -> None:
    there = fresh(place, tmp_path)
    loaded, dataset = opened(there), load("synthbirds", "test", there.data)
    before = [weights_hash(m.state_dict()) for m in (loaded.original, loaded.model)]
    record = evaluate(EvalJob("iauc-train-bn", batch_size=8), loaded, dataset, there)
    assert [weights_hash(m.state_dict()) for m in (loaded.original, loaded.model)] == before
    got, expected = rows_of(record, there), slow_train_bn(loaded, there)
    assert list(got) == sorted(range(40), key=lambda r: (dataset.samples[r].label, r))
    differences = np.array([got[row] - expected[row] for row in got])
    assert np.abs(differences).max() < 1e-3 and np.abs(differences).mean() < 1e-4  # a tie may fall otherwise
    (plain,) = works.evaluate_all(ONLY, [EvalJob("iauc", batch_size=8)], there)
    assert abs(plain.values[""].value - record.values[""].value) > 1e-3
    assert record.explainer == "grad-cam"


def cut_short(place: Place) -> None:
    """Measure in chunks of 8 images, and die when the third is written."""
    measuring.COMMIT = 8
    write = Parts.write

    def thrice(self: Parts, chunk: range, arrays: dict[str, Any]) -> None:
        write(self, chunk, arrays)
        if chunk.stop >= 24:
            die()

    Parts.write = thrice  # type: ignore[method-assign]
    works.evaluate_all(ONLY, [EvalJob("iauc-train-bn", batch_size=8)], place)


@pytest.mark.usefixtures("small_chunks")
def test_a_killed_drift_ends_with_the_very_same_values(place: Place, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, cut = fresh(place, tmp_path / "a"), fresh(place, tmp_path / "b")
    killed(cut_short, cut)
    assert len(list(cut.results.rglob("part-*.npz"))) == 3  # one chunk and half of the second
    (again,) = works.evaluate_all(ONLY, [EvalJob("iauc-train-bn", batch_size=8)], cut)
    (once,) = works.evaluate_all(ONLY, [EvalJob("iauc-train-bn", batch_size=8)], whole)
    assert rows_of(again, cut) == rows_of(once, whole) and again.values == once.values


def test_unrel_takes_any_right_class_and_explains_the_best_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    unrel(tmp_path / "data")
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    work = works.Works(["python:thousand:build"], dataset="unrel", split="test")
    top1, ch = works.evaluate_all(work, [EvalJob("top1-any"), EvalJob("ch")], place)
    (path,) = works.explain_all(work, [ExplainJob(view="full", scale=2.0)], place)
    maps, dataset = read_heatmaps(path), load("unrel", "test", place.data)
    assert maps.job["classes"] == "best-of-set"
    for sample, target, logits in zip(dataset.samples, maps.target, maps.logits, strict=True):
        assert target in sample.labels and logits[target] == max(logits[list(sample.labels)])
    assert ch.values["correct"].n == ch.values["official"].n == 5 and not ch.comparable
    assert "the paper's category list is not recoverable; 4 of 60 categories of the default map used" in ch.partial
    loaded = load_network(open_run("python:thousand:build", place), place)
    batches = eval_batches(dataset, make_view("resize-center-crop", loaded), batch_size=1, workers=0)
    best = [int(loaded.logits(batch.image).argmax()) for batch in batches]
    hits = [b in s.labels for b, s in zip(best, dataset.samples, strict=True)]
    assert top1.values[""].value == 100 * np.mean(hits) and top1.explainer is None


def test_without_sets_any_right_class_is_the_label(place: Place) -> None:
    any_, one = works.evaluate_all(ONLY, [EvalJob("top1-any"), EvalJob("top1")], place)
    assert any_.values[""].value == one.values[""].value


def test_options_are_measured_stored_and_said(place: Place, tmp_path: Path) -> None:
    there = fresh(place, tmp_path)
    wanted = [
        EvalJob("iauc"),
        EvalJob("iauc:rows=4"),
        EvalJob("iauc:rows=8", "gradcam"),
        EvalJob("ch", "smoothgrad:samples=2"),
    ]
    plain, finer, same, noisy = works.evaluate_all(ONLY, wanted, there)
    assert same == plain and finer.values != plain.values
    assert (finer.metric, finer.options["metric"]) == (
        "iauc:rows=4",
        {"rows": 4, "track": "predicted", "start": "blur", "batch-norms": "eval"},
    )
    assert (noisy.explainer, noisy.options["explainer"]["samples"]) == ("smoothgrad:samples=2", 2)
    folder = there.results / "records" / plain.run
    names = sorted(path.name.rsplit(".", 2)[0] for path in folder.glob("*.json"))
    assert names == ["test.grad-cam.logit.iauc", "test.grad-cam.logit.iauc-rows-4", "test.smoothgrad-samples-2.logit.ch"]
    assert works.evaluate_all(ONLY, [EvalJob("iauc:ROWS=4")], there) == [finer], "read, not measured again"
    beneath = [sentence for record in (plain, finer, noisy) for sentence in with_options(record)]
    assert beneath == ["iauc with rows=4 in place of rows=8", "smoothgrad with samples=2 in place of samples=50"]
    run, what = find_run(plain.run, there.results), Measurement("iauc:rows=4", "synthbirds", "test", "grad-cam", "logit")
    assert is_record(what, finer, run) and not is_record(what, plain, run)
    assert matches(Select(metric="iauc:rows=4,track=predicted"), finer) and not matches(Select(metric="iauc"), finer)
