"""What a value was measured from: another image, annotation, formula or setting is another value."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own import SMALL, measured, swap, trained
from PIL import Image
from tiny import TINY

from cambench import metrics
from cambench.data import load
from cambench.explainers import find_explainer
from cambench.recipes.tables import Select
from cambench.report.tables.select import matches
from cambench.report.tables.summary import summary
from cambench.stages import identity
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.network import load_network, open_run
from cambench.stages.reporting.choice import Choice, recipes
from cambench.stages.reproducing.inventory import find_network, find_record
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Network, Wish
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import read_records


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
    shutil.copytree(own.data / "mine", own.data / "moved" / "mine")
    assert trained(own, "moved/mine") == first
    (own.data / "moved" / "mine").rename(own.data / "moved" / "another")
    assert trained(own, "moved/another") != first, "it may have another val"
    monkeypatch.chdir(own.data)
    assert train(TrainJob("ce", "folder:mine", "resnet8", overrides=SMALL), own).name == first


def test_a_relative_folder_is_found_from_elsewhere(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own.data)
    train(TrainJob("ce", "folder:mine", "resnet8", overrides=SMALL), own)
    monkeypatch.chdir("/")
    (record,) = measured(own, "iauc")
    assert record.values[""].n == 6
    (path,) = works.explain_all(works.Works([]), [ExplainJob()], own)
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
        asked = {"mask", "regions", "box"} & set(metrics.needs(metric))
        assert bool(kinds) == bool(asked or metric.rows.pairs), metric.name
    assert identity.annotations_of(metrics.INDEX["cue-localisation"], dataset) == ["attributes", "parts", "segmentation"]
    assert identity.annotations_of(metrics.INDEX["ch"], dataset) == ["boxes"]


def test_a_formula_of_another_version_is_measured_anew(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(own)
    first = measured(own, "iauc", "top1")
    monkeypatch.setitem(metrics.INDEX.built_in, "iauc", replace(metrics.INDEX["iauc"], version=2))
    second = measured(own, "iauc", "top1")
    assert first[0].job != second[0].job and first[1] == second[1]
    dataset = load(f"folder:{own.data / 'mine'}", "val", own.data)
    loaded, view = load_network(open_run(run, own), own), ExplainJob().view
    entry = find_explainer("grad-cam")
    from cambench.stages.images import make_view

    described = [
        identity.of_heatmaps(loaded, dataset, e, make_view(view, loaded), target="logit", classes="label")
        for e in (entry, replace(entry, version=2))
    ]
    assert described[0] != described[1]
    assert [r.job["version"] for r in read_records(own.results) if r.metric == "iauc"] == [2]


def test_plans_know_the_identity(birds_of_ones_own: Place) -> None:
    """What `eval` would measure anew is missing in a plan, and what `train` would train anew too."""
    place = birds_of_ones_own
    network = Network("ce", None, "synthbirds", overrides=(*TINY, "train.epochs=1"))
    wanted = [Measurement(m, "synthbirds", "test", "grad-cam", "logit") for m in ("px-ap", "ch")]
    measured(place, "px-ap", "ch")
    fresh = [place]

    def there() -> list[bool]:
        from cambench.stages.reproducing import lacks

        lacks.images.cache_clear()
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
    from cambench.stages.reproducing import lacks

    lacks.images.cache_clear()
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


def test_a_part_and_another_folder_of_the_same_images_have_records_of_their_own(own: Place) -> None:
    run = trained(own)
    shutil.copytree(own.data / "mine", own.data / "copy")
    (whole,) = measured(own, "top1")
    (part,) = measured(own, "top1", limit=2)
    (copy,) = measured(own, "top1", dataset=f"folder:{own.data / 'copy'}", runs=(run,))
    assert (whole.partial, copy.partial) == ((), ()) and "first 2 of" in part.partial[0]
    assert [r.dataset for r in (whole, part, copy)] == ["folder:mine", "folder:mine", "folder:copy"]
    assert len(read_records(own.results)) == 3, "none gives way to another"
