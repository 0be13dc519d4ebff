"""A device whose memory does not suffice: smaller batches, more parts, the same result; or one line. And no leak."""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from data.miniatures import own_folder
from own import SMALL, trained
from torch import nn
from torchvision.ops import StochasticDepth

from cambench import objectives, seeds
from cambench.explainers.query import Explanation
from cambench.explainers.several import maps_of_explainers
from cambench.objectives.network import Network
from cambench.recipes import load as recipes
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob, measuring
from cambench.stages.memory import Fitting
from cambench.stages.network import Loaded
from cambench.stages.progress import Bar
from cambench.stages.training.lessons import Lessons, Phase
from cambench.stages.training.loop import Loop
from cambench.stages.training.parts import mixing
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place, computing
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import read_columns, rows_path
from cambench.store.runs import Run
from cambench.vocabulary import Batch, CambenchError


def short(function: Callable[..., Any], most: int) -> Callable[..., Any]:
    """The function on a device with room for so many images; of a method, after its object."""

    def call(*arguments: Any, **keywords: Any) -> Any:
        images = next(a for a in arguments if isinstance(a, torch.Tensor))
        if len(images) > most:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {len(images)} GiB. GPU 0 has …\nmore")
        return function(*arguments, **keywords)

    return call


def test_a_batch_is_halved_until_it_fits_and_stays_so(capfd: pytest.CaptureFixture[str]) -> None:
    sizes: list[int] = []

    def double(images: torch.Tensor, classes: torch.Tensor | None, target: str) -> Explanation:
        sizes.append(len(images))
        chosen = images[:, 0, 0, 0].long() if classes is None else classes
        return Explanation(2 * images, images.flatten(1), chosen, torch.zeros(len(images)))

    fitting, images = Fitting(short(double, 2), "grad-cam"), torch.arange(14.0).view(7, 2, 1, 1)
    for _ in range(2):
        made = fitting(images, torch.arange(7), target="logit")
        assert torch.equal(made.maps, 2 * images) and torch.equal(made.logits, images.flatten(1))
        assert made.classes.tolist() == list(range(7))
    assert sizes == [1] * 14
    said = capfd.readouterr().err.split("\n")
    assert said[0].startswith("grad-cam: the device's memory does not suffice for 7 images (CUDA out of memory. Tried to")
    assert said[1].endswith("going on with 1 image") and len(said) == 3
    assert Fitting(double, "x")(images, None, "logit").classes.tolist() == [0, 2, 4, 6, 8, 10, 12]
    with pytest.raises(CambenchError, match=r"grad-cam: the device's memory does not suffice for one image \(CUDA out of"):
        Fitting(short(double, 0), "grad-cam")(images, None, target="logit")


