"""CALM's Table 4: the paper's supersets of ImageNet's classes, counted in the package's own list."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from cambench.data import wordnet
from cambench.recipes.published import load_published
from cambench.recipes.tables import load_table, parse_table, table_files
from cambench.report.formats.frame import as_json
from cambench.report.tables import counts
from cambench.report.tables.model import Table, group_starts
from cambench.report.tables.paper import paper_table
from cambench.stages.reporting.choice import Choice, recipes
from cambench.stages.reproducing.plan import Wish
from cambench.stages.reproducing.reproduce import make_plan, reproduce
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError


def four() -> Table:
    """The table without any record."""
    return paper_table(load_table("calm/4"), [], load_published("calm"))


def test_rows_are_the_published_ones_in_their_order_and_every_count_is_the_printed_one() -> None:
    """A second count, straight from the file; canine is counted as dog."""
    lines = (files("cambench.data") / "imagenet_tree.csv").read_text(encoding="utf-8").splitlines()[1:]
    parent = {line.split(",")[0]: line.split(",")[1] for line in lines}
    sizes: Counter[str] = Counter()
    for node in parent.keys() - set(parent.values()):
        while node:
            sizes[node] += 1
            node = parent[node]
    rows = four().rows
    assert ["/".join(row.label) for row in rows] == [row for table, row, _ in load_published("calm") if table == "4"]
    counted = {row.label: row.cells[0].text for row in rows}
    assert len(counted) == 120 and counted["canine", "n02083346"] == "116 (116, 0)" and sizes["n02083346"] == 12
    for (name, wnid), text in counted.items():
        assert name == "canine" or text == f"{sizes[wnid]} ({sizes[wnid]}, 0)", name
    assert (counted["bovid", "n02401031"], counted["swine", "n02395003"]) == ("9 (9, 0)", "3 (3, 0)")
    names = {row.label[0] for row in rows if row.marks}
    assert names == {"canine", "bovid", "swine", "pot", "pot (again)", "power tool", "power tool (again)"}


def test_what_is_said_is_true_of_counts() -> None:
    table = four()
    assert table.notes[:2] == (
        "Cells: classes that our own list counts (published, difference).",
        "Our own list puts 670 of ImageNet's 1,000 classes into 116 sets; the other 330 are sets by themselves.",
    )
    assert not [note for note in table.notes if "measured" in note] and table.banner == ()
    cells = json.loads(as_json([table]))
    empty = ("std", "low", "high", "seeds", "images")
    assert len(cells) == 120 and {cell[name] for cell in cells for name in empty} == {None}


def test_the_numbers_follow_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {"a": "s", "b": "s", "c": "t", "d": "t", "e": "e", "f": "f"}
    monkeypatch.setattr(wordnet, "classes", lambda: tuple(sets))
    monkeypatch.setattr(wordnet, "superset", sets.get)
    monkeypatch.setattr(wordnet, "path", lambda wnid: ("n01503061", sets[wnid], wnid))
    texts = {row.label[0]: row.cells[0].text for row in four().rows}
    assert (texts["bird"], texts["canine"]) == ("6 (52, −46)", "0 (116, −116)")
    said = "Our own list puts 4 of ImageNet's 6 classes into 2 sets; the other 2 are sets by themselves."
    assert counts.sets_and_classes() == said


def test_rows_that_all_differ_are_no_groups() -> None:
    assert not any(group_starts(four()))
    one = paper_table(load_table("cgc/1"), [], load_published("cgc"))
    assert group_starts(one) == [False, False, False, True, False, False]


def test_a_row_that_is_not_published_names_the_nearest() -> None:
    text = table_files()["calm/4"].read_text(encoding="utf-8").replace('"bovid"', '"bovids"')
    with pytest.raises(
        UsageError, match=r"calm/4\.toml: rows: unknown published row 'bovids/n02401031'\. Did you mean bovid/"
    ):
        parse_table(text, "calm/4")


def test_there_is_nothing_to_run_and_nothing_to_stand_in_for(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    plan = make_plan(Choice(["calm/4"], rows=["pot"]), Wish(), place)
    assert plan.jobs == []
    (made,), whole = reproduce(plan, place)
    assert whole and [row.cells[0].text for row in made.rows] == ["3 (3, 0)"]
    with pytest.raises(UsageError, match=r"--on synthbirds: expected something to run, got nothing in .* of calm/4, .*--on"):
        recipes(Choice(["calm/4"], on="synthbirds"), place)
    of_paper = [recipe.id for recipe in recipes(Choice(["calm"], on="synthbirds"), place)]
    assert of_paper == ["calm/1", "calm/2", "calm/3", "calm/5", "calm/figure5"]


def test_rows_that_are_only_published_need_no_jobs(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    assert make_plan(Choice(["calm/3"], rows=["InCA"]), Wish(), place).jobs == []
