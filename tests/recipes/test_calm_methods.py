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
from cambench.recipes import presets as named
from cambench.stages.images import make_view
from cambench.stages.network import load_network
from cambench.stages.training.optimiser import groups, learning_rate
from cambench.stages.training.train import TrainJob, train, view
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint


@pytest.mark.parametrize("method", ["cam", "calm-em", "calm-ml"])
@pytest.mark.parametrize(("dataset", "lr"), [("cub", 3e-5), ("imagenet", 7e-5), ("openimages-30k", 5e-5)])
def test_the_recipe(method: str, dataset: str, lr: float) -> None:
    recipe = recipes.load(method, dataset)
    optimizer, schedule = recipe.optimizer, recipe.schedule
    assert (optimizer.name, optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == ("sgd", 0.9, True, 1e-4)
    assert optimizer.lr == lr and set(optimizer.groups) == {"last-stage", "head"}
    assert [group.rate(lr) for group in optimizer.groups.values()] == pytest.approx([10 * lr] * 2)
    assert (recipe.train.epochs, recipe.train.batch_size, recipe.model.init) == (40, 64, "imagenet")
    assert (schedule.name, schedule.step, schedule.gamma, schedule.warmup_epochs) == ("step-before", 30, 0.1, 0)
    assert recipe.model.surgery[0] == "large-map-28" and recipe.objective == ("ce" if method == "cam" else "calm")
    crop, seen = view("random-resized-crop", recipe.input), view("resize-center-crop", recipe.input)
    assert (crop.kind, crop.size, crop.resize, crop.flip) == ("squash-random-crop", 224, 256, 0.5)
    assert (seen.kind, seen.size) == ("resize", 224)


@pytest.mark.parametrize(
    ("method", "dataset", "arch", "anew"),
    [
        ("cam", "cub", "resnet50", True),
        ("cam", "imagenet", "resnet50", True),
        ("has", "cub-wsol", "resnet50", True),
        ("cutmix", "openimages-30k", "resnet50", True),
        ("cam", "imagenet-wsol", "resnet50", False),  # the benchmark keeps ImageNet's
        ("calm-em", "cub", "resnet50", False),  # its head's surgery draws it
        ("cam", "cub-wsol", "vgg16", False),  # likewise
        ("cam", "synthbirds", "resnet8", False),
    ],
)
def test_where_the_classifier_begins_by_xavier(method: str, dataset: str, arch: str, anew: bool) -> None:
    assert ("xavier-head" in recipes.load(method, dataset, arch).model.surgery) == anew


@pytest.mark.parametrize("method", ["cam", "calm-em", "calm-ml"])
@pytest.mark.parametrize(
    ("dataset", "epochs", "drops"),
    [("cub-wsol", 50, [15, 30, 45]), ("imagenet-wsol", 10, [3, 6, 9]), ("openimages-30k", 10, [3, 6, 9])],
)
def test_the_recipe_of_the_wsol_tables(method: str, dataset: str, epochs: int, drops: list[int]) -> None:
    chosen = named.overrides("wsol-openimages") if dataset == "openimages-30k" else []
    recipe = recipes.load(method, dataset, "vgg16", chosen)
    assert (recipe.train.epochs, recipe.train.batch_size, recipe.optimizer.weight_decay) == (epochs, 32, 5e-4)
    assert recipes.load(method, dataset, "resnet50").optimizer.weight_decay == 1e-4
    rates = [learning_rate(recipe.schedule, 1.0, step=i, steps=1, epochs=epochs) for i in range(epochs)]
    lower = [i + 1 for i in range(1, epochs) if rates[i] < rates[i - 1]]
    assert lower == drops, "epochs counted from 1, before which the rate falls (CALM protocol §1.6)"
    assert rates[-1] == pytest.approx(1e-3)


@pytest.mark.parametrize("method", ["cam", "calm-em", "calm-ml"])
@pytest.mark.parametrize("dataset", ["cub-wsol", "synthbirds"])
@pytest.mark.parametrize(
    ("arch", "added"), [("vgg16", "features.added"), ("vgg16_bn", "features.added"), ("inception_v3", "Mixed_7c")]
)
def test_ten_times_the_rate_for_all_that_is_new(method: str, dataset: str, arch: str, added: str) -> None:
    recipe = recipes.load(method, dataset, arch)
    with torch.device("meta"):
        network = build(arch, 200, surgery=recipe.model.surgery, head="replace")
        plain = set(dict(build(arch, 200).named_parameters()))
    rates = {id(p): group["lr"] for group in groups(network, recipe.optimizer) for p in group["params"]}
    assert len(rates) == sum(1 for _ in network.parameters())
    fast = {name for name, p in network.named_parameters() if rates[id(p)] > 9 * recipe.optimizer.lr}
    assert {rates[id(p)] for name, p in network.named_parameters() if name not in fast} == {recipe.optimizer.lr}
    new = {name for name, _ in network.named_parameters() if name not in plain or name.startswith(("classifier", "fc"))}
    if dataset == "cub-wsol":
        assert fast == new and any(name.startswith(added) for name in fast)
    assert any(isinstance(m, torch.nn.Dropout) for m in network.modules()) == (arch == "inception_v3" and method == "cam")


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
    given = [*TINY, "input.resize=36", "optimizer.name=sgd", "optimizer.lr=0.05", "optimizer.clip=0.0"]  # Adam amplifies
    runs = [train(TrainJob(m, "synthbirds", overrides=given), place) for m in ("calm-em", "calm-ml")]
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


@pytest.mark.parametrize("arch", ["resnet8", "resnet18"])
@pytest.mark.parametrize("method", ["cam", "calm-em", "calm-ml", "has", "acol", "spg", "adl", "cutmix"])
def test_tiny_imagenet_takes_small_and_large_residual_networks(method: str, arch: str) -> None:
    recipe = recipes.load(method, "tiny-imagenet", arch)
    network = build(arch, 3, surgery=recipe.model.surgery)
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
