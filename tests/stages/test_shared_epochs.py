"""Trainings that are the same until some epoch: begun from another run's state they end as if trained from the start."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from forked import killed, train_until

from cambench.recipes.load import load
from cambench.recipes.schema import first_epoch
from cambench.stages.housekeeping import packs
from cambench.stages.reproducing import reproduce
from cambench.stages.reproducing.cost import Known, estimate
from cambench.stages.reproducing.plan import Wish
from cambench.stages.training import loop
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint
from cambench.store.runs import Run, read_run
from cambench.vocabulary import CambenchError

SMALL = ("input.size=16", "train.epochs=4", "train.batch_size=8")
START = "objective_settings.start=150"
"""Of 200: the 3rd of 4 epochs."""
KEEP = "train.keep=[149]"
WRITTEN = ["best.pt", "last.pt", "log.jsonl", "run.json"]


def lesson(method: str, *overrides: str, seed: int = 0) -> TrainJob:
    """A tiny training of four epochs, three steps and two phases each."""
    return TrainJob(method, "synthbirds", seed=seed, overrides=[*SMALL, *overrides])


@pytest.fixture(scope="module")
def supcons(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Roots with a SupCon run that keeps its second epoch, which nobody writes to."""
    place = Place(birds, tmp_path_factory.mktemp("supcon") / "results", "cpu")
    train(lesson("supcon", KEEP), place)
    return place


@pytest.fixture
def shared(supcons: Place, tmp_path: Path) -> Place:
    """A copy of it."""
    return replace(supcons, results=shutil.copytree(supcons.results, tmp_path / "shared"))


