"""Which records of two runs are compared, and which are refused because they saw other images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from cambench import seeds
from cambench.metrics import hierarchical, statistics
from cambench.report.tables import paired
from cambench.report.tables.paired import Side
from cambench.store.records import Record, Rows
from cambench.vocabulary import CambenchError, UsageError

IDS = [f"{i}.jpg" for i in range(40)]


def rows(seed: int, ids: list[str], *variants: str) -> Rows:
    """Rows that depend on the image's id and the seed alone, in whatever order the images come."""
    order = [int(name.partition(".")[0]) for name in ids]
    return Rows(
        {v: np.random.default_rng((seed, i)).uniform(0, 1, 500)[order] for i, v in enumerate(variants or ("",))}, ids
    )


def side(record: Record, seed: int, ids: list[str], *variants: str) -> Side:
    """A record with such rows."""
    return Side(record, lambda: rows(seed, ids, *variants))


def test_images_are_matched_by_name_and_numbers_are_in_the_metrics_unit(record: Any) -> None:
    shuffled = [IDS[i] for i in torch.randperm(40, generator=seeds.generator("t")).tolist()]
    a, b = side(record("cgc", 0, "top1", 50.0), 1, IDS), side(record("ce", 0, "top1", 50.0), 2, shuffled)
    (found,) = paired.compare([a], [b], [])
    left, right = (rows(s, IDS).values[""] * 100 for s in (1, 2))
    assert found.numbers == statistics.compare(torch.from_numpy(left), torch.from_numpy(right), seeds.generator("paired"))
    assert found.p_holm == found.numbers.p and found.lacking == (0, 0)


def test_holm_counts_every_row_of_the_table(record: Any) -> None:
    two = {"official": 50.0, "correct": 60.0}
    a = [side(record("cgc", 0, "top1", 50.0), 1, IDS), side(record("cgc", 0, "ch", two), 3, IDS, "official", "correct")]
    b = [side(record("ce", 0, "top1", 50.0), 2, IDS), side(record("ce", 0, "ch", two), 4, IDS, "official", "correct")]
    found = paired.compare(a, b, [])
    assert [(c.metric, c.variant) for c in found] == [("top1", ""), ("ch", "official"), ("ch", "correct")]
    assert [c.p_holm for c in found] == statistics.holm([c.numbers.p for c in found])
    assert [c.metric for c in paired.compare(a, b, ["content_heatmap"])] == ["ch", "ch"], "an alias is the metric"


def test_other_images_are_refused(record: Any) -> None:
    a, other = record("cgc", 0, "top1", 50.0), [*IDS[:39], "99.jpg"]
    with pytest.raises(
        UsageError, match=r"top1 on cub test: expected the same images, got 40 of cub-cgc.* and 40 of cub-ce.* with 39"
    ):
        paired.compare([side(a, 1, IDS)], [side(record("ce", 0, "top1", 50.0), 2, other)], [])
    with pytest.raises(UsageError, match="expected the same images, got 40 of .* and 20 of .* with 20 in common"):
        paired.compare([side(a, 1, IDS)], [side(record("ce", 0, "top1", 50.0), 2, IDS[:20])], [])


def test_another_version_of_the_data_is_refused_before_any_row_is_read(record: Any) -> None:
    jobs = [{"recipe": {"data": {"measured on": name}}} for name in ("aa", "bb")]
    a, b = (
        Side(record(m, 0, "top1", 50.0, job=job), lambda: pytest.fail("read"))
        for m, job in zip(("x", "y"), jobs, strict=True)
    )
    with pytest.raises(
        UsageError, match=r"expected one set of images, got 100 images of .* \(data aa\) and 100 .* \(data bb\)"
    ):
        paired.compare([a], [b], [])


def test_images_that_a_metric_left_out_are_left_out_for_both(record: Any) -> None:
    whole = record("cgc", 0, "ch", {"correct": 50.0}, explainer="cmwp")
    part = record("ce", 0, "ch", {"correct": 50.0}, explainer="cmwp", counts={"images left out": 3})
    (found,) = paired.compare([side(whole, 1, IDS, "correct")], [side(part, 2, IDS[3:], "correct")], [])
    assert found.numbers.n == 37 and found.lacking == (0, 3)
    assert "ch: without 0 images that A lacks and 3 that B lacks." in paired.notes([found])
    other = record("cgc", 0, "ch", {"correct": 50.0}, explainer="cmwp", target="mean")
    few = record("ce", 0, "ch", {"correct": 50.0}, explainer="cmwp", target="mean", counts={"images left out": 5})
    both = [side(whole, 1, IDS, "correct"), side(other, 1, IDS, "correct")]
    several = paired.compare(both, [side(part, 2, IDS[3:], "correct"), side(few, 2, IDS[5:], "correct")], [])
    assert [line for line in paired.notes(several) if "without" in line] == [
        "ch of cmwp logit on cub test: without 0 images that A lacks and 3 that B lacks.",
        "ch of cmwp mean on cub test: without 0 images that A lacks and 5 that B lacks.",
    ]
    with pytest.raises(UsageError, match="36 in common"):
        paired.compare([side(whole, 1, IDS, "correct")], [side(part, 2, IDS[4:], "correct")], [])


def test_images_that_count_for_neither_may_be_others_for_each(record: Any) -> None:
    reason = "images that do not count (second-best class at most 0.1 probable)"
    a, b = (record(m, 0, "top1", 50.0, counts={"images left out": 0, reason: n}) for m, n in (("cgc", 3), ("ce", 2)))
    (compared,) = paired.compare([side(a, 1, IDS[3:])], [side(b, 2, IDS[:38])], [])
    assert compared.numbers.n == 35 and compared.lacking == (3, 2)
    with pytest.raises(UsageError, match="37 of .* and 36 of .* with 33 in common"):
        paired.compare([side(a, 1, IDS[3:])], [side(b, 2, IDS[:36])], [])


