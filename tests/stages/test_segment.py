"""Segmentation heads on classifiers: trained frozen and end to end, and measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cambench import data
from cambench.models import build
from cambench.models.segmentation import segment
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

OVERRIDES = ("train.epochs=2", "input.size=32")


def test_frozen_and_end_to_end(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    runs = {m: train(TrainJob(m, "synthbirds", overrides=OVERRIDES), place) for m in ("segment-frozen", "segment")}
    (before,) = (r for r in read_runs(tmp_path) if r.info.method == "ce-adam")
    first, frozen, tuned = (load_checkpoint(r.path / "last.pt")["model"] for r in (before, *runs.values()))
    assert all(torch.equal(first[k], frozen[k]) for k in first), "the classifier and its statistics stay as they were"
    assert not torch.equal(first["conv1.weight"], tuned["conv1.weight"])
    assert float(frozen["segmenter.1.running_mean"].abs().max()) > 0, "the head's own batch norm learns"
    for run in runs.values():
        losses = [epoch["loss"] for epoch in run.log()]
        assert losses[-1] < losses[0]
        loaded = load_network(run, place)
        record = evaluate(EvalJob("segmentation-iou"), loaded, data.load("synthbirds", "test", birds), place)
        assert 0 <= record.values[""].value < record.values["with-background"].value < 100
        assert record.explainer is None and record.metric == "segmentation-iou"
        image = torch.randn(2, 3, 32, 32)
        scores = segment(loaded.model, loaded.layer, image)
        assert scores.shape == (2, 5, 32, 32) and scores.requires_grad is False
        assert loaded.logits(image).shape == (2, 4)


def test_a_network_without_the_head_gets_one_clear_error(birds: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a network with a segmentation head, got one without; train the method"):
        segment(build("resnet8", 4), "layer3", torch.zeros(1, 3, 16, 16))
    with pytest.raises(UsageError, match="segmentation-head does not apply to vgg11"):
        build("vgg11", 3, surgery=["segmentation-head"])
