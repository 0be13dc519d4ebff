"""The source and the weights of a network of one's own are in the identity of all that is measured of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from own import EDITED, LOADED, NETWORK, SMALL, edit, measured

from cambench import models
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import CambenchError, UsageError


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


def test_a_given_network_without_a_data_set_leaves_nothing_behind(own: Place, module: Path) -> None:
    with pytest.raises(UsageError, match="expected --dataset, since a given network belongs to no data set"):
        measured(own, "top1", runs=("python:edited_net:build",))
    assert not [*own.results.glob("runs/python-*")]


def test_a_given_networks_count_wins(own: Place, module: Path) -> None:
    edit(module, NETWORK.replace("nn.Linear(4, 3)", "nn.Linear(4, 10)"))
    spec = f"folder:{own.data / 'mine'}"
    with pytest.raises(UsageError, match=r"expected 10 classes.*got 3.*`0,ant`.*`9,unused`"):
        measured(own, "top1", runs=("python:edited_net:build",), dataset=spec)
    (own.data / "mine" / "classes.csv").write_text("index,folder\n5,ant\n6,bee\n1,cat\n9,unused\n")
    assert measured(own, "top1", runs=("python:edited_net:build",), dataset=spec)[0].values[""].n == 6
