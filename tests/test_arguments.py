"""What a function of Python takes: a value of another kind is one line, numpy's and pandas' numbers become Python's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cambench
from cambench.api import arguments
from cambench.vocabulary import UsageError


@pytest.mark.parametrize(("options", "message"), [
    ({"explainer": [None]}, r"explainer: expected str | Sequence[str], got [None]"),
    ({"target": 2}, r"target: expected str | Sequence[str], got 2"),
    ({"limit": "4"}, "limit: expected int | None, got '4'"),
    ({"limit": 2.5}, "limit: expected int | None, got 2.5"),
    ({"batch_size": True}, "batch_size: expected int, got True"),
    ({"mean": 0.5}, "mean: expected Sequence[float] | None, got 0.5"),
    ({"mean": "0.5"}, "mean: expected Sequence[float] | None, got '0.5'"),
    ({"view": None}, "view: expected str, got None"),
    ({"view": "random-resized-crop"}, "Known: full, resize, resize-center-crop, squash-center-crop."),
    ({"layer": ["2", "3"]}, "layer: expected str | None, got ['2', '3']"),
    ({"workers": -5}, "workers: expected 0 or more, or -1 to let cambench choose, got -5."),
    ({"again": 1}, "again: expected bool, got 1"),
    ({"explainer": None, "limit": np.int64(3), "mean": np.zeros(2, np.float32)}, "expected three finite numbers, got 0 0."),
    ({"mean": []}, "--mean: expected three finite numbers, got none."),
    ({"mean": [np.float32("nan"), 0, 0]}, "--mean: expected three finite numbers, got nan 0 0."),
    ({"std": (1, float("inf"), 1)}, "--std: expected three finite numbers above 0, got 1 inf 1."),
    ({"mean": {0.1, 0.2, 0.3}}, "mean: expected Sequence[float] | None, got {0.1, 0.2, 0.3}"),
    ({"explainer": {"cam": 1}}, "explainer: expected str | Sequence[str], got {'cam': 1}"),
    ({"explainer": pd.DataFrame({"cam": [1]})}, "explainer: expected str | Sequence[str], got cam 0 1"),
])  # fmt: skip
def test_what_is_no_text_number_or_sequence_of_them_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        cambench.explain("nothing", **options)


def test_numbers_within_a_list_become_pythons() -> None:
    made = arguments.plain([np.float32(0.5), (np.int64(2), "a")])
    assert made == [0.5, (2, "a")] and [type(made[0]), type(made[1][0])] == [float, int]
