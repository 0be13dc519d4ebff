"""`--deterministic`: the same bits again, or one line; without it, within the tolerance that docs/running.md states."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dying import artefacts
from own import SMALL, measured
from typed import Typed

from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.network import Loaded
from cambench.stages.training.loop import Loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place, computing
from cambench.store.heatmaps import read_heatmaps
from cambench.vocabulary import CambenchError

TOLERANCE = 1e-5
"""Of a map's or a logit's greatest value."""


def test_reruns_have_the_same_bits(own: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states, learn = [], Loop.learn

    def watched(self: Loop, *arguments: Any) -> None:
        states.append(torch.are_deterministic_algorithms_enabled())
        learn(self, *arguments)

    monkeypatch.setattr(Loop, "learn", watched)
    roots = [replace(own, results=tmp_path / name, deterministic=True) for name in ("first", "second")]
    for place in roots:
        train(TrainJob("cgc", f"folder:{own.data / 'mine'}", "resnet8", overrides=SMALL), place)
        works.explain_all(works.Works([]), [ExplainJob("smoothgrad:samples=5", "weighted")], place)
        measured(place, "iauc", "infidelity:draws=20")
    first, second = (artefacts(place.results) for place in roots)
    assert first == second and sum(name.endswith(".h5") for name in first) >= 4
    assert set(states) == {True} and not torch.are_deterministic_algorithms_enabled()


def test_an_operation_that_cannot_be_is_one_line(own: Place) -> None:
    text = "upsample_backward_cuda does not have a deterministic implementation, but you set it. You can turn off …\nmore"
    place, said = (
        replace(own, deterministic=True),
        r"^--deterministic: upsample_backward_cuda .* you set it; leave the option",
    )
    with pytest.raises(CambenchError, match=said), computing(place):
        raise RuntimeError(text)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="another"), computing(place):
        raise RuntimeError("another")


def test_it_is_typed(typed: Typed, own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def none(work: works.Works, place: Place) -> list[Any]:
        asked.append(place.deterministic)
        return []

    monkeypatch.setattr(works, "chosen", none)
    for option in ([], ["--deterministic"]):
        assert typed("explain", "--results", own.results, *option).code == 0
    assert asked == [False, True]


def test_a_search_measures_deterministically_too(typed: Typed, own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls the stage: `evaluate` itself sees to it, as `explain` and `train` do."""
    states, logits = [], Loaded.logits

    def watched(self: Loaded, image: torch.Tensor) -> torch.Tensor:
        states.append(torch.are_deterministic_algorithms_enabled())
        return logits(self, image)

    monkeypatch.setattr(Loaded, "logits", watched)
    small = [word for text in SMALL for word in ("--set", text)]
    words = ["ce", "-d", f"folder:{own.data / 'mine'}", "--arch", "resnet8", "-m", "top1", "--draws", 1, *small]
    said = typed("search", *words, "--range", "optimizer.lr=1e-3..1e-2", "--results", own.results, "--deterministic")
    assert said.code == 0 and set(states) == {True}, said.err


def test_without_it_numbers_agree_within_the_tolerance(own: Place, tmp_path: Path) -> None:
    """One thread or two, whole batches or single images: sums in another order."""
    run = train(TrainJob("ce", f"folder:{own.data / 'mine'}", "resnet8", overrides=SMALL), own)
    found = []
    for threads, size in ((1, 32), (2, 1)):
        torch.set_num_threads(threads)
        place = replace(own, results=tmp_path / str(threads))
        job = ExplainJob("grad-cam", batch_size=size)
        (path,) = works.explain_all(works.Works([str(run.path)]), [job], place)
        found.append(read_heatmaps(path))
    for a, b in ((found[0].maps, found[1].maps), (found[0].logits, found[1].logits)):
        assert np.abs(np.stack(a) - np.stack(b)).max() <= TOLERANCE * np.abs(np.stack(a)).max()
