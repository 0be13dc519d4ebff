"""Plans: every job once, in an order that works, with its true state, what it lacks and what it takes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from boards import board
from tiny import TINY
from torch.utils.flop_counter import FlopCounterMode

from cambench.data import load, synthbirds
from cambench.recipes.tables import TableRecipe, load_table
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works, evaluate_all
from cambench.stages.network import load_network, open_run
from cambench.stages.reproducing.cost import Known, estimate, forward, images, of_measurement
from cambench.stages.reproducing.inventory import at_hand, find_network, settle
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network, Wish, make_jobs
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import read_records, write_record
from cambench.store.runs import Run, find_run
from cambench.vocabulary import UsageError

CE, CGC = '{ method = "ce" }', '{ method = "cgc" }'
EITHER = '[{ method = "pretrained", arch = "torchvision:resnet18" }, { method = "ce", arch = "resnet18" }]'
WISH = Wish(overrides=tuple(TINY))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Empty roots, and no weights of torchvision's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return Place(tmp_path / "data", tmp_path / "results", "cpu")


def planned(tables: list[TableRecipe], place: Place, wish: Wish = WISH) -> list[Job]:
    """The jobs with their states."""
    jobs = make_jobs(tables, wish, partial(at_hand, place=place))
    for job in jobs:
        settle(job, place)
    return jobs


def titles(jobs: list[Job]) -> list[str]:
    """What a person reads."""
    return [job.title for job in jobs]


def test_jobs_that_tables_share_appear_once(nowhere: Place) -> None:
    one, two = load_table("cgc/1"), load_table("cgc/2")
    jobs = planned([one, two], nowhere, Wish())
    assert len({job.key for job in jobs}) == len(jobs)
    alone = [planned([table], nowhere, Wish()) for table in (one, two)]
    shared = {job.key for job in alone[0]} & {job.key for job in alone[1]}
    assert len(jobs) == len(alone[0]) + len(alone[1]) - 1 and len(shared) == 1
    training = next(job for job in jobs if job.key in shared)
    assert training.title == "train cgc imagenet resnet50, seed 0"
    cells = {(place.table, place.row, place.column) for place in training.cells}
    assert cells == {("cgc/1", 5, column) for column in range(5)} | {("cgc/2", 1, column) for column in range(2)}


def test_a_setting_that_says_what_the_recipe_says_is_the_same_training(nowhere: Place) -> None:
    """λ of CGC on synthbirds is 0.5; 0.1 is another run. Both variants of CH come from one measurement."""
    weights = {w: f'{{ method = "cgc", settings = {{ "objective_settings.weight" = {w} }} }}' for w in ("0.5", "0.1")}
    columns = {v: f'metric = "ch", variant = "{v}"' for v in ("official", "correct")}
    jobs = planned([board({"plain": CGC, **weights}, columns)], nowhere)
    assert titles(jobs) == [
        "train cgc synthbirds resnet8, seed 0",
        "eval ch (grad-cam, logit) on synthbirds test: cgc synthbirds resnet8, seed 0",
        "train cgc synthbirds resnet8 weight=0.1, seed 0",
        "eval ch (grad-cam, logit) on synthbirds test: cgc synthbirds resnet8 weight=0.1, seed 0",
    ]
    assert sorted((c.row, c.column) for c in jobs[1].cells) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_what_a_job_needs_comes_before_it_and_the_first_seed_of_all_cells_before_the_second(nowhere: Place) -> None:
    jobs = planned([board({"a": CE, "b": CGC}, seeds=2)], nowhere)
    keys = [job.key for job in jobs]
    assert all(keys.index(need) < i for i, job in enumerate(jobs) for need in job.needs)
    assert [job.network.seed for job in jobs] == [0] * 4 + [1] * 4
    assert [len(job.needs) for job in jobs] == [0, 1] * 4


def test_seeds_are_the_papers_and_of_a_stand_in_at_most_three(nowhere: Place) -> None:
    table = board({"a": CE}, seeds=20)
    small = table.model_copy(update={"stand_in": "synthbirds"})
    numbers = [len(planned([t], nowhere, Wish(seeds=n))) // 2 for t, n in ((table, None), (small, None), (small, 5))]
    assert numbers == [20, 3, 5]


def test_states_follow_what_is_on_disk(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    table = [board({"a": CE})]
    assert [job.state for job in planned(table, there)] == ["missing", "missing"]
    run = train(TrainJob("ce", "synthbirds", overrides=TINY), there)
    assert [job.state for job in planned(table, there)] == ["finished", "missing"]
    evaluate_all(Works([run.name]), [EvalJob("top1")], there)
    assert [job.state for job in planned(table, there)] == ["finished", "finished"]
    run.save(finished=False)
    run.write_log(run.log()[:1])
    training, measuring = planned(table, there)
    assert (training.state, training.detail, training.left) == ("partly", "epoch 1 of 2", 0.5)
    assert measuring.state == "missing"


@pytest.mark.parametrize("change", [
    {"overrides": [*TINY, "optimizer.lr=0.01"]}, {"seed": 1}, {"classes": 3}, {"arch": "resnet20"}, {"method": "cgc"},
], ids=str)  # fmt: skip
def test_another_training_does_not_answer(change: dict, place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    train(TrainJob(**{"method": "ce", "dataset": "synthbirds", "overrides": TINY, **change}), there)
    assert [job.state for job in planned([board({"a": CE})], there)] == ["missing", "missing"]


def test_a_run_on_other_data_does_not_answer_and_data_that_is_gone_is_not_asked(tmp_path: Path) -> None:
    there = Place(tmp_path / "data", tmp_path / "results", "cpu")
    make = partial(synthbirds.make, there.data / "synthbirds", classes=2, test_per_class=2, size=32)
    make(per_class=2)
    run = train(TrainJob("ce", "synthbirds", overrides=[*TINY, "train.epochs=1"]), there)
    wish = Wish(overrides=(*TINY, "train.epochs=1"))
    shutil.rmtree(there.data / "synthbirds")
    (job, _) = planned([board({"a": CE})], there, wish)
    assert job.state == "finished" and find_network(job.network, there) == run
    elsewhere = Place(tmp_path / "other", there.results, "cpu")
    synthbirds.make(elsewhere.data / "synthbirds", classes=2, test_per_class=2, size=32, per_class=3)
    assert planned([board({"a": CE})], elsewhere, wish)[0].state == "missing"


def test_missing_data_says_the_folder_the_layout_and_where_to_obtain_it(nowhere: Place) -> None:
    training, measuring = planned([board({"a": CE}, dataset="cub")], nowhere, Wish())
    assert (training.state, measuring.state) == ("blocked", "blocked")
    (data, weights) = training.reasons
    assert f"cub: expected at {nowhere.data / 'CUB_200_2011'}, not there" in data
    assert "images.txt" in data and "https://data.caltech.edu/records/65de6-vp158" in data
    assert "resnet50-0676ba61.pth, got none; pass --download, or put the file there" in weights


def test_a_given_network_without_its_weights_is_blocked_and_not_trained_instead(nowhere: Place) -> None:
    table = board({"a": EITHER}, dataset="imagenet")
    (job,) = planned([table], nowhere, Wish())
    assert job.network.given and job.state == "blocked"
    assert "imagenet: expected at" in job.reasons[0] and "resnet18-f37072fd.pth" in job.reasons[1]
    file = Path(torch.hub.get_dir()) / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    file.touch()
    assert len(planned([table], nowhere, Wish())[0].reasons) == 1, "the weights are there now"
    allowed = Place(nowhere.data, nowhere.results, "cpu", download=True)
    file.unlink()
    assert len(planned([table], allowed, Wish())[0].reasons) == 1


def test_a_trained_alternative_that_is_there_goes_before_missing_weights(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    there = Place(place.data, tmp_path / "results", "cpu")
    shutil.copytree(place.results / "runs", there.results / "runs")
    given = open_run("torchvision:resnet18", there).save()
    either = board({"a": '[{ method = "pretrained", arch = "torchvision:resnet18" }, { method = "ce" }]'})
    jobs = planned([either], there)
    assert titles(jobs)[0] == "train ce synthbirds resnet8, seed 0" and jobs[0].state == "finished"
    (there.results / "records" / given.name).mkdir(parents=True)
    (there.results / "records" / given.name / "a.json").touch()
    assert at_hand(Network("pretrained", "torchvision:resnet18"), there), "it was measured, so the cell has shown it"


@pytest.mark.parametrize(("row", "column", "said"), [
    ('{ method = "cgd" }', 'metric = "top1"', "unknown method 'cgd'. Did you mean cgc"),
    (CE, 'metric = "top2"', "unknown metric 'top2'"),
    (CE, 'metric = "ch", variant = "correct", explainer = "grad-cat"', "unknown explainer 'grad-cat'"),
    (CE, 'metric = "ch", variant = "correct", target = "logits"', "logits"),
    ('{ method = "ce", arch = "resnet9" }', 'metric = "top1"', "unknown arch 'resnet9'"),
    ('{ method = "ce", settings = { "optimizer.rate" = 1.0 } }', 'metric = "top1"', "unknown key 'optimizer.rate'"),
    ('{ method = "cgc", settings = { "objective_settings.group" = 0 } }', 'metric = "top1"', "group"),
    (CE, 'metric = "top1"', "unknown dataset 'cup'. Did you mean cub"),
])  # fmt: skip
def test_what_there_is_not_is_a_reason_and_no_crash(row: str, column: str, said: str, nowhere: Place) -> None:
    jobs = planned([board({"a": row}, {"x": column}, dataset="cup" if "cup" in said else "synthbirds")], nowhere)
    assert jobs[-1].state == "unknown" and said in " ".join(jobs[-1].reasons)
    takes = estimate(jobs[-1], Known(nowhere))
    assert (takes.images, takes.seconds, takes.bytes) == (0, 0.0, 0)


def test_a_recipe_that_begins_from_a_checkpoint_asks_for_it(nowhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from cambench.stages.reproducing import plan

    (job, _) = planned([board({"a": CE})], nowhere)
    recipe = job.network.recipe
    begins = recipe.model_copy(update={"model": recipe.model.model_copy(update={"init": "swav"})})
    monkeypatch.setattr(plan, "load_recipe", lambda *_: begins)
    file = nowhere.data.parent / "swav.pt"
    for given, said in ((None, "expected --weights FILE, got none"), (file, "expected a file of weights, found none there")):
        (job, _) = planned([board({"a": CE})], nowhere, Wish(weights=given))
        assert job.state == "blocked" and said in job.reasons[0]
    file.touch()
    assert planned([board({"a": CE})], nowhere, Wish(weights=file))[0].state == "missing"


def test_estimates_by_hand_without_any_data(nowhere: Place) -> None:
    """CUB: 90 epochs of 5,994 images, 3 passes each, 5,794 validation images an epoch; ResNet-50: 4.09 G multiply-adds."""
    known = Known(nowhere)
    training, measuring = (estimate(job, known) for job in planned([board({"a": CE}, dataset="cub")], nowhere, Wish()))
    cost = forward("resnet50", 224, (), 200)
    assert cost.operations == pytest.approx(2 * 4.09e9, rel=0.01) and cost.grid == 49
    assert cost.weights == 25_557_032 - 2048 * 800 - 800
    with pytest.raises(UsageError, match=r"^alexnet: expected a network that takes images 3×40×40, .*--set input.size=N"):
        forward("alexnet", 40, (), 10)
    rate = known.on.device.rate("float32")[0]
    assert rate == 5e10 * torch.get_num_threads()
    assert training.images == 90 * 5994 and measuring.images == 5794
    assert training.seconds == pytest.approx(90 * (3 * 5994 + 5794) * cost.operations / rate)
    assert training.bytes == cost.weights * 4 * 4, "weights and momentum, last and best"
    assert measuring.seconds == pytest.approx(5794 * cost.operations / rate)
    assert "FLOPs at 0.05 TFLOP/s, 50 % of the peak of a processor, 1 thread" in training.basis
    (_, _, cgc, ch) = planned(
        [board({"a": CE, "b": CGC}, {"x": 'metric = "ch", variant = "correct"'}, dataset="cub")], nowhere, Wish()
    )
    assert estimate(cgc, known).seconds == pytest.approx(90 * (9 * 5994 + 5794) * cost.operations / rate)
    assert estimate(ch, known).seconds == pytest.approx(5794 * 4 * 4 / 3 * cost.operations / rate)


def test_measurements_take_the_passes_that_are_reckoned(place: Place, tmp_path: Path) -> None:
    """Operations of a whole measurement, counted while it runs, on images of 32 px: 4 steps of 8 rows."""
    there = Place(place.data, tmp_path, "cpu")
    shutil.copytree(place.results / "runs", there.results / "runs")
    loaded, dataset = load_network(find_run("synthbirds-ce", there.results), there), load("synthbirds", "test", there.data)
    network, known = Network("ce", "resnet8", "synthbirds", overrides=tuple(TINY)), Known(there)
    one = forward("resnet8", 32, (), 4).operations * len(dataset)
    reckoned = {"iauc": 6, "iauc-train-bn": 6, "dauc:rows=4": 10}
    for metric, passes in reckoned.items():
        with FlopCounterMode(display=False) as counter:
            evaluate(EvalJob(metric), loaded, dataset, there)
        assert counter.get_total_flops() / one == pytest.approx(passes, rel=0.1)
    for (metric, explainer), passes in {
        **{(m, "grad-cam"): n for m, n in reckoned.items()},
        ("iauc", "smoothgrad"): 5 + 151,
    }.items():
        what = Measurement(metric, "synthbirds", "test", explainer, "logit")
        assert of_measurement(network, what, known).seconds * known.on.device.rate("float32")[0] / one == pytest.approx(
            passes
        )


def test_estimates_use_what_was_measured_on_this_device(place: Place, tmp_path: Path) -> None:
    there = Place(place.data, tmp_path, "cpu")
    run = train(TrainJob("ce", "synthbirds", overrides=TINY), there)
    evaluate_all(Works([run.name]), [EvalJob("top1")], there)
    run.write_log([{**epoch, "images_per_second": 24.0} for epoch in run.log()])
    jobs = planned([board({"a": CE}, seeds=2)], there)
    second = estimate(jobs[2], Known(there))
    assert (second.images, second.seconds, second.basis) == (48, pytest.approx(2.0), f"measured ({run.name})")
    assert estimate(jobs[3], Known(there)).basis == f"measured ({run.name})"
    assert estimate(jobs[0], Known(there)).images == 0
    shutil.copytree(run.path, there.results / "runs" / "a-short-one")  # mostly its start
    Run(there.results / "runs" / "a-short-one").write_log([{**run.log()[0], "seconds": 0.1, "images_per_second": 1.0}])
    (record,) = read_records(there.results)
    few = {name: replace(value, n=2) for name, value in record.values.items()}
    write_record(there.results / "records" / "a-short-one" / "a.json", replace(record, run="a-short-one", values=few))
    assert [job.basis for job in (estimate(jobs[i], Known(there)) for i in (2, 3))] == [f"measured ({run.name})"] * 2
    shutil.rmtree(there.results / "runs" / "a-short-one")
    run.save(device="another")
    assert "FLOPs" in estimate(jobs[2], Known(there)).basis


def test_a_column_may_take_fewer_seeds_than_its_table() -> None:
    """Table 8: 20 episodes a few-shot cell, 3 trials of the full training."""
    jobs = [j for j in make_jobs([load_table("cgc/8")], Wish(), lambda _: False) if j.measurement is None]
    few, full = ([j.network for j in jobs if bool(j.network.preset) == chosen] for chosen in (True, False))
    assert len(few) == 2 * 2 * 3 * 20 and {n.seed for n in few} == set(range(20))
    assert len(full) == 2 * 2 * 3 and {n.seed for n in full} == {0, 1, 2}
    four = [j for j in make_jobs([load_table("cgc/8")], Wish(seeds=4), lambda _: False) if j.measurement is None]
    assert len(four) == 2 * 2 * 4 * 4, "--seeds holds for every cell"


def test_sets_that_are_not_here_are_estimated_by_what_their_releases_say(tmp_path: Path) -> None:
    told = {
        ("hard-imagenet", "train"): 19_000,
        ("hard-imagenet", "eval"): 750,
        ("unrel", "eval"): 1000,
        ("sbd", "train"): 8498,
    }
    assert {key: images(*key, tmp_path) for key in told} == told
    assert images("hard-imagenet-balanced", "train", tmp_path) == 3000 and images("synthbirds", "eval", tmp_path) == 200
