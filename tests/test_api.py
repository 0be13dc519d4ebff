"""The verbs in Python: names and defaults of the command line, and what they give is read by pandas and by a notebook."""

from __future__ import annotations

import inspect
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typed import Typed

import cambench
from cambench.cli import app
from cambench.data import synthbirds
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import read_record
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError, DataError, UsageError

PRINTED = {"context", "as_json", "latex", "markdown", "csv", "html", "per_image", "status", "cost", "power"}
"""How a command prints what a function returns, and an option of one value."""
ENGINES = {"launcher", "address", "partition", "time"}
"""Where the command has its jobs done, beyond this process."""
MODES = {"explain": {"overlay", "devices"}, "train": {"devices"}, "evaluate": {"devices"}}
"""Options that make it another verb, or start it in several processes, which Python does by torchrun."""
CPU: dict[str, Any] = {"device": "cpu", "workers": 0}


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The roots of a tiny synthbirds set, as every verb takes them."""
    root = tmp_path_factory.mktemp("birds")
    synthbirds.make(root / "data" / "synthbirds", classes=4, per_class=4, test_per_class=3, size=40, seed=0)
    return {"data_root": str(root / "data"), "results": root / "results"}


@pytest.fixture(scope="module")
def run(birds: dict[str, Any]) -> Run:
    """A run of one epoch."""
    settings = ["input.size=32", "train.batch_size=8"]
    return cambench.train("ce", dataset="synthbirds", epochs=1, settings=settings, **CPU, **birds)


def plain(default: object) -> object:
    """A default as both spell it: nothing is None on the command line, and an empty sequence in Python."""
    return None if default in ((), inspect.Parameter.empty) else default


@pytest.mark.parametrize("verb", ["train", "explain", "evaluate", "compare", "report", "reproduce", "claims", "rank"])
def test_names_and_defaults_are_those_of_the_command_line(verb: str) -> None:
    own = inspect.signature(getattr(cambench, verb)).parameters
    (command,) = [c.callback for c in app.registered_commands if c.name == verb]
    assert command is not None
    typed = inspect.signature(command).parameters
    assert set(own) == set(typed) - PRINTED - ENGINES - MODES.get(verb, set())
    for name in set(own) - {"data_root", "results"}:
        assert plain(own[name].default) == plain(typed[name].default), name
    for name, parameter in own.items():
        assert parameter.annotation not in (parameter.empty, "Any") and "VAR" not in parameter.kind.name, name


def test_a_run_is_trained_and_says_what_it_is_in_one_line(run: Run, birds: dict[str, Any]) -> None:
    assert run.finished and run.info.recipe["train"]["epochs"] == 1 and run.path.parent == birds["results"] / "runs"
    assert repr(run) == f"<Run {run.name}>" and repr(run.save(finished=False)) == f"<Run {run.name}, not finished>"
    run.save(finished=True)


def test_a_value_from_the_store_says_so(run: Run, birds: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    stored = "(n=12)  from the store, measured in "
    for again, is_there in ((False, False), (False, True), (True, False)):
        (record,) = cambench.evaluate("top1", run, again=again, **CPU, **birds)
        assert record.stored is is_there and (stored in repr(record)) is is_there
        assert (stored in capsys.readouterr().err) is is_there and "\n" not in repr(record)
    assert not read_record(record.path).stored and read_record(record.path) == record


def test_the_frame_of_records_has_a_row_an_image(run: Run, birds: dict[str, Any]) -> None:
    cambench.explain(run, **CPU, **birds)  # which tells what the network says of the view that top1 is of
    records = cambench.evaluate(["ch", "top1"], [run.name], "cam", **CPU, **birds)
    frame = records.frame
    assert list(frame.columns[:5]) == ["id", "path", "class", "prediction", "value"]
    for record in records:
        for variant, value in record.values.items():
            own = frame[(frame["metric"] == record.metric) & (frame["variant"] == variant)]
            assert len(own) == 12 and own["value"].mean() == pytest.approx(value.value)
    assert all(Path(path).is_file() for path in frame["path"])
    assert all(
        re.sub(r"[ _]", "", name) in re.sub(r"[ _]", "", path)
        for name, path in zip(frame["class"], frame["path"], strict=True)
    )
    top1 = frame[frame["metric"] == "top1"]
    assert ((top1["class"] == top1["prediction"]) == (top1["value"] == 100)).all(), "the network says what it is scored for"
    stored = cambench.records(run, "ch", **birds)
    assert [r.metric for r in stored] == ["ch"]
    assert stored.frame["value"].tolist() == frame.loc[frame["metric"] == "ch", "value"].tolist()


def test_images_that_are_not_at_hand_keep_their_values(
    run: Run, birds: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = cambench.evaluate("top1", run, **CPU, **birds)
    synthbirds.make(tmp_path / "other" / "synthbirds", classes=4, per_class=4, test_per_class=3, size=40, seed=1)
    for root, reason in (("none", "synthbirds: expected a folder"), ("other", "is not the data that was measured")):
        frame = cambench.records(run, "top1", data_root=tmp_path / root, results=birds["results"]).frame
        message = capsys.readouterr().err
        assert "images without path and class: " in message and reason in message
        assert len(frame) == 12 and frame[["path", "class", "prediction"]].isna().all(axis=None)
        assert frame["value"].mean() == pytest.approx(record.values[""].value)
    assert not (tmp_path / "none").exists(), "a data set is not made in order to look at it"


def test_heatmaps_are_read_image_by_image(run: Run, birds: dict[str, Any]) -> None:
    (file,) = cambench.explain(run, target="weighted", **CPU, **birds)
    want = read_heatmaps(file)
    with cambench.heatmaps(file) as maps:
        assert maps.job == want.job and list(maps) == want.ids and len(maps) == 12
        for (image, heatmap), other in zip(maps.items(), want.maps, strict=True):
            assert np.array_equal(heatmap, other) and np.array_equal(maps[image], other)
        with pytest.raises(KeyError, match="nothing"):
            maps["nothing"]


def test_tables_and_comparisons_are_frames(run: Run, birds: dict[str, Any]) -> None:
    other = cambench.train("cgc", "synthbirds", epochs=1, settings=["input.size=32", "train.batch_size=8"], **CPU, **birds)
    ours, theirs = cambench.evaluate("ch", [run, other], **CPU, **birds)
    (table,) = tables = cambench.report(**birds)
    cells = table.frame.set_index(["row", "column"])["measured"]
    assert cells["ce/grad-cam/logit", "ch/official"] == ours.values["official"].value
    assert tables.frame.equals(table.frame) and "<table" in tables._repr_html_()
    difference = cambench.compare(run, other, "ch", results=birds["results"]).set_index("variant")["difference"]
    assert difference["official"] == pytest.approx(ours.values["official"].value - theirs.values["official"].value)


def test_explainers_are_ranked_by_what_is_at_hand_or_measured(run: Run, birds: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(birds["results"] / "runs")
    birds = {**birds, "results": tmp_path}  # whose heatmaps are no other test's
    cambench.evaluate(["ch", "average-drop"], run, ["grad-cam", "center", "random"], **CPU, **birds)
    at_hand = cambench.rank(run, ["grad-cam", "center", "random"], ["ch", "average-drop"], **birds)
    assert {row.partition("/")[0] for row in at_hand[0].frame["row"]} == {"grad-cam", "center", "random"}
    made = cambench.rank(run, ["grad-cam", "random"], "ch", preset="quick", images=6, **CPU, **birds)
    assert {row.partition("/")[0] for row in made[0].frame["row"]} == {"grad-cam", "random"}
    assert any("6 images" in note for note in made[0].notes)
    with pytest.raises(UsageError, match="^rank: --images is not used here, it is for --preset; leave it out.$"):
        cambench.rank(run, images=6, **birds)
    for options, name in ({"weights": "x.pth"}, "weights"), ({"mean": (0, 0, 0)}, "mean"), ({"batch_size": 8}, "batch-size"):
        with pytest.raises(UsageError, match=f"^rank: --{name} is not used here, it is for --preset"):
            cambench.rank(run, dataset="synthbirds", **options, **birds)
    lacking = cambench.rank(run, ["grad-cam", "center", "rise"], ["ch", "average-drop"], **birds)[0].notes
    measures = "measure what lacks with --preset quick, or with `cambench eval`."
    assert f"Not measured on synthbirds test: rise; {measures}" in lacking
    with pytest.raises(UsageError, match="at least 2 explainers, got grad-cam. Not measured: legrad: attention:"):
        cambench.rank(run, ["grad-cam", "legrad"], "average-drop", preset="quick", images=6, **CPU, **birds)
    with pytest.raises(UsageError, match="eval: expected a metric, got none"):
        cambench.evaluate([], run, **CPU, **birds)
    with pytest.raises(UsageError, match="--batch-size 0: expected at least 1"):
        cambench.explain(run, batch_size=0, **CPU, **birds)
    with pytest.raises(UsageError, match="rank: expected at least 5 images, got 3"):
        cambench.rank(run, preset="quick", images=3, **CPU, **birds)


def test_a_figure_is_drawn_with_the_options_of_its_kind_alone(run: Run, birds: dict[str, Any], tmp_path: Path) -> None:
    cambench.explain(run, ["cam", "grad-cam"], **CPU, **birds)  # of one view, whatever other tests have made
    drawn = cambench.figure("qualitative", run, tmp_path / "figure.png", images=2, **birds)
    assert (tmp_path / "figure.png").is_file() and drawn.figure.axes and drawn.shows["file"] == str(tmp_path / "figure.png")
    with pytest.raises(UsageError, match="figure qualitative: no option 'classes'; it has dataset, images"):
        cambench.figure("qualitative", run, tmp_path / "other.png", classes=2, **birds)


def test_a_dry_run_prints_the_plan_and_does_nothing(birds: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(birds["results"].rglob("*"))
    (table,) = cambench.reproduce("cgc/6", on="synthbirds", seeds=1, dry_run=True, **CPU, **birds)
    assert "4 jobs" in capsys.readouterr().out and table.frame["measured"].isna().all()
    assert sorted(birds["results"].rglob("*")) == before


@pytest.mark.parametrize(("verb", "message"), [
    (lambda **at: cambench.train("cee", "synthbirds", **at), "unknown method 'cee'. Did you mean ce"),
    (lambda **at: cambench.evaluate("top1", explainer="cam", **at), "--explainer cam: top1 looks at no heatmap"),
    (lambda **at: cambench.explain(class_sets="x.csv", **at), "--class-sets: expected --target subset:x beside it"),
    (lambda **at: cambench.report(arch="resnet8", **at), "--arch: expected --on DATASET beside it"),
    (lambda **at: cambench.records("nothing", **at), "no run 'nothing'"),
    (lambda **at: cambench.reproduce("calm/3", search=0, **at), "--search 0: expected at least 1"),
    (lambda **at: cambench.reproduce(**at), "expected TABLE... or --claims CLAIM, one of the two"),
    (lambda **at: cambench.reproduce("cgc/6", claims="e1", **at), "expected TABLE... or --claims CLAIM, one of the two"),
    (lambda **at: cambench.reproduce(claims="cgc-ch", rows="CE", dry_run=True, **at), "--rows and --columns are for tables"),
    (lambda **at: cambench.reproduce("cgc/6", verbose=True, **at), "--verbose is not used here, it is for --dry-run"),
    (lambda **at: cambench.reproduce("cgc/6", device_there="a100", **at), "--as is not used here, it is for --dry-run"),
    (lambda **at: cambench.report(Path("no.toml"), **at), "table no.toml: expected a file, found none there"),
    (lambda **at: cambench.reproduce(claims=[Path("no.toml")], **at), "claims no.toml: expected a file, found none there"),
    (lambda results, **_: cambench.claims(Path("no.toml"), results=results), "claims no.toml: expected a file, found none"),
    (lambda **at: cambench.explain(explaner="cam", **at), "explain: unknown argument 'explaner'. Did you mean explainer"),
])  # fmt: skip
def test_an_error_is_the_line_of_the_command(verb: Callable[..., Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as error:
        verb(data_root=tmp_path, results=tmp_path)
    assert "\n" not in str(error.value)


def test_a_folder_of_images_stands_in_as_a_path(tmp_path: Path) -> None:
    at, folder = {"data_root": tmp_path, "results": tmp_path}, tmp_path / "no"
    with pytest.raises(DataError, match=f"folder: expected a folder, found none in {folder}"):
        cambench.reproduce("calm/3", on=folder, dry_run=True, **at)
    with pytest.raises(DataError, match=f"folder: expected a folder, found none in {folder}"):
        cambench.report("calm/3", on=folder, **at)
    assert set(cambench.claims("cgc-ch", on=folder, results=tmp_path)["verdict"]) == {"not measured"}


@pytest.mark.parametrize("verb", cambench.__all__)
def test_a_value_of_another_kind_is_one_line_that_names_its_argument(verb: str) -> None:
    function = getattr(cambench, verb)
    parameters = inspect.signature(function).parameters
    required = {
        name: "x" for name, one in parameters.items() if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    }
    for name in parameters:
        with pytest.raises(UsageError, match=f"^{verb}: {name}: expected .*, got <object obj.*; help") as error:
            function(**{**required, name: object()})
        assert "\n" not in str(error.value) and "cambench.store" not in str(error.value)
    if required:
        with pytest.raises(UsageError, match=f"^{verb}: missing a required.*; help.cambench.{verb}. shows"):
            function()
    if verb != "figure":  # which has options of its kinds
        with pytest.raises(UsageError, match=f"^{verb}: unknown argument 'result'.*Known: "):
            function(**required, result="there")


@pytest.mark.parametrize("runs", ["", [""]])
def test_an_empty_text_is_no_run(runs: Any, run: Run, birds: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="run: expected a name, the beginning of one or a path, got an empty text"):
        cambench.explain(runs, explainer="cam", **CPU, **birds)


def test_options_of_a_figure_are_of_their_kinds(tmp_path: Path) -> None:
    for kind, options, message in (
        ("critical-difference", {"explainer": "grad-camm"}, "unknown explainer 'grad-camm'"),
        ("qualitative", {"images": "2"}, "figure: images: expected int, got '2'"),
        ("hierarchy", {"levels": 0}, "figure: levels: expected at least 1, got 0"),
        ("worst", {"metric": None}, "figure: metric: expected str, got None"),
        ("versus", {"class_names": [Path("a")]}, "figure: class_names: expected str | Sequence[str], got "),
        ("calm", {"class_sets": "sets.csv"}, "no run 'nothing'"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)):
            runs = () if kind == "critical-difference" else "nothing"
            cambench.figure(kind, runs, tmp_path / "x.png", results=tmp_path, **options)  # type: ignore[arg-type]


def test_a_folder_of_pictures_is_a_path_or_its_name(tmp_path: Path) -> None:
    for dataset in (tmp_path / "none", f"folder:{tmp_path / 'none'}"):
        with pytest.raises(DataError, match=f"folder: expected a folder, found none in {tmp_path / 'none'}"):
            cambench.train("ce", dataset, results=tmp_path)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with (
        pytest.raises(CambenchError, match="nope.h5: expected a heatmap file, found none there; make one with `cambench ex"),
        cambench.heatmaps(tmp_path / "nope.h5"),
    ):
        pass


def test_csv_is_read_by_pandas_as_it_stands(run: Run, birds: dict[str, Any], typed: Typed) -> None:
    cambench.evaluate("ch", run, **CPU, **birds)
    roots = ("--data-root", birds["data_root"], "--results", birds["results"])
    table = pd.read_csv(io.StringIO(typed("report", "--csv", *roots).out))
    assert {"measured", "std", "n", "published", "difference", "footnotes"} <= set(table.columns)
    images = pd.read_csv(io.StringIO(typed("report", "--per-image", "--csv", "--metric", "ch", *roots).out))
    assert images["value"].to_numpy() == pytest.approx(cambench.records(metric="ch", **birds).frame["value"].to_numpy())
    lines = json.loads(typed("report", "--per-image", "--json", "--metric", "ch", *roots).out)
    exact = cambench.records(metric="ch", **birds).frame["value"].tolist()
    assert [line["value"] for line in lines] == exact, "to the last bit"
    refused = typed("report", "--per-image", *roots)
    assert refused.code == 2 and "--per-image: expected --csv or --json beside it" in refused.err


def test_roots_are_those_of_the_environment(run: Run, birds: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMBENCH_DATA", birds["data_root"])
    monkeypatch.setenv("CAMBENCH_RESULTS", str(birds["results"]))
    assert [record.run for record in cambench.evaluate("top1", **CPU) if record.run == run.name] == [run.name]
