"""Hand-made records."""

from __future__ import annotations

from typing import Any

import pytest

from cambench.store.records import Record, Value


@pytest.fixture
def record() -> Any:
    """A factory: record(method, seed, metric, value or {variant: value}, **other facts)."""
    return make


def make(method: str, seed: int, metric: str, value: float | dict[str, float], **facts: Any) -> Record:
    """A record whose interval is value ± 1 and that saw 100 images, unless the facts say otherwise."""
    n = facts.pop("n", 100)
    given = value if isinstance(value, dict) else {"": value}
    values = {name: Value(v, n, 0.5, (v - 1, v + 1)) for name, v in given.items()}
    defaults: dict[str, Any] = {"dataset": "cub", "split": "test", "arch": "resnet50"}
    if metric in ("ch", "iauc", "cgc-loss"):
        defaults |= {"explainer": "grad-cam", "target": "logit", "layer": "layer4"}
    facts = defaults | facts
    run = facts.pop("run", f"{facts['dataset']}-{method}-{facts['arch']}-s{seed}-0")
    return Record(run=run, method=method, seed=seed, metric=metric, values=values, **facts)
