"""A step on two processes is that of one: every objective's loss, values and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pair import together
from torch import Tensor, nn

from benchmarks.training_steps import Case, case_of
from cambench import processes, seeds
from cambench.losses.cross_entropy import cross_entropy
from cambench.models.global_norm import globalised
from cambench.objectives import INDEX, make
from cambench.objectives.shares import Share, layout
from cambench.recipes.load import METHODS, word
from cambench.stages.training.learning import learning
from cambench.stages.training.lessons import Phase, positions
from cambench.stages.training.loop import Loop
from cambench.store.runs import Run
from cambench.vocabulary import Batch, CambenchError

N, OTHERS = 7, 5
ONE = {word(method, "objective"): method for method in reversed(list(METHODS)) if method != "exconb"}
WALKED = sorted({*ONE.values(), "exconb"})
SIMPLE = ("ce", "cfce", "calm-em", "acol", "bce")
"""Methods whose loss is of single images and that draw nothing: a pass of them is what a process computes."""
COUPLED = ("cgc", "cgc-semi", "exconb", "spg", "cutmix")
"""Methods whose images depend on one another: what a pass is of must not depend on the processes."""
ADAM = {"name": "adam", "lr": 1e-3, "clip": 1.0}
"""Of synthbirds' recipes."""
SETTINGS = {"cgc": {"group": 4}, "cgc-semi": {"group": 3}, "cutmix": {"probability": 1.0}, "corm": {"probability": 1.0}}
Result = dict[str, Tensor]


def noise(shape: Sequence[int], name: str) -> Tensor:
    """Smooth noise in float64, of a name."""
    small = torch.randn(*shape[:-2], 4, 4, generator=seeds.generator("test", name), dtype=torch.float64)
    return nn.functional.interpolate(small, size=tuple(shape[-2:]), mode="bicubic")


@cache
def case(method: str) -> Case:
    """A method with a batch of 7 images of three classes, in float64; made once, before the processes part."""
    made = case_of(method, "resnet8", 32, N)
    settings = {**made.recipe.objective_settings, **SETTINGS.get(made.objective.name, {})}
    recipe = made.recipe.model_copy(update={"objective_settings": settings})
    batch, label = made.batch, torch.arange(N) % 3
    regions = None if batch.regions is None else torch.where(batch.regions >= 0, label[:, None, None], -1)
    views = {name: noise(images.shape, name) for name, images in batch.views.items()}
    beside, other = batch.negatives, batch.unlabelled
    if beside is not None:
        beside = replace(beside, views={name: noise(x.shape, f"beside {name}") for name, x in beside.views.items()})
    if other is not None:
        other = Batch({name: noise((OTHERS, 3, 32, 32), name) for name in other.views}, -torch.ones(OTHERS), tuple(range(5)))
    batch = replace(batch, views=views, label=label, regions=regions, negatives=beside, unlabelled=other)
    made.network.model.double()
    return replace(made, recipe=recipe, batch=batch)


def held(batch: Batch, places: Sequence[int], shares: tuple[Share, ...]) -> Batch:
    """The images of a batch at these places, with their negatives, as a loader of one of several processes gives them."""
    rows, beside = torch.tensor(places), batch.negatives
    each = 0 if beside is None else len(beside.rows) // len(batch.rows)
    with_them = [row * each + i for row in places for i in range(each)]
    return replace(
        batch,
        views={name: images[rows] for name, images in batch.views.items()},
        label=batch.label[rows],
        rows=tuple(batch.rows[row] for row in places),
        negatives=None if beside is None else held(beside, with_them, ()),
        regions=None if batch.regions is None else batch.regions[rows],
        targets=None if batch.targets is None else batch.targets[rows],
        shares=shares,
    )


def here(batch: Batch, passes: int) -> Batch:
    """What this process holds of a batch."""
    if processes.count() == 1:
        return batch
    shares, other = layout(len(batch.rows), passes), batch.unlabelled
    if other is not None:
        of_other = layout(len(other.rows), passes)
        other = held(other, (positions([of_other]) or [[]])[0], of_other)
    return replace(held(batch, (positions([shares]) or [[]])[0], shares), unlabelled=other)


def step(method: str, norms: str, passes: int = 1) -> Result:
    """The loss, the values and the gradients of a step. norms: `frozen`, `global` or `device`."""
    made = case(method)
    network, recipe = deepcopy(made.network), made.recipe
    model, given = network.model, dict(recipe.objective_settings)
    if norms == "frozen" and "explain_bn" in given:
        given["explain_bn"] = "eval"
    if norms == "global":
        globalised(model)
    loop = SimpleNamespace(network=network)
    loop.differentiated = lambda *given: Loop.differentiated(loop, *given)  # type: ignore[arg-type]
    act = make(recipe.objective, given)[1]
    torch.manual_seed(0)
    with learning(model, recipe.model.frozen or made.objective.frozen):
        for module in model.modules():  # dropout is the processes' own
            if isinstance(module, nn.Dropout) or (norms == "frozen" and isinstance(module, nn.BatchNorm2d)):
                module.eval()
        values = Loop.backward(loop, act, here(made.batch, passes), seeds.generator("step"), passes)  # type: ignore[arg-type]
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {**values, **gradients}


