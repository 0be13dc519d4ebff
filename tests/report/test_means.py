"""Cells that are a mean over several measurements."""

from __future__ import annotations

from typing import Any

import pytest
from boards import COLUMN, HEAD, ROW

from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import TableRecipe, parse_table
from cambench.report.tables.means import about
from cambench.report.tables.measure import measure
from cambench.report.tables.model import Table
from cambench.report.tables.paper import paper_table
from cambench.stages.reproducing.plan import Wish, make_jobs
from cambench.vocabulary import UsageError

PARTS = '[{ arch = "vgg16" }, { arch = "resnet50" }]'
ARCHS = ("vgg16", "resnet50")


def recipe(row: str = '{ method = "ce" }', seeds: int = 1) -> TableRecipe:
    """One row, a column for vgg16 and one for the mean over both networks."""
    column = COLUMN.format(label="vgg16", select='metric = "top1", arch = "vgg16"')
    parts = '[{ metric = "top1", arch = "vgg16" }, { metric = "top1", arch = "resnet50" }]'
    mean = COLUMN.replace("select = {{ {select} }}", "mean = true\nselect = {select}").format(label="Mean", select=parts)
    text = HEAD.format(seeds=seeds, dataset="cub") + column + mean + ROW.format(label="CE", select=row)
    return parse_table(text, "demo/1")


def drawn(records: list[Any]) -> Table:
    """The table of these records."""
    return paper_table(recipe(), records, {})


def test_one_seed_gives_the_mean_of_the_parts_and_no_interval(record: Any) -> None:
    table = drawn([record("ce", 0, "top1", v, arch=a) for a, v in zip(ARCHS, (60.0, 70.5), strict=True)])
    assert [cell.text for cell in table.rows[0].cells] == ["60.00 [59.00, 61.00]", "65.25"]
    said = " ".join([*table.notes, *table.footnotes])
    assert "Mean over 2 measurements: vgg16, resnet50; seed 0, no spread." in said


def test_seeds_give_the_std_of_their_means(record: Any) -> None:
    """Seed by seed 65 and 68: mean 66.5, std 3/√2; a seed that one part lacks is left out."""
    values = {"vgg16": (60.0, 64.0, 99.0), "resnet50": (70.0, 72.0)}
    table = drawn([record("ce", s, "top1", v, arch=a) for a in ARCHS for s, v in enumerate(values[a])])
    measured = table.rows[0].cells[1].measured
    assert measured is not None and measured.values == (65.0, 68.0) and measured.images == (200, 200)
    assert table.rows[0].cells[1].text == "66.50 ± 2.12"
    assert "seeds 0, 1, ± std (ddof 1) of the means" in " ".join([*table.notes, *table.footnotes])


@pytest.mark.parametrize("archs", [(), ("vgg16",), ("resnet50",)])
def test_without_all_its_parts_it_is_not_measured(record: Any, archs: tuple[str, ...]) -> None:
    assert drawn([record("ce", 0, "top1", 60.0, arch=a) for a in archs]).rows[0].cells[1].text == "—"


def test_without_a_seed_in_common_it_is_not_measured(record: Any) -> None:
    assert drawn([record("ce", s, "top1", 60.0, arch=a) for s, a in enumerate(ARCHS)]).rows[0].cells[1].text == "—"


def test_one_incomparable_part_makes_the_mean_incomparable(record: Any) -> None:
    facts: list[dict[str, Any]] = [{}, {"partial": ("20 of 200 classes",), "deviations": ("optimizer.lr = 1",)}]
    table = drawn([record("ce", 0, "top1", 60.0, arch=a, **f) for a, f in zip(ARCHS, facts, strict=True)])
    assert table.banner == ("Not comparable with published numbers (1 of 2 measured cells): 20 of 200 classes.",)
    assert "optimizer.lr = 1." in table.footnotes


def test_parts_that_differ_in_their_explainer_are_named_by_it(record: Any) -> None:
    groups = [[record("ce", 0, "iauc", v, explainer=e)] for v, e in ((0.4, "grad-cam"), (0.6, "hires-cam"))]
    groups[1][0].counts["images left out"] = 7
    sentences = about([(group, "") for group in groups], measure(groups[0], ""))
    assert any(text.startswith("Mean over 2 measurements: grad-cam logit, hires-cam logit;") for text in sentences)
    assert "hires-cam logit: images left out: 7" in sentences
    same = about([(groups[0], ""), (groups[0], "")], measure(groups[0], ""))
    assert any("Mean over 2 measurements: part 1, part 2;" in text for text in same)


def test_a_mean_is_of_the_training_that_its_row_shows(record: Any) -> None:
    jobs = {e: {"recipe": {"train": {"epochs": e}}} for e in (2, 30)}
    short = {"job": jobs[2], "deviations": ("train.epochs = 2 instead of 30",)}
    records = [record("ce", 0, "top1", 80.0, arch="vgg16", job=jobs[30])]
    records += [record("ce", 0, "top1", v, arch=a, **short) for a, v in zip(ARCHS, (11.0, 13.0), strict=True)]
    table = drawn(records)
    assert [cell.measured_text[:5] for cell in table.rows[0].cells] == ["80.00", "46.50"], "of vgg16 the 30 epochs"


def test_how_the_parts_were_measured_is_said_of_the_mean_too(record: Any) -> None:
    facts: list[dict[str, Any]] = [{"counts": {"images left out": 7}, "precision": "bf16"}, {"precision": "bf16"}]
    table = drawn([record("ce", 0, "top1", 60.0, arch=a, layer="l", **f) for a, f in zip(ARCHS, facts, strict=True)])
    sentences = [*table.notes, *table.footnotes]
    assert {"vgg16: images left out: 7.", "Precision: bf16.", "Explained layer: l."} <= set(sentences)


def test_all_parts_are_jobs_and_shared_ones_are_done_once() -> None:
    jobs = make_jobs([recipe()], Wish(), lambda network: False)
    trained = [job for job in jobs if job.measurement is None]
    assert [job.network.arch for job in trained] == ["vgg16", "resnet50"]
    assert [[c.column for c in job.cells] for job in trained] == [[0, 1], [1]]


def test_a_stand_in_of_one_network_needs_no_mean() -> None:
    small = stand_in(recipe(), "synthbirds", split="test", arch="resnet8")
    assert [(line.label, line.mean) for line in small.columns] == [(["resnet8"], False)]


def test_a_mean_over_alternatives_is_refused() -> None:
    with pytest.raises(UsageError, match="column Mean: a mean over one line's selections needs one selection in the other"):
        recipe('[{ method = "ce" }, { method = "cgc" }]')
