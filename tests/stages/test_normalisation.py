"""A run's own normalisation: in all of its views, in what edits its pixels and in its pictures; ImageNet's goes unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import TINY
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cambench import data, geometry, objectives
from cambench.data import decode
from cambench.pixels import DEFAULT, NORMALISATIONS, to_input, to_pixels
from cambench.recipes.load import load
from cambench.report.figures.panels import Row
from cambench.stages.images import make_view
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import Loaded, load_network
from cambench.stages.reporting.figures import consistency, scene
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import pixels
from cambench.stages.reporting.gallery import Shown, by_view, rows, side_by_side
from cambench.stages.reproducing.inventory import find_network
from cambench.stages.reproducing.plan import Network
from cambench.stages.training.train import TrainJob, train, view
from cambench.stages.workplace import Place
from cambench.store.records import read_rows, records_of
from cambench.store.runs import Run, RunInfo
from cambench.vocabulary import Dataset

OWN = NORMALISATIONS["cifar100"]
SETTINGS = [*TINY, "input.normalisation=cifar100", "train.validate_epochs=true"]


@pytest.fixture(scope="module")
def own(place: Place) -> Loaded:
    """A run whose input is normalised by other numbers than ImageNet's."""
    return load_network(train(TrainJob("ce", "synthbirds", overrides=SETTINGS), place), place)


@pytest.fixture(scope="module")
def usual(place: Place) -> Loaded:
    """A run of the same method by ImageNet's."""
    return load_network(train(TrainJob("ce", "synthbirds", overrides=TINY), place), place)


@pytest.fixture(scope="module")
def birds_seen(place: Place) -> Dataset:
    """The images that the runs are measured on."""
    return data.load("synthbirds", "test", place.data)


