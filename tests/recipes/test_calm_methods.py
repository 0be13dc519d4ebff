"""CALM's training recipes: the constants of the paper and the authors' code, the two losses, what they look at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import TINY

from cambench.data import synthbirds
from cambench.losses.calm import calm_em_loss, calm_ml_loss
from cambench.models import build
from cambench.recipes import load as recipes
from cambench.stages.explain import make_view
from cambench.stages.jobs import Place
from cambench.stages.networks import load_network
from cambench.stages.optimiser import groups
from cambench.stages.train import TrainJob, train, view
from cambench.store.checkpoints import load_checkpoint


@pytest.mark.parametrize("method", ["cam", "calm-em", "calm-ml"])
@pytest.mark.parametrize(
    ("dataset", "lr"),
    [("cub", 3e-5), ("cub-wsol", 3e-5), ("imagenet", 7e-5), ("imagenet-wsol", 7e-5), ("openimages-30k", 5e-5)],
)
def test_the_recipe(method: str, dataset: str, lr: float) -> None:
    recipe = recipes.load(method, dataset)
    optimizer, schedule = recipe.optimizer, recipe.schedule
    new = "head" if method == "cam" else "avgpool"
    assert (optimizer.name, optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == ("sgd", 0.9, True, 1e-4)
    assert optimizer.lr == lr and set(optimizer.groups) == {"layer4", new}
    assert [group.lr for group in optimizer.groups.values()] == pytest.approx([10 * lr] * 2)
    assert (recipe.train.epochs, recipe.train.batch_size, recipe.model.init) == (40, 64, "imagenet")
    assert (schedule.name, schedule.step, schedule.gamma, schedule.warmup_epochs) == ("step", 30, 0.1, 0)
    assert recipe.model.surgery[0] == "large-map-28" and recipe.objective == ("ce" if method == "cam" else "calm")
    crop, seen = view("random-resized-crop", recipe.input), view("resize-center-crop", recipe.input)
    assert (crop.kind, crop.size, crop.resize, crop.flip) == ("squash-random-crop", 224, 256, 0.5)
    assert (seen.kind, seen.size) == ("resize", 224)


@pytest.mark.parametrize("method", ["cam", "calm-em"])
def test_ten_times_the_rate_for_the_last_stage_and_what_is_new(method: str) -> None:
    recipe = recipes.load(method, "cub")
    with torch.device("meta"):
        network = build("resnet50", 200, surgery=recipe.model.surgery, head="replace")
    rates = {id(p): group["lr"] for group in groups(network, recipe.optimizer) for p in group["params"]}
    fast = {name.split(".")[0] for name, p in network.named_parameters() if rates[id(p)] > 9 * recipe.optimizer.lr}
    slow = {name.split(".")[0] for name, p in network.named_parameters() if rates[id(p)] == recipe.optimizer.lr}
    assert fast == {"layer4", "fc" if method == "cam" else "avgpool"}
    assert slow == {"conv1", "bn1", "layer1", "layer2", "layer3"} and len(rates) == sum(1 for _ in network.parameters())


def test_both_losses_train_to_the_same_network_and_are_measured_on_the_whole_image(tmp_path: Path) -> None:
    """One pass over few images: the gradients are equal but for two epsilons, so the weights agree up to rounding."""
    synthbirds.make(tmp_path / "data" / "synthbirds", classes=4, per_class=6, test_per_class=2, size=40)
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    runs = [train(TrainJob(m, "synthbirds", overrides=[*TINY, "input.resize=36"]), place) for m in ("calm-em", "calm-ml")]
    em, ml = (load_checkpoint(run.path / "last.pt")["model"] for run in runs)
    start = build("resnet8", 4, surgery=["calm-head"], head="replace").state_dict()
    for name, weights in em.items():
        if weights.is_floating_point():
            torch.testing.assert_close(weights, ml[name], rtol=2e-2, atol=2e-3)
    assert any((weights - start[name]).abs().max() > 0.02 for name, weights in em.items() if weights.is_floating_point())
    losses = [run.log()[-1]["loss"] for run in runs]
    assert abs(losses[0] - losses[1]) > 0.5, "the values of the losses differ all the same"
    assert make_view("resize-center-crop", load_network(runs[0], place)).kind == "resize"


def test_in_double_precision_both_losses_train_to_the_same_network() -> None:
    """In float32 a relative change of 1e-7 of the weights grows to 1e-2 in 20 steps, and so does the losses' rounding."""
    weights = []
    for loss in (calm_em_loss, calm_ml_loss):
        network = build("resnet8", 4, surgery=["calm-head"], head="replace").double().train()
        latent: list[torch.Tensor] = []
        network.get_submodule("avgpool.latent").register_forward_hook(lambda m, i, out, kept=latent: kept.append(out))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        generator = torch.Generator().manual_seed(0)
        for _ in range(5):
            network(torch.randn(8, 3, 16, 16, generator=generator).double())
            found, label = latent.pop(), torch.randint(0, 4, (8,), generator=generator)
            optimizer.zero_grad()
            loss(found[:, :-1], found[:, -1], label).backward()
            optimizer.step()
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert float((weights[0] - weights[1]).norm() / weights[0].norm()) < 1e-9
