"""Training with masks: every method, bit-equal after a kill, masks are part of the run, mistakes are said before it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from forked import killed, train_until
from tiny import TINY

from cambench import data, objectives
from cambench.data.views import View
from cambench.recipes.load import load as load_recipe
from cambench.recipes.presets import overrides as recipes_overrides
from cambench.stages.network import load_network
from cambench.stages.training.focus import masks_of
from cambench.stages.training.opening import open_images
from cambench.stages.training.train import TrainJob, prepare_lessons, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import DataError, Dataset, UsageError


@pytest.fixture
def place(birds: Path, tmp_path: Path) -> Place:
    """Roots of this test alone: what it trains is nobody else's."""
    return Place(birds, tmp_path / "own", "cpu")


def job(method: str, *overrides: str, **options: object) -> TrainJob:
    """A tiny training job of one epoch."""
    return TrainJob(method, "synthbirds", overrides=[*TINY, "train.epochs=1", *overrides], **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["ce-adam", "ce-arch", "cfce", "rcfce", "cutmix-cfce", "ce-head", "corm"])
def test_every_method_of_one_label_goes_through(method: str, finished: Path, place: Place) -> None:
    """Those that begin with a run of cross-entropy begin with the suite's; `test_base.py` has it trained first."""
    (weights,) = (finished / "runs").glob("synthbirds-ce-*/last.pt")
    begun = load_recipe(method, "synthbirds").model.base == "ce"
    run = train(job(method, "train.accumulate=2", weights=weights if begun else None), place)
    (epoch,) = run.log()
    assert epoch["loss"] > 0 and ("masks" in run.info.job) == (method in ("cfce", "rcfce", "cutmix-cfce", "corm"))
    if "cfce" in method and method != "cutmix-cfce":
        assert {"empty_masks", "full_masks", "cfce"} <= epoch.keys() and ("kl" in epoch) == (method == "rcfce")


def test_a_killed_run_ends_like_an_uninterrupted_one(place: Place, tmp_path: Path) -> None:
    killed(train_until, 5, TrainJob("rcfce", "synthbirds", overrides=TINY), Place(place.data, tmp_path, "cpu"))
    (folder,) = (p for p in (tmp_path / "runs").iterdir() if p.is_dir())
    assert (folder / "last.pt").exists()
    both = [train(TrainJob("rcfce", "synthbirds", overrides=TINY), p) for p in (Place(place.data, tmp_path, "cpu"), place)]
    assert both[0].path.name == both[1].path.name == folder.name
    assert (both[0].path / "last.pt").read_bytes() == (both[1].path / "last.pt").read_bytes()


