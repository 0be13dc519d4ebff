"""Records → summary tables: rows, columns, spreads, footnotes."""

from __future__ import annotations

from typing import Any

import pytest

from cambench.report.tables.summary import summary


def labels(table: Any) -> list[tuple[str, ...]]:
    return [row.label for row in table.rows]


def texts(table: Any) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_one_table_a_data_set(record: Any) -> None:
    tables = summary([record("ce", 0, "top1", 1.0, dataset=d) for d in ("cub", "aircraft", "cub")])
    assert [t.id for t in tables] == ["aircraft", "cub"]
    assert summary([]) == []


def test_rows_are_method_explainer_target_and_columns_follow_the_index(record: Any) -> None:
    records = [record(m, s, "top1", v + s) for m, v in (("cgc", 70.0), ("ce", 60.0)) for s in range(2)]
    for explainer in ("hires-cam", "grad-cam"):
        records.append(record("ce", 0, "iauc", 0.5, explainer=explainer))
        records.append(record("ce", 0, "ch", {"official": 40.0, "correct": 50.0}, explainer=explainer))
    (table,) = summary(records)
    assert table.row_headers == ("Method", "Explainer", "Target")
    assert labels(table) == [("ce", "grad-cam", "logit"), ("ce", "hires-cam", "logit"), ("cgc", "–", "–")]
    assert [c.heading for c in table.columns] == [
        ("top1", "(%) ↑"), ("ch", "official (%) ↑"), ("ch", "correct (%) ↑"), ("iauc", "(probability) ↑"),
    ]  # fmt: skip
    first = ["60.50 ± 0.71", "40.00 [39.00, 41.00]", "50.00 [49.00, 51.00]", "0.5000 [−0.5000, 1.5000]"]
    assert texts(table) == [first, first, ["70.50 ± 0.71", "—", "—", "—"]]
    assert table.spans(0) == [("top1", 1), ("ch", 2), ("iauc", 1)]


def test_architectures_and_splits_are_columns_only_where_there_are_several(record: Any) -> None:
    (table,) = summary([record("ce", 0, "top1", 1.0)])
    assert table.row_headers == ("Method", "Explainer", "Target") and table.title == "arch resnet50, split test"
    (table,) = summary([record("ce", 0, "top1", 1.0), record("ce", 0, "top1", 2.0, arch="vgg16")])
    assert table.row_headers == ("Method", "Arch", "Explainer", "Target") and table.title == "split test"
    assert [label[1] for label in labels(table)] == ["resnet50", "vgg16"]


@pytest.mark.parametrize("facts", [
    {"partial": ("first 10 of 100 images",)}, {"deviations": ("lr = 1 instead of 2",)}, {"precision": "bf16"},
    {"job": {"recipe": {"train": {"epochs": 1}}}}, {"job": {"recipe": {"data": {"trained on": "ab"}}}},
])  # fmt: skip
def test_other_conditions_stand_in_rows_of_their_own(record: Any, facts: dict[str, Any]) -> None:
    (table,) = summary([record("ce", 0, "top1", 10.0), record("ce", 1, "top1", 20.0, **facts)])
    assert sorted(texts(table)) == [["10.00 [9.00, 11.00]"], ["20.00 [19.00, 21.00]"]]


def test_metrics_on_different_parts_share_a_row_and_say_so(record: Any) -> None:
    part = "first 50 of 100 images"
    data = [{"recipe": {"data": {"trained on": "a", "measured on": m}}} for m in ("whole", "part")]
    records = [record("ce", 0, "top1", 10.0, job=data[0]), record("ce", 0, "iauc", 0.5, partial=(part,), n=50, job=data[1])]
    (table,) = summary(records)
    assert len(table.rows) == 1
    assert f"{part}." in table.footnotes and "50 images." in table.footnotes
    assert table.banner == (f"Not comparable with published numbers (1 of 2 measured cells): {part}.",)


