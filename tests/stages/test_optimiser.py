"""Learning rates and parameter groups: by hand, and against torch's own schedulers."""

from __future__ import annotations

import pytest
import torch

from cambench import models
from cambench.recipes.load import load
from cambench.recipes.schema import Group, Optimizer, Schedule
from cambench.stages.training.optimiser import build, learning_rate
from cambench.vocabulary import UsageError


def schedule(name: str, **changes: object) -> Schedule:
    settings = {"step": 30, "milestones": [], "gamma": 0.1, "floor": 0.0, "warmup_epochs": 0, **changes}
    return Schedule(name=name, **settings)  # type: ignore[arg-type]


def test_schedules_by_hand() -> None:
    rates = [learning_rate(schedule("step"), 0.1, step=s, steps=10, epochs=90) for s in (0, 299, 300, 600, 899)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.001])
    cosine = schedule("cosine", floor=0.01, warmup_epochs=2)
    rates = [learning_rate(cosine, 1.0, step=s, steps=4, epochs=10) for s in (0, 7, 8, 24, 40)]
    assert rates == pytest.approx([1 / 8, 1.0, 1.0, 0.01 + 0.99 / 2, 0.01])
    swav = schedule("multistep", milestones=[12, 16], gamma=0.2)
    rates = [learning_rate(swav, 5.0, step=101 * e + 100, steps=101, epochs=50) for e in (0, 11, 12, 15, 16, 49)]
    assert rates == pytest.approx([5.0, 5.0, 1.0, 1.0, 0.2, 0.2])


def test_excons_cosine_is_constant_inside_an_epoch_and_counted_from_1() -> None:
    """The check values of ExCon protocol §1.6."""
    cosine = schedule("cosine-by-epoch", floor=0.001)
    for epoch, rate in {1: 0.499969, 50: 0.426850, 100: 0.250250, 200: 0.000500}.items():
        for step in (0, 6):
            found = learning_rate(cosine, 0.5, step=(epoch - 1) * 7 + step, steps=7, epochs=200)
            assert found == pytest.approx(rate, abs=5e-7)
    warm = schedule("cosine-by-epoch", warmup_epochs=2)
    rates = [learning_rate(warm, 1.0, step=s, steps=4, epochs=4) for s in (0, 7, 8, 11, 12)]
    assert rates == pytest.approx([1 / 8, 1.0, 0.5, 0.5, 0.0])


def test_multistep_is_torchs_multistep() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.02)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, [12, 16], gamma=0.2)
    for epoch in range(20):
        ours = learning_rate(schedule("multistep", milestones=[12, 16], gamma=0.2), 0.02, step=epoch * 3, steps=3, epochs=20)
        assert ours == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(("epochs", "every", "drops"), [(40, 30, [30]), (50, 15, [15, 30, 45]), (10, 3, [3, 6, 9])])
def test_step_before_falls_where_the_wsol_benchmark_does(epochs: int, every: int, drops: list[int]) -> None:
    """Its loop: before each epoch e = 1, 2, …, a tenth of the rate if e mod frequency = 0 (CALM protocol §1.6)."""
    rate, expected = 1.0, []
    for epoch in range(1, epochs + 1):
        rate *= 0.1 if epoch % every == 0 else 1.0
        expected += [rate] * 2
    ours = [
        learning_rate(schedule("step-before", step=every), 1.0, step=s, steps=2, epochs=epochs) for s in range(2 * epochs)
    ]
    assert ours == pytest.approx(expected)
    assert [e + 1 for e in range(1, epochs) if ours[2 * e] < ours[2 * e - 1]] == drops


def recipe(name: str = "sgd", **rates: float) -> Optimizer:
    groups = {module: Group(lr=rate) for module, rate in rates.items()}
    return load("ce", "imagenet").optimizer.model_copy(update={"name": name, "groups": groups})


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_every_parameter_is_in_the_group_of_its_longest_name(name: str) -> None:
    model = models.build("resnet8", 4)
    wanted = recipe(name, head=5.0, layer3=0.5).model_copy(update={"weight_decay": 0.0})
    wanted.groups["layer3.0.bn1"] = Group(lr=0.25)
    built = build(model, wanted)
    rate = {id(p): group["lr"] for group in built.param_groups for p in group["params"]}
    assert len(rate) == len(list(model.parameters()))
    for key, parameter in model.named_parameters():
        expected = {"fc": 5.0, "layer3": 0.25 if key.startswith("layer3.0.bn1") else 0.5}.get(key.partition(".")[0], 0.1)
        assert rate[id(parameter)] == expected, key
    assert all(group["initial_lr"] == group["lr"] and group["weight_decay"] == 0 for group in built.param_groups)