def several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every data set tell of two classes an image."""
    load = data.load

    def multilabel(*a: object, **k: object) -> Dataset:
        found: Dataset = load(*a, **k)  # type: ignore[arg-type]
        count = len(found.classes)
        samples = tuple(replace(s, labels=tuple(sorted({s.label, (s.label + 1) % count}))) for s in found.samples)
        return replace(found, multilabel=True, samples=samples)

    monkeypatch.setattr(data, "load", multilabel)


@pytest.mark.parametrize("method", ["bce", "bce-arch", "cfbce", "rcfbce"])
def test_every_method_of_several_labels_goes_through(method: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="objective .* on synthbirds: expected a method for one label an image"):
        train(job(method), place)
    several(monkeypatch)
    run = train(job(method, "train.validate_epochs=true"), place)
    assert run.log()[0]["loss"] > 0 and 0 <= run.log()[0]["training_decisions"] <= 100
    assert "validation_accuracy" not in run.log()[0], "top-1 means nothing where several labels are right"
    with pytest.raises(UsageError, match="expected a method for several labels an image"):
        train(job("ce-adam"), place)


def test_the_masks_source_and_a_folders_files_are_part_of_the_run(place: Place, tmp_path: Path) -> None:
    dataset, there = data.load("synthbirds", "train", place.data), Place(place.data, tmp_path / "r", "cpu")
    folder = tmp_path / "png"
    folder.mkdir()
    for sample in dataset.samples:
        assert sample.segmentation is not None
        shutil.copy(sample.segmentation, folder / f"{sample.path.stem}.png")
    runs = [train(job("cfce", f"data.masks={source}"), there) for source in ("segmentation", "boxes", str(folder))]
    weights = [load_checkpoint(r.path / "last.pt")["model"]["conv1.weight"] for r in runs]
    assert torch.equal(weights[0], weights[2]) and not torch.equal(weights[0], weights[1])
    first = folder / f"{dataset.samples[0].path.stem}.png"
    first.write_bytes((folder / f"{dataset.samples[1].path.stem}.png").read_bytes())
    changed = train(job("cfce", f"data.masks={folder}"), there)
    assert len({r.name for r in (*runs, changed)}) == 4
    first.unlink()
    with pytest.raises(DataError, match=f"expected a PNG of its file's stem in .*, got none for {dataset.samples[0].id}"):
        train(job("cfce", f"data.masks={folder}"), there)


def test_objective_and_masks_must_agree_and_kl_in_boxes_is_a_departure(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="objective cfce: expected data.masks to be the source of its masks"):
        train(job("cfce", "data.masks="), place)
    with pytest.raises(UsageError, match="objective ce: expected data.masks to be \"\", as it uses none .*, got 'boxes'"):
        train(job("ce-adam", "data.masks=boxes"), place)
    simulated = train(job("cfce", "data.masks=sam"), Place(place.data, tmp_path, "cpu"))
    assert simulated.info.recipe["data"]["masks"] == "sam"
    shutil.copytree(place.data / "synthbirds", tmp_path / "data" / "synthbirds", ignore=shutil.ignore_patterns("sam"))
    with pytest.raises(DataError, match=r"a PNG of its file's stem in .*sam for each image"):
        train(job("cfce", "data.masks=sam"), Place(tmp_path / "data", tmp_path, "cpu"))
    run = train(job("rcfce", "data.masks=boxes"), Place(place.data, tmp_path, "cpu"))
    assert any("KL term is used with box masks" in sentence for sentence in run.info.deviations)
    assert not any(
        "KL" in s for s in train(job("cfce", "data.masks=boxes"), Place(place.data, tmp_path, "cpu")).info.deviations
    )


def test_all_methods_see_the_same_crops_or_the_same_crops_drawn_anew(place: Place) -> None:
    tight = ("input.scale=[0.01, 0.05]", "train.batch_size=16")

    def crops(method: str, *overrides: str) -> torch.Tensor:
        recipe = load_recipe(method, "synthbirds", overrides=[*TINY, *tight, *overrides])
        objective, _ = objectives.make(recipe.objective, recipe.objective_settings)
        job = TrainJob(method, "synthbirds")
        images = open_images(job, recipe, objective, place.data)
        lessons = prepare_lessons(job, recipe, objective, images, place)
        return torch.cat([batch.views["crop"] for batch in lessons.epoch(0)])

    anew = "data.redraw=10"
    plain, redrawn = crops("ce-arch"), crops("cfce", anew)
    assert torch.equal(plain, crops("cfce")) and torch.equal(plain, crops("rcfce", "data.masks=boxes"))
    assert not torch.equal(plain, redrawn) and torch.equal(redrawn, crops("ce-arch", "data.masks=segmentation", anew))
    with pytest.raises(UsageError, match=r"redraw and mask_resize need data\.masks"):
        load_recipe("ce-arch", "synthbirds", overrides=[anew])


def test_runs_from_when_masked_methods_redrew_their_crops_are_not_taken_for_todays(place: Place) -> None:
    today, older = load_recipe("cfce", "synthbirds"), load_recipe("cfce", "synthbirds", overrides=["data.redraw=10"])
    assert older.deviations == [
        "data.redraw = 10 instead of 0 (our choice: every method sees the same crops, whatever they show "
        "(ContrastiveCAM protocol §1.4))"
    ]
    assert "redraw" not in older.model_dump()["data"] and today.model_dump()["data"]["redraw"] == 0
    assert "redraw" not in load_recipe("ce-arch", "synthbirds").model_dump()["data"], "their runs stay what they are"
    assert recipes_overrides("redraw-crops") == ['data.masks="segmentation"', "data.redraw=10"]


def test_a_frozen_network_learns_its_head_alone_and_sees_the_evaluation_view(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    first = train(job("ce"), there)
    run = train(job("ce-head", weights=first.path / "last.pt"), there)
    a, b = (load_checkpoint(r.path / "last.pt")["model"] for r in (first, run))
    changed = {k for k in a if not torch.equal(a[k], b[k])}
    assert changed == {"fc.weight", "fc.bias"}  # running statistics stay, too
    loaded = load_network(run, there)
    assert loaded.head is not None


def test_masks_do_not_go_with_a_pipeline_that_would_leave_them_behind(place: Place) -> None:
    recipe = load_recipe("cfce", "synthbirds")
    augmented = SimpleNamespace(data=recipe.data, input=SimpleNamespace(augment="vgg"))
    objective, dataset = objectives.INDEX["cfce"], data.load("synthbirds", "train", place.data)
    with pytest.raises(UsageError, match='masks with input.augment = "vgg": expected no such pipeline'):
        masks_of(objective, augmented, dataset, View("resize", 32))  # type: ignore[arg-type]
    augmented.input.augment = "supcon"  # colours alone
    assert masks_of(objective, augmented, dataset, View("resize", 32)) is not None  # type: ignore[arg-type]
