"""The adapter of Quantus's metrics: its own call by hand, names, what is missing; it runs where Quantus is installed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cambench import extras, options
from cambench.metrics import INDEX, find_metric, needs
from cambench.metrics.quantus import adapter
from cambench.stages.measuring import evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.vocabulary import UsageError

NAMES = [name for name in INDEX if name.startswith("quantus:")]
N, SIDE = 2, 32


def offers(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64, 5)).eval()
    g = torch.Generator().manual_seed(1)
    mask = torch.zeros(N, SIDE, SIDE, dtype=torch.bool)
    mask[:, 8:20, 4:30] = True

    def predict(image: Tensor) -> Tensor:
        with torch.inference_mode():
            return net(image)

    known = {
        "predict": predict,
        "image": torch.randn(N, 3, SIDE, SIDE, generator=g),
        "heatmap": torch.randn(N, SIDE, SIDE, generator=g),
        "explained": torch.tensor([2, 4]),
        "explain": lambda x, classes: x.sum(1)[:, ::2, ::2] * (1 + classes[:, None, None]),
        "mask": mask,
        "generators": [torch.Generator().manual_seed(s) for s in (7, 8)],
    }
    return {argument: known[argument] for argument in needs(find_metric(name))}


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_gives_a_number_an_image_whatever_the_batch_and_as_quantus_says(name: str) -> None:
    quantus = pytest.importorskip("quantus")
    metric, state = find_metric(name), np.random.get_state()[1].tolist()  # noqa: NPY002
    together = metric.measure(**offers(name))
    assert together[""].shape == (N,) and together[""].dtype == torch.float64
    assert torch.equal(together["counted"], torch.isfinite(together[""])) and bool(together["counted"].any())
    second = {k: v[1:] if isinstance(v, Tensor | list) else v for k, v in offers(name).items()}
    torch.testing.assert_close(metric.measure(**second)[""], together[""][1:], rtol=1e-6, atol=0, equal_nan=True)
    assert np.random.get_state()[1].tolist() == state, "the global generator is where it was"  # noqa: NPY002
    score = getattr(quantus, metric.measure.options["metric"]).score_direction
    assert metric.direction("") == {"higher": "up", "lower": "down"}[score.value]


def test_a_metric_is_quantuss_own_call() -> None:
    quantus = pytest.importorskip("quantus")
    asked = offers("quantus:sparseness")
    rows = find_metric("quantus:sparseness").measure(**asked)[""]
    theirs = quantus.Sparseness(disable_warnings=True)(
        model=None,
        x_batch=asked["image"].numpy(),
        y_batch=asked["explained"].numpy(),
        a_batch=asked["heatmap"][:, None].numpy(),
    )
    assert rows.tolist() == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("quantus:MaxSensitivity", "quantus:max-sensitivity"),
        ("Quantus:max_sensitivity", "quantus:max-sensitivity"),
        ("quantus:AUC", "quantus:auc"),
        ("quantus:sparseness", "quantus:sparseness"),
    ],
)
def test_names_are_those_of_the_classes(text: str, name: str) -> None:
    metric = find_metric(text)
    assert metric.name == name and find_metric(name) is metric and options.sentence(metric) is None
    assert metric.package == "quantus" in extras.EXTRAS


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("quantus:sparsenes", "unknown metric 'quantus:sparsenes'. Did you mean quantus:sparseness"),
        ("quantus", "unknown metric 'quantus'"),
        ("quantus:auc:k=3", "quantus:auc has no options, got 'k=3'; leave it out"),
        ("quantus:ROAD", "unknown metric 'quantus:ROAD'. Did you mean"),
    ],
)
def test_a_name_that_is_not_there_is_one_line(text: str, error: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_metric(text)
    assert error in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_package_is_said_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(extras, "import_module", absent)
    with pytest.raises(UsageError) as caught:
        evaluate.check(find_metric("quantus:auc"), EvalJob("quantus:auc"), None)  # type: ignore[arg-type]
    assert str(caught.value) == "quantus:auc: expected the package quantus, found none; pip install 'cambench[quantus]'."


def test_what_quantus_refuses_is_one_line() -> None:
    pytest.importorskip("quantus")
    asked = offers("quantus:top-k-intersection")
    small = {k: v[..., :8, :8] if k in ("image", "heatmap", "mask") else v for k, v in asked.items()}
    with pytest.raises(UsageError, match="quantus:topkintersection: expected a number of Quantus, got ValueError: .*k"):
        find_metric("quantus:top-k-intersection").measure(**small)


def test_only_one_number_an_image_is_a_value() -> None:
    assert adapter.number([np.float32(0.5)], "AUC") == 0.5 and adapter.number([True], "AUC") == 1.0
    assert adapter.number({0: 2}, "AUC") == 2.0 and math.isnan(adapter.number([np.nan], "AUC"))
    with pytest.raises(UsageError, match="quantus:auc: expected one number an image, got 3"):
        adapter.number([[1.0, 2.0, 3.0]], "AUC")
