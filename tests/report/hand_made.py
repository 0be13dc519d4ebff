"""Records made by hand with their rows, and the claims that are judged from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cambench.recipes.claims import Claim, parse_claims
from cambench.recipes.load import load
from cambench.report.claims.effects import Columns
from cambench.report.claims.verdicts import Evidence, Judgement, everywhere, with_holm
from cambench.store.records import Record
from cambench.store.runs import Run

IDS = [f"{i}.jpg" for i in range(60)]
HEAD = 'paper = "P"\n[[claims]]\nid = "c"\nsentence = "CGC does."\nsource = "Table 1"\non = ["cub"]\narch = "resnet50"\n'
CH = 'select = { metric = "ch", variant = "correct", explainer = "grad-cam", target = "logit" }\n'
CGC = 'about = "training"\ndirection = "up"\na = { method = "cgc" }\nb = { method = "ce" }\n'
AGAINST_A_NUMBER = 'about = "training"\n' + "".join(
    f'[[claims.parts]]\ndirection = "{way}"\nexpected = 50.0\na = {{ method = "{method}" }}\n'
    for method, way in (("cgc", "up"), ("ce", "down"))
)
CONTROL = 'controls = [{ method = "cgc", settings = { "objective_settings.weight" = 0.0 } }]\n'


def claim(text: str) -> Claim:
    (made,) = parse_claims(HEAD + text, "p", "p.toml")
    return made


def noise(seed: int, shift: float) -> np.ndarray:
    """Rows around a level of 0.5 that images share, with a little of their own."""
    shared = np.random.default_rng(99).normal(0.5, 0.2, len(IDS))
    return shared + shift + np.random.default_rng(seed).normal(0, 0.02, len(IDS))


class Case:
    """Records with their rows."""

    def __init__(self, make: Callable[..., Record]) -> None:
        self.make, self.records, self.rows, self.runs = make, list[Record](), dict[str, Columns](), dict[str, Run]()

    def add(self, method: str, which: Any, shift: float, metric: str = "ch", variant: str = "correct", **facts: Any) -> Case:
        for seed in which:
            key = f"{method}-{metric}-{len(self.records)}"
            values = noise(len(self.records), shift)
            record = self.make(method, seed, metric, {variant: float(values.mean()) * 100}, run=key, **facts)
            self.records.append(replace(record, path=Path(key)))
            self.rows[key] = Columns({variant: torch.from_numpy(values)}, IDS)
            if metric == "ch":  # all networks are equally often right
                self.records.append(self.make(method, seed, "top1", 60.0, run=key))
        return self

    def train_to(self, value: float, runs: Sequence[str]) -> Case:
        """Give these networks another top-1."""
        self.records = [
            replace(record, values={"": replace(record.values[""], value=value)})
            if record.metric == "top1" and record.run in runs
            else record
            for record in self.records
        ]
        return self

    def networks(self, method: str) -> list[str]:
        """The runs of a method, in the order in which they were added."""
        return [record.run for record in self.records if record.metric == "ch" and record.method == method]

    def judged(self, text: str, on: str | None = None) -> Judgement:
        evidence = Evidence(self.records, lambda record: self.rows[str(record.path)], lambda run: self.runs[run])
        (made,) = with_holm(everywhere(claim(text), evidence, on))
        return made


def weighted(weight: float) -> dict[str, Any]:
    """The facts of a run of CGC on CUB with its loss at a weight."""
    return {
        "job": {
            "recipe": load("cgc", "cub", "resnet50", preset={"objective_settings.weight": weight}).model_dump(mode="json")
        }
    }
