"""(e) One CGC training step against its own three forward/backward passes, and against the authors' way of making it.

The authors' step is written here from its description (CGC protocol §1.1–1.4): heatmaps by a graph-creating backward
pass each, up-sampled, cropped one image at a time, compared; then one backward pass through it all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, normalize

from benchmarks.pairs import interleave, show
from benchmarks.peak import peak
from benchmarks.settings import CLASSES, Settings, images
from cambench import geometry
from cambench.losses.cgc import paired_windows
from cambench.models import build
from cambench.objectives import make
from cambench.objectives.network import Network, differentiate
from cambench.vocabulary import Batch

LAYER = "layer4"
FLOOR = "three forward/backward passes"
CASES = (("resnet18", 64, 32), ("resnet50", 64, 32), ("resnet50", 112, 16))
SETTINGS = {
    "temperature": 0.5,
    "weight": 0.5,
    "anchor": "released",
    "ce_views": "all",
    "group": 64,
    "reduction": "mean",
    "flip": "consistent",
    "negatives": "contrastive",
}


def views(size: int, n: int) -> Batch:
    """Two views of n images, and their labels."""
    x = images(n, size)
    return Batch({"crop": x.flip(2), "query": x}, torch.arange(n) % CLASSES, tuple(range(n)))


def passes(model: nn.Module, batch: Batch) -> Tensor:
    """The floor: cross-entropy of three views, forward and backward, with nothing else."""
    crop, query = batch.views["crop"], batch.views["query"]
    loss = torch.stack([cross_entropy(model(x), batch.label) for x in (crop, query, query)]).sum()
    torch.autograd.backward(loss)
    return loss


def ours(model: nn.Module, batch: Batch) -> Tensor:
    """The step of cambench."""
    head = model.get_submodule("fc")
    assert isinstance(head, nn.Linear)
    terms = make("cgc", SETTINGS)[1](Network(model, LAYER, head), batch, torch.Generator().manual_seed(0))
    return differentiate(terms)["loss"]


def authors(model: nn.Module, batch: Batch) -> Tensor:
    """The released step: heatmaps by double backward, a loop over the images for their crops."""
    query, size = batch.views["query"], batch.views["query"].shape[2]
    loss = cross_entropy(model(batch.views["crop"]), batch.label)
    logits, activation = with_activation(model, query)
    classes = logits.argmax(1)
    of_query = heatmap(logits, activation, classes, size)
    windows = paired_windows(len(query), (size, size), torch.Generator().manual_seed(0))
    changed = geometry.resample(query, windows, (size, size))
    changed_logits, changed_activation = with_activation(model, changed)
    a = heatmap(changed_logits, changed_activation, classes, size)
    b = torch.cat([cut(of_query[i : i + 1], windows, i, size) for i in range(len(query))])
    a, b = normalize(a.flatten(1)), normalize(b.flatten(1))
    own = torch.eye(len(a), dtype=torch.bool)
    similarity = torch.where(own, (a * b).sum(1)[:, None], a @ a.T) / SETTINGS["temperature"]  # type: ignore[operator]
    consistency = cross_entropy(similarity, torch.arange(len(a)))
    loss = loss + cross_entropy(logits, batch.label) + cross_entropy(changed_logits, batch.label)
    loss = loss + SETTINGS["weight"] * consistency  # type: ignore[operator]
    torch.autograd.backward(loss)
    return loss


def with_activation(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the activation of the layer, in one graph."""
    kept: list[Tensor] = []
    handle = model.get_submodule(LAYER).register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = model(x)
    handle.remove()
    return logits, kept[0]


def heatmap(logits: Tensor, activation: Tensor, classes: Tensor, size: int) -> Tensor:
    """M of CGC protocol §1.1 by a graph-creating backward pass: (N,1,size,size)."""
    score = logits.gather(1, classes[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, activation, create_graph=True)
    big = interpolate((gradient * activation).sum(1, keepdim=True).relu(), size=(size, size), mode="bilinear")
    return big / (big.sum((2, 3), keepdim=True) + 1e-8) + 1e-8


def cut(full: Tensor, windows: geometry.Windows, i: int, size: int) -> Tensor:
    """T on the heatmap of image i: slice, resize back, mirror."""
    top, left, height, width = (int(v[i]) for v in (windows.top, windows.left, windows.height, windows.width))
    piece = interpolate(full[:, :, top : top + height, left : left + width], size=(size, size), mode="bilinear")
    return piece.flip(3) if bool(windows.flip[i]) else piece


STEPS = {FLOOR: passes, "cambench": ours, "authors' step": authors}


def hold(step: str, arch: str, size: str, n: str) -> None:
    """In a process of its own: two training steps."""
    model = build(arch, CLASSES, seed=0).train()
    for _ in range(2):
        model.zero_grad(set_to_none=True)
        STEPS[step](model, views(int(size), int(n)))


def run(settings: Settings) -> None:
    """Print times and peak memory, and that the two steps agree."""
    for arch, size, n in CASES:
        model, batch = build(arch, CLASSES, seed=0).train(), views(size, n)

        def stepper(step: str, model: nn.Module = model, batch: Batch = batch) -> None:
            model.zero_grad(set_to_none=True)
            STEPS[step](model, batch)

        times = interleave({name: lambda name=name: stepper(name) for name in STEPS}, settings.rounds)  # type: ignore[misc]
        show(f"(e) CGC step, {arch}, {size} px, batch {n}", times, FLOOR, {"cambench": 1.05})
        agree(arch, batch)
        peaks = {name: peak("benchmarks.cgc_step:hold", name, arch, size, n) for name in STEPS}
        print("peak memory: " + ", ".join(f"{name} {mb:.0f} MB" for name, mb in peaks.items()))


def agree(arch: str, batch: Batch) -> None:
    """Both steps from the same weights: the loss and the largest difference of a gradient, relative to its norm."""
    found = []
    for step in (ours, authors):
        model = build(arch, CLASSES, seed=0).train()
        loss = step(model, batch)
        found.append((float(loss.detach()), model.get_parameter("fc.weight").grad, model.get_parameter("conv1.weight").grad))
    (a, *ga), (b, *gb) = found
    apart = max(float((x - y).norm() / y.norm()) for x, y in zip(ga, gb, strict=True) if x is not None and y is not None)
    print(f"the two steps agree: loss {a:.6f} and {b:.6f}; gradients of fc and conv1 differ by {apart:.1e} (relative)")