def test_without_groups_there_is_one_and_an_unknown_name_is_an_error() -> None:
    model = models.build("resnet8", 4)
    assert len(build(model, recipe()).param_groups) == 1
    with pytest.raises(UsageError, match="optimizer.groups: unknown module 'layer9'. Did you mean layer"):
        build(model, recipe(layer9=1.0))


def test_a_group_of_rate_zero_stays_as_it_is() -> None:
    model = models.build("resnet8", 4, seed=1)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = build(model, recipe(head=0.0))
    model(torch.randn(2, 3, 16, 16)).square().sum().backward()
    optimizer.step()
    moved = {key for key, p in model.named_parameters() if not torch.equal(p, before[key])}
    assert moved == {key for key, _ in model.named_parameters() if not key.startswith("fc.")}


def test_a_group_may_be_so_many_times_the_rate_of_all_others() -> None:
    wanted = recipe().model_copy(update={"lr": 0.02, "groups": {"head": Group(times=10.0), "layer3": Group(lr=0.5)}})
    rates = {"": 0.02, "layer3": 0.5, "head": 0.2}
    assert [group["lr"] for group in build(models.build("resnet8", 4), wanted).param_groups] == pytest.approx(
        [rates[""], rates["head"], rates["layer3"]]
    )
    assert wanted.model_dump()["groups"] == {"head": {"times": 10.0}, "layer3": {"lr": 0.5}}
    moved = load("cam", "cub", overrides=["optimizer.lr=0.001"]).optimizer
    assert moved.groups["last-stage"].rate(moved.lr) == pytest.approx(0.01), "the groups follow the rate"


OLD = {"layer4": Group(times=10.0), "head": Group(times=10.0)}
"""What the recipes of CALM's tables said when their groups were names of a ResNet's modules."""


def rates_of(model: torch.nn.Module, groups: dict[str, Group]) -> dict[str, float]:
    """Each parameter's learning rate, where all others learn at 1."""
    wanted = recipe().model_copy(update={"lr": 1.0, "groups": groups})
    rate = {id(p): group["lr"] for group in build(model, wanted).param_groups for p in group["params"]}
    return {key: rate[id(p)] for key, p in model.named_parameters()}


@pytest.mark.parametrize("surgery", [(), ("large-map",), ("large-map-28",), ("large-map-28", "calm-head")])
def test_a_resnet50_learns_at_the_rates_that_it_had_when_groups_were_names(surgery: tuple[str, ...]) -> None:
    model = models.build("resnet50", 4, surgery=surgery)
    old = {**OLD, "avgpool": Group(times=10.0)} if "calm-head" in surgery else OLD
    groups = load("calm-em" if "calm-head" in surgery else "cam", "cub").optimizer.groups
    found = rates_of(model, groups)
    assert found == rates_of(model, old)
    tens = {key.partition(".")[0] for key, rate in found.items() if rate == 10}
    assert tens == {"layer4", "avgpool" if "calm-head" in surgery else "fc"}


@pytest.mark.parametrize(
    ("arch", "first"),
    [
        ("resnet8", "layer3"),
        ("mobilenet_v2", "features.14"),
        ("densenet121", "features.transition3"),
        ("efficientnet_b0", "features.6"),
    ],
)
def test_the_last_stage_begins_with_the_block_of_the_last_reduction(arch: str, first: str) -> None:
    for surgery in ((), ("large-map",)):
        model = models.build(arch, 4, surgery=surgery)
        found = rates_of(model, {"last-stage": Group(lr=3.0), "head": Group(lr=5.0), "trunk": Group(lr=2.0)})
        order = list(found)
        start = next(i for i, key in enumerate(order) if key.startswith(f"{first}."))
        assert set(order[:start]) == {key for key, rate in found.items() if rate == 2}, surgery
        assert {found[key] for key in order[start:-2]} == {3.0} and {found[key] for key in order[-2:]} == {5.0}


def test_a_network_without_reductions_has_no_last_stage() -> None:
    flat = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)
    )
    with pytest.raises(UsageError, match="optimizer.groups: last-stage is what runs .* this network has none"):
        build(flat, recipe().model_copy(update={"groups": {"last-stage": Group(lr=1.0)}}))


@pytest.mark.parametrize("text", ["{head={}}", "{head={lr=1.0, times=2.0}}"])
def test_a_group_has_one_of_both(text: str) -> None:
    with pytest.raises(UsageError, match="optimizer.groups.head: value error, expected one of lr and times"):
        load("ce", "cub", overrides=[f"optimizer.groups={text}"])
