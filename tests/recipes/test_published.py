"""Published values: what is written, and what is said of what is written wrong."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest
from conftest import SHARED as ROOT

from cambench.recipes.published import COLUMNS, find_published, load_published, parse
from cambench.vocabulary import DataError, UsageError

SHARED = ROOT / "paper_tables"
LINE = "cgc,6,Baseline,CUB,cub200,resnet50,train=ce,top1_acc,{value},{std},%,{better}"


def test_published_values_are_those_of_the_paper() -> None:
    values = load_published("cgc")
    assert len(values) == 107
    cub = values["6", "Baseline", "CUB-200"]
    assert (cub.value, cub.std, cub.unit, cub.higher_is_better) == (80.09, 0.89, "%", True)
    assert values["1", "ResNet18/Baseline", "CGC Loss"].higher_is_better is False
    assert values["2", "Baseline", "Insertion AUC"].std is None
    missing = [v for v in values.values() if v.value is None]
    assert len(missing) == 8 and all(v.std is None for v in missing)
    assert load_published("no-such-paper") == {}


@pytest.mark.parametrize("paper", ["cgc", "weighted-contrast"])
def test_the_packages_copy_equals_the_source(paper: str) -> None:
    source = SHARED / f"{paper.replace('-', '_')}.csv"
    if not source.exists():
        pytest.skip("the paper tables are not beside this checkout")
    ours = files("cambench.recipes") / "published" / f"{paper}.csv"
    assert ours.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("path", sorted(SHARED.glob("*.csv")), ids=lambda path: path.stem)
def test_the_format_holds_for_every_paper(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        if next(csv.reader(file)) != COLUMNS:
            pytest.skip("not a table of results")
    assert parse(path.read_text(encoding="utf-8").splitlines(), path.name)


@pytest.mark.parametrize(("lines", "message"), [
    (["a,b"], "expected the columns paper, table"),
    ([LINE.format(value="x", std="", better="true")], "f, line 2, value: expected a number or `missing`, got 'x'"),
    ([LINE.format(value="nan", std="", better="true")], "f, line 2, value: expected a finite number"),
    ([LINE.format(value="", std="", better="true")], "f, line 2: expected a number or `missing` as value, got nothing"),
    ([LINE.format(value="1", std="?", better="true")], "f, line 2, std: expected a number"),
    ([LINE.format(value="1", std="", better="yes")], "higher_is_better: expected true, false or nothing, got 'yes'"),
    ([LINE.format(value="1", std="", better="")] * 2, "f, line 3: table 6 already has a value"),
])  # fmt: skip
def test_a_wrong_published_file_names_the_line(lines: list[str], message: str) -> None:
    head = [] if "," in lines[0] and lines[0] == "a,b" else [",".join(COLUMNS)]
    with pytest.raises(DataError, match=message):
        parse([*head, *lines], "f")


def test_a_key_that_is_not_published_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown published value '6 \| Ours \| CUB-200'.*ours \(cgc\) \| cub-200"):
        find_published(load_published("cgc"), ("6", "Ours", "CUB-200"))
