"""`reproduce --search N`: the draws, what decides, which network the table shows, what is said and kept, going on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from boards import board
from tiny import TINY
from typed import Typed

from cambench.recipes import ranges
from cambench.recipes.ranges import RATE
from cambench.recipes.tables import TableRecipe
from cambench.stages.reporting.choice import Choice
from cambench.stages.reproducing import reproduce as stage
from cambench.stages.reproducing.cost import Known, estimate
from cambench.stages.reproducing.inventory import find_network
from cambench.stages.reproducing.plan import Job, Wish
from cambench.stages.reproducing.reproduce import make_plan, reproduce
from cambench.stages.reproducing.roles import BEST, DRAW, OPEN
from cambench.stages.workplace import Place
from cambench.store.records import read_records
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError, UsageError

SETTINGS = (*TINY, "train.epochs=1", "input.resize=36")
WISH = Wish(
    overrides=tuple({text.partition("=")[0]: text for text in SETTINGS}.values()), search=3, ranges=("input.flip=0..1",)
)
ROWS = {
    "CAM": '{ method = "cam", explainer = "score-map" }',
    "CAM + Y": '{ method = "cam", explainer = "min-max-cam", target = "subset:all" }',
}
BOXES = {"Boxes": 'metric = "max-box-acc", variant = ""'}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> TableRecipe:
    """A table of which the paper searches settings, chosen by whatever a test asks for."""
    made = board(ROWS, BOXES).model_copy(update={"search": "val"})
    monkeypatch.setattr(stage, "recipes", lambda *_: [made])
    monkeypatch.setattr("cambench.stages.divergence.at_chance", lambda *_: None)  # one epoch learns nothing
    return made


def roles(jobs: list[Job]) -> list[str]:
    """Of the trainings and of the measurements, in order."""
    return [f"{'train' if job.measurement is None else job.measurement.split} {job.network.role}" for job in jobs]


def test_draws_come_first_and_then_the_best_of_them(
    birds: Path, tmp_path: Path, table: TableRecipe, capsys: pytest.CaptureFixture
) -> None:
    place = Place(birds, tmp_path, "cpu")
    plan = make_plan(Choice(["calm/3"]), WISH, place)
    assert roles(plan.jobs) == [*[f"train {DRAW}", f"held-out {DRAW}"] * 3, f"train {OPEN}", f"test {OPEN}", f"test {OPEN}"]
    assert roles(plan.left) == [f"train {DRAW}", f"held-out {DRAW}"] * 3
    drawn = ranges.draws(ranges.ranges_of(plan.jobs[0].network.recipe, SETTINGS, WISH.ranges), 0, 3)
    assert [job.network.drawn[:2] for job in plan.jobs[:6:2]] == [tuple(ranges.overrides(one)) for one in drawn]
    assert {job.network.recipe.data.held_out for job in plan.jobs[:6]} == {0.2}
    assert plan.jobs[6].network.recipe.data.held_out == 0.0
    images = [estimate(job, Known(place)).images for job in plan.jobs]
    assert images == [20, 4, 20, 4, 20, 4, 24, 40, 40], "24 training images, 4 of them held out; 40 of the test split"

    (made,), whole = reproduce(plan, place)
    assert whole and len(read_runs(tmp_path)) == 4
    deciding = {r.run: r for r in read_records(tmp_path) if r.split == "held-out"}
    assert len(deciding) == 3 and all(
        (r.metric, r.explainer, r.target) == ("max-box-acc", "score-map", "logit") for r in deciding.values()
    )
    best = max(deciding.values(), key=lambda r: r.values[""].value)
    (found,) = [run for run in read_runs(tmp_path) if run.info.search]
    assert deciding[found.name].values[""].value == best.values[""].value
    kept = found.info.search
    assert kept is not None and kept["ranges"] == {"input.flip": "0..1", RATE: "1e-5..1 log"} and kept["split"] == "held-out"
    assert [d["settings"] for d in kept["draws"]] == drawn and {d["run"] for d in kept["draws"]} == set(deciding)
    chosen = next(d["settings"] for d in kept["draws"] if d["run"] == found.name)

    shown = {r.run for r in read_records(tmp_path) if r.split == "test"}
    (run,) = [run for run in read_runs(tmp_path) if run.name in shown]
    recipe = run.info.recipe
    assert recipe["optimizer"]["lr"] == chosen[RATE] and recipe["input"]["flip"] == chosen["input.flip"]
    assert "held_out" not in recipe["data"] or recipe["data"]["held_out"] == 0.0
    assert all(row.cells[0].measured is not None and row.cells[0].measured.seeds == (0,) for row in made.rows)
    assert any("optimizer.lr = " in note and "instead of" in note for note in (*made.notes, *made.footnotes))
    said = capsys.readouterr().err
    assert f"best of 3 is --set input.flip={chosen['input.flip']!r} --set optimizer.lr=" in said and str(found.path) in said

    again = make_plan(Choice(["calm/3"]), WISH, place)
    assert not again.left and roles(again.jobs)[6:] == [f"train {BEST}", f"test {BEST}", f"test {BEST}"]
    assert again.jobs[6].title.endswith(f"(best draw: flip={chosen['input.flip']!r}, lr={chosen[RATE]!r}), seed 0")
    (more,), _ = reproduce(make_plan(Choice(["calm/3"]), replace(WISH, seeds=2), place), place)
    assert more.rows[0].cells[0].measured is not None and more.rows[0].cells[0].measured.seeds == (0, 1)
    rates = {run.info.recipe["optimizer"]["lr"] for run in read_runs(tmp_path) if run.info.seed == 1}
    assert rates == {chosen[RATE]}, "one search for all seeds"


def test_a_split_of_its_own_decides_and_its_best_draw_is_what_the_table_shows(
    own: Place, table: TableRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CALM's case: nothing is held out, so the best draw's run is the one that is measured on the test split."""
    from cambench import data

    entry, _ = data.resolve("synthbirds")
    monkeypatch.setattr(data, "resolve", lambda spec: (replace(entry, splits=("train", "val", "test")), None))
    plan = make_plan(Choice(["calm/3"]), WISH, own)
    assert roles(plan.jobs) == [*[f"train {DRAW}", f"val {DRAW}"] * 3, f"test {OPEN}", f"test {OPEN}"]
    assert {job.network.recipe.data.held_out for job in plan.jobs} == {0.0}


