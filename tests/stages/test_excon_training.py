"""ExCon's methods go through, small: two phases, masked images, a trunk that two methods share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from data.cifar_miniature import cifar100

from cambench import models
from cambench.stages.reproducing import reproduce
from cambench.stages.reproducing.inventory import find_network
from cambench.stages.reproducing.plan import Network, Wish
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.runs import read_runs

METHODS = ("supcon-ori", "supcon", "excon", "exconb")
SMALL = ("input.size=16", "train.epochs=2", "train.batch_size=8")


def test_supcon_ori_begins_from_supcons_encoder_with_a_new_classifier(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    run = train(TrainJob("supcon-ori", "synthbirds", overrides=SMALL), place)
    (before,) = (r for r in read_runs(place.results) if r.info.method == "supcon")
    assert before.finished and before.info.recipe["train"]["epochs"] == 2 and before.info.deviations
    first, second = (load_checkpoint(r.path / "last.pt")["model"] for r in (before, run))
    assert {k for k in first if not torch.equal(first[k], second[k])} == {"fc.weight", "fc.bias"}
    assert run.info.weights == "trunk:supcon" and (run.path / "best.pt").exists()
    new = models.build("resnet8", 4, surgery=["projection"], seed=0)
    assert new.fc.weight.shape == second["fc.weight"].shape
    found = find_network(Network("supcon-ori", None, "synthbirds", overrides=SMALL), place)
    assert found is not None and found.name == run.name


@pytest.mark.parametrize("method", ["supcon", "excon", "exconb"])
def test_every_method_goes_through_small(method: str, birds: Path, tmp_path: Path) -> None:
    run = train(TrainJob(method, "synthbirds", overrides=SMALL), Place(birds, tmp_path, "cpu"))
    log = run.log()
    wanted = {"loss", "classifier_loss", "training_classifier_accuracy", "validation_accuracy", "validation_loss"}
    assert len(log) == 2 and all(wanted <= set(line) for line in log)
    assert [("wrong_masked" in line) for line in log] == [method != "supcon"] * 2, "start = 100 of 200 is the 1st of 2"
    assert run.info.layer == "layer2.0.conv2"


def test_it_trains_on_cifar100_with_changed_colours_from_the_cache(tmp_path: Path) -> None:
    cifar100(tmp_path)
    given = ("train.epochs=4", "train.batch_size=3")
    run = train(
        TrainJob("exconb", "cifar100", "resnet8", overrides=given), Place(tmp_path, tmp_path / "r", "cpu", workers=0)
    )
    assert ["wrong_masked" in line for line in run.log()] == [True] * 4, "the 50th epoch of 200 is the first of 4"
    assert run.info.recipe["input"]["augment"] == "supcon" and run.info.layer == "layer2.0.conv2"
    assert run.info.recipe["input"]["normalisation"] == "cifar100"
    assert not any("normalised" in said for said in run.info.deviations)


def test_a_plan_of_table_1_on_a_stand_in_trains_four_methods_supcon_first(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    plan = reproduce.make_plan(reproduce.Choice(["excon/1"], on="synthbirds"), Wish("synthbirds", 1), place)
    trainings = [job for job in plan.jobs if job.measurement is None]
    assert sorted(job.network.method for job in trainings) == sorted(METHODS)
    supcon, ori = (next(job for job in trainings if job.network.method == m) for m in ("supcon", "supcon-ori"))
    assert ori.needs == (supcon.key,) and not any(job.reasons for job in trainings)