def test_a_row_holds_values_of_one_layer_and_one_precision(record: Any) -> None:
    at = [("iauc", 0.2, "layer2", "float32"), ("iauc", 0.5, "layer3", "float32"), ("dauc", 0.7, "layer3", "float32")]
    (table,) = summary([record("ce", 0, m, v, layer=layer, precision=p) for m, v, layer, p in at])
    rows = {
        label[0].replace("\N{NO-BREAK SPACE}", " "): text for label, text in zip(labels(table), texts(table), strict=True)
    }
    assert rows["ce (layer2)"][0].startswith("0.2") and rows["ce (layer2)"][1] == "—"
    assert rows["ce (layer3)"][0].startswith("0.5") and rows["ce (layer3)"][1].startswith("0.7")
    half = [("iauc", 0.5, "layer3", "float32"), ("iauc", 0.2, "layer3", "bf16"), ("dauc", 0.7, "layer3", "bf16")]
    (table,) = summary([record("ce", 0, m, v, layer=layer, precision=p) for m, v, layer, p in half])
    assert [[cell.split()[0][:3] for cell in row] for row in texts(table)] == [["0.5", "—"], ["0.2", "0.7"]]


def test_a_sentence_stands_once_and_as_high_as_it_is_true(record: Any) -> None:
    records = [record(m, s, "top1", 1.0, n=100) for m in ("ce", "cgc") for s in range(2)]
    records += [record(m, s, "cgc-loss", 3.0, n=96) for m in ("ce", "cgc") for s in range(2)]
    (table,) = summary(records)
    assert table.notes == ("Mean ± std (ddof 1) over 2 seeds (0, 1).", "Explained layer: layer4.")
    assert table.footnotes == ("100 images a seed.", "96 images a seed.")
    assert [c.marks for c in table.columns] == [(1,), (2,)]
    assert not any(row.marks or any(cell.marks for cell in row.cells) for row in table.rows)


def test_row_and_cell_marks(record: Any) -> None:
    records = [record(m, 0, metric, 1.0) for m in ("ce", "cgc") for metric in ("top1", "top5")]
    records += [record("zz", 0, metric, 1.0, deviations=("d",)) for metric in ("top1", "top5")]
    records[0] = record("ce", 0, "top1", 1.0, counts={"left out": 4})
    (table,) = summary(records)
    assert table.footnotes == ("left out: 4.", "d.")
    assert table.rows[0].cells[0].marks == (1,) and table.rows[2].marks == (2,)


def test_banner_names_each_reason_once_and_no_note_repeats_it(record: Any) -> None:
    records = [record("ce", s, "top1", 1.0, comparable=False, partial=("synthetic images",)) for s in range(2)]
    (table,) = summary(records)
    assert table.banner == ("Not comparable with published numbers: synthetic images.",)
    assert not any("synthetic" in note for note in (*table.notes, *table.footnotes))


def test_two_settings_of_a_method_carry_two_labels(record: Any) -> None:
    jobs = [{"recipe": {"train": {"epochs": e}, "optimizer": {"lr": 0.1}, "summary": str(e)}} for e in (6, 18)]
    (table,) = summary([record("cgc", 0, "top1", 1.0 + i, job=job) for i, job in enumerate(jobs)])
    assert [label[0].replace("\N{NO-BREAK SPACE}", " ") for label in labels(table)] == ["cgc (epochs 18)", "cgc (epochs 6)"]
    (table,) = summary([record("cgc", 0, "top1", 1.0, job=jobs[0])])
    assert labels(table)[0][0] == "cgc", "a single setting needs no words"


@pytest.mark.parametrize(("facts", "words"), [
    ({"precision": "bf16"}, "bf16"), ({"checkpoint": "best"}, "best epoch"), ({"partial": ("8 images",)}, "8 images"),
    ({"deviations": ("lr = 1",)}, "lr = 1"), ({"run": "other"}, "run other"),
    ({"job": {"recipe": {"data": {"measured on": "ab"}}}}, "data ab"),
])  # fmt: skip
def test_what_else_differs_is_named_as_well(record: Any, facts: dict[str, Any], words: str) -> None:
    (table,) = summary([record("ce", 0, "top1", 10.0), record("ce", 0, "top1", 20.0, **facts)])
    found = [label[0].replace("\N{NO-BREAK SPACE}", " ") for label in labels(table)]
    assert f"ce ({words})" in found and len(set(found)) == 2


