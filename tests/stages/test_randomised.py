"""The randomisation metric of a network: networks randomised by hand, the original's weights, batches."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cambench import models, seeds
from cambench.explainers.batch import explain
from cambench.models.randomise import blocks
from cambench.stages.measuring import randomised, works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import Loaded
from cambench.stages.workplace import Place
from cambench.store.records import read_rows, records_of, rows_path

NO: Any = None


def loaded() -> Loaded:
    """A small network with batch norms and a GAP + linear head, as a run's is loaded."""
    torch.manual_seed(4)
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )
    net.train()(torch.randn(9, 3, 16, 16))
    net.eval()
    return Loaded(NO, models.for_inference(net, layer="4"), "4", NO, 16, "cpu", "float32", "", net, {}, named=True)


@pytest.mark.parametrize("cascading", [True, False])
@pytest.mark.parametrize("explainer", ["grad-cam", "hires-cam", "cmwp", "vanilla-gradient"])
def test_maps_are_those_of_networks_randomised_by_hand(explainer: str, cascading: bool) -> None:
    given = loaded()
    image = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    classes, weights = torch.tensor([3, 1]), copy.deepcopy(given.original.state_dict())
    maps_of = randomised.randomised_maps(EvalJob("randomisation", explainer), given, NO)
    maps = maps_of(image, classes, count=2, cascading=cascading)
    assert torch.equal(maps, maps_of(image, classes, count=2, cascading=cascading)), "the copy is whole again"
    net = copy.deepcopy(given.original)
    for k, block in enumerate([(), *blocks(net, 2)]):
        net = net if cascading else copy.deepcopy(given.original)
        for name in block:
            torch.manual_seed(seeds.derive("randomisation", name))
            net.get_submodule(name).reset_parameters()
        expected = explain(copy.deepcopy(net), image, explainer, classes=classes, layer="4", size=16)
        torch.testing.assert_close(maps[:, k], expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert not torch.allclose(maps[:, 1], maps[:, 0]) and not torch.allclose(maps[:, 2], maps[:, 1])
    assert all(torch.equal(t, given.original.state_dict()[name]) for name, t in weights.items())


def test_the_copy_is_whole_again_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    maps_of = randomised.randomised_maps(EvalJob("randomisation"), loaded(), NO)
    image, classes, usual, calls = torch.ones(1, 3, 16, 16), torch.tensor([0]), randomised.maps_now, []

    def breaks(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 3:
            raise torch.OutOfMemoryError
        return usual(*arguments)

    whole = maps_of(image, classes, count=3, cascading=True)
    monkeypatch.setattr(randomised, "maps_now", breaks)
    maps_of = randomised.randomised_maps(EvalJob("randomisation"), loaded(), NO)
    with pytest.raises(torch.OutOfMemoryError):
        maps_of(image, classes, count=3, cascading=True)
    assert torch.equal(maps_of(image, classes, count=3, cascading=True), whole)


def test_rows_do_not_depend_on_the_batch_size(place: Place, tmp_path: Path) -> None:
    """Of every metric that disturbs images or networks at random."""
    names = ("randomisation:blocks=2", "sensitivity-max:samples=2", "sensitivity-n:draws=4,percent=10")
    names = (*names, "road:of=probability,percent=50")
    rows = []
    for size in (7, 40):
        root = tmp_path / str(size)
        root.mkdir()
        (root / "runs").symlink_to(place.results / "runs")
        wanted = [EvalJob(name, "grad-cam", batch_size=size) for name in names]
        records = works.evaluate_all(works.Works(["synthbirds-ce"]), wanted, Place(place.data, root, "cpu"))
        assert [record.metric for record in records] == list(names)
        rows.append([read_rows(rows_path(record.path)).values for record in records_of(root, records[0].run)])
    for few, many in zip(*rows, strict=True):
        for name, column in few.items():
            np.testing.assert_allclose(column, many[name], rtol=1e-3, atol=2e-3, err_msg=name)
