"""Quantus's metrics on our maps: one image at a time, so that a value depends on nothing but its image."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cambench import maps
from cambench.extras import needed
from cambench.metrics.asked import Explain, Predict, fitted
from cambench.vocabulary import CambenchError, UsageError

STEPS = ("resize",)
SETTINGS = {"disable_warnings": True, "display_progressbar": False, "return_aggregate": False}
"""Of every metric that knows them: a number for each image."""


class Network(nn.Module):
    """image -> logits as a module, which is what Quantus asks for."""

    def __init__(self, predict: Predict, image: Tensor) -> None:
        super().__init__()
        self.predict, self.image = predict, image

    def forward(self, image: Tensor) -> Tensor:
        """image (N,3,H,W) -> logits (N,C)."""
        return self.predict(image.to(self.image)).clone()


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    explained: Tensor,
    explain: Explain,
    generators: Sequence[torch.Generator],
    *,
    metric: str = "Sparseness",
) -> dict[str, Tensor]:
    """What a metric of Quantus says of each image, with Quantus's defaults: {"": (N,) float64, "counted": (N,) bool}.

    metric: the name of its class. It is shown the input, the raw, signed map at the input's size as the attribution, and the
    class that the map explains; where it disturbs the image, `explain` makes the other maps. A metric that goes on pixel by
    pixel goes on by a row of a colour. An image without a finite number does not count.
    image (N,3,H,W) normalised, heatmap (N,H,W), explained (N,), N generators. Raises: UsageError where Quantus is not
    installed or gives no single number an image; CambenchError for shapes that do not fit, maps that are not finite.
    """

    def explain_func(model: Any, inputs: NDArray[Any], targets: NDArray[Any], **_: Any) -> NDArray[Any]:
        raw = explain(torch.as_tensor(inputs).to(image), torch.as_tensor(targets).to(explained))
        return maps.apply(raw, STEPS, (image.shape[2], image.shape[3]))[:, None].cpu().numpy()

    seen = shown(predict, image, heatmap, explained)
    return scores(metric, [{**one, "explain_func": explain_func} for one in seen], generators)


def localised(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    explained: Tensor,
    mask: Tensor,
    generators: Sequence[torch.Generator],
    *,
    metric: str = "PointingGame",
) -> dict[str, Tensor]:
    """As `measure`, of a metric that compares the map with the label's region, mask (N,H,W) bool."""
    regions = mask[:, None].cpu().numpy()
    seen = shown(predict, image, heatmap, explained)
    return scores(metric, [{**one, "s_batch": regions[i : i + 1]} for i, one in enumerate(seen)], generators)


def shown(predict: Predict, image: Tensor, heatmap: Tensor, explained: Tensor) -> list[dict[str, Any]]:
    """What a metric is shown of each image, as Quantus names it."""
    x, a = image.cpu().numpy(), fitted(heatmap, image)[:, None].cpu().numpy()
    y, known = explained.cpu().numpy(), {"model": Network(predict, image).eval(), "device": str(image.device)}
    return [{**known, "x_batch": x[i : i + 1], "y_batch": y[i : i + 1], "a_batch": a[i : i + 1]} for i in range(len(x))]


def scores(metric: str, seen: Sequence[dict[str, Any]], generators: Sequence[torch.Generator]) -> dict[str, Tensor]:
    """The number that the metric gives each image, with random numbers of the image's own."""
    quantus = needed("quantus", f"quantus:{metric.lower()}")
    known = inspect.signature(getattr(quantus, metric).__init__).parameters
    values = []
    for one, generator in zip(seen, generators, strict=True):
        settings = {**SETTINGS, "features_in_step": one["x_batch"].shape[-1]}
        made = getattr(quantus, metric)(**{name: value for name, value in settings.items() if name in known})
        with seeded(int(torch.randint(2**31, (), generator=generator))):
            values.append(number(answered(made, one, metric), metric))
    rows = torch.tensor(values, dtype=torch.float64)
    return {"": rows, "counted": torch.isfinite(rows)}


def answered(made: Any, one: dict[str, Any], metric: str) -> Any:
    """What the metric says of an image. Raises: UsageError for an image that it refuses."""
    try:
        return made(**one)
    except (CambenchError, torch.OutOfMemoryError):
        raise
    except Exception as e:  # another package's code may fail in any way
        why = f"{type(e).__name__}: {' '.join(str(e).split())}"
        raise UsageError(f"quantus:{metric.lower()}: expected a number of Quantus, got {why}; take another metric.") from e


def number(answer: Any, metric: str) -> float:
    """A metric's answer for one image as a number. Raises: UsageError for a curve."""
    values = np.asarray(list(answer.values()) if isinstance(answer, dict) else answer, dtype=np.float64)
    if values.size != 1:
        raise UsageError(f"quantus:{metric.lower()}: expected one number an image, got {values.size}; take another metric.")
    return float(values.item())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators, from which Quantus draws, seeded inside `with`, and as they were after it."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            torch.manual_seed(seed)
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
