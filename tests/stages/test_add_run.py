"""`cambench add-run`: somebody's own checkpoint is measured and shown like a trained run, and said to be given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cambench import models
from cambench.recipes.tables import parse_table
from cambench.report.tables.paper import PUBLISHED_ONLY, paper_table
from cambench.report.tables.varied import varied
from cambench.stages.housekeeping.packs import pack, unpack
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.training.add_run import Adding, add_run
from cambench.stages.workplace import Place
from cambench.store.records import read_records
from cambench.store.runs import read_run
from cambench.vocabulary import UsageError

TABLE = """
id = "mine/1"
paper = "P"
title = "T"
caption = "C"
source = "S"
repeats = "seeds"
seeds = 1
row_headers = ["Method"]
select = { dataset = "synthbirds", split = "test", arch = "resnet8" }

[[columns]]
label = ["Top-1"]
ours = true
select = { metric = "top1" }

[[rows]]
label = ["CE"]
select = { method = "ce" }

[[rows]]
label = ["InCA"]
published_only = true
select = { method = "inca" }

[[rows]]
label = ["Nobody's"]
published_only = true
"""


def checkpoint(path: Path, seed: int = 0, classes: int = 4, **broken: float) -> Path:
    """Weights of a small network as others keep theirs."""
    state = models.build("resnet8", classes, seed=seed).state_dict()
    for name, value in broken.items():
        state[name.replace("__", ".")].fill_(value)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 3}, path)
    return path


def small(path: Path, seed: int = 0, method: str = "inca") -> Adding:
    return Adding(path, method, "resnet8", "synthbirds", seed, ["input.size=32"])


def test_a_checkpoint_becomes_a_run_that_is_measured_and_shown_as_given(place: Place, tmp_path: Path) -> None:
    files = [checkpoint(tmp_path / f"theirs-{seed}.pth", seed) for seed in (0, 1)]
    added = [add_run(small(path, seed), place) for seed, path in enumerate(files)]
    assert added[0].name.startswith("synthbirds-inca-resnet8-s0-") and added[0].name != added[1].name
    for path in files:
        path.unlink()  # the run carries its weights
    facts = json.loads((added[0].path / "run.json").read_text())
    assert (facts["kind"], facts["given"], facts["finished"]) == ("added", "theirs-0.pth", True)
    assert set(facts["recipe"]) == {"method", "arch", "model", "input"}, "nothing is claimed of a training"
    records = works.evaluate_all(works.Works([run.name for run in added]), [EvalJob("top1"), EvalJob("ch")], place)
    assert {r.run for r in records} == {run.name for run in added} and {r.method for r in records} == {"inca"}
    assert works.explain_all(works.Works([added[0].name]), [ExplainJob("cam")], place)[0].exists()
    works.evaluate_all(works.Works([]), [EvalJob("top1")], place)  # a verb without RUN takes them too
    table = paper_table(parse_table(TABLE, "mine/1"), read_records(place.results), {})
    ce, inca, nobody = (row.cells[0] for row in table.rows)
    assert ce.measured is not None and nobody.measured is None
    assert inca.measured is not None and inca.measured.seeds == (0, 1)
    said = [table.footnotes[mark - 1] for mark in (*table.rows[1].marks, *inca.marks)]
    assert "Weights given, not trained here." in said and "Weights: theirs-0.pth, theirs-1.pth." in said
    assert f"{PUBLISHED_ONLY}." not in said
    assert [table.footnotes[mark - 1] for mark in table.rows[2].marks] == [f"{PUBLISHED_ONLY}."]


def test_an_added_run_travels(place: Place, tmp_path: Path) -> None:
    run = add_run(small(checkpoint(tmp_path / "a.pt", 7)), place)
    pack(run.name, tmp_path / "pack", place.results)
    arrived = unpack(tmp_path / "pack", tmp_path / "elsewhere")
    there = Place(place.data, tmp_path / "elsewhere", "cpu")
    here, again = (works.evaluate_all(works.Works([run.name]), [EvalJob("top1")], p)[0] for p in (place, there))
    assert arrived.info == run.info and arrived.finished and again.values == here.values


def test_the_same_weights_are_the_same_run(place: Place, tmp_path: Path) -> None:
    first = add_run(small(checkpoint(tmp_path / "a.pt", 5)), place)
    assert add_run(small(checkpoint(tmp_path / "b.pt", 5)), place).name == first.name
    others = [small(checkpoint(tmp_path / "c.pt", 6)), small(tmp_path / "a.pt", 1), small(tmp_path / "a.pt", 0, "cgc")]
    assert len({add_run(job, place).name for job in others} | {first.name}) == 4


def test_beside_a_training_of_the_method_both_have_short_labels(place: Place, tmp_path: Path) -> None:
    settings = [read_run(path.parent).info.training for path in place.results.glob("runs/synthbirds-ce-*/run.json")]
    info = add_run(small(checkpoint(tmp_path / "x.pt"), method="ce"), place).info
    assert varied([settings[0], info.training]) == [[], ["weights given"]]
    plain, lacking = {"train": {"epochs": 2}}, {"train": {"epochs": 2}, "schedule": {"warmup": 0}}
    assert varied([plain, lacking]) == [[], ["warmup 0"]], "nothing else tells them apart"


def test_a_run_has_the_name_of_a_method(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected the method of the weights, got no name"):
        add_run(small(checkpoint(tmp_path / "x.pt"), method=" "), place)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": 5}, "do not fit resnet8 .* class count.*fc.weight expected"),
        ({"fc__bias": float("nan")}, "expected finite weights, got NaN or infinity in fc.bias"),
    ],
)
def test_what_does_not_fit_is_one_line(given: dict[str, float], message: str, place: Place, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "x.pt", **given)  # type: ignore[arg-type]
    before = sorted((place.results / "runs").iterdir())
    with pytest.raises(UsageError, match=message) as caught:
        add_run(small(path), place)
    assert "\n" not in str(caught.value) and sorted((place.results / "runs").iterdir()) == before


def test_surgery_is_said_and_settings_of_a_training_are_refused(place: Place, tmp_path: Path) -> None:
    network = models.build("resnet8", 4, surgery=["no-head-bias"])
    torch.save(network.state_dict(), tmp_path / "x.pt")
    cut = Adding(tmp_path / "x.pt", "mine", "resnet8", "synthbirds", 0, ['model.surgery=["no-head-bias"]'])
    assert add_run(cut, place).info.recipe["model"]["surgery"] == ["no-head-bias"]
    with pytest.raises(UsageError, match="--set optimizer.lr=1: expected model.surgery, .* since nothing is trained"):
        add_run(Adding(tmp_path / "x.pt", "mine", "resnet8", "synthbirds", 0, ["optimizer.lr=1"]), place)
    with pytest.raises(UsageError, match="gone.pt: expected a file of weights, found none there"):
        add_run(small(tmp_path / "gone.pt"), place)
