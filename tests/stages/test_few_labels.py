"""Few-shot and semi-supervised runs from training to the table: what is evaluated, what is averaged, what is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import TINY

from cambench import models
from cambench.report.tables.measure import measure, sentences
from cambench.report.tables.select import groups
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.reporting.gallery import gallery
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.records import read_records
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

ONE = [*TINY, "train.epochs=1"]


def job(method: str, *overrides: str, **options: object) -> TrainJob:
    return TrainJob(method, "synthbirds", overrides=[*ONE, *overrides], **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def there(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Three episodes of 5 shots, two of 1 shot, one of another pool, all measured."""
    there = Place(place.data, tmp_path_factory.mktemp("results"), "cpu")
    for seed in range(3):
        train(job("ce", seed=seed, preset={"data.shots": 5}), there)
    for seed in range(2):
        train(job("ce", "data.shots=1", seed=seed), there)
    train(job("ce", "data.shots=1", "data.pool=train"), there)
    works.evaluate_all(works.Works([]), [EvalJob("top1"), EvalJob("ch")], there)
    return there


def test_an_episode_is_measured_on_the_images_it_did_not_train_on(there: Place) -> None:
    """4 classes of 16 images; the train pool leaves the 40 test images."""
    found = {
        (r.split, r.job["recipe"]["data"]["shots"], r.seed): r.values[""].n
        for r in read_records(there.results)
        if "" in r.values
    }
    assert found == {("episode", 5, s): 44 for s in range(3)} | {("episode", 1, s): 60 for s in range(2)} | {
        ("test", 1, 0): 40
    }


def test_the_episodes_of_one_setting_are_one_group_and_nothing_else_is(there: Place) -> None:
    records = [r for r in read_records(there.results) if r.metric == "top1"]
    assert sorted(len(group) for group in groups(records)) == [1, 2, 3]
    for group in groups(records):
        said = sentences(group, measure(group, ""))
        shots = group[0].job["recipe"]["data"]["shots"]
        assert any(text.startswith(f"{shots}-shot: each episode draws") for text in said)
        assert any(text.startswith('data.pool = "train" instead of "all"') for text in said) == (group[0].split == "test")
        assert not any("data.shots" in text for text in said)
        assert group[0].partial == ("synthetic images (synthbirds)",)


def test_the_gallery_finds_the_episodes_images(there: Place) -> None:
    runs = [r for r in read_runs(there.results) if r.info.data["draw"]["shots"] == 5][:1]
    (shown,) = gallery(runs, there.results, there.data)
    assert len(shown.rows) == 8 and all(len(row.maps) == 1 for row in shown.rows)


def test_a_run_is_asked_for_its_own_images_again(there: Place) -> None:
    (run, *_) = [r for r in read_runs(there.results) if r.info.data["draw"]["shots"] == 5]
    drawn = {"shots": 5, "pool": "all", "labelled": 1.0, "held_out": 0.0}
    assert run.info.data["draw"] == {"seed": run.info.seed, **drawn}
    (record,) = works.evaluate_all(works.Works([run.name], split="train"), [EvalJob("top1")], there)
    assert record.values[""].n == 20 and record.split == "train"
    with pytest.raises(UsageError, match="expected split train or episode"):
        works.evaluate_all(works.Works([run.name], split="test"), [EvalJob("top1")], there)


@pytest.mark.parametrize("method", ["ce-semi", "cgc-semi"])
def test_few_labels_are_measured_on_the_official_split(method: str, place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    for seed in range(2):
        run = train(job(method, "data.labelled=0.34", "train.accumulate=2", seed=seed), there)
        assert run.info.data["images"] == 8 and 0 < run.log()[0]["loss"] < 20
    records = works.evaluate_all(works.Works([]), [EvalJob("top1")], there)
    assert {r.split for r in records} == {"test"} and len(groups(records)) == 1
    said = sentences(records[:1], measure(records[:1], ""))
    assert "Labels of 34 % of the training images" in said
    assert any("data.labelled = 0.34 instead of 0.3" in text for text in said)


def test_all_labels_leave_two_loaders(place: Place, tmp_path: Path) -> None:
    run = train(job("cgc-semi", "data.labelled=1.0"), Place(place.data, tmp_path, "cpu"))
    assert run.info.data["images"] == 24 and "unlabelled" in run.info.job


def test_swav_weights_begin_a_run_and_are_asked_for(place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    there = Place(place.data, tmp_path, "cpu")
    with pytest.raises(UsageError, match=r"begins with SwAV.*expected --weights FILE, got none. Obtain: https://"):
        train(job("cgc-semi", "model.init=swav"), there)
    trunk = {k: v for k, v in models.build("resnet8", 4, seed=9).state_dict().items() if not k.startswith("fc.")}
    extra = {"projection_head.0.weight": torch.ones(2, 2), "prototypes.weight": torch.ones(3, 2)}
    path = tmp_path / "swav.pt"
    torch.save({f"module.{k}": v for k, v in {**trunk, **extra}.items()}, path)
    still = ["optimizer.groups={conv1={lr=0.0}, head={lr=0.1}}", "model.init=swav"]
    with caplog.at_level("INFO", "cambench"):
        run = train(job("cgc-semi", *still, weights=path), there)
    assert "new head fc; the rest from swav.pt" in caplog.text
    assert "left out projection_head.0.weight, prototypes.weight" in caplog.text
    assert torch.equal(load_checkpoint(run.path / "last.pt")["model"]["conv1.weight"], trunk["conv1.weight"])


def test_the_pipeline_of_cgc_without_its_term(place: Place, tmp_path: Path) -> None:
    run = train(job("cgc", "objective_settings.weight=0"), Place(place.data, tmp_path, "cpu"))
    (epoch,) = run.log()
    assert epoch["loss"] == pytest.approx(epoch["ce"], rel=1e-6) and epoch["consistency"] > 0
    assert (
        run.info.deviations[-1] == "objective_settings.weight = 0.0 instead of 0.5 (our choice: the paper's ResNet-50 value)"
    )


@pytest.mark.parametrize(
    ("method", "overrides", "said"),
    [
        ("ce", ["data.shots=17"], "expected at least 17 of every class"),
        ("ce", ["data.unlabelled=true"], "objective ce: expected data.unlabelled = false"),
        ("cgc-semi", ["data.unlabelled=false"], "objective cgc-semi: expected data.unlabelled = true"),
        ("cgc-semi", ["data.shots=1"], "shots go with labelled = 1.0"),
        ("ce", ["optimizer.groups={hed={lr=1.0}}"], "Did you mean head"),
    ],
)
def test_wrong_input_is_one_clear_error(method: str, overrides: list[str], said: str, place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        train(job(method, *overrides), Place(place.data, tmp_path, "cpu"))
