"""What a command asks for, as jobs: each once, however it is spelled; nothing is written for what does not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambench.data import synthbirds
from cambench.recipes.presets import asked
from cambench.stages.measuring.works import Works, jobs_of, maps_of
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError


def test_two_spellings_of_one_measurement_are_one_job() -> None:
    jobs = jobs_of(["ch-224", "ch:scale=1", "ch_224"], ["vanilla-gradient", "gradient:colours=largest"], None)
    assert [(job.metric, job.explainer) for job in jobs] == [("ch-224", "vanilla-gradient")]
    assert len(jobs_of(["ch", "ch:scale=1"], ["gradient", "gradient:colours=largest"], ["logit", "weighted"])) == 8


def test_two_spellings_of_one_map_are_one_file() -> None:
    jobs = maps_of(Works([]), ["hirescam", "hires-cam", "linear-approximation"], ["logit"])
    assert [job.explainer for job in jobs] == ["hires-cam"]


def test_an_unknown_architecture_leaves_no_run_behind(tmp_path: Path) -> None:
    synthbirds.make(tmp_path / "data" / "synthbirds", classes=2, per_class=2, test_per_class=2, size=32)
    with pytest.raises(UsageError, match="unknown arch 'resnt8'. Did you mean resnet8"):
        train(TrainJob("ce", "synthbirds", "resnt8"), Place(tmp_path / "data", tmp_path / "results", "cpu"))
    assert not list(tmp_path.glob("results/runs/*"))


def test_a_seed_is_no_negative_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="^seed: expected 0 or more, got -1.$"):
        train(TrainJob("ce", "synthbirds", "resnet8", -1), Place(tmp_path, tmp_path, "cpu"))
    assert not list(tmp_path.iterdir())


def test_a_key_that_is_set_twice_is_refused_and_a_preset_may_be_set_otherwise() -> None:
    with pytest.raises(UsageError, match=r"--set train\.epochs: expected it once, got it 2 times"):
        asked([], ["train.epochs=2", "train.epochs = 3"], {})
    with pytest.raises(UsageError, match="--set train.epochs: expected one value, got 3 by its own option, too"):
        asked([], ["train.epochs=2"], {"train.epochs": 3})
    assert asked([], ["train.batch_size=2"], {"train.epochs": 3}) == ["train.batch_size=2", "train.epochs=3"]
    with pytest.raises(UsageError, match="few-shot-1, --preset few-shot-5: expected one value of data.shots, got 1 and 5"):
        asked(["few-shot-1", "pool-train", "few-shot-5"], [], {})
    assert asked(["few-shot-1"], ["data.shots=5"], {}) == ["data.shots=1", "data.shots=5"], "the last one wins"
    alike = ['data.masks="segmentation"', "data.redraw=10", 'data.masks="segmentation"', 'data.mask_resize="dilated"']
    assert asked(["redraw-crops", "masks-dilated"], [], {}) == alike, "two that say the same go together"
