"""Networks of timm and transformers from end to end: as they are given, and trained."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TINY

from cambench.data.loader import eval_batches
from cambench.stages import identity
from cambench.stages.images import make_view, open_data
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.network import Loaded, given_run, load_network, open_run
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import UsageError

timm = pytest.importorskip("timm")
hf = pytest.importorskip("transformers")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A vision transformer of three classes that are in another order than their names."""
    torch.manual_seed(0)
    sides = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = hf.ViTConfig(image_size=32, patch_size=8, id2label={0: "cat", 1: "ant", 2: "bee"}, **sides)
    network = hf.ViTForImageClassification(config)
    torch.nn.init.normal_(network.classifier.weight)
    network.save_pretrained(tmp_path / "nets" / "vit")
    hf.ViTImageProcessor(size={"height": 32, "width": 32}, resample=3).save_pretrained(tmp_path / "nets" / "vit")
    return tmp_path / "nets" / "vit"


def first(loaded: Loaded, place: Place) -> torch.Tensor:
    """The first image of one's own folder as the network sees it."""
    dataset = open_data(loaded, place, f"folder:{place.data / 'mine'}", "eval", None)
    return next(eval_batches(dataset, make_view("resize-center-crop", loaded), batch_size=1)).image


def test_a_folder_is_the_same_run_wherever_it_lies_and_its_classes_go_by_name(own: Place, folder: Path) -> None:
    loaded = load_network(open_run(f"hf:{folder}", own), own)
    assert loaded.layer == "vit.layers.1.layernorm_before" and loaded.run.name.startswith("hf-vit-")
    dataset = open_data(loaded, own, f"folder:{own.data / 'mine'}", "eval", None)
    assert dataset.classes == ("cat", "ant", "bee") and [s.label for s in dataset.samples] == [1, 1, 2, 2, 0, 0]
    view = make_view("resize-center-crop", loaded)
    assert (view.kind, view.size, view.interpolation, view.mean) == ("resize", 32, "bicubic", (0.5, 0.5, 0.5))
    assert identity.of_heatmaps(loaded, dataset, *pair(view), target="logit")["view"]["interpolation"] == "bicubic"
    assert len(explain(ExplainJob("hires-cam"), loaded, dataset, own).maps) == 6
    image = first(loaded, own)
    shutil.move(folder, folder.parent.parent / "vit")
    moved = open_run(f"hf:{folder.parent.parent / 'vit'}", own)
    assert moved.name == loaded.run.name
    torch.testing.assert_close(load_network(moved, own).logits(image), loaded.logits(image))
    config = folder.parent.parent / "vit" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "layer_norm_eps": 1e-3}))
    assert open_run(f"hf:{folder.parent.parent / 'vit'}", own).name != loaded.run.name


def pair(view: object) -> tuple[object, ...]:
    """An explainer and a view."""
    from cambench.explainers import find_explainer

    return find_explainer("hires-cam"), view


def test_timm_given_with_a_file_of_weights(own: Place, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(timm.create_model("test_convnext").state_dict(), tmp_path / "w.pt")
    loaded = load_network(given_run("timm:test_convnext", own, tmp_path / "w.pt"), own)
    view, twin = make_view("resize-center-crop", loaded), timm.get_pretrained_cfg("test_convnext")
    assert (view.size, view.interpolation, view.mean) == (twin.input_size[1], "bicubic", twin.mean)
    assert view.shorter == int(view.size / twin.crop_pct) and loaded.layer == "stages"
    with pytest.raises(UsageError, match="1000 classes, .* got 3; none of its outputs is called cat: --map-classes"):
        first(loaded, own)
    some = open_data(loaded, own, f"folder:{own.data / 'mine'}", "eval", None, map_classes=True)
    assert {(some.classes[s.label], s.label) for s in some.samples} == {("bee", 309), ("ant", 310)}, "of ImageNet"


@pytest.mark.parametrize("init", ["scratch", "imagenet"])
def test_timm_trained(init: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    pretrained = timm.create_model("test_resnet")
    torch.save(pretrained.state_dict(), tmp_path / "w.pt")
    monkeypatch.setattr("cambench.models.timm_networks.weights_file", lambda arch, download: tmp_path / "w.pt")
    there = replace(place, results=tmp_path / "results")
    settings = [*TINY, "train.epochs=1", "optimizer.lr=1e-12", f"model.init={init}"]
    run = train(TrainJob("ce", "synthbirds", "timm:test_resnet", overrides=settings), there)
    assert run.finished and run.info.arch == "timm:test_resnet"
    kept = load_checkpoint(run.path / "last.pt")["model"]
    same = torch.allclose(kept["layer4.0.conv1.weight"], pretrained.state_dict()["layer4.0.conv1.weight"], atol=1e-6)
    assert same == (init == "imagenet") and kept["fc.weight"].shape[0] == 4
    assert run.info.recipe["input"]["normalisation"]["mean"] == [0.5] * 3 and "interpolation" not in run.info.recipe["input"]
    loaded = load_network(run, there)
    assert make_view("resize-center-crop", loaded).interpolation == "bilinear"
    assert loaded.logits(torch.zeros(1, 3, 32, 32)).shape == (1, 4)


def test_a_folder_trained(place: Place, folder: Path, tmp_path: Path) -> None:
    there = replace(place, results=tmp_path / "results")
    settings = [*TINY, "train.epochs=1", "optimizer.lr=1e-12"]
    run = train(TrainJob("ce", "synthbirds", f"hf:{folder}", overrides=settings), there)
    kept, own = load_checkpoint(run.path / "last.pt")["model"], hf.AutoModelForImageClassification.from_pretrained(folder)
    key = "vit.layers.1.layernorm_before.weight"
    assert torch.allclose(kept[key], own.state_dict()[key], atol=1e-6) and kept["classifier.weight"].shape[0] == 4
    assert "-hf-vit-s0-" in run.name and run.info.job["recipe"]["arch"] == "hf:vit"
    recipe = run.info.recipe
    assert (recipe["model"]["init"], recipe["input"]["evaluation"], recipe["input"]["interpolation"]) == (
        "own",
        "resize",
        "bicubic",
    )
    assert load_network(run, there).logits(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