def test_rows_of_one_metric_on_different_images_are_said_to_be(record: Any) -> None:
    said = "top1 was not measured on the same images in every row: 2 versions or parts of cub test."
    data = [{"recipe": {"data": {"measured on": which}}} for which in ("a", "a", "b")]
    ce, same, other = (record(m, 0, "top1", 1.0, job=job) for m, job in zip(("ce", "cgc", "cgc"), data, strict=True))
    assert said not in summary([ce, same])[0].banner and said in summary([ce, other])[0].banner


def test_a_row_holds_values_of_one_version_of_the_data(record: Any) -> None:
    first, later = ({"recipe": {"data": {"measured on": which}}} for which in ("a", "b"))
    records = [record("ce", 0, "top1", 11.0, job=first), record("ce", 0, "iauc", 0.1, job=first)]
    (table,) = summary([*records, record("ce", 0, "iauc", 0.9, n=150, job=later)])
    shown = {label[0].replace("\N{NO-BREAK SPACE}", " "): [text[:4] for text in row]
             for label, row in zip(labels(table), texts(table), strict=True)}  # fmt: skip
    assert shown == {"ce (data a)": ["11.0", "0.10"], "ce (data b)": ["—", "0.90"]}
    (table,) = summary([records[0], record("ce", 0, "iauc", 0.9, job=later)])
    assert [[text[:4] for text in row] for row in texts(table)] == [["11.0", "—"], ["—", "0.90"]]


def test_a_row_holds_one_run_of_a_seed(record: Any) -> None:
    top1 = [record("ce", 0, "top1", 50.0, run="a"), record("ce", 0, "top1", 70.0, run="b", deviations=("lr = 1",))]
    iauc = [record("ce", 0, "iauc", 0.7, run="b", deviations=("lr = 1",))]
    (table,) = summary([*top1, *iauc])
    assert [[text[:4] for text in row] for row in texts(table)] == [["50.0", "—"], ["70.0", "0.70"]]


def test_two_runs_of_a_seed_are_two_rows_though_each_is_measured_by_another_metric(record: Any) -> None:
    (table,) = summary([record("ce", 0, "top1", 50.0, run="a"), record("ce", 0, "iauc", 0.7, run="b")])
    names = [label[0].replace("\N{NO-BREAK SPACE}", " ") for label in labels(table)]
    assert names == ["ce (run a)", "ce (run b)"], "what looks at no layer is not told apart by one"
    assert [[text[:4] for text in row] for row in texts(table)] == [["50.0", "—"], ["—", "0.70"]]


def test_masks_that_are_boxes_need_no_row_of_their_own(record: Any) -> None:
    boxes = ("masks are filled bounding boxes",)
    records = [record("ce", 0, "top1", 50.0), record("ce", 0, "iauc", 0.7, partial=boxes)]
    (table,) = summary([*records, record("ce", 0, "iauc", 0.2, partial=boxes, layer="layer2")])
    assert sorted([text[:4] for text in row] for row in texts(table)) == [["50.0", "0.20"], ["—", "0.70"]]


def test_of_two_runs_of_one_method_and_seed_the_one_that_went_wrong_is_named(record: Any) -> None:
    wrong = {"warnings": ("Diverged in epoch 3",)}
    (table,) = summary([record("ce", 0, "top1", 10.0, run="a", **wrong), record("ce", 0, "ch", 60.0, run="a", **wrong)])
    assert [s for s in table.banner if "Diverged" in s] == ["ce resnet50, seed 0: Diverged in epoch 3."]
    other = record("ce", 0, "top1", 80.0, run="b", job={"recipe": {"train": {"epochs": 9}}})
    (table,) = summary([record("ce", 0, "top1", 10.0, run="a", **wrong), other])
    assert [s for s in table.banner if "Diverged" in s] == ["ce resnet50, seed 0 (a): Diverged in epoch 3."]
