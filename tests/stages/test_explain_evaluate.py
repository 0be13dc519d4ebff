"""Explaining and evaluating: resumable, bit-equal after a kill, clear about what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from forked import die, killed

from cambench import metrics
from cambench.data import load
from cambench.metrics.localisation.boxes import box_mask
from cambench.stages.measuring import explain as explaining
from cambench.stages.measuring import rows as measuring
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.parts import Parts
from cambench.store.records import Record, rows_path
from cambench.store.runs import Run, read_runs
from cambench.vocabulary import CambenchError, UsageError


def copy_of(place: Place, folder: Path) -> Place:
    """A results root with the finished runs and nothing measured."""
    (folder / "runs").symlink_to(place.results / "runs")
    return Place(place.data, folder, "cpu")


def kill(verb: str, there: Place) -> None:
    """Begin a verb, and die after its first chunk."""
    explaining.CHUNK = measuring.COMMIT = 16
    write = Parts.write

    def once(self: Parts, chunk: range, arrays: dict[str, Any]) -> None:
        write(self, chunk, arrays)
        if ("heatmaps" in str(self.folder)) == (verb == "explain"):
            die()

    Parts.write = once  # type: ignore[method-assign]
    if verb == "explain":
        works.explain_all(only(), [ExplainJob(batch_size=8)], there)
    else:
        works.evaluate_all(only(), [EvalJob(verb, batch_size=8)], there)


def only(run: str = "synthbirds-cgc", **options: object) -> works.Works:
    """Work on one run."""
    return works.Works([run], **options)  # type: ignore[arg-type]


def test_a_killed_explanation_ends_like_an_uninterrupted_one(place: Place, tmp_path: Path) -> None:
    there = copy_of(place, tmp_path)
    killed(kill, "explain", there)
    assert list(tmp_path.rglob("part-*.npz"))
    assert not list(tmp_path.rglob("*.h5"))
    (path,) = works.explain_all(only(), [ExplainJob(batch_size=8)], there)
    (whole,) = works.explain_all(only(), [ExplainJob(batch_size=8)], place)
    assert path.name == whole.name
    a, b = read_heatmaps(path), read_heatmaps(whole)
    assert len(a.maps) == 40
    assert all(np.array_equal(x, y) for x, y in zip(a.maps, b.maps, strict=True))
    assert np.array_equal(a.logits, b.logits)
    assert a.ids == b.ids
    assert not list(tmp_path.rglob("part-*.npz"))


@pytest.mark.parametrize("metric", ["iauc", "ch"])
def test_a_killed_evaluation_ends_like_an_uninterrupted_one(metric: str, place: Place, tmp_path: Path) -> None:
    there = copy_of(place, tmp_path)
    killed(kill, metric, there)
    (record,) = works.evaluate_all(only(), [EvalJob(metric, batch_size=8)], there)
    (whole,) = works.evaluate_all(only(), [EvalJob(metric, batch_size=8)], place)
    assert record.values == whole.values
    assert next(iter(record.values.values())).n == 40


def test_any_batch_size_gives_the_same_maps(place: Place, tmp_path: Path) -> None:
    found = []
    for size in (1, 7, 40):
        there = copy_of(place, tmp_path / str(size)) if (tmp_path / str(size)).mkdir() is None else place
        (path,) = works.explain_all(only(), [ExplainJob(batch_size=size)], there)
        found.append(np.stack(read_heatmaps(path).maps))
    scale = np.abs(found[0]).max()
    assert np.abs(found[1] - found[0]).max() <= 1e-5 * scale
    assert np.abs(found[2] - found[0]).max() <= 1e-5 * scale


def test_content_heatmap_by_hand(place: Place) -> None:
    """The record's CH is the mean over images of the share of ReLU(map) inside the box, at the image's own pixels."""
    (record,) = works.evaluate_all(only(), [EvalJob("ch")], place)
    (path,) = works.explain_all(only(), [ExplainJob(view="full", scale=2.0)], place)
    dataset = load("synthbirds", "test", place.data)
    shares = []
    for sample, raw in zip(dataset.samples, read_heatmaps(path).maps, strict=True):
        m = torch.from_numpy(raw).double().clamp(min=0)
        m = m / (m.sum() + 1e-8) + 1e-8
        big = torch.nn.functional.interpolate(m[None, None], size=(40, 40), mode="bilinear", align_corners=False)[0, 0]
        mask = box_mask(sample.boxes, 40, 40, dataset.box_convention, "correct")
        shares.append(float((big * mask).sum() / big.sum()))
    assert record.values["correct"].value == pytest.approx(100 * np.mean(shares), rel=1e-4)
    assert record.values["correct"].standard_error == pytest.approx(100 * np.std(shares, ddof=1) / 40**0.5, rel=1e-4)


FEW_DRAWS = ("infidelity", "sensitivity-n", "faithfulness-correlation")
"""By default these perturb an image a hundred times and more."""


def test_every_metric_gives_a_record_with_its_rows(place: Place) -> None:
    own = [name for name, metric in metrics.INDEX.items() if not metric.package and "segment" not in metrics.needs(metric)]
    classifiers = [EvalJob(f"{name}:draws=10" if name in FEW_DRAWS else name) for name in own]
    records = works.evaluate_all(only("synthbirds-ce"), classifiers, place)
    for record in records:
        assert isinstance(record, Record)
        low, high = next(iter(record.values.values())).interval
        assert low <= next(iter(record.values.values())).value <= high
        assert record.comparable is False
        assert "synthetic images (synthbirds)" in record.partial
        with h5py.File(rows_path(record.path)) as f:
            counted = int(f["counted"][:].sum()) if "counted" in f else len(f["id"])
            assert counted == max(value.n for value in record.values.values())
    by_name = {r.metric: r for r in records}
    assert by_name["top5"].values[""].value == 100.0  # four classes
    assert by_name["cgc-loss"].values[""].n == 32  # one whole group of 40 images
    assert by_name["top1"].explainer is None


def test_a_limit_is_another_job_and_marks_the_record_partial(place: Place) -> None:
    (record,) = works.evaluate_all(only(limit=5), [EvalJob("top1")], place)
    assert record.values[""].n == 5
    assert "first 5 of 40 images" in record.partial
    (record,) = works.evaluate_all(only(), [EvalJob("top1")], place)
    assert record.values[""].n == 40


def test_no_run_named_means_every_finished_run(place: Place) -> None:
    records = works.evaluate_all(works.Works([]), [EvalJob("top1")], place)
    assert {r.method for r in records} == {"ce", "cgc"}


def test_each_explainer_with_each_target_of_a_network_that_is_built_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    load_network = works.load_network

    def counted(run: Run, *rest: object, **how: object) -> object:
        built.append(run.name)
        return load_network(run, *rest, **how)

    monkeypatch.setattr(works, "load_network", counted)
    jobs = [ExplainJob(e, t) for e in ("grad-cam", "hires-cam") for t in ("logit", "max")]
    paths = works.explain_all(works.Works([]), jobs, place)
    assert sorted(built) == [run.name for run in read_runs(place.results)] and len(paths) == 4 * len(built)
    stored = [(job["run"], job["explainer"], job["target"]) for job in (read_heatmaps(path).job for path in paths)]
    assert stored == [(run, job.explainer, job.target) for run in built for job in jobs]


def test_several_layers_are_one_file_in_whichever_order_they_are_named(place: Place, tmp_path: Path) -> None:
    there = copy_of(place, tmp_path)
    one, other = (
        works.explain_all(only(layer=layer), [ExplainJob()], there) for layer in ("layer3+layer2", "layer2+layer3")
    )
    assert one == other and read_heatmaps(one[0]).job["layer"] == "layer2+layer3"


def test_a_truncated_heatmap_file_is_named_and_the_others_are_kept(place: Place, tmp_path: Path) -> None:
    there = copy_of(place, tmp_path)
    (path,) = works.explain_all(only(), [ExplainJob()], there)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CambenchError, match=r"\.h5: expected a heatmap file.*cambench explain"):
        works.explain_all(only(), [ExplainJob()], there)
    path.unlink()
    works.explain_all(only(), [ExplainJob()], there)
    assert len(read_heatmaps(path).maps) == 40


@pytest.mark.parametrize(
    ("work", "job", "said"),
    [
        (works.Works(["nothing"]), ExplainJob(), "Did you mean|unknown run"),
        (only(layer="layer9"), ExplainJob(), "layer9.*layer3"),
        (only(layer=""), ExplainJob(), "layer '': expected LAYER or LAYER.LAYER, got an empty name"),
        (only(), ExplainJob("grad-cm"), "Did you mean grad-cam"),
        (only(), ExplainJob(target="wieghted"), "Did you mean weighted"),
        (only(precision="fp8"), ExplainJob(), "expected float32 or bf16"),
        (only(split="validation"), ExplainJob(), "expected split"),
        (works.Works(["torchvision:resnet18"]), ExplainJob(), "--download|--dataset"),
        (only(layer="layer2"), ExplainJob("gradient"), "--layer layer2: gradient looks at no layer; leave it out"),
    ],
)
def test_wrong_input_is_one_clear_error(work: works.Works, job: ExplainJob, said: str, place: Place) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        works.explain_all(work, [job], place)
    assert "\n" not in str(caught.value)


def test_a_network_with_other_classes_than_the_data_is_refused(place: Place, tmp_path: Path) -> None:
    from cambench.data import synthbirds

    synthbirds.make(tmp_path / "six", classes=6, per_class=1, test_per_class=1, size=40)
    with pytest.raises(
        UsageError,
        match="expected its 4 classes, got others: only in the data set: .*; only in the network: none; --map-classes",
    ):
        works.explain_all(only(dataset=f"synthbirds:{tmp_path / 'six'}"), [ExplainJob()], place)


def test_an_image_that_cannot_be_read_is_named_and_finished_chunks_stay(place: Place, tmp_path: Path) -> None:
    import shutil

    data = tmp_path / "data"
    shutil.copytree(place.data, data)
    dataset = load("synthbirds", "test", data)
    dataset.samples[30].path.write_bytes(b"\xff\xd8 no picture")
    there = Place(data, tmp_path / "results", "cpu")
    (tmp_path / "results").mkdir()
    (there.results / "runs").symlink_to(place.results / "runs")
    with pytest.raises(CambenchError, match=dataset.samples[30].path.name):
        works.explain_all(only(), [ExplainJob(batch_size=8)], there)


def test_runs_that_are_not_finished_are_said_to_be_so(place: Place, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(place.results / "runs", tmp_path / "runs")
    there = Place(place.data, tmp_path, "cpu")
    for run in read_runs(tmp_path):
        run.save(finished=False)
    with pytest.raises(CambenchError, match="expected a finished run"):
        works.explain_all(only(), [ExplainJob()], there)
    with pytest.raises(UsageError, match="no finished run"):
        works.explain_all(works.Works([]), [ExplainJob()], there)
