"""The segmentation chart from the rows of real (tiny) runs: the classes' mean is the record's value, whatever the format."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.patches import Rectangle
from typer.testing import CliRunner

from cambench import data
from cambench.cli import app
from cambench.report.figures import class_bars
from cambench.report.figures.class_bars import Series
from cambench.report.tables.model import Measured, Table
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.reporting.figures import segmentation
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import Record, read_records, records_of, write_record
from cambench.vocabulary import UsageError

OVERRIDES = ("train.epochs=2", "input.size=32")
TABLE = "contrastive-cam/segmentation"


@pytest.fixture(scope="module")
def measured(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Record]:
    """A frozen head on a classifier, measured."""
    place = Place(birds, tmp_path_factory.mktemp("results"), "cpu")
    run = train(TrainJob("segment-frozen", "synthbirds", overrides=OVERRIDES), place)
    dataset = data.load("synthbirds", "test", birds)
    return place, evaluate(EvalJob("segmentation-iou"), load_network(run, place), dataset, place)


def test_the_classes_are_those_whose_mean_the_record_holds(measured: tuple[Place, Record]) -> None:
    place, record = measured
    values = segmentation.class_values(record)
    assert statistics.fmean(v for v in values if v == v) == pytest.approx(record.values[""].value, rel=1e-9)
    names = segmentation.class_names(record, len(values), place)
    assert names == data.load("synthbirds", "test", place.data).classes


def test_a_class_without_a_value_in_one_seed_has_none(measured: tuple[Place, Record]) -> None:
    group = [replace(measured[1], seed=seed) for seed in (0, 1)]
    assert segmentation.measured(group, [50.0, float("nan")]) is None
    found = segmentation.measured(group, [50.0, 60.0])
    assert found is not None and (found.mean, found.std) == (55, pytest.approx(50**0.5))


def chart(record: Record) -> Table:
    """Two trainings × two classifiers over three classes, the last of which nobody shows."""
    group = [replace(record, seed=seed) for seed in (0, 1)]
    values = [Measured(m, (m - 1, m + 1), (0, 1), (40, 40), std=2**0.5, comparable=False) for m in (30.0, 70.0)]
    series = [Series(t, c, group, [*values, None]) for t in ("Frozen", "End to end") for c in ("CE", "CFBCE")]
    return class_bars.by_class(Table("demo/s", "Demo", ("Classifier",), (), ()), ("a_wren", "b", "c"), series)


def test_a_panel_a_training_and_a_bar_a_class_and_classifier(measured: tuple[Place, Record]) -> None:
    table = chart(measured[1])
    figure = class_bars.class_bars(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Frozen", "End to end"]
    for axes in figure.axes:
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert sorted(bar.get_height() for bar in bars) == [30, 30, 70, 70]
        assert len({round(bar.get_x(), 6) for bar in bars}) == 4, "no bar hides another"
        ends = sorted(tuple(line.get_ydata()) for line in axes.lines)
        assert ends == [pytest.approx((m - 2**0.5, m + 2**0.5)) for m in (30, 30, 70, 70)], "mean - std to mean + std"
    assert [text.get_text() for text in figure.axes[1].get_xticklabels()] == ["a wren", "b", "c"]
    assert len(class_bars.listed(table)) == 8 and table.rows[2].cells[0].text == "—"
    assert not any("bootstrap" in said for said in (*table.notes, *table.footnotes))


@pytest.fixture
def of_the_chart(measured: tuple[Place, Record], tmp_path: Path) -> Place:
    """The same results as if the run were the chart's frozen head on the plain classifier."""
    place, record = measured
    results = tmp_path / "results"
    shutil.copytree(place.results, results)
    (stored,) = records_of(results, record.run)
    recipe = {**record.job["recipe"], "model": {**record.job["recipe"]["model"], "init": "run:bce"}}
    write_record(stored.path, replace(record, dataset="synthbirds-multilabel", job={**record.job, "recipe": recipe}))
    return replace(place, results=results)


def test_the_table_shows_the_means_own_records_class_by_class(of_the_chart: Place, tmp_path: Path) -> None:
    table = segmentation.table([TABLE], "synthbirds", None, of_the_chart)
    (record,) = read_records(of_the_chart.results)
    values = segmentation.class_values(record)
    assert [column.label for column in table.columns] == [("Frozen", "Cross-Entropy")]
    assert tuple(row.label[0] for row in table.rows) == data.load("synthbirds", "test", of_the_chart.data).classes
    cells = [row.cells[0].measured for row in table.rows]
    assert [None if cell is None else cell.mean for cell in cells] == [v if v == v else None for v in values]

    roots = ["--results", str(of_the_chart.results), "--data-root", str(of_the_chart.data)]
    out = tmp_path / "chart.png"
    asked = ["figure", "segmentation", "--on", "synthbirds", "--out", str(out), "--csv", *roots]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0 and out.exists()
    assert all(row.label[0] in told.stdout for row in table.rows)


def test_nothing_measured_and_another_table_are_refused(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    with pytest.raises(UsageError, match="nothing of contrastive-cam/segmentation is measured"):
        segmentation.table([TABLE], None, None, place)
    with pytest.raises(UsageError, match="expected a table of segmentation-iou, .* got cgc/1"):
        segmentation.table(["cgc/1"], None, None, place)


def test_the_command_refuses_a_page(tmp_path: Path) -> None:
    out = str(tmp_path / "f.png")
    told = CliRunner().invoke(app, ["figure", "segmentation", "--out", out, "--html", "x.html"])
    assert told.exit_code != 0 and not Path(out).exists()


def test_the_rows_are_json_too(measured: tuple[Place, Record]) -> None:
    assert json.loads(json.dumps(class_bars.listed(chart(measured[1]))))[0]["class"] == "a_wren"
