"""(l) Metrics that ask the network again against the forward passes that they make, and the same metric by other packages.

ROAD has no target: beside its passes it solves a linear system of each image and share of pixels.
Quantus and pytorch-grad-cam are called as their documentation shows, on the same network, images and maps.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.pairs import interleave, keep
from benchmarks.settings import FILE, Settings, images, passes, resnet18
from cambench.explainers.batch import explain_batch
from cambench.maps import resize
from cambench.metrics.faithfulness import faithfulness_correlation, road, sensitivity_n
from cambench.metrics.robustness import sensitivity_max
from cambench.models import for_inference
from cambench.pixels import IMAGENET, NORMALISATIONS

IMAGES, LAYER = 2, "layer4"
PERCENT = (10.0, 50.0)
SETS, PIXELS, SAMPLES = 20, 224, 20
Contestants = dict[str, Callable[[], Any]]


@dataclass
class Given:
    """What every metric is given: a network of which each forward pass is noted, images, their classes and maps."""

    plain: nn.Module = field(default_factory=resnet18)
    x: Tensor = field(default_factory=lambda: images(IMAGES))
    sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """The network that is fast at inference, and its Grad-CAMs."""
        self.model = for_inference(self.plain, layer=LAYER)
        self.model.register_forward_hook(lambda module, given, made: self.sizes.append(len(made)))
        self.classes = torch.arange(IMAGES)
        self.maps = resize(self.explain(self.x, self.classes), (224, 224))

    def predict(self, x: Tensor) -> Tensor:
        """Logits, without a graph."""
        with torch.inference_mode():
            logits: Tensor = self.model(x)
        return logits

    def explain(self, x: Tensor, classes: Tensor) -> Tensor:
        """Grad-CAM at the native grid, as `cambench eval` makes it."""
        head = self.model.get_submodule("fc")
        assert isinstance(head, nn.Linear)
        return explain_batch(self.model, x, explainer="grad-cam", classes=classes, layer=LAYER, head=head).maps

    def generators(self) -> list[torch.Generator]:
        """A new one an image."""
        return [torch.Generator().manual_seed(i) for i in range(IMAGES)]


def ours(given: Given) -> Contestants:
    """Our metrics, with fewer draws than by default."""
    asked = (given.predict, given.x, given.maps, given.classes)
    normal = NORMALISATIONS[IMAGENET]

    def sensitivity() -> object:
        return sensitivity_max.measure(given.x, given.explain, given.classes, given.generators(), normal, samples=SAMPLES)

    return {
        f"road of {len(PERCENT)} shares": lambda: road.measure(
            *asked, given.generators(), normal, percent=PERCENT, of="probability"
        ),
        f"sensitivity-n of {len(PERCENT)} shares, {SETS} sets": lambda: sensitivity_n.measure(
            *asked, given.generators(), percent=PERCENT, draws=SETS
        ),
        f"faithfulness-correlation of {SETS} sets": lambda: faithfulness_correlation.measure(
            *asked, given.generators(), pixels=PIXELS, draws=SETS
        ),
        f"sensitivity-max of {SAMPLES} samples": sensitivity,
    }


def theirs(given: Given) -> dict[str, Contestants]:
    """The same by the packages that are here: our metric -> contestants."""
    made: dict[str, Contestants] = {}
    if find_spec("pytorch_grad_cam"):
        made["road"] = {"pytorch-grad-cam ROADCombined": partial(peer_road, given)}
    else:
        print("(l) pytorch-grad-cam: not installed, left out")
    if find_spec("quantus"):
        few = {"nr_runs": SETS, "subset_size": PIXELS}
        made["faithfulness-correlation"] = {
            "quantus FaithfulnessCorrelation": partial(quantus, given, "FaithfulnessCorrelation", **few)
        }
        made["sensitivity-max"] = {"quantus MaxSensitivity": partial(quantus, given, "MaxSensitivity", nr_samples=SAMPLES)}
    else:
        print("(l) quantus: not installed, left out")
    return made


def peer_road(given: Given) -> Any:
    """pytorch-grad-cam's ROAD of the softmax score, both orders."""
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    targets = [ClassifierOutputSoftmaxTarget(int(c)) for c in given.classes]
    return ROADCombined(percentiles=list(PERCENT))(given.x, given.maps.numpy(), targets, given.plain)


def quantus(given: Given, metric: str, **options: Any) -> Any:
    """A metric of Quantus, of the batch at once; `explain_func` is our Grad-CAM."""
    import quantus as package

    def explain_func(model: Any, inputs: Any, targets: Any, **_: Any) -> Any:
        return resize(given.explain(torch.as_tensor(inputs), torch.as_tensor(targets)), (224, 224))[:, None].numpy()

    made = getattr(package, metric)(**options, disable_warnings=True, display_progressbar=False)
    x, y, a = given.x.numpy(), given.classes.numpy(), given.maps[:, None].numpy()
    with redirect_stderr(io.StringIO()):
        return made(model=given.plain, x_batch=x, y_batch=y, a_batch=a, explain_func=explain_func, device="cpu")


def run(settings: Settings) -> None:
    """Print and save the ratios of each metric to its own forward passes, and the peers'."""
    given = Given()
    others = theirs(given)
    for name, metric in ours(given).items():
        kind = name.partition(" ")[0]
        if settings.methods and kind not in settings.methods:
            continue
        given.sizes.clear()
        metric()
        sizes = tuple(given.sizes)
        floor = f"its {sum(sizes)} forward passes"
        contestants = {floor: passes(given.model, sizes), f"cambench {kind}": metric, **others.get(kind, {})}
        targets = {} if kind == "road" else {f"cambench {kind}": 1.05}
        title = f"{name}, ResNet-18, 224 px, {IMAGES} images"
        keep(settings.results / FILE, title, interleave(contestants, settings.rounds), floor, targets)