@pytest.fixture(scope="module")
def whole(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of ExConB that begins with its own first epoch, which nobody writes to."""
    return train(lesson("exconb", START), Place(birds, tmp_path_factory.mktemp("alone"), "cpu"))


def supcon_in(place: Place) -> Run:
    """The run that is there already."""
    return train(lesson("supcon", KEEP), place)


def log(run: Run) -> list[dict[str, object]]:
    """A run's log without times."""
    return [{k: v for k, v in line.items() if "second" not in k} for line in run.log()]


def assert_same(first: Run, second: Run) -> None:
    """Two runs are one, to the bit."""
    assert first.name == second.name and log(first) == log(second)
    for name in ("last.pt", "best.pt"):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name


@pytest.mark.parametrize("method", ["exconb", "excon"])
def test_a_run_begun_from_supcons_state_ends_as_if_trained_from_the_start(
    method: str, shared: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SupCon's own best epoch may be a later one; which one it was when the state was kept is what counts."""
    whole, supcon = train(lesson(method, START), replace(shared, results=tmp_path / "alone")), supcon_in(shared)
    (supcon.path / "best.pt").write_bytes(b"that of a later epoch")
    capsys.readouterr()
    begun = train(lesson(method, START), shared)
    assert f"{begun.name}: begins from {supcon.name}, which is the same training until epoch 2" in capsys.readouterr().err
    assert_same(whole, begun)
    assert begun.log()[:2] == supcon.log()[:2], "those epochs were not trained again"
    assert begun.info.began_from == {"run": supcon.name, "epoch": 2} and whole.info.began_from is None
    assert begun.info.deviations == whole.info.deviations
    assert load_checkpoint(begun.path / "best.pt")["epoch"] <= 2, "the example's best epoch is one that was taken over"


def test_a_run_keeps_only_what_is_named_and_is_the_run_that_keeps_nothing(birds: Path, tmp_path: Path) -> None:
    places = [Place(birds, tmp_path / name, "cpu") for name in "ab"]
    plain, keeping = (train(lesson("supcon", f"train.keep={k}"), p) for k, p in zip(([], [49, 149]), places, strict=True))
    assert sorted(p.name for p in plain.path.iterdir()) == WRITTEN
    assert sorted(p.name for p in keeping.path.iterdir()) == [*WRITTEN[:1], "epoch-2", *WRITTEN[1:]], "epoch 0 is nothing"
    assert sorted(p.name for p in (keeping.path / "epoch-2").iterdir()) == WRITTEN[:3]
    assert load_checkpoint(keeping.path / "epoch-2" / "last.pt")["epoch"] == 2
    assert_same(plain, keeping)
    assert keeping.info.job == plain.info.job and keeping.info.deviations == plain.info.deviations


OTHERS = {
    "batch size": {"overrides": ["train.batch_size=12"]},
    "rate": {"overrides": ["optimizer.lr=0.001"]},
    "temperature": {"overrides": ["objective_settings.temperature=0.2"]},
    "seed": {"seed": 1},
    "epoch": {"overrides": ["train.keep=[99]"]},
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_run_that_is_another_training_is_not_taken(what: str, birds: Path, tmp_path: Path) -> None:
    place, other = Place(birds, tmp_path, "cpu"), {"overrides": [], **OTHERS[what]}
    train(lesson("supcon", KEEP, *other.pop("overrides"), **other), place)
    assert train(lesson("exconb", START), place).info.began_from is None


def test_neither_a_rounded_run_nor_masks_from_the_first_epoch_begin_elsewhere(shared: Place) -> None:
    supcon = supcon_in(shared)
    assert train(lesson("exconb", "objective_settings.start=0"), shared).info.began_from is None
    supcon.save(rounded_after=[1])
    assert train(lesson("exconb", START), shared).info.began_from is None


def test_another_explained_layer_begins_from_the_same_state(shared: Place) -> None:
    run = train(lesson("exconb", START, "model.layer=layer3.0.conv2", "objective_settings.explain_bn=eval"), shared)
    assert run.info.began_from["run"] == supcon_in(shared).name and run.info.layer == "layer3.0.conv2"


@pytest.mark.parametrize("step", [3, 9])
def test_a_killed_run_that_began_elsewhere_ends_like_an_uninterrupted_one(step: int, whole: Run, shared: Place) -> None:
    """6 steps an epoch: the 3rd is before its first own checkpoint, the 9th after it."""
    killed(train_until, step, lesson("exconb", START), shared)
    begun = read_run(shared.results / "runs" / whole.name)
    assert load_checkpoint(begun.path / "last.pt")["epoch"] == 2 + step // 6 and begun.info.began_from
    assert_same(whole, train(lesson("exconb", START), shared))


def test_a_run_killed_between_its_kept_and_its_last_state_keeps_the_same(
    birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [Place(birds, tmp_path / name, "cpu") for name in "ab"]
    whole, save = train(lesson("supcon", KEEP), places[0]), loop.save_checkpoint

    def killed(path: Path, state: dict[str, object]) -> None:
        if path.name == "last.pt" and state["epoch"] == 2:
            raise KeyboardInterrupt
        save(path, state)

    with monkeypatch.context() as m, pytest.raises(KeyboardInterrupt):
        m.setattr(loop, "save_checkpoint", killed)
        train(lesson("supcon", KEEP), places[1])
    again = read_run(places[1].results / "runs" / whole.name)
    assert (again.path / "epoch-2" / "last.pt").exists() and load_checkpoint(again.path / "last.pt")["epoch"] == 1
    assert_same(whole, train(lesson("supcon", KEEP), places[1]))
    for name in ("last.pt", "best.pt"):
        assert (whole.path / "epoch-2" / name).read_bytes() == (again.path / "epoch-2" / name).read_bytes()


def test_what_is_kept_travels_with_a_run_and_exconb_begins_from_it_there(
    shared: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there, third = shared, *(replace(shared, results=tmp_path / name) for name in ("there", "third"))
    supcon, begun = supcon_in(here), train(lesson("exconb", START), here)
    packs.pack(supcon.name, tmp_path / "pack", here.results, part=0.1)
    arrived = packs.unpack(tmp_path / "pack", there.results)
    for name in WRITTEN[:3]:
        assert (arrived.path / "epoch-2" / name).read_bytes() == (supcon.path / "epoch-2" / name).read_bytes(), name
    assert_same(supcon, arrived)
    assert_same(begun, train(lesson("exconb", START), there))
    assert f"begins from {supcon.name}" in capsys.readouterr().err
    shutil.rmtree(arrived.path / "epoch-2")
    assert (packs.unpack(tmp_path / "pack", there.results).path / "epoch-2" / "last.pt").exists(), "what lacks comes back"
    packs.pack(supcon.name, tmp_path / "rounded", here.results, bf16=True)
    rounded = packs.unpack(tmp_path / "rounded", third.results)
    assert not [p.name for folder in (tmp_path / "rounded", rounded.path) for p in folder.iterdir() if "epoch" in p.name]
    assert train(lesson("exconb", START), third).info.began_from is None


def test_a_damaged_kept_state_is_named(shared: Place, tmp_path: Path) -> None:
    packs.pack(supcon_in(shared).name, tmp_path / "pack", shared.results)
    (tmp_path / "pack" / "epoch-2.last.pt.000").write_bytes(b"")
    with pytest.raises(CambenchError, match=r"not as packed: epoch-2\.last\.pt\.000 \(damaged: 0 bytes"):
        packs.unpack(tmp_path / "pack", tmp_path / "there")
    manifest = tmp_path / "pack" / "pack.json"
    manifest.write_text(manifest.read_text().replace('"epoch-2/last.pt"', '"../epoch-2/last.pt"'))
    with pytest.raises(CambenchError, match=r"pack\.json: damaged at files\.\d\.name"):
        packs.unpack(tmp_path / "pack", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_the_recipes_keep_what_excons_may_begin_from() -> None:
    for dataset in ("cifar100", "synthbirds", "tiny-imagenet"):
        for batch_size in (128, 256):
            preset = {"train.batch_size": batch_size, "train.epochs": 200}
            kept = load("supcon", dataset, preset=preset).train.kept
            for method in ("excon", "exconb"):
                recipe = load(method, dataset, preset=preset)
                assert recipe.train.kept == set()
                assert kept >= {first_epoch(recipe.objective_settings["start"], 200) - 1} - {-1}
            assert load("supcon-ori", dataset, preset=preset).train.kept == set()
    assert load("supcon", "cifar100").train.kept == {49, 99} and load("supcon", "tiny-imagenet").train.kept == set()
    assert load("supcon", "cifar100", overrides=["train.epochs=20"]).train.kept == {4, 9}
    assert load("supcon", "cifar100", overrides=["train.epochs=4"]).train.kept == {1}, "epoch 0 is no state"
    assert load("supcon", "cifar100", overrides=["train.keep=[]"]).deviations == []


def test_a_plan_trains_supcon_before_what_may_begin_from_it(birds: Path, tmp_path: Path) -> None:
    place = Place(birds, tmp_path, "cpu")
    plan = reproduce.make_plan(reproduce.Choice(["excon/1"], on="synthbirds"), Wish("synthbirds", 2), place)
    trained = [(job.network.seed, job.network.method) for job in plan.jobs if job.measurement is None]
    methods = ["supcon", "supcon-ori", "excon", "exconb"]
    assert trained == [(seed, method) for seed in (0, 1) for method in methods]


def lefts(place: Place, *rows: str) -> dict[str, tuple[float, int]]:
    """Method -> the share that the plan of a table leaves to do of trainings of 4 epochs, and the images of that."""
    choice = reproduce.Choice(["excon/1"], rows=rows, on="synthbirds")
    plan = reproduce.make_plan(choice, Wish("synthbirds", 1, overrides=SMALL), place)
    own = [job for job in plan.jobs if job.measurement is None]
    return {job.network.method: (job.left, estimate(job, Known(place)).images) for job in own}


def test_a_plan_does_not_count_epochs_that_are_taken_over(birds: Path, tmp_path: Path) -> None:
    """24 images; of 4 epochs the first is SupCon's, be it planned or there, as long as it keeps it."""
    place, whole, part = Place(birds, tmp_path, "cpu"), (1.0, 96), (0.75, 72)
    assert lefts(place) == {"supcon": whole, "supcon-ori": whole, "excon": part, "exconb": part}
    assert lefts(place, "ExCon") == {"excon": whole}, "nothing of supcon's is planned"
    supcon = train(lesson("supcon"), place)
    assert lefts(place, "ExCon") == {"excon": part} and lefts(place)["exconb"] == part
    shutil.rmtree(supcon.path / "epoch-1")
    assert lefts(place, "ExCon") == {"excon": whole} and lefts(place)["exconb"] == whole, "it will not keep it any more"
