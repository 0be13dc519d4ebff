"""The benchmark of agreement with the peers: what two maps have in common, and which lines a run goes on from."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from benchmarks.agreement import compared, known


def test_maps_that_differ_by_a_factor_and_one_pixel() -> None:
    ours = torch.tensor([[[0.0, 1.0], [2.0, 4.0]], [[0.0, 1.0], [2.0, 4.0]]])
    assert compared(3 * ours, ours) == {"correlation": pytest.approx(1), "difference": 0, "scale": 3}
    other = ours.clone()
    other[1] = torch.tensor([[4.0, 2.0], [1.0, 0.0]])
    facts = compared(other, ours)
    assert facts["correlation"] == pytest.approx(-8.25 / 8.75) and facts["difference"] == 1 and facts["scale"] == 1
    assert math.isnan(compared(torch.zeros_like(ours), ours)["correlation"])


def test_lines_of_before_are_kept_but_for_those_made_again(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    assert known(file, ()) == {}
    file.write_text("peer,ours,note\na:x,x,\nb:y,y,so it is\n", encoding="utf-8")
    assert known(file, ("a:x",)) == {"b:y": {"peer": "b:y", "ours": "y", "note": "so it is"}}
