"""(a) Grad-CAM of one class, (b) the maps of all classes: ResNet-50, 224 px, against one plain float32 forward pass."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import peers
from benchmarks.pairs import interleave, ratio, show
from benchmarks.peak import peak
from benchmarks.settings import CLASSES, Settings, images, resnet50
from cambench.explainers import find_explainer
from cambench.explainers.batch import all_class_maps, explain, explain_batch
from cambench.explainers.one_pass import every_class
from cambench.explainers.query import Query
from cambench.models import for_inference

LAYER = "layer4"
FORWARD = "plain float32 forward pass"
PAIRS = (
    ("cambench all 200 classes", "cambench Grad-CAM"),
    ("cambench all_class_maps(), head found anew", "cambench explain(), head found anew"),
)
LOOPED = 2
PEAK_BATCH = 32


def forward(model: nn.Module, x: Tensor) -> Tensor:
    """The floor: one forward pass in inference mode."""
    with torch.inference_mode():
        logits: Tensor = model(x)
    return logits


def grad_cam(model: nn.Module, x: Tensor, classes: Tensor, precision: str = "float32") -> Tensor:
    """Our Grad-CAM of one class an image, the layer and the head known, as `cambench explain` calls it batch after batch."""
    head = model.get_submodule("fc")
    assert isinstance(head, nn.Linear)
    options: dict[str, Any] = {"classes": classes, "layer": LAYER, "head": head, "precision": precision}
    return explain_batch(model, x, explainer="grad-cam", **options).maps


def all_maps(model: nn.Module, x: Tensor) -> Tensor:
    """Our HiResCAM of all classes, the layer and the head known."""
    head = model.get_submodule("fc")
    assert isinstance(head, nn.Linear)
    return every_class(model, x, Query(find_explainer("hires-cam"), LAYER, head))


def run(settings: Settings) -> None:
    """Print times, memory and the accuracy of bf16."""
    model, x = resnet50(), images(settings.batch)
    fast, half = (for_inference(model, layer=LAYER, precision=p) for p in ("float32", "bf16"))  # type: ignore[arg-type]
    plain = for_inference(model, layer=LAYER, fold=False, channels_last=False)
    classes = torch.arange(len(x)) % CLASSES
    one: dict[str, Callable[[], Any]] = {
        FORWARD: lambda: forward(model, x),
        "folded, channels_last forward pass": lambda: forward(fast, x),
        "cambench Grad-CAM": lambda: grad_cam(fast, x, classes),
        "cambench Grad-CAM, neither": lambda: grad_cam(plain, x, classes),
        "cambench Grad-CAM, bf16": lambda: grad_cam(half, x, classes, "bf16"),
        "cambench all 200 classes": lambda: all_maps(fast, x),
        "cambench explain(), head found anew": lambda: explain(fast, x, classes=classes, layer=LAYER),
        "cambench all_class_maps(), head found anew": lambda: all_class_maps(fast, x, layer=LAYER),
    }
    listed = classes.tolist()
    one |= {name: lambda f=f: f(model, x, listed) for name, f in peers.installed().items()}  # type: ignore[misc]
    times = interleave(one, settings.rounds)
    targets = {"cambench Grad-CAM": 0.90, "cambench Grad-CAM, neither": 1.03}
    if has_amx():
        targets["cambench Grad-CAM, bf16"] = 0.35
    show(f"(a) Grad-CAM, ResNet-50, 224 px, batch {len(x)}", times, FORWARD, targets)
    reference = grad_cam(model, x, classes)
    error = float((grad_cam(half, x, classes, "bf16") - reference).norm() / reference.norm())
    print(f"bf16 maps: relative L2 distance {error:.4f} (target <= 0.02)")
    for every, single in PAIRS:
        wall, cpu = ratio(times[every], times[single])
        print(f"(b) {every}: {wall:.3f} x {single} (CPU {cpu:.3f}; target <= 1.05)")
    loops(settings, model, x[:2])
    print_peaks()


def has_amx() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware tiles, which the bf16 target supposes."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and "amx_bf16" in flags.read_text()


def loops(settings: Settings, model: nn.Module, x: Tensor) -> None:
    """The peers' way to all classes: one call a class, timed over a few classes and scaled."""
    loop: dict[str, Callable[[], Any]] = {FORWARD: lambda: forward(model, x)}
    if find_spec("captum"):
        loop["captum LayerGradCam"] = lambda: [peers.captum_grad_cam(model, x, [c] * len(x)) for c in range(LOOPED)]
    if find_spec("pytorch_grad_cam"):
        loop["pytorch-grad-cam HiResCAM"] = lambda: [
            peers.pytorch_grad_cam(model, x, [c] * len(x), "HiResCAM") for c in range(LOOPED)
        ]
    times = interleave(loop, settings.rounds)
    for name in list(loop)[1:]:
        wall, _ = ratio(times[name], times[FORWARD])
        print(f"{name} in a loop over {CLASSES} classes: {wall * CLASSES / LOOPED:.0f} x floor ({LOOPED} timed, scaled)")


def hold(what: str, batch: str) -> None:
    """In a process of its own: one forward pass, or one Grad-CAM by us or a peer, on the unfolded network."""
    model, x = resnet50(), images(int(batch))
    if what == "forward":
        forward(model, x)
    elif what == "cambench":
        grad_cam(model, x, torch.zeros(len(x), dtype=torch.long))
    else:
        peers.PEERS[what][1](model, x, [0] * len(x))


def print_peaks() -> None:
    """Peak memory above that of the forward pass."""
    floor = peak("benchmarks.explain:hold", "forward", PEAK_BATCH)
    print(f"peak memory, batch {PEAK_BATCH}: forward pass {floor:.0f} MB")
    for what in ("cambench", *peers.installed()):
        target = " (target <= +50 MB)" if what == "cambench" else ""
        print(f"  {what:<28} {peak('benchmarks.explain:hold', what, PEAK_BATCH) - floor:+.0f} MB{target}")
