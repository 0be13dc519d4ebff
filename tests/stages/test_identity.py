"""A value comes from the store only if everything that it was measured from is the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data.miniatures import own_folder
from PIL import Image
from tiny import TINY

from cambench import metrics, models
from cambench.data import load, synthbirds
from cambench.explainers import find_explainer
from cambench.models.source import BEFORE
from cambench.recipes.tables import Select
from cambench.report.select import matches
from cambench.report.summary import summary
from cambench.stages import identity, works
from cambench.stages.explain import ExplainJob, explain
from cambench.stages.jobs import Place
from cambench.stages.networks import load_network, open_run
from cambench.stages.onhand import find_network, find_record
from cambench.stages.plan import Measurement, Network, Wish
from cambench.stages.reproduce import Choice, recipes
from cambench.stages.rows import EvalJob
from cambench.stages.train import TrainJob, train
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import Record, read_columns, read_records, records_of, rows_path
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError, Dataset, UsageError

SMALL = ["model.init=scratch", "input.size=32", "train.epochs=1", "train.batch_size=4"]
NETWORK = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))
def build():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()
"""
LOADED = """
def loaded():
    net = build()
    net.load_state_dict(torch.load("w.pt"))
    return net
"""
EDITED = NETWORK.replace("return self.head(", "return -self.head(")


@pytest.fixture
def own(tmp_path: Path) -> Place:
    """A folder `mine` of three classes, train and val, and room for results."""
    own_folder(tmp_path / "mine", parts=("train", "val"))
    return Place(tmp_path, tmp_path / "results", "cpu")


@pytest.fixture
def birds_of_ones_own(tmp_path: Path) -> Place:
    """A synthbirds set that a test may change, and a finished run."""
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=3, test_per_class=3, size=40, seed=0)
    train(TrainJob("ce", "synthbirds", overrides=[*TINY, "train.epochs=1"]), place)
    return place


def trained(place: Place, name: str = "mine", **options: object) -> str:
    """A run on one's own images."""
    return train(TrainJob("ce", f"folder:{place.data / name}", "resnet8", overrides=SMALL, **options), place).name  # type: ignore[arg-type]


def measured(place: Place, *metrics: str, runs: tuple[str, ...] = (), **options: object) -> list[Record]:
    """Records of every run, or of those named."""
    return works.evaluate_all(works.Works(runs, **options), [EvalJob(m) for m in metrics], place)  # type: ignore[arg-type]


def swap(a: Path, b: Path) -> None:
    """Exchange two folders."""
    a.rename(a.with_name("aside"))
    b.rename(a)
    a.with_name("aside").rename(b)


def test_swapped_images_are_measured_and_trained_on_anew(own: Place) -> None:
    first = trained(own)
    (before,) = measured(own, "top1")
    swap(own.data / "mine" / "val" / "ant", own.data / "mine" / "val" / "bee")
    (after,) = measured(own, "top1")
    assert before.job["input"]["data"] != after.job["input"]["data"] and len(read_records(own.results)) == 2
    assert trained(own) == first, "what it learns from is the same"
    swap(own.data / "mine" / "train" / "ant", own.data / "mine" / "train" / "bee")
    assert trained(own) != first


