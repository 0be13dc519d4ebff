"""A network that somebody hands over: what it returns is said once and stands in its records; a bad layer is one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from data.miniatures import write_csv
from PIL import Image

from cambench.models.habits import ONE_LOGIT, PROBABILITIES
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works, evaluate_all
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

SOURCE = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, form, n=2):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.form, self.conv, self.fc = form, nn.Conv2d(3, 4, 7, 16), nn.Linear(4, n)
    def forward(self, x):
        return self.form(self.fc(self.conv(x).relu().mean((2, 3))))
def plain(): return Net(lambda y: y)
def held(): return Net(lambda y: {"logits": y, "features": 0})
def soft(): return Net(lambda y: y.softmax(1))
def one(): return Net(lambda y: y, 1)
class Fixed(Net):
    def forward(self, x):
        torch._assert(x.shape[2] == 224, "expected height 224")
        return super().forward(x)
def fixed(): return Fixed(lambda y: y)
"""


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "givennets.py").write_text(SOURCE)
    for name, level in (("a", 40), ("b", 200)):
        (tmp_path / "own" / name).mkdir(parents=True)
        Image.fromarray(np.full((8, 8, 3), level, dtype=np.uint8)).save(tmp_path / "own" / name / "0.png")
    yield Place(tmp_path, tmp_path / "results", "cpu")
    sys.modules.pop("givennets", None)


def works(name: str, layer: str | None = None) -> Works:
    return Works([f"python:givennets:{name}"], dataset=f"folder:{Path.cwd() / 'own'}", layer=layer)


def test_what_a_network_returns_is_said_and_stands_in_its_record(roots: Place, capsys: pytest.CaptureFixture[str]) -> None:
    values = {}
    for name, notes in (("plain", ()), ("held", ()), ("soft", (PROBABILITIES,)), ("one", (ONE_LOGIT,))):
        (record,) = evaluate_all(works(name), [EvalJob("top1")], roots)
        assert record.deviations == notes
        values[name] = record.values[""].value if "" in record.values else next(iter(record.values.values())).value
        said = " ".join(capsys.readouterr().err.split())
        assert [said.count(note) for note in (PROBABILITIES, ONE_LOGIT)] == [
            note in notes for note in (PROBABILITIES, ONE_LOGIT)
        ]
    assert values["plain"] == values["held"] == values["soft"]


def test_a_layer_that_is_no_map_is_refused_before_anything_is_measured(roots: Place) -> None:
    with pytest.raises(UsageError, match=r"layer fc: .*got \(1, 2\), no map; .* can be explained: conv\."):
        evaluate_all(works("plain", "fc"), [EvalJob("iauc")], roots)
    assert not list(roots.results.glob("records/*/*"))


def test_a_network_of_one_size_is_not_run_at_another(roots: Place) -> None:
    write_csv(Path("own") / "boxes.csv", "image,xmin,ymin,xmax,ymax", *((f"{name}/0.png", 1, 1, 6, 6) for name in "ab"))
    told = r"fixed: expected .* 3×448×448, .* AssertionError: expected height 224; .*ch:scale=1 in place of ch"
    with pytest.raises(UsageError, match=told):
        evaluate_all(works("fixed"), [EvalJob("ch")], roots)
    (record,) = evaluate_all(works("fixed"), [EvalJob("ch-224")], roots)
    assert record.values