def walk() -> dict[tuple[str, str], Result | str]:
    """The steps of every method, by what their batch norms go by."""
    results: dict[tuple[str, str], Result | str] = {}
    alone = processes.count() == 1
    for method in WALKED:
        results[method, "frozen"] = step(method, "frozen")
        results[method, "global"] = step(method, "global")
    for method in COUPLED:
        results[method, "passes"] = step(method, "frozen", 2)
    for method in SIMPLE:
        results[method, "device"] = step(method, "device", 2 if alone else 1)
    return results


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[tuple[str, str], Result]]:
    """Of one process, then of two."""
    torch.set_num_threads(1)
    return [walk(), *together(tmp_path_factory.mktemp("walks"), walk)]  # type: ignore[list-item]


KINDS = [(m, kind) for m in WALKED for kind in ("frozen", "global")]
KINDS += [(m, "passes") for m in COUPLED] + [(m, "device") for m in SIMPLE]


def test_every_objective_is_walked() -> None:
    assert {word(method, "objective") for method in WALKED} | {"classifier"} == set(INDEX)


@pytest.mark.parametrize(("method", "norms"), KINDS)
def test_a_step_on_two_processes_is_that_of_one(method: str, norms: str, walks: list[dict[tuple[str, str], Result]]) -> None:
    alone, *pair = (results[method, norms] for results in walks)
    for member in pair:
        assert list(member) == list(alone) and len(alone) > 2
        for name, value in alone.items():
            if name in ("unguided_branches", "empty_masks", "full_masks"):  # quotients of a pass's own counts, logged alone
                continue
            scale = float(value.abs().max().clamp(min=1e-3))
            assert float((member[name] - value).abs().max()) <= 1e-6 * scale, name
    assert all(torch.equal(pair[0][name], pair[1][name]) for name in alone)


def epoch(norms: str, folder: Path) -> Result:
    """The weights after an epoch of Adam from random ones, each batch another. norms: as of `step`."""
    made = case("ce")
    network = deepcopy(made.network)
    model = globalised(network.model) if norms == "global" else network.model
    recipe = made.recipe.model_copy(update={"optimizer": made.recipe.optimizer.model_copy(update=ADAM)})
    loop = Loop(Run(folder / f"{norms}-{processes.rank()}-of-{processes.count()}"), recipe, network, seed=0)
    phase = Phase(make("ce", {})[1], SimpleNamespace(seed=0, steps=8))  # type: ignore[arg-type]
    with learning(model, False):
        for module in model.modules():
            if norms == "frozen" and isinstance(module, nn.BatchNorm2d):
                module.eval()
        for i in range(phase.lessons.steps):
            views = {name: noise(images.shape, f"{name} {i}") for name, images in made.batch.views.items()}
            batch = replace(made.batch, views=views, label=(torch.arange(N) + i) % 3)
            loop.learn(phase, here(batch, 1), {}, 0, i)
    return dict(model.state_dict())


def epochs(folder: Path) -> dict[str, Result]:
    """With frozen batch norms, and with global ones."""
    return {norms: epoch(norms, folder) for norms in ("frozen", "global")}


def test_an_epoch_on_two_processes_ends_where_that_of_one_does(tmp_path: Path) -> None:
    """In double precision: what differs in single precision is rounding that Adam's first steps enlarge, not another sum."""
    case("ce")
    alone, (first, second) = epochs(tmp_path), together(tmp_path / "pair", epochs, tmp_path)
    for norms, weights in alone.items():
        begun = case("ce").network.model.state_dict()
        assert max(float((weights[name] - begun[name]).abs().max()) for name in begun) > 1e-3, "it has learnt"
        for name, value in weights.items():
            assert torch.equal(first[norms][name], second[norms][name]), name
            assert float((first[norms][name] - value).abs().max()) <= 1e-10, f"{norms} {name}"


def few() -> Result:
    """A batch of a single image, of which both processes compute the whole."""
    model, image, label = nn.Linear(3, 2, bias=False), torch.ones(1, 3), torch.tensor([1])
    nn.init.constant_(model.weight, 0.5)
    (share,) = layout(1, 1)
    loss = cross_entropy(model(image), label) * share.weight
    loss.backward()  # type: ignore[no-untyped-call]
    assert model.weight.grad is not None
    gradient, numbers = model.weight.grad, processes.joined(torch.arange(processes.rank() + 1))
    processes.add_up([gradient])
    return {"gradient": gradient, "numbers": numbers}


def test_fewer_images_than_processes(tmp_path: Path) -> None:
    alone, pair = few(), together(tmp_path, few)
    for member in pair:
        torch.testing.assert_close(member["gradient"], alone["gradient"])
        assert member["numbers"].tolist() == [0, 0, 1]


def test_a_pass_is_the_same_images_for_any_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of(count: int) -> list[Any]:
        monkeypatch.setattr(processes, "count", lambda: count)
        shares = []
        for rank in range(count):
            monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
            shares.append(layout(10, 3))
        return [sorted({row for s in of_pass for row in range(s.start, s.stop)}) for of_pass in zip(*shares, strict=True)]

    assert all_of(1) == all_of(2) == all_of(3) == all_of(4) == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]


def kept_by_the_first() -> tuple[str, int]:
    """What a turn that fails in process 0 says in each, and what is agreed on next."""
    said = ""
    try:
        with processes.in_turn():
            if not processes.rank():
                raise CambenchError("the disk is full")
    except CambenchError as e:
        said = str(e)
    return said, processes.agreed(7 + processes.rank())


def test_a_turn_that_fails_in_the_first_fails_in_all_and_they_stay_in_step(tmp_path: Path) -> None:
    assert together(tmp_path, kept_by_the_first) == [("the disk is full", 7)] * 2


def test_a_process_waits_for_another_as_long_as_its_work_takes(tmp_path: Path) -> None:
    assert together(tmp_path, lambda: processes.several() and processes.PATIENCE.days, n=2) == [7, 7]