def test_marks_and_helpers_beside_the_values_are_no_rows_of_the_table(record: Any) -> None:
    a, b = (record(m, 0, "ch", {"correct": 50.0, "official": 50.0}) for m in ("cgc", "ce"))
    sides = [[side(r, i, IDS, "correct", "official", "zero")] for i, r in enumerate((a, b))]
    assert [c.variant for c in paired.compare(*sides, [])] == ["official", "correct"]


def test_of_several_records_the_pair_that_saw_the_same_images_is_compared(record: Any) -> None:
    part = {"partial": ("first 20 of 40 images",)}
    a = [side(record("cgc", 0, "top1", 50.0), 1, IDS), side(record("cgc", 0, "top1", 50.0, **part), 1, IDS[:20])]
    b = [side(record("ce", 0, "top1", 50.0, **part), 2, IDS[:20])]
    assert [c.numbers.n for c in paired.compare(a, b, [])] == [20]


def test_records_that_were_measured_alike_are_compared_first(record: Any) -> None:
    a = [side(record("cgc", 0, "top1", 50.0, layer=layer), i, IDS) for i, layer in enumerate(("layer2", "layer3"))]
    (same,) = paired.compare(a, [side(record("ce", 0, "top1", 50.0, layer="layer3"), 1, IDS)], [])
    assert same.numbers.difference == 0 and not same.warnings, "the rows of the two at layer3 are equal"
    (other,) = paired.compare(a[:1], [side(record("ce", 0, "top1", 50.0, layer="layer3", precision="bf16"), 1, IDS)], [])
    assert other.warnings == ("A explains layer layer2, B layer3", "A is in float32, B in bf16")


def test_what_a_run_lacks_is_said_with_the_mend(record: Any) -> None:
    a, b = side(record("cgc", 0, "top1", 50.0), 1, IDS), side(record("ce", 0, "ch", 50.0), 2, IDS)
    with pytest.raises(
        UsageError, match="cub-ce-resnet50-s0-0 has no record of top1, it has ch; measure it with `cambench eval cub-ce"
    ):
        paired.compare([a], [b], ["top1"])
    other = side(record("ce", 0, "iauc:rows=4", 50.0), 2, IDS)
    with pytest.raises(UsageError, match="no record of iauc, it has iauc:rows=4; "):
        paired.compare([other], [a], ["iauc"])
    with pytest.raises(
        UsageError, match=r"share no record to compare: A has top1 on cub test; B has ch \(grad-cam, logit\)"
    ):
        paired.compare([a], [b], [])
    with pytest.raises(UsageError, match="Did you mean top1"):
        paired.compare([a], [b], ["top11"])


def test_an_image_with_two_rows_is_an_error(record: Any) -> None:
    a, b = (side(record(m, 0, "top1", 50.0), 1, ["1.jpg", "1.jpg"]) for m in ("cgc", "ce"))
    with pytest.raises(CambenchError, match="expected one row an image"):
        paired.compare([a], [b], [])


def test_what_a_person_and_a_machine_read(record: Any) -> None:
    a, b = (side(record(m, 0, "ch", {"official": 50.0}), s, IDS, "official") for m, s in (("cgc", 1), ("ce", 2)))
    (found,) = paired.compare([a], [b], [])
    line = paired.printed(found)
    assert line["metric"] == "ch official (%) ↑" and line["maps"] == "grad-cam logit" and line["n"] == "40"
    assert line["A − B"][0] in "+−" and line["95 %"].startswith("[")
    (plain,) = paired.tidy([found], "A", "B")
    assert plain["difference"] == pytest.approx(plain["mean_a"] - plain["mean_b"])
    assert plain["low"] < plain["difference"] < plain["high"]
    assert paired.probability(0.0123) == "0.012" and paired.probability(3.2e-7) == "3e-07"
    assert paired.probability(0.0) == "<1e-300" and paired.probability(1.0) == "1.000"


def test_several_seeds_are_joined_over_seeds_and_images(record: Any) -> None:
    by_seed = [
        paired.compare([side(record("cgc", s, "top1", 50.0), s, IDS)], [side(record("ce", s, "top1", 50.0), 9 + s, IDS)], [])
        for s in range(3)
    ]
    (joined,) = paired.over_seeds(by_seed)
    table = torch.stack([torch.from_numpy((rows(s, IDS).values[""] - rows(9 + s, IDS).values[""]) * 100) for s in range(3)])
    effect = hierarchical.of_rows(table, seeds.generator("paired"))
    assert (joined.seeds, joined.numbers.n, joined.numbers.difference) == (3, 40, pytest.approx(effect.difference))
    assert joined.numbers.interval == pytest.approx(effect.interval) and joined.over_seeds == pytest.approx(
        effect.over_seeds
    )
    assert joined.p_holm == joined.numbers.p == pytest.approx(effect.p())
    assert joined.numbers.difference == pytest.approx(joined.numbers.a - joined.numbers.b)
    line = paired.printed(joined)
    assert line["n"] == "3 × 40" and line["over seeds"].startswith("[") and paired.notes([joined])[:2] == list(paired.SEEDS)
    assert paired.tidy([joined], "a", "b")[0]["seeds_low"] == joined.over_seeds[0]
    assert "over seeds" not in paired.printed(by_seed[0][0])
