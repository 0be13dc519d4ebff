"""Training images held out to validate on: of every training behind a run, told wherever its numbers stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambench.recipes.load import handed_down, load
from cambench.report.tables.measure import measure, sentences
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.reproducing.cost import Known, estimate
from cambench.stages.reproducing.inventory import find_network, whole
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import Run, read_runs
from cambench.vocabulary import UsageError

SMALL = ("input.size=16", "train.epochs=4", "train.batch_size=8")
QUARTER = "data.held_out=0.25"
NOTE = "trained on 18 of 24 training images, the others held out to validate on"


@pytest.fixture(scope="module")
def place(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """SupCon's encoder with a new classifier, and ExConB; SupCon on every image is there before them."""
    place = Place(birds, tmp_path_factory.mktemp("results"), "cpu")
    for method, *more in (("supcon",), ("supcon-ori", QUARTER), ("exconb", QUARTER)):
        train(TrainJob(method, "synthbirds", overrides=[*SMALL, *more]), place)
    return place


def run_of(place: Place, method: str, images: int) -> Run:
    """The run of a method on so many images."""
    (run,) = (r for r in read_runs(place.results) if (r.info.method, r.info.data["images"]) == (method, images))
    return run


def test_no_training_behind_a_run_learns_what_it_validates_on(place: Place) -> None:
    ori, before, ex = (run_of(place, method, 18) for method in ("supcon-ori", "supcon", "exconb"))
    assert ex.info.began_from["run"] == before.name, "not the one that learned from every image"
    assert len({run.info.data["fingerprint"] for run in (ori, before, ex)}) == 1
    assert ori.info.job["weights"] and run_of(place, "supcon", 24).info.data["draw"] is None


def test_epochs_are_validated_on_what_is_held_out_and_eval_measures_the_official_split(place: Place) -> None:
    run, jobs = run_of(place, "exconb", 18), [EvalJob("top1")]
    (own,) = works.evaluate_all(works.Works([run.name], split="held-out"), jobs, place)
    assert own.values[""].n == 6 and own.values[""].value == pytest.approx(run.log()[-1]["validation_accuracy"])
    (official,) = works.evaluate_all(works.Works([run.name]), jobs, place)
    assert (official.split, official.values[""].n) == ("test", 40)
    said = sentences([official], measure([official], ""))
    assert NOTE in said and not measure([official], "").comparable and not any("data.held_out" in s for s in said)


def test_it_is_not_taken_for_the_papers_run_and_runs_from_before_the_setting_are_found(place: Place) -> None:
    usual, held = run_of(place, "supcon", 24), run_of(place, "supcon", 18)
    for recipe in (usual.info.recipe, usual.info.job["recipe"]):
        assert set(recipe["data"]) == {"shots", "pool", "labelled", "unlabelled", "masks"}
    networks = [Network("supcon", None, "synthbirds", overrides=(*SMALL, *more)) for more in ((), (QUARTER,))]
    for network, run in zip(networks, (usual, held), strict=True):
        found = find_network(network, place)
        assert found is not None and found.name == run.name and whole(network) == (run is usual)
    takes = estimate(Job(networks[1]), Known(place))
    assert takes.images == 4 * 18, "a quarter of 24 images is not learned from"


def test_what_is_held_out_holds_for_every_run_before() -> None:
    given = [QUARTER, "train.epochs=3", "optimizer.lr=0.1"]
    for method, kept in (("supcon-ori", tuple(given[:2])), ("ce-head", (QUARTER,))):
        preset = {"data.held_out": 0.25}
        assert handed_down(load(method, "synthbirds", overrides=given), preset, given) == (preset, kept)


@pytest.mark.parametrize(
    ("method", "more"), [("ce", "data.shots=1"), ("ce-semi", "data.labelled=0.5"), ("cgc-semi", "data.labelled=1.0")]
)
def test_it_goes_with_no_other_draw(method: str, more: str) -> None:
    with pytest.raises(UsageError, match="held_out goes with shots = 0, labelled = 1.0 and unlabelled = false"):
        load(method, "synthbirds", overrides=[QUARTER, more])