def test_rows_alone_are_cut_and_only_where_it_must_be(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    seen: list[tuple[Any, ...]] = []
    answers: list[torch.Tensor] = []

    def sums(*given: Any, names: list[str]) -> torch.Tensor:
        seen.append((*given, names))
        answers.append(given[0].sum(1))
        return answers[-1]

    given = torch.arange(8.0).view(4, 2), torch.tensor(4.0), torch.arange(3), list("abcd")
    assert Fitting(sums, "sums")(*given, names=given[3]) is answers[0]
    assert all(a is b for a, b in zip(seen[0], (*given, given[3]), strict=True)) and not emptied
    fitting = Fitting(short(sums, 2), "sums")
    assert fitting(*given, names=given[3]).tolist() == [1, 5, 9, 13] and len(emptied) == 1
    images, scalar, others, letters, names = seen[-1]
    assert images.tolist() == [[4, 5], [6, 7]] and letters == names == ["c", "d"]
    assert scalar is given[1] and others is given[2], "no rows of the images"
    fitting.function = short(sums, 0)
    with pytest.raises(CambenchError, match="for one image"):
        fitting(given[0][:1], names=["a"])
    fitting.most = 3
    with pytest.raises(CambenchError):
        fitting(given[0][:2], names=["a", "b"])
    assert capfd.readouterr().err.splitlines()[-1].startswith("sums: the device's memory does not suffice for 2 images")


def test_maps_and_values_are_the_same_on_a_small_device(own: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(own)
    there = Place(own.data, tmp_path / "there", "cpu")
    (there.results).mkdir()
    (there.results / "runs").symlink_to(own.results / "runs")
    jobs = [EvalJob("iauc"), EvalJob("top1")]
    whole = works.evaluate_all(works.Works([]), jobs, own)
    monkeypatch.setattr("cambench.stages.measuring.together.maps_of_explainers", short(maps_of_explainers, 2))
    monkeypatch.setattr(Loaded, "logits", short(Loaded.logits, 4))
    small = works.evaluate_all(works.Works([]), jobs, there)
    for a, b in zip(whole, small, strict=True):
        x, y = (read_columns(rows_path(record.path)) for record in (a, b))
        assert x.keys() == y.keys()
        for name in x.keys() - {"id"}:
            np.testing.assert_allclose(x[name], y[name], atol=1e-5)
    paths = [works.explain_all(works.Works([]), [ExplainJob()], place)[0] for place in (own, there)]
    first, second = (np.stack(read_heatmaps(path).maps) for path in paths)
    np.testing.assert_allclose(first, second, atol=1e-5 * np.abs(first).max())


def test_a_metric_whose_own_tensors_are_too_large_is_given_fewer_images(capfd: pytest.CaptureFixture[str]) -> None:
    """What it draws for an image stays the image's; what is drawn for a batch, or measured in groups, is left as it is."""

    def measure(room: int, image: torch.Tensor, generators: Any, generator: Any = None) -> dict[str, torch.Tensor]:
        noise = torch.stack([torch.rand(3, generator=generator) for generator in generators])
        return {"": short(lambda images: noise * images[:, None], room)(image), "label": image > 2}

    def rows(room: int, wanted: tuple[str, ...] = ("image", "generators"), group: int | None = None) -> Any:
        facts = {"rows": SimpleNamespace(group=group), "draws": "x", "measure": partial(measure, room)}
        return measuring(SimpleNamespace(**facts), EvalJob("noisy"), wanted)(torch.arange(5.0), [3, 4, 5, 6, 7])  # type: ignore[arg-type]

    whole, small = rows(5), rows(2)
    assert whole.keys() == small.keys() and all(torch.equal(whole[name], small[name]) for name in whole)
    assert "noisy: the device's memory does not suffice for 5 images" in capfd.readouterr().err
    for fixed in ({"wanted": ("image", "generators", "generator")}, {"group": 5}):
        with pytest.raises(torch.OutOfMemoryError):
            rows(2, **fixed)  # type: ignore[arg-type]


def test_classes_and_validation_fit_too(own: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of several right classes before its map is made, and a training's validation."""
    validating, logits = [*SMALL, "train.validate_epochs=true"], Network.logits
    job = TrainJob("ce", f"folder:{own.data / 'mine'}", "resnet8", overrides=validating)
    there = replace(own, results=tmp_path / "there")
    monkeypatch.setattr("cambench.stages.measuring.explain.meant", lambda *_: "best-of-set")
    whole, values = train(job, own), read_heatmaps(works.explain_all(works.Works([]), [ExplainJob()], own)[0])

    def validated(self: Network, images: torch.Tensor) -> torch.Tensor:
        return (short(logits, 1) if torch.is_inference_mode_enabled() else logits)(self, images)

    monkeypatch.setattr(Network, "logits", validated)
    monkeypatch.setattr(Loaded, "logits", short(Loaded.logits, 1))
    small = train(job, there)
    (path,) = works.explain_all(works.Works([]), [ExplainJob()], there)
    assert read_heatmaps(path).target.tolist() == values.target.tolist()
    for name in ("validation_accuracy", "validation_loss"):
        assert small.log()[0][name] == pytest.approx(whole.log()[0][name])


def test_what_cannot_be_cut_is_one_line(own: Place) -> None:
    text = r"^the device's memory does not suffice \(CUDA out of memory. Tried to allocate 9 GiB\); take smaller batches"
    with pytest.raises(CambenchError, match=text), computing(own):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. GPU 0 has …\nmore")


def steps(folder: Path, model: nn.Module, objective: str, most: int) -> dict[str, torch.Tensor]:
    """The gradients of one batch of 8 images on a device with room for so many."""
    recipe = recipes.load(objective, "synthbirds")
    loop = Loop(Run(folder), recipe, Network(model, "0", None), seed=0)
    _, step = objectives.make(recipe.objective, recipe.objective_settings)
    batch = Batch({"crop": torch.randn(8, 3, 8, 8)}, torch.randint(4, (8,)), tuple(range(8)))
    model.forward = short(model.forward, most)  # type: ignore[method-assign]
    phase = Phase(step, Lessons(None, {}, 8, 0))  # type: ignore[arg-type]
    loop.fitted(phase, batch, seeds.generator("x"))
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def linear(*between: nn.Module) -> nn.Module:
    """A small network with the same weights every time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 6), *between, nn.Linear(6, 4))


def test_a_training_step_takes_more_parts_where_they_give_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = steps(tmp_path, linear(nn.BatchNorm1d(6).eval()), "ce", 8)
    torch.testing.assert_close(steps(tmp_path, linear(nn.BatchNorm1d(6).eval()), "ce", 2), whole)
    said = capfd.readouterr().err
    assert "going on with train.accumulate = 2, which gives the same" in said and "train.accumulate = 4" in said


@pytest.mark.parametrize(
    ("between", "objective", "most", "text"),
    [
        (
            (nn.BatchNorm1d(6),),
            "ce",
            2,
            "since a BatchNorm1d in training looks at all images of a pass: say --set train.acc",
        ),
        ((nn.Dropout(),), "ce", 2, "since a Dropout in training"),
        ((), "cutmix", 2, "since the loss of cutmix looks at all images of a pass: say --set train.accumulate=2"),
        ((), "ce", 0, r"a batch in 8 \(CUDA out of memory.*of 1 image"),
    ],
)
def test_a_training_step_that_cannot_be_cut_up_says_why(
    between: tuple[nn.Module, ...], objective: str, most: int, text: str, tmp_path: Path
) -> None:
    with pytest.raises(CambenchError, match=text):
        steps(tmp_path, linear(*between), objective, most)


def test_a_phase_is_cut_up_by_itself(tmp_path: Path) -> None:
    """For want of memory for the classifier's batch the encoder's contrast must not be one of half batches."""
    recipe, model = recipes.load("ce", "synthbirds"), linear()
    loop = Loop(Run(tmp_path), recipe, Network(model, "0", None), seed=0)
    _, step = objectives.make("ce", recipe.objective_settings)
    batch = Batch({"crop": torch.randn(8, 3, 8, 8)}, torch.randint(4, (8,)), tuple(range(8)))
    model.forward = short(model.forward, 4)  # type: ignore[method-assign]
    phase = Phase(step, Lessons(None, {}, 8, 0))  # type: ignore[arg-type]
    loop.fitted(phase, batch, seeds.generator("x"))
    assert (loop.parts_of(phase), loop.parts_of(replace(phase, name="encoder"))) == (2, 1)


@pytest.mark.parametrize("module", [
    nn.Dropout2d(), StochasticDepth(0.5, "row"), nn.MultiheadAttention(8, 2, dropout=0.5), nn.AlphaDropout(),
], ids=lambda module: type(module).__name__)  # fmt: skip
def test_what_draws_random_numbers_is_not_the_same_in_parts(module: nn.Module) -> None:
    text = f"a {type(module).__name__} in training draws other numbers for a batch in parts"
    assert mixing("ce", nn.Sequential(module).train()) == text and mixing("ce", nn.Sequential(module).eval()) is None


@pytest.mark.parametrize("name", [name for name, entry in objectives.INDEX.items() if entry.by_image])
def test_losses_that_may_be_cut_up_may(name: str) -> None:
    """The mean of an image's loss: a batch's is the mean of those of its images, whatever the generator."""
    torch.manual_seed(0)
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), "0", None)
    view = next(iter(objectives.INDEX[name].views))
    images, label, targets = torch.randn(4, 3, 2, 2), torch.tensor([0, 1, 2, 1]), torch.eye(3)[[0, 1, 2, 1]]
    _, step = objectives.make(name, {})

    def loss(rows: slice) -> torch.Tensor:
        batch = Batch({view: images[rows]}, label[rows], tuple(range(4))[rows], targets=targets[rows])
        return sum(term for term in step(network, batch, seeds.generator("any")))  # type: ignore[return-value]

    torch.testing.assert_close(loss(slice(0, 4)), torch.stack([loss(slice(i, i + 1)) for i in range(4)]).mean())


def resident() -> float:
    """Megabytes of this process that lie in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
def test_memory_stays_flat_over_two_hundred_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each verb, one image a batch: 140 batches more take no more memory."""
    own_folder(tmp_path / "mine", parts=("train", "val"), per_class=67)
    place, sizes = Place(tmp_path, tmp_path / "results", "cpu"), dict[str, list[float]]()
    advance = Bar.advance

    def measured(self: Bar, n: int, values: str = "") -> None:
        sizes.setdefault(self.title, []).append(resident())
        advance(self, n, values)

    monkeypatch.setattr(Bar, "advance", measured)
    for pieces in ("explain.CHUNK", "rows.COMMIT"):  # what waits to be written is written at once
        monkeypatch.setattr(f"cambench.stages.measuring.{pieces}", 1)
    one = [*SMALL[:3], "train.batch_size=1", "train.validate_epochs=true"]
    train(TrainJob("ce", f"folder:{tmp_path / 'mine'}", "resnet8", overrides=one), place)
    works.explain_all(works.Works([]), [ExplainJob("gradient", batch_size=1)], place)
    works.evaluate_all(works.Works([]), [EvalJob("drop-increase", batch_size=1)], place)
    assert len(sizes) >= 4 and all(len(found) == 201 for found in sizes.values()), {k: len(v) for k, v in sizes.items()}
    for title, found in sizes.items():
        assert max(found[-20:]) - max(found[40:61]) < 6, f"{title}: {found[60]:.0f} MB, then {found[-1]:.0f} MB"