def test_a_draw_without_a_value_ends_no_search_and_is_not_trained_again(
    birds: Path, tmp_path: Path, table: TableRecipe
) -> None:
    place, wish = Place(birds, tmp_path, "cpu"), replace(WISH, ranges=("optimizer.lr=1e-3..1e35 log",))
    plan = make_plan(Choice(["calm/3"], rows=["CAM"]), wish, place)
    (made,), whole = reproduce(plan, place)
    (kept,) = [run.info.search for run in read_runs(tmp_path) if run.info.search]
    failed = [d for d in kept["draws"] if d["value"] is None]
    assert failed and all("not finite" in d["failed"] for d in failed), "of 1e-3 to 1e35 some are too high"
    assert whole and made.rows[0].cells[0].measured is not None and not any("finite" in note for note in made.footnotes)
    again = make_plan(Choice(["calm/3"], rows=["CAM"]), wish, place)
    assert not again.left and sum(job.detail == "not finite" for job in again.jobs) >= len(failed)


def test_a_search_of_which_a_draw_fails_otherwise_stays_open(
    birds: Path, tmp_path: Path, table: TableRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, real = Place(birds, tmp_path, "cpu"), stage.perform
    second = make_plan(Choice(["calm/3"]), WISH, place).left[2]

    def second_fails(job: Job, where: Place) -> None:
        if job.key == second.key:
            raise CambenchError("the disk is full.")
        real(job, where)

    monkeypatch.setattr(stage, "perform", second_fails)
    (made,), whole = reproduce(make_plan(Choice(["calm/3"]), WISH, place), place)
    assert not whole and made.rows[0].cells[0].measured is None
    notes = [note for note in (*made.notes, *made.footnotes) if "its search is not decided" in note]
    assert notes and all(note.endswith("its search is not decided: the disk is full.") for note in notes)
    assert len(read_runs(tmp_path)) == 2, "the others are there for the next call"
    monkeypatch.setattr(stage, "perform", real)
    (made,), whole = reproduce(make_plan(Choice(["calm/3"]), WISH, place), place)
    assert whole and find_network(second.network, place) is not None


def test_only_where_the_paper_searches(birds: Path, tmp_path: Path, typed: Typed) -> None:
    with pytest.raises(
        UsageError, match=r"--search: expected a table whose paper searches settings \(calm/3, calm/5\), got calm/1"
    ):
        make_plan(Choice(["calm/1"]), WISH, Place(birds, tmp_path, "cpu"))
    roots = ("--data-root", birds, "--results", tmp_path, "--device", "cpu")
    assert (
        "--range: expected --search N beside it" in typed("reproduce", "calm/3", "--range", "optimizer.lr=0..1", *roots).err
    )
    said = typed("reproduce", "calm/3", "--search", 30, "--columns", "CUB", "--rows", "CAM", "--dry-run", *roots)
    assert said.code == 0 and "train cam on cub-wsol" in said.out.replace("\n", " ")
    assert "eval max-box-acc (score-map, logit) on cub-wsol val" in " ".join(said.out.split())