def test_two_folders_share_no_row(own: Place) -> None:
    """Of equal names and byte counts: bitmaps of other pixels."""
    shutil.rmtree(own.data / "mine")
    for name, seed in (("mine", 0), ("yours", 9)):
        for split in ("train", "val"):
            for kind in ("a", "b"):
                path = own.data / name / split / kind / "0.bmp"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = np.random.default_rng(seed + (kind == "b")).integers(0, 255, (8, 8, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(path)
    runs = {trained(own, name) for name in ("mine", "yours")}
    shutil.copytree(own.data / "yours", own.data / "more" / "mine")  # other images in a folder of the same name
    runs.add(trained(own, "more/mine", seed=1))
    records = measured(own, "top1")
    tables = summary(records)
    assert len(runs) == len(records) == 3
    assert [(table.id, len(table.rows)) for table in tables] == [("folder:mine", 2), ("folder:yours", 1)]


def test_the_same_folder_elsewhere_is_the_same_run(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trained(own)
    shutil.copytree(own.data / "mine", own.data / "moved" / "else")
    assert trained(own, "moved/else") == first
    monkeypatch.chdir(own.data)
    assert train(TrainJob("ce", "folder:mine", "resnet8", overrides=SMALL), own).name == first


def test_a_relative_folder_is_found_from_elsewhere(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own.data)
    train(TrainJob("ce", "folder:mine", "resnet8", overrides=SMALL), own)
    monkeypatch.chdir("/")
    (record,) = measured(own, "iauc")
    assert record.values[""].n == 6
    (path,) = works.explain_all(works.Works([]), ExplainJob(), own)
    assert read_heatmaps(path).origin["spec"] == f"folder:{own.data / 'mine'}"


def mirror(folder: Path) -> None:
    """Every mask mirrored in place, uncompressed: the same byte count, and the date put back."""
    for path in sorted(folder.rglob("*.png")):
        times = path.stat()
        mask = Image.open(path).convert("L").transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        mask.save(path, compress_level=0)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_masks_are_part_of_what_looks_at_them_and_of_nothing_else(birds_of_ones_own: Place) -> None:
    place = birds_of_ones_own
    masks = next((place.data / "synthbirds").rglob("segmentations"))
    names = ("px-ap", "grad-cam-iou", "ch", "top1")
    masks.rename(masks.with_name("packed"))
    without = measured(place, *names)
    masks.with_name("packed").rename(masks)
    unpacked = measured(place, *names)
    mirror(masks)
    mirrored = measured(place, *names)
    for first, second, third in zip(without, unpacked, mirrored, strict=True):
        values = [{v: x.value for v, x in record.values.items()} for record in (first, second, third)]
        if first.metric in ("ch", "top1"):
            assert first == second == third, "read, not measured again"
        else:
            assert values[0] != values[1] != values[2] != values[0]
    assert "masks are filled bounding boxes" in without[0].partial and not any("filled" in p for p in unpacked[0].partial)
    assert sum(r.metric == "px-ap" for r in read_records(place.results)) == 1, "the newest takes the place of the others"


def test_boxes_are_part_of_what_looks_at_them(birds_of_ones_own: Place) -> None:
    place = birds_of_ones_own
    first = measured(place, "ch", "max-box-acc", "top1", "px-ap")
    boxes = next((place.data / "synthbirds").rglob("bounding_boxes.txt"))
    lines = [line.split() for line in boxes.read_text().splitlines()]
    boxes.write_text("".join(f"{i} 0 0 20 20\n" for i, *_ in lines))
    second = measured(place, "ch", "max-box-acc", "top1", "px-ap")
    assert [a.job != b.job for a, b in zip(first, second, strict=True)] == [True, True, False, False]
    assert first[0].values != second[0].values and first[2:] == second[2:]


def test_every_metric_says_which_annotations_it_looks_at(birds_of_ones_own: Place) -> None:
    dataset = load("synthbirds", "test", birds_of_ones_own.data)
    for metric in metrics.INDEX.values():
        kinds = identity.annotations_of(metric, dataset)
        asked = {"mask", "regions", "box", "parts"} & set(metrics.needs(metric))
        assert bool(kinds) == bool(asked or metric.pairs), metric.name
    assert identity.annotations_of(metrics.INDEX["cue-localisation"], dataset) == ["attributes", "parts", "segmentation"]
    assert identity.annotations_of(metrics.INDEX["ch"], dataset) == ["boxes"]


def test_a_formula_of_another_version_is_measured_anew(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(own)
    first = measured(own, "iauc", "top1")
    monkeypatch.setitem(metrics.INDEX, "iauc", replace(metrics.INDEX["iauc"], version=2))
    second = measured(own, "iauc", "top1")
    assert first[0].job != second[0].job and first[1] == second[1]
    dataset = load(f"folder:{own.data / 'mine'}", "val", own.data)
    loaded, view = load_network(open_run(run, own), own), ExplainJob().view
    entry = find_explainer("grad-cam")
    from cambench.stages.explain import make_view

    described = [
        identity.of_heatmaps(loaded, dataset, e, make_view(view, loaded), target="logit", classes="label")
        for e in (entry, replace(entry, version=2))
    ]
    assert described[0] != described[1]
    assert [r.job["version"] for r in read_records(own.results) if r.metric == "iauc"] == [2]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a network that can be edited; what is imported of it is forgotten between two looks."""
    (tmp_path / "code").mkdir()
    monkeypatch.chdir(tmp_path / "code")
    path = tmp_path / "code" / "edited_net.py"
    edit(path, NETWORK)
    return path


def edit(path: Path, text: str) -> None:
    """Another source, as a new process would import it."""
    path.write_text(text)
    sys.modules.pop(path.stem, None)
    BEFORE.pop(path.stem, None)


def test_the_source_of_a_given_network_is_in_its_identity(own: Place, module: Path) -> None:
    spec = f"folder:{own.data / 'mine'}"
    (before,) = measured(own, "iauc", runs=("python:edited_net:build",), dataset=spec)
    edit(module, EDITED)
    (after,) = measured(own, "iauc", runs=("python:edited_net:build",), dataset=spec)
    assert before.run != after.run and before.values != after.values
    assert before.job["maps"]["checkpoint"] == after.job["maps"]["checkpoint"], "the very same weights"
    with pytest.raises(CambenchError, match="the module was edited; put it back as it was, or name python:edited_net:build"):
        measured(own, "iauc", runs=(before.run,), dataset=spec)
    edit(module, NETWORK)
    assert measured(own, "iauc", runs=("python:edited_net:build",), dataset=spec) == [before]


def test_the_source_of_a_trained_network_is_in_its_identity(own: Place, module: Path) -> None:
    job = TrainJob("ce", f"folder:{own.data / 'mine'}", "python:edited_net:build", overrides=SMALL)
    first = train(job, own)
    (before,) = measured(own, "top1", runs=(first.name,))
    edit(module, EDITED)
    with pytest.raises(CambenchError, match=r"expected the source of python:edited_net:build .* or train again"):
        measured(own, "top1", runs=(first.name,))
    assert train(job, own).name != first.name
    edit(module, NETWORK)
    assert train(job, own).name == first.name and measured(own, "top1", runs=(first.name,)) == [before]


def test_the_weights_that_a_network_brings_are_in_the_identity_of_its_training(own: Place, module: Path) -> None:
    """Its function reads them from a file that nothing else names."""
    edit(module, NETWORK + LOADED)
    job = TrainJob("ce", f"folder:{own.data / 'mine'}", "python:edited_net:loaded", overrides=SMALL[1:])
    first, names = models.build("python:edited_net:build").state_dict(), []
    for scale in (1.0, 2.0, 1.0):
        torch.save({name: weight * scale for name, weight in first.items()}, module.with_name("w.pt"))
        names.append(train(job, own).name)
    assert names[0] == names[2] != names[1]


def test_eval_again_and_explain_again_make_everything_anew(own: Place) -> None:
    trained(own)
    first = measured(own, "iauc", "top1")
    maps = sorted(own.results.rglob("heatmaps/*/*.h5"))
    stamps = [path.stat().st_mtime_ns for path in maps]
    assert measured(own, "iauc", "top1") == first
    assert [path.stat().st_mtime_ns for path in maps] == stamps
    kept = [path for path, _ in records_of(own.results, first[0].run)]
    for path in kept:
        path.write_text(path.read_text().replace('"value": ', '"value": 1000'))
    (wrong, _) = measured(own, "iauc", "top1")
    assert wrong.values != first[0].values, "what is there is taken"
    again = measured(own, "iauc", "top1", again=True)
    assert [r.values for r in again] == [r.values for r in first]
    assert all(path.stat().st_mtime_ns > old for path, old in zip(maps, stamps, strict=True))
    assert [path for path, _ in records_of(own.results, first[0].run)] == kept
    (made,) = works.explain_all(works.Works([]), ExplainJob(), own)
    stamp = made.stat().st_mtime_ns
    assert works.explain_all(works.Works([]), ExplainJob(), own) == [made] and made.stat().st_mtime_ns == stamp
    assert works.explain_all(works.Works([], again=True), ExplainJob(), own) == [made] and made.stat().st_mtime_ns > stamp


def test_train_again_begins_at_the_first_epoch(own: Place) -> None:
    job = TrainJob("ce", f"folder:{own.data / 'mine'}", "resnet8", overrides=[*SMALL, "train.epochs=2"])
    run = train(job, own)
    weights, began = (run.path / "last.pt").read_bytes(), (run.path / "last.pt").stat().st_mtime_ns
    (run.path / "last.pt").write_bytes(b"broken")
    again = train(replace(job, again=True), own)
    assert (again.path, again.finished, len(again.log())) == (run.path, True, 2)
    assert (again.path / "last.pt").read_bytes() == weights and (again.path / "last.pt").stat().st_mtime_ns > began
    (run.path / "run.json").write_text("{")
    assert train(replace(job, again=True), own).finished


def test_classes_are_matched_by_name(own: Place) -> None:
    run = trained(own)
    (own_value,) = measured(own, "top1")
    for old, new in (("ant", "wasp"), ("bee", "ant")):
        for split in ("train", "val"):
            target = own.data / "other" / split / new
            shutil.copytree(own.data / "mine" / split / old, target)
    other = f"folder:{own.data / 'other'}"
    with pytest.raises(UsageError, match=r"only in the data set: wasp; only in the network: bee, cat; --map-classes"):
        measured(own, "top1", runs=(run,), dataset=other)
    (record,) = measured(own, "top1", runs=(run,), dataset=other, map_classes=True)
    assert record.values[""].n == 2 and "1 of its 2 classes, by name, among the network's 3" in record.partial
    (path,) = works.explain_all(works.Works([run], other, map_classes=True), ExplainJob(), own)
    assert read_heatmaps(path).ids == ["val/ant/0.png", "val/ant/1.png"] and set(read_heatmaps(path).target) == {0}
    for split in ("train", "val"):
        (own.data / "mine" / split / "classes.txt").touch()
    (own.data / "mine" / "classes.csv").write_text("index,folder\n2,ant\n0,bee\n1,cat\n")
    (turned,) = measured(own, "top1", runs=(run,), dataset=f"folder:{own.data / 'mine'}")
    assert turned.values == own_value.values and not turned.partial


def test_a_given_networks_count_wins(own: Place, module: Path) -> None:
    edit(module, NETWORK.replace("nn.Linear(4, 3)", "nn.Linear(4, 10)"))
    spec = f"folder:{own.data / 'mine'}"
    with pytest.raises(UsageError, match=r"expected 10 classes.*got 3.*`0,ant`.*`9,unused`"):
        measured(own, "top1", runs=("python:edited_net:build",), dataset=spec)
    (own.data / "mine" / "classes.csv").write_text("index,folder\n5,ant\n6,bee\n1,cat\n9,unused\n")
    assert measured(own, "top1", runs=("python:edited_net:build",), dataset=spec)[0].values[""].n == 6


def test_a_run_by_path_writes_under_one_root(own: Place, tmp_path: Path) -> None:
    run = trained(own)
    there = replace(own, results=tmp_path / "second")
    (record,) = measured(there, "iauc", runs=(str(own.results / "runs" / run),))
    assert {p.name for p in there.results.iterdir()} == {"records", "heatmaps", "cache"}
    assert read_records(there.results) == [record] and not (own.results / "records").exists()


def test_a_missing_checkpoint_is_not_to_be_had_by_asking_for_it(own: Place) -> None:
    run = trained(own)
    (own.results / "runs" / run / "last.pt").unlink()
    with pytest.raises(CambenchError, match=r"expected last\.pt in .*put it back, or train the run anew") as caught:
        measured(own, "top1")
    assert "--checkpoint" not in str(caught.value)


def test_one_broken_run_does_not_stop_the_others(own: Place, caplog: pytest.LogCaptureFixture) -> None:
    run = trained(own)
    for name, text in (("broken", "{"), ("old", '{"kind": "trained", "job": {"schema": 1}}'), ("list", "[]")):
        (own.results / "runs" / name).mkdir()
        (own.results / "runs" / name / "run.json").write_text(text)
    (record,) = measured(own, "top1")
    assert record.run == run and [r.name for r in read_runs(own.results)] == [run]
    assert "broken/run.json: expected JSON" in caplog.text and "(and 2 more such files)" in caplog.text
    with pytest.raises(
        CambenchError, match=r"old/run\.json: a run of schema 1: written by an older cambench; train it again"
    ):
        measured(own, "top1", runs=("old",))
    with pytest.raises(CambenchError, match=r"list/run\.json: not a run of schema 2"):
        measured(own, "top1", runs=("list",))


def test_one_broken_record_does_not_stop_the_others(own: Place, caplog: pytest.LogCaptureFixture) -> None:
    trained(own)
    (record, *_) = measured(own, "top1", "iauc")
    (path,) = (path for path, r in records_of(own.results, record.run) if r == record)
    (path.parent / "old.json").write_text('{"schema": 1}')
    (path.parent / "part.json").write_text('{"schema": 2}')
    assert len(read_records(own.results)) == 2
    assert "old.json: a record of schema 1: written by an older cambench; measure it again" in caplog.text


def test_plans_know_the_identity(birds_of_ones_own: Place) -> None:
    """What `eval` would measure anew is missing in a plan, and what `train` would train anew too."""
    place = birds_of_ones_own
    network = Network("ce", None, "synthbirds", overrides=(*TINY, "train.epochs=1"))
    wanted = [Measurement(m, "synthbirds", "test", "grad-cam", "logit") for m in ("px-ap", "ch")]
    measured(place, "px-ap", "ch")
    fresh = [place]

    def there() -> list[bool]:
        from cambench.stages import onhand

        onhand.images.cache_clear()
        return [find_record(network, what, fresh[0]) is not None for what in wanted]

    assert there() == [True, True]
    mirror(next((place.data / "synthbirds").rglob("segmentations")))
    assert there() == [False, True]
    run = find_network(network, place)
    assert run is not None
    run.save(checkpoints={"last": "another", "best": "another"})
    assert there() == [False, False], "measured of weights that were replaced"
    image = next((place.data / "synthbirds" / "images").rglob("*.jpg"), None) or next(
        (place.data / "synthbirds" / "images").rglob("*.png")
    )
    Image.new("RGB", (40, 40)).save(image)
    from cambench.stages import onhand

    onhand.images.cache_clear()
    assert (find_network(network, place) is None) == (load_split_of(image, place) == "train")


def load_split_of(image: Path, place: Place) -> str:
    """The split of an image."""
    return next(s for s in ("train", "test") if image in {x.path for x in load("synthbirds", s, place.data).samples})


def test_a_folder_that_stands_in_for_a_papers_data_is_found_again(own: Place) -> None:
    spec = f"folder:{own.data / 'mine'}"
    trained(own)
    (record,) = measured(own, "top1")
    for table in recipes(Choice(["cgc"], on=spec), own):
        names = {name for cells in (table.rows, table.columns) for line in cells for s in line.select if (name := s.dataset)}
        assert names | ({table.select.dataset} - {None}) == {"folder:mine"}
    assert Wish(on=spec).spec("folder:mine") == spec and Wish(on=spec).spec("cub") == "cub"
    assert matches(Select(dataset="folder:mine", metric="top1"), record)
    assert (
        find_record(Network("ce", "resnet8", spec, overrides=tuple(SMALL)), Measurement("top1", spec, "val"), own) == record
    )


STOPPED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from cambench.stages import explain, works
from cambench.stages.jobs import Place
from cambench.store.parts import Parts
data, results, when = sys.argv[1:]
explain.CHUNK = 2
append = Parts.append
def once(self, count, arrays):
    append(self, count, arrays)
    if when == "stop" and self.rows == 2:
        print("stopped", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
Parts.append = once
works.explain_all(works.Works([]), explain.ExplainJob(batch_size=2), Place(Path(data), Path(results), "cpu"))
"""


def test_two_that_explain_one_job_write_it_once(own: Place) -> None:
    """The slower is stopped after its first part; the other waits for it, and neither writes what the other wrote."""
    import signal

    trained(own)
    command = [sys.executable, "-c", STOPPED, str(own.data), str(own.results)]
    slow = subprocess.Popen([*command, "stop"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert slow.stdout is not None and slow.stdout.readline() == "stopped\n"
    fast = subprocess.Popen([*command, "go"], stderr=subprocess.PIPE, text=True)
    assert fast.stderr is not None
    said = next(line for line in fast.stderr if "waiting" in line)
    assert "another process is at it" in said and not list(own.results.rglob("heatmaps/*/*.h5"))
    slow.send_signal(signal.SIGCONT)
    assert (slow.wait(), fast.wait()) == (0, 0)
    (path,) = own.results.rglob("heatmaps/*/*.h5")
    assert len(read_heatmaps(path).ids) == len(set(read_heatmaps(path).ids)) == 6
    assert [p.name for p in path.parent.iterdir()] == [path.name], "neither parts nor locks stay"


def test_a_file_that_holds_other_images_does_not_count_as_whole(own: Place) -> None:
    from cambench.store import heatmaps

    run = trained(own)
    (path,) = works.explain_all(works.Works([]), ExplainJob(), own)
    found = read_heatmaps(path)
    twice = [*range(6), 0, 1]
    arrays = {
        **heatmaps.pack(np.stack([found.maps[i] for i in twice])),
        "target": found.target[twice],
        "prediction": found.prediction[twice],
        "logits": found.logits[twice],
        "id": np.array([found.ids[i].encode() for i in twice]),
    }
    heatmaps.write_heatmaps(path, found.job, found.origin, arrays)
    loaded = load_network(open_run(run, own), own)
    dataset: Dataset = load(f"folder:{own.data / 'mine'}", "val", own.data)
    with pytest.raises(CambenchError, match=r"expected the 6 images .* in order, got 8 rows, 6 images, 6 in their places"):
        explain(ExplainJob(), loaded, dataset, own)
    works.explain_all(works.Works([], again=True), ExplainJob(), own)
    assert len(explain(ExplainJob(), loaded, dataset, own).maps) == 6


TWO = """
import sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from cambench.stages.jobs import Place
from cambench.stages.train import TrainJob, train
data, results, *overrides = sys.argv[1:]
train(TrainJob("ce", f"folder:{data}/mine", "resnet8", overrides=overrides), Place(Path(data), Path(results), "cpu"))
"""


def test_two_that_train_one_run_train_it_once(own: Place) -> None:
    command = [sys.executable, "-c", TWO, str(own.data), str(own.results), *SMALL, "train.epochs=3"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(text.count("epoch 3/3") for text in said) == 1
    assert sum("finished" in text for text in said) == 1
    (run,) = read_runs(own.results)
    assert run.finished and len(run.log()) == 3
    assert not list((own.results / "runs").glob(".*"))


def test_rows_of_a_record_are_each_image_once(own: Place) -> None:
    trained(own)
    (record,) = measured(own, "iauc")
    (path,) = (path for path, _ in records_of(own.results, record.run))
    assert sorted(read_columns(rows_path(path))["row"].tolist()) == list(range(6))
