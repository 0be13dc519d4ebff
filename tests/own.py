"""Images, runs and networks of one's own, for tests of what makes two values the same."""

from __future__ import annotations

import sys
from pathlib import Path

from cambench.models.source import BEFORE
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import Record

SMALL = ["model.init=scratch", "input.size=32", "train.epochs=1", "train.batch_size=4"]
NETWORK = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)
    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))
def build():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Net()
"""
LOADED = """
def loaded():
    net = build()
    net.load_state_dict(torch.load("w.pt"))
    return net
"""
EDITED = NETWORK.replace("return self.head(", "return -self.head(")


def trained(place: Place, name: str = "mine", **options: object) -> str:
    """A run on one's own images."""
    return train(TrainJob("ce", f"folder:{place.data / name}", "resnet8", overrides=SMALL, **options), place).name  # type: ignore[arg-type]


def measured(place: Place, *metrics: str, runs: tuple[str, ...] = (), **options: object) -> list[Record]:
    """Records of every run, or of those named."""
    return works.evaluate_all(works.Works(runs, **options), [EvalJob(m) for m in metrics], place)  # type: ignore[arg-type]


def swap(a: Path, b: Path) -> None:
    """Exchange two folders."""
    a.rename(a.with_name("aside"))
    b.rename(a)
    a.with_name("aside").rename(b)


def edit(path: Path, text: str) -> None:
    """Another source, as a new process would import it."""
    path.write_text(text)
    sys.modules.pop(path.stem, None)
    BEFORE.pop(path.stem, None)
