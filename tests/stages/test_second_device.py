"""Every method, explainer, target and metric on a device that is not the CPU: no operation mixes the two.

Values are those of the CPU, where the same kernels compute; what is tried is where tensors lie.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from second_device import DEVICE, MixedDevicesError, There, second_device
from tiny import TINY
from torchvision.models import VisionTransformer

from cambench import data, explainers, metrics, objectives
from cambench.data import synthbirds
from cambench.explainers.batch import explain_batch
from cambench.recipes import load as recipes
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import Loaded, load_network
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import Run, find_run
from cambench.vocabulary import Dataset, UsageError

QUICK = [*TINY, "train.epochs=1"]
SMALLER = {
    "infidelity": "infidelity:images=2,draws=4",
    "cgc-loss": "cgc-loss:group=8",
    "rfs-sweep": "rfs-sweep:trials=1",
    "road": "road:percent=50",
    "sensitivity-n": "sensitivity-n:draws=3",
    "faithfulness-correlation": "faithfulness-correlation:draws=3",
    "sensitivity-max": "sensitivity-max:samples=2",
    "randomisation": "randomisation:blocks=2",
    "rise": "rise:masks=8",
    "ss-cam": "ss-cam:samples=1",
    "is-cam": "is-cam:samples=1",
    "extremal-perturbation": "extremal-perturbation:steps=2",
}
"""What takes a thousand draws, or more images than there are."""
FITTING = ("cfce", "ce", "calm-em", "acol", "bce", "segment-frozen")
"""Methods whose runs are tried in turn: the first that an entry takes."""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two tiny sets, and the second device."""
    root = tmp_path_factory.mktemp("second")
    size = {"classes": 3, "per_class": 6, "test_per_class": 3, "size": 40}
    synthbirds.make(root / "data" / "synthbirds", **size)
    synthbirds.make_multilabel(root / "data" / "synthbirds-multilabel", **size)
    return Place(root / "data", root / "results", DEVICE)


def trained(method: str, place: Place) -> Run:
    """A run of one epoch, made once, after that of the method it begins with, on data that both take."""
    multilabel = objectives.INDEX[recipes.load(method, "synthbirds").objective].multilabel
    dataset = "synthbirds" if multilabel is False else "synthbirds-multilabel"
    base = recipes.load(method, dataset).model.base
    weights = None if base is None else train(TrainJob(base, dataset, overrides=QUICK), place).path / "last.pt"
    return train(TrainJob(method, dataset, weights=weights, overrides=QUICK), place)


def on_a_fitting_run(place: Place, do: Callable[[Loaded, Dataset], object]) -> None:
    """Do something with the first run that takes it. Raises: what the last run said, where none does."""
    refused: UsageError | None = None
    for method in FITTING:
        try:
            with second_device():
                run = trained(method, place)
                do(load_network(run, place), data.load(run.info.dataset, "eval", place.data))
            return
        except UsageError as e:
            refused = e
    raise AssertionError(f"no run takes it: {refused}")


@pytest.mark.parametrize("method", recipes.METHODS.built_in)
def test_a_method_trains(method: str, there: Place) -> None:
    before = There.operations
    with second_device():
        run = trained(method, there)
    assert find_run(run.name, there.results).finished and There.operations > before


OF_PEERS = [name for name, entry in explainers.INDEX.built_in.items() if entry.package]
OF_ATTENTION = [name for name, entry in explainers.INDEX.built_in.items() if entry.space == "attention"]


@pytest.mark.parametrize("name", OF_ATTENTION)
def test_an_explainer_of_attention_explains(name: str) -> None:
    torch.manual_seed(0)
    with second_device():
        network = VisionTransformer(8, 4, 2, 2, 8, 16, num_classes=3).to(DEVICE)
        assert explain_batch(network, torch.randn(2, 3, 8, 8).to(DEVICE), explainer=name).maps.shape == (2, 2, 2)


@pytest.mark.parametrize("name", [name for name in explainers.INDEX.built_in if name not in OF_ATTENTION + OF_PEERS])
def test_an_explainer_explains(name: str, there: Place) -> None:
    job = ExplainJob(explainer=SMALLER.get(name, name), target="logit")
    on_a_fitting_run(there, lambda loaded, dataset: explain(job, loaded, dataset, there))


@pytest.mark.parametrize("name", ["probability", "log-odds", "mean", "max", "weighted", "versus:1", "reconstructed"])
def test_a_target_is_explained(name: str, there: Place) -> None:
    job = ExplainJob(explainer="hires-cam", target=name)
    on_a_fitting_run(there, lambda loaded, dataset: explain(job, loaded, dataset, there))


@pytest.mark.parametrize("name", [name for name, metric in metrics.INDEX.built_in.items() if not metric.package])
def test_a_metric_measures(name: str, there: Place) -> None:
    job = EvalJob(SMALLER.get(name, name))
    on_a_fitting_run(there, lambda loaded, dataset: evaluate(job, loaded, dataset, there))


def test_the_second_device_refuses_what_cuda_refuses() -> None:
    generator = torch.Generator().manual_seed(0)
    with second_device():
        here, x = torch.ones(3), torch.arange(3.0, device=DEVICE)
        assert str(x.device) == DEVICE and (x * 2).sum().item() == 6 and (x + torch.tensor(1.0)).tolist() == [1, 2, 3]
        assert x.cpu().numpy().tolist() == [0, 1, 2] and str(here.to(x).device) == DEVICE
        assert x[torch.tensor([2])].tolist() == [2]
        for mixed in (lambda: x + here, lambda: torch.stack([x, here]), lambda: here[x.long()], lambda: x.add_(here)):
            with pytest.raises(MixedDevicesError, match="one device"):
                mixed()
        with pytest.raises(MixedDevicesError, match="generator"):
            torch.rand(3, generator=generator, device=DEVICE)
        with pytest.raises(RuntimeError, match="numpy"):
            x.numpy()
