"""Figures from what real (tiny) runs left on disk."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from typed import Typed

from cambench.data.views import View, in_words
from cambench.lookup import nearest
from cambench.report.tables.model import Cell
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works, evaluate_all, explain_all
from cambench.stages.reporting import paired
from cambench.stages.reporting.figures import consistency, qualitative
from cambench.stages.reporting.figures.index import INDEX, draw
from cambench.stages.reporting.figures.scene import reload, view_of
from cambench.stages.reporting.gallery import by_seed, first_seeds, gallery
from cambench.stages.reporting.page import write_page
from cambench.stages.reporting.per_image import stored
from cambench.stages.reporting.report import tables
from cambench.stages.reporting.selection import Selection
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint, save_checkpoint
from cambench.store.runs import Run, find_run, read_runs
from cambench.vocabulary import UsageError

NAMES = ("synthbirds-cgc", "synthbirds-ce")


@pytest.fixture(scope="module")
def measured(place: Place) -> Place:
    """Heatmaps, top-1 and CH of both runs; of one of them also top-5 on a part of the images."""
    explain_all(Works([]), [ExplainJob("grad-cam", "logit")], place)
    evaluate_all(Works([]), [EvalJob("top1"), EvalJob("ch")], place)
    evaluate_all(Works([NAMES[0]], limit=8), [EvalJob("top5")], place)
    evaluate_all(Works([NAMES[1]]), [EvalJob("top5")], place)
    return place


@pytest.mark.parametrize("kind", ["qualitative", "consistency"])
def test_grids_show_both_methods(kind: str, measured: Place, tmp_path: Path) -> None:
    out = tmp_path / "f.png"
    told = draw(kind, out, measured, images=2).shows
    assert out.stat().st_size > 10_000 and told["dataset"] == "synthbirds"
    maps = ["ce resnet8 grad-cam", "cgc resnet8 grad-cam"]
    assert [row["maps"] for row in told["images"]] == [maps] * (2 if kind == "qualitative" else 4)
    assert draw(kind, out, measured, images=2, explainer=["gradcam"]).shows == told, "an alias of all that there is"
    with pytest.raises(UsageError, match="no heatmaps to show"):
        draw(kind, out, measured, explainer=["hires-cam"])
    if kind == "consistency":
        assert [row["image"] == "its crop" for row in told["images"]] == [False, True] * 2


def test_a_figure_names_its_view_and_refuses_mixed_ones(measured: Place, tmp_path: Path) -> None:
    shown = qualitative.pick("qualitative", [], None, measured.results)
    kind = shown[0].maps.job["view"]["kind"]
    notes = draw("qualitative", tmp_path / "f.png", measured, images=1).shows["notes"]
    assert notes[-1].endswith(f"Shown is {in_words(view_of(shown[0].maps))}.")
    other = next(v for v in ("resize", "resize-center-crop") if v != kind)
    alone = Place(measured.data, tmp_path / "results", "cpu")
    for run in measured.results.glob("runs/*"):
        shutil.copytree(run, alone.results / "runs" / run.name)
    for name, view in zip(NAMES, (kind, other), strict=True):
        explain_all(Works([name]), [ExplainJob("grad-cam", "logit", view=view)], alone)
    with pytest.raises(
        UsageError, match=f"expected maps of one view, got .* and .*; .*cambench explain .* --view ({kind}|{other})"
    ):
        qualitative.pick("qualitative", [], None, alone.results)
    (one,) = qualitative.pick("qualitative", [NAMES[0]], None, alone.results)
    assert one.label == "cgc resnet8 grad-cam"
    explain_all(Works([NAMES[0]]), [ExplainJob("center", view=kind), ExplainJob("random", view=kind)], alone)
    for order in (["random", "grad-cam", "center"], ["center", "random"]):
        chosen = qualitative.pick("qualitative", [NAMES[0]], None, alone.results, order)
        assert [s.maps.job["explainer"] for s in chosen] == order
    (at,) = {s.maps.job["layer"] for s in chosen}
    assert qualitative.layers(chosen) == "", "neither looks at it"
    one, *_ = qualitative.pick("qualitative", [NAMES[0]], None, alone.results, ["grad-cam"])
    other = replace(one, maps=replace(one.maps, job={**one.maps.job, "explainer": "hires-cam", "layer": "l3"}))
    assert qualitative.layers([one]) == f"; layer {at}"
    assert qualitative.layers([one, other]) == f"; layers: {at} of grad-cam; l3 of hires-cam"
    explain_all(Works([NAMES[0]]), [ExplainJob(e, view=kind, classes="prediction") for e in ("center", "cam")], alone)
    with pytest.raises(UsageError, match=r"of the predicted class \(cgc resnet8 cam\)"):
        qualitative.pick("qualitative", [NAMES[0]], None, alone.results)
    (page,) = gallery(read_runs(alone.results), alone.results, alone.data)
    assert any("another view was explained" in note for note in page.notes), "the page shows the others, and says so"


def test_every_run_that_is_named_is_shown_or_the_figure_is_refused(measured: Place, tmp_path: Path) -> None:
    alone = Place(measured.data, tmp_path / "results", "cpu")
    for run in measured.results.glob("runs/*"):
        shutil.copytree(run, alone.results / "runs" / run.name)
    explain_all(Works([NAMES[0]]), [ExplainJob("grad-cam")], alone)
    explain_all(Works([NAMES[1]], limit=8), [ExplainJob("grad-cam")], alone)
    assert len(qualitative.pick("qualitative", [], None, alone.results)) == 1
    told = r"same images of every run that is named, got none of synthbirds-c.* of the (8|40) images of synthbirds-c"
    with pytest.raises(UsageError, match=told):
        qualitative.pick("qualitative", NAMES, None, alone.results)
    with pytest.raises(UsageError, match="no heatmaps to show, there are those of grad-cam; make some"):
        qualitative.pick("qualitative", NAMES, None, alone.results, ["gradient"])
    (one,) = qualitative.pick("qualitative", [NAMES[0]], None, alone.results)
    other = replace(one, run=replace(one.run, info=replace(one.run.info, seed=7)))
    assert [shown.label for shown in by_seed([one, other])] == [f"{one.label} seed 0", f"{one.label} seed 7"]
    assert by_seed([one]) == [one] and first_seeds([other, one]) == [one]


def test_every_view_is_said_in_words() -> None:
    for kind in ("resize-center-crop", "squash-center-crop", "resize", "full"):
        words = in_words(View(kind, 32, 36))
        assert "32" in words and words != kind
        assert ("36" in words) == ("crop" in kind) and ("distorted" in words) == (kind == "resize")


def test_the_gallery_shows_a_class_each_and_the_ends_of_what_maps_have_in_common(measured: Place) -> None:
    (shown,) = gallery(read_runs(measured.results), measured.results, measured.data)
    dataset = reload(qualitative.pick("qualitative", [], None, measured.results)[0].maps, measured.data)
    assert [row.why for row in shown.rows[:-2]] == [""] * 8
    assert {row.name for row in shown.rows} == set(dataset.classes)
    least, most = (float(row.why.split("most: ")[1].split(" %")[0]) for row in shown.rows[-2:])
    assert "differ most" in shown.rows[-2].why and "agree most" in shown.rows[-1].why and least < most
    for row in shown.rows:
        for p in row.predictions.values():
            assert p.right == (p.name == row.name) and 0.25 <= p.probability <= 1, "the best of four classes"


def test_a_gallery_makes_no_data_that_lacks(measured: Place, tmp_path: Path) -> None:
    assert gallery(read_runs(measured.results), measured.results, tmp_path) == [] and not list(tmp_path.iterdir())


def test_heatmap_files_that_cannot_be_read_are_passed_over(
    measured: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = Place(measured.data, tmp_path / "results", "cpu")
    shutil.copytree(measured.results, alone.results)
    for run in read_runs(alone.results):
        folder = alone.results / "heatmaps" / run.name
        whole = next(folder.glob("*.h5"))
        (folder / "0-short.h5").write_bytes(whole.read_bytes()[:500])
        with h5py.File(shutil.copy(whole, folder / "0-old.h5"), "r+") as old:
            old.attrs["schema"] = 1
    (shown,) = gallery(read_runs(alone.results), alone.results, alone.data)
    assert [*shown.rows[0].maps] == ["ce resnet8 grad-cam", "cgc resnet8 grad-cam"]
    assert "0-old.h5: a heatmap file of schema 1" in caplog.text and "(and 3 more such files)" in caplog.text
    options = {"metric": "top1", "images": 1}
    assert draw("worst", tmp_path / "f.png", alone, [NAMES[1]], **options).shows["images"]
    frame = stored([NAMES[1]], Selection(["top1"]), alone).frame
    assert frame["prediction"].notna().all()


def test_the_page_has_findings_from_the_rows_on_disk_and_a_papers_table_has_none(measured: Place, tmp_path: Path) -> None:
    path = write_page(tmp_path / "r.html", tables([], measured), measured.results, measured.data)
    text = " ".join(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")).split())
    _, found = paired.compare(NAMES, ["ch"], [], [], measured.results)
    numbers, cell = next(c.numbers for c in found if c.variant == "official"), Cell(2)
    low, high = (cell.number(end) for end in numbers.interval or ())
    said = f"cgc {cell.number(numbers.a)} %, ce {cell.number(numbers.b)} %"
    assert said in text and f"95 % interval {low} to {high}" in text
    assert "From 24 images of synthbirds (procedural birds" in text and "(1 seed: 0)" in text
    path = write_page(tmp_path / "t.html", tables(["cgc/1"], measured), measured.results, measured.data)
    assert 'id="findings"' not in path.read_text(encoding="utf-8")


def test_a_page_of_some_metrics_and_explainers_shows_no_others(measured: Place, tmp_path: Path, typed: Typed) -> None:
    alone = Place(measured.data, tmp_path / "results", "cpu")
    shutil.copytree(measured.results, alone.results)
    evaluate_all(Works([]), [EvalJob("ch", "center")], alone)

    def page(*options: str) -> str:
        out = tmp_path / "page.html"
        done = typed("report", "--html", out, *options, "--data-root", alone.data, "--results", alone.results)
        assert done.code == 0, done.err
        return out.read_text(encoding="utf-8")

    def claims(text: str) -> set[str]:
        return set(re.findall(r'<th scope="row" class="label">(cgc-[^<]+)</th>', text))

    every, some, center = page(), page("-m", "top1"), page("-e", "center")
    assert "ch official" in every and "ch official" not in some
    assert claims(every) - claims(some) == {"cgc-ch"} and "cgc-accuracy-fine" in claims(some)
    assert all(f"ce resnet8 {name}" in every for name in ("grad-cam", "center"))
    assert "ce resnet8 center" in center and "ce resnet8 grad-cam" not in center


def test_runs_stand_in_the_order_in_which_they_are_named(measured: Place, tmp_path: Path) -> None:
    told = draw("qualitative", tmp_path / "f.pdf", measured, NAMES, images=1).shows
    assert told["images"][0]["maps"] == ["cgc resnet8 grad-cam", "ce resnet8 grad-cam"]


@pytest.mark.parametrize(("explainer", "target"), [("grad-cam", "logit"), ("grad-cam", "subset:kind"), ("cmwp", "logit")])
def test_a_crop_that_is_the_whole_image_has_the_images_own_maps(
    explainer: str, target: str, measured: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a target that needs the data's class sets, and of an explainer that needs the batch norms unfolded."""
    from cambench import geometry

    def whole(n: int, size: tuple[int, int], generator: object) -> geometry.Windows:
        return geometry.whole(n, *size)

    monkeypatch.setattr(consistency, "paired_windows", whole)
    alone = Place(measured.data, tmp_path, "cpu")
    shutil.copytree(measured.results / "runs", tmp_path / "runs")
    for path in tmp_path.glob("runs/*/last.pt"):  # where some scales are negative, folded weights have other signs
        state = load_checkpoint(path)
        for name in [n for n in state["model"] if n.endswith(".running_mean")]:
            state["model"][name.replace("running_mean", "weight")][::2] *= -1
        save_checkpoint(path, state)
    explain_all(Works([]), [ExplainJob(explainer, target)], alone)
    shown = qualitative.pick("consistency", [], None, alone.results)
    rows = consistency.pairs(shown, alone, 3)
    for original, crop in zip(rows[::2], rows[1::2], strict=True):
        assert crop.wrong == original.wrong and list(crop.boxes) == list(original.boxes)
        assert set(crop.maps) == set(original.maps) and len(crop.maps) == 2
        for label, heatmap in original.maps.items():
            assert abs(crop.maps[label] - heatmap).max() <= 1e-4 * abs(heatmap).max() + 1e-7