def test_imagenets_goes_unsaid_so_that_old_runs_and_their_maps_are_found(
    usual: Loaded, place: Place, birds_seen: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    info = usual.run.info
    assert "normalisation" not in info.recipe["input"] and "normalisation" not in info.job["recipe"]["input"]
    again = train(TrainJob("ce", "synthbirds", overrides=[*TINY, "input.normalisation=imagenet"]), place)
    assert again.name == usual.run.name and "finished already" in capsys.readouterr().err
    found = find_network(Network("ce", None, "synthbirds", overrides=tuple(TINY)), place)
    assert found is not None and found.name == usual.run.name
    seen = make_view("resize-center-crop", usual)
    assert (seen.mean, seen.std) == DEFAULT
    maps = explain(ExplainJob(), usual, birds_seen, place)
    assert set(maps.job["view"]) == {"kind", "size", "resize", "scale", "ratio", "flip", "mean", "std", "colour"}
    assert maps.job["view"]["mean"] == [0.485, 0.456, 0.406]


def test_another_one_makes_another_run_and_a_footnote(own: Loaded, usual: Loaded) -> None:
    assert own.run.name != usual.run.name and own.run.info.recipe["input"]["normalisation"] == "cifar100"
    assert 'input.normalisation = "cifar100" instead of "imagenet" (authors\' code)' in own.run.info.deviations
    assert not any("normalisation" in said for said in usual.run.info.deviations)


def test_every_view_of_a_run_is_its_own(own: Loaded, place: Place, birds_seen: Dataset) -> None:
    recipe = load("ce", "synthbirds", None, SETTINGS)
    kinds = {"resize-center-crop", *(kind for entry in objectives.INDEX.values() for kind in entry.views.values())}
    views = [*(view(kind, recipe.input) for kind in kinds), *(make_view(kind, own, 2.0) for kind in ("full", "resize"))]
    assert all((seen.mean, seen.std) == OWN for seen in views) and len(views) > 4
    record = evaluate(EvalJob("top1"), own, birds_seen, place)
    maps = explain(ExplainJob(), own, birds_seen, place)
    loss = cross_entropy(torch.tensor(maps.logits[:]), torch.tensor(maps.target[:]).long())
    last = own.run.log()[-1]
    assert last["validation_accuracy"] == pytest.approx(record.values[""].value), "validated as evaluated"
    assert last["validation_loss"] == pytest.approx(float(loss), rel=1e-4)
    assert record.job["input"]["view"]["mean"] == list(OWN.mean)
    given = replace(own, run=Run(Path("given"), RunInfo(kind="given")), input={"size": own.size})
    assert make_view("resize", given).mean == DEFAULT.mean, "a given network's is ImageNet's"


class Renormalised(nn.Module):
    """A network that takes input by ImageNet's numbers and shows its trunk the same picture by its own."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, image: Tensor) -> Tensor:
        """image (N,3,H,W) -> logits (N,C)."""
        logits: Tensor = self.trunk(to_input(to_pixels(image, *DEFAULT), *OWN))
        return logits


def folded(own: Loaded) -> Loaded:
    """The same network with its normalisation inside, as a run by ImageNet's."""
    seen = {name: value for name, value in own.run.info.recipe["input"].items() if name != "normalisation"}
    info = replace(own.run.info, recipe={**own.run.info.recipe, "input": seen})
    run = Run(own.run.path.with_name("synthbirds-folded"), info)
    inside = {"model": Renormalised(own.model), "layer": f"trunk.{own.layer}", "input": seen}
    return replace(own, run=run, weights_hash="folded", **inside)


@pytest.mark.parametrize(
    ("metric", "columns"),
    [
        ("top1", None),
        ("top1-gray-mask", None),
        ("top1-gray-box", None),
        ("top1-tile", None),
        ("rfs", None),
        ("gradient-sign", None),
        ("infidelity:draws=20,images=20", ("yeh-gaussian",)),
    ],
)
def test_metrics_are_those_of_the_network_with_its_normalisation_inside(
    metric: str, columns: tuple[str, ...] | None, own: Loaded, place: Place, birds_seen: Dataset
) -> None:
    found = {}
    for loaded in (own, folded(own)):
        record = evaluate(EvalJob(metric), loaded, birds_seen, place)
        (path,) = (r.path for r in records_of(place.results, record.run) if r.metric == metric)
        found[loaded.run.name] = read_rows(path.with_suffix(".h5")).values
    one, other = found.values()
    for name in columns or one:
        assert np.isfinite(one[name]).all() and len(one[name]) > 1
        np.testing.assert_allclose(one[name], other[name], rtol=2e-3, atol=2e-6)


def explained(own: Loaded, usual: Loaded, place: Place, dataset: Dataset) -> list[Shown]:
    """The maps of both runs that may stand side by side, labelled by run."""
    for loaded in (own, usual):
        explain(ExplainJob(), loaded, dataset, place)
    (found,) = side_by_side(by_view([own.run, usual.run], place.results))
    return [replace(shown, label=shown.run.name) for shown in found if shown.maps.job["explainer"] == "grad-cam"]


def bytes_of(picture: Path | NDArray[np.uint8]) -> NDArray[np.int64]:
    """A picture's bytes, to subtract."""
    assert isinstance(picture, np.ndarray)
    return picture.astype(np.int64)


def test_pictures_are_the_images_and_runs_of_both_stand_side_by_side(
    own: Loaded, usual: Loaded, place: Place, birds_seen: Dataset
) -> None:
    shown = explained(own, usual, place, birds_seen)
    assert [s.run.name for s in shown] == [own.run.name, usual.run.name], "in one group"
    for a, b in zip(*(rows([s], place.data) for s in shown), strict=True):
        assert np.abs(bytes_of(a.image) - bytes_of(b.image)).max() <= 1
    plain, seen = decode.pixels(birds_seen.samples[0].path), make_view("resize-center-crop", own)
    image = to_input(torch.from_numpy(plain.copy()).permute(2, 0, 1) / 255, *OWN)
    assert np.array_equal(pixels(image, seen), plain)


def test_a_crop_is_explained_as_each_network_sees_it(
    own: Loaded, usual: Loaded, place: Place, birds_seen: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crop that is the whole image has the image's own maps, whichever run stands first."""
    monkeypatch.setattr(consistency, "paired_windows", lambda n, size, generator: geometry.whole(n, *size))
    both = explained(own, usual, place, birds_seen)
    for order in (both, both[::-1]):
        made = consistency.pairs(order, place, 3)
        for original, crop in zip(made[::2], made[1::2], strict=True):
            assert np.abs(bytes_of(original.image) - bytes_of(crop.image)).max() <= 1
            for label, heatmap in original.maps.items():
                assert abs(crop.maps[label] - heatmap).max() <= 1e-4 * abs(heatmap).max() + 1e-7


def test_figures_of_one_run_show_the_images(
    own: Loaded, usual: Loaded, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[Row]] = []
    whole = scene.panels
    monkeypatch.setattr(scene, "panels", lambda rows, *words: drawn.append(rows) or whole(rows, *words))
    for kind in ("counterfactual", "versus"):
        for loaded in (own, usual):
            draw(kind, place.results / "f.png", place, [loaded.run.name], images=2)
    for first, second in (drawn[:2], drawn[2:]):
        for a, b in zip(first, second, strict=True):
            assert np.abs(bytes_of(a.image) - bytes_of(b.image)).max() <= 1
