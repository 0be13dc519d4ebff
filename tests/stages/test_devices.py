"""Estimates for devices, here or not: operations, passes, peak and share by hand; what was measured there goes first."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards import board
from tiny import TINY

from cambench.recipes.load import load
from cambench.stages.reproducing.cost import Known, estimate, passes
from cambench.stages.reproducing.devices import DEVICES, chosen
from cambench.stages.reproducing.plan import Job, Wish, make_jobs
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

CE = '{ method = "ce", arch = "resnet50" }'


@pytest.fixture
def nowhere(tmp_path: Path) -> Place:
    """Empty roots."""
    return Place(tmp_path / "data", tmp_path / "results", "cpu")


def jobs(rows: dict[str, str], dataset: str, *overrides: str, seeds: int = 1) -> list[Job]:
    """The jobs of a table, trainings and measurements in turn."""
    table = board(rows, dataset=dataset, seeds=seeds)
    return make_jobs([table], Wish(overrides=overrides), lambda _: False)


def test_an_a100_by_hand(nowhere: Place) -> None:
    """NVIDIA's ResNet-50 trains 938 images a second there: 90 epochs of ImageNet take 34 hours, three passes each image."""
    training = jobs({"a": CE}, "imagenet", "train.validate_epochs=false")[0]
    takes = estimate(training, Known(nowhere, "a100"))
    assert takes.seconds / 3600 == pytest.approx(90 * 1_281_167 / 938 / 3600, rel=0.03)
    half = jobs({"a": CE}, "imagenet", "train.validate_epochs=false", "train.precision=bf16")[0]
    assert estimate(half, Known(nowhere, "a100")).seconds / 3600 == pytest.approx(90 * 1_281_167 / 2470 / 3600, rel=0.04)
    assert "23.4 TFLOP/s, 15 % of the peak of an NVIDIA A100" in takes.basis


@pytest.mark.parametrize("name", DEVICES)
def test_seconds_are_operations_over_the_rate(name: str, nowhere: Place) -> None:
    base, other = (estimate(jobs({"a": CE}, "cub")[1], Known(nowhere, device)) for device in ("cpu", name))
    rates = [DEVICES[device].rate("float32")[0] for device in ("cpu", name)]
    assert other.seconds == pytest.approx(base.seconds * rates[0] / rates[1]) and other.images == base.images


def test_a_device_goes_by_its_name(nowhere: Place) -> None:
    assert chosen("RTX4090", "cpu").is_it("NVIDIA GeForce RTX 4090") and chosen("a100", "cpu").is_it("NVIDIA A100-SXM4-80GB")
    assert not chosen("h100", "cpu").is_it("NVIDIA A100-SXM4-80GB") and not chosen("h100", "cpu").is_it(None)
    with pytest.raises(UsageError, match="unknown device 'h10'. Did you mean h100"):
        chosen("h10", "cpu")
    here = chosen(None, "cpu")
    assert here.device == DEVICES["cpu"] and not here.is_it("cpu (another, 1 threads)")


def test_another_methods_run_serves_in_proportion_to_the_passes(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    run = train(TrainJob("ce", "synthbirds", overrides=TINY), there)
    run.write_log([{**epoch, "images_per_second": 30.0} for epoch in run.log()])
    run.save(device="NVIDIA H100 80GB HBM3")
    cgc = jobs({"a": '{ method = "cgc" }'}, "synthbirds", *TINY)[0]
    takes = estimate(cgc, Known(there, "h100"))
    assert takes.seconds == pytest.approx(2 * 24 / 10) and f"in proportion to {run.name}" in takes.basis
    assert run.name not in estimate(cgc, Known(there, "a100")).basis, "another device"


def test_passes_follow_the_settings() -> None:
    """ExCon is SupCon before its epoch `start` of 200: 7 passes, then 10, of ExConB 16; frozen trunks take one."""

    def of(method: str, dataset: str, **preset: object) -> float:
        return passes(load(method, dataset, preset={key.replace("__", "."): v for key, v in preset.items()}).model_dump())

    assert of("excon", "cifar100", objective_settings__start=126, train__epochs=8) == pytest.approx((5 * 7 + 3 * 10) / 8)
    assert of("excon", "cifar100", objective_settings__start=1) == 10
    assert of("exconb", "cifar100", objective_settings__start=1, objective_settings__explain_bn="eval") == 15
    assert (of("cgc", "cub"), of("ce", "cub"), of("ce-head", "cub"), of("supcon-ori", "cifar100")) == (9, 3, 1, 1)
    assert of("supcon-ori", "cifar100", input__crop="evaluation", train__epochs=50) == 1 / 50