def test_what_cannot_be_drawn_is_said(measured: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are those of synthbirds"):
        draw("qualitative", tmp_path / "f.png", measured, dataset="cub")
    with pytest.raises(UsageError, match="there are none; make some with `cambench explain`"):
        qualitative.pick("qualitative", [], None, tmp_path)
    with pytest.raises(UsageError) as caught:
        draw("lambada", tmp_path / "f.png", measured)
    assert str(caught.value) == nearest("lambada", INDEX, "figure")
    assert draw("Lambda", tmp_path / "f.png", measured).shows["table"] == "cgc/10"


@pytest.fixture
def followed(place: Place) -> Place:
    """Both runs as if they had been validated after every epoch."""
    for name in NAMES:
        run = find_run(name, place.results)
        run.write_log([{**line, "validation_accuracy": 10.0 * line["epoch"], "validation_loss": 1.0} for line in run.log()])
    return place


def test_convergence_shows_the_trainings_of_one_data_set(followed: Place, tmp_path: Path) -> None:
    place = followed
    told = draw("convergence", tmp_path / "f.png", place, dataset="synthbirds").shows
    assert [t["training"] for t in told["trainings"]] == ["ce", "cgc"] and (tmp_path / "f.png").stat().st_size > 10_000
    assert [p["validation_accuracy"]["mean"] for p in told["trainings"][1]["points"]] == [10, 20]
    assert "synthetic images (synthbirds)." in told["notes"]
    one = draw("convergence", tmp_path / "f.png", place, [NAMES[0]]).shows
    assert [t["training"] for t in one["trainings"]] == ["cgc"]


def test_convergence_says_what_it_cannot_show(followed: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = followed
    with pytest.raises(UsageError, match="no training with its accuracy in every epoch, there are those of synthbirds"):
        draw("convergence", tmp_path / "f.png", place, dataset="cub")
    with pytest.raises(UsageError, match="no training with its accuracy in every epoch, there are none"):
        draw("convergence", tmp_path / "f.png", Place(place.data, tmp_path, "cpu"))
    run = find_run("synthbirds-ce", place.results)
    begun = Run(place.results / "runs" / "synthbirds-begun", run.info).save(finished=False)
    other = Run(place.results / "runs" / "cub-other", run.info).save(dataset="cub")
    other.write_log(run.log())
    try:
        with pytest.raises(UsageError, match="trainings on cub, synthbirds; choose with --dataset"):
            draw("convergence", tmp_path / "f.png", place)
        with pytest.raises(UsageError, match="expected a finished run with validation_accuracy and .* got synthbirds-begun"):
            draw("convergence", tmp_path / "f.png", place, ["synthbirds-begun"])
        draw("convergence", tmp_path / "f.png", place, dataset="synthbirds")
        assert "synthbirds-begun is left out: not finished" in capsys.readouterr().err
    finally:
        for made in (begun, other):
            shutil.rmtree(made.path)
