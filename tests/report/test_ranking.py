"""Rankings of records made by hand: directions, ties, pairing, what lacks, what is left out, what the tables say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from scipy import stats

from cambench.metrics import INDEX, find_metric, statistics
from cambench.report.figures.critical_difference import bars, critical_difference
from cambench.report.ranking.blocks import rank
from cambench.report.ranking.ranking import Ranking, agreements, groups
from cambench.report.ranking.sources import Source, sources, unrankable
from cambench.report.ranking.tables import cost, lettered, standings, tables
from cambench.report.tables.paired import Side
from cambench.stages.reporting.rank import rankings
from cambench.store.records import Record, Rows, Value
from cambench.vocabulary import UsageError

E = ("cam", "grad-cam", "random")
INSERTED = {"cam": [9, 9, 8, 7, 5], "grad-cam": [8, 9, 9, 6, 4], "random": [1, 2, 3, 8, 4]}
DELETED = {"cam": [1, 2, 1, 1, 1], "grad-cam": [2, 1, 1, 2, 2], "random": [3, 3, 3, 3, 0]}
MEASURED: Mapping[str, Mapping[str, Sequence[float]]] = {"iauc": INSERTED, "dauc": DELETED}


def side(metric: str, explainer: str, values: Sequence[float], run: str = "net", **facts: object) -> Side:
    """A record and its rows; an image without a value is None."""
    ids = [f"{i}.png" for i, value in enumerate(values) if value is not None]
    rows = np.array([value for value in values if value is not None], dtype=float)
    variant = find_metric(metric).variants[0]
    whole = Value(float(rows.mean()), len(rows), None, None)
    own = {"dataset": "birds", "split": "test", "method": "given", "arch": "a", "seed": 0, "target": "logit", "layer": "l4"}
    record = Record(run=run, metric=metric, explainer=explainer, values={variant: whole}, **(own | facts))  # type: ignore[arg-type]
    return Side(record, lambda: Rows({variant: rows}, ids))


def measured(of: Mapping[str, Mapping[str, Sequence[float]]] = MEASURED, **facts: object) -> list[Side]:
    """A side a metric and explainer."""
    return [side(metric, e, values, **facts) for metric, own in of.items() for e, values in own.items()]  # type: ignore[arg-type]


def ranked(sides: Sequence[Side]) -> Ranking:
    """The one ranking of all."""
    return rank("birds test", sources(sides))


def test_mean_ranks_by_hand() -> None:
    ranking = ranked(measured())
    # insertion, more is better: cam 1 1½ 2 2 1, grad-cam 2 1½ 1 3 2½, random 3 3 3 1 2½
    # deletion, less is better:  cam 1 2 1½ 1 2, grad-cam 2 1 1½ 2 3, random 3 3 3 3 1
    assert ranking.explainers == E and ranking.metrics == ("iauc", "dauc")
    assert ranking.of_metrics == pytest.approx(np.array([[7.5, 10, 12.5], [7.5, 9.5, 13]]) / 5)
    assert ranking.means == pytest.approx([1.5, 1.95, 2.55])
    assert ranking.blocks[:, 0].tolist() == [1, 1.75, 1.75, 1.5, 1.5] and ranking.blocks[3].tolist() == [1.5, 2.5, 2]
    test = stats.friedmanchisquare(*ranking.blocks.T)
    assert ranking.friedman == pytest.approx((test.statistic, test.pvalue))
    for mean, (low, high) in zip(ranking.means, ranking.intervals, strict=True):
        assert low < mean < high


def test_a_pair_is_tested_over_the_images_and_corrected_for_all_pairs() -> None:
    ranking = ranked(measured())
    compared = ranking.pairs
    assert [(pair.a, pair.b) for pair in compared] == [("cam", "grad-cam"), ("cam", "random"), ("grad-cam", "random")]
    assert [pair.difference for pair in compared] == pytest.approx([-0.45, -1.05, -0.6])
    apart = ranking.blocks[:, 0] - ranking.blocks[:, 2]
    assert compared[1].p == pytest.approx(statistics.wilcoxon(apart))
    assert [pair.p_holm for pair in compared] == pytest.approx(statistics.holm([pair.p for pair in compared]))
    assert groups(ranking, compared) == [(0, 1, 2)], "five images cannot tell three apart after Holm"
    sure = [replace(pair, p_holm=0.01 if pair.b == "random" else 1.0) for pair in compared]
    assert groups(ranking, sure) == [(0, 1), (2,)] and lettered([(0, 1), (2,)], 3) == ["a", "a", "b"]
    assert lettered([(0,)] * 27 + [(1,)], 2)[1] == "b1"


def test_explainers_that_are_one_map_are_named() -> None:
    same = {metric: {**own, "hires-cam": own["grad-cam"]} for metric, own in MEASURED.items()}
    (note,) = [note for note in standings(ranked(measured(same))).notes if "equal in every image" in note]
    assert note == (
        "grad-cam, hires-cam: equal in every image and metric; nothing here tells them apart, and they take 2 places."
    )
    nearly = {**same, "iauc": {**same["iauc"], "hires-cam": [8, 9, 9, 6, 5]}}
    assert not any("equal in every image" in note for note in standings(ranked(measured(nearly))).notes)


def test_two_networks_do_not_make_two_images_of_one() -> None:
    other = {"iauc": {"cam": [1] * 5, "grad-cam": [2] * 5, "random": [3] * 5}, "dauc": DELETED}
    ranking = ranked([*measured(), *measured(other, run="other")])
    assert len(ranking.blocks) == 5
    assert ranking.of_metrics[0] == pytest.approx((np.array([1.5, 2, 2.5]) + [3, 2, 1]) / 2)
    assert ranking.of_metrics[1] == pytest.approx([1.5, 1.9, 2.6])


def test_other_data_is_other_images() -> None:
    both = rank("both", sources([*measured(), *measured(dataset="fish")]))
    assert len(both.blocks) == 10 and both.means == pytest.approx(ranked(measured()).means)


def test_an_image_that_one_explainer_has_no_value_of_is_counted_and_not_ranked_by_that_metric() -> None:
    holes = {**INSERTED, "cam": [None, 9, 8, 7, 5]}
    ranking = ranked(measured({"iauc": holes, "dauc": DELETED}))  # type: ignore[dict-item]
    assert ranking.missing == ("iauc ranks 4 of 5 images; values that lack: cam 1.",)
    assert ranking.of_metrics[0] == pytest.approx(np.array([6.5, 8, 9.5]) / 4) and ranking.ranked(0) == 4
    assert ranking.blocks[4].tolist() == [1, 2, 3], "by deletion alone; images come as they are met"
    assert ranking.missing[0] in standings(ranking).notes
    with pytest.raises(
        UsageError, match=r"at least 5 images with a rank, got 4 \(iauc ranks 4 of 5 images; values that lack"
    ):
        ranked(measured({"iauc": holes}))  # type: ignore[dict-item]


def test_an_image_that_a_metric_leaves_out_for_all_is_counted() -> None:
    short = {name: values[:4] for name, values in INSERTED.items()}
    assert ranked(measured({"iauc": short, "dauc": DELETED})).missing == ("iauc ranks 4 of 5 images.",)
    gone = {**INSERTED, "cam": [None, 9, 8, 7, 5, 1], "grad-cam": [8, 9, 9, 6, 4, 2], "random": [1, 2, 3, 8, 4, 3]}
    ranking = ranked(measured({"iauc": gone}))  # type: ignore[dict-item]
    assert ranking.missing[-1] == "Without a rank in any metric: 1 image." and len(ranking.blocks) == 5


def test_fewer_than_two_explainers_or_five_images_is_one_error() -> None:
    with pytest.raises(UsageError, match="expected at least 2 explainers with one metric in common, got cam"):
        ranked(measured({"iauc": {"cam": INSERTED["cam"]}}))
    with pytest.raises(UsageError, match="expected at least 5 images with a rank, got 4; measure more"):
        ranked(measured({"iauc": {name: values[:4] for name, values in INSERTED.items()}}))


def test_without_a_metric_in_common_networks_are_an_error_and_data_sets_are_ranked_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inserted, deleted = {"iauc": INSERTED}, {"dauc": DELETED}
    with pytest.raises(UsageError, match="random; there are 3 measurements of net, 3 .* of other: name the RUNs"):
        ranked([*measured(inserted), *measured(deleted, run="other")])
    apart = sources([*measured(inserted), *measured(deleted, dataset="cars")])
    monkeypatch.setattr("cambench.stages.reporting.rank.sources", lambda _: apart)
    assert [ranking.where for ranking in rankings([])] == ["birds test", "cars test"]


def test_what_is_not_measured_of_all_is_left_out_and_said() -> None:
    one = ranked([*measured({"iauc": INSERTED}), side("dauc", "cam", DELETED["cam"])])
    assert one.metrics == ("iauc",) and one.left == ("Left out: dauc, not measured with grad-cam, random.",)
    assert one.explainers == E
    other = [s for s in measured(run="other") if s.record.explainer != "random"]
    assert ranked([*measured(), *other]).left == ("Left out: random, not measured of every network by iauc, dauc.",)
    one_more = ranked([*measured(), side("iauc", "center", [0] * 5)])
    assert one_more.explainers == E and one_more.left == ("Left out: center, not measured by dauc.",)


def test_two_explainers_have_no_test_of_all() -> None:
    ranking = ranked([one for one in measured() if one.record.explainer != "random"])
    assert ranking.friedman is None and not any("Friedman" in note for note in standings(ranking).notes)


def test_metrics_agree_or_not() -> None:
    (one,) = agreements(ranked(measured()))
    # of each image: 1, ½ where one metric ties a pair, …
    expected = [stats.kendalltau(a, b).statistic for a, b in (
        ((1, 2, 3), (1, 2, 3)), ((1.5, 1.5, 3), (2, 1, 3)), ((2, 1, 3), (1.5, 1.5, 3)), ((2, 3, 1), (1, 2, 3)),
        ((1, 2.5, 2.5), (2, 3, 1)))]  # fmt: skip
    assert one.tau == pytest.approx(np.mean(expected)) and one.n == 5 and one.of_means == 1
    against = {"iauc": INSERTED, "dauc": INSERTED}
    assert agreements(ranked(measured(against)))[0].tau == pytest.approx(-1)
    flat = {"iauc": INSERTED, "dauc": {e: [1] * 5 for e in E}}
    one = agreements(ranked(measured(flat)))[0]
    assert (one.n, one.tau, one.interval, one.of_means) == (0, None, None, None)
    assert tables(ranked(measured(flat)))[2].rows[0].cells[0].measured is None


def test_several_targets_or_layers_are_explainers_of_their_own() -> None:
    versus = [replace(one, record=replace(one.record, target="versus:2")) for one in measured()]
    names = ranked([*measured(), *versus]).explainers
    assert set(names) == {f"{e} {t}" for e in E for t in ("logit", "versus:2")}
    deep = [replace(one, record=replace(one.record, layer="l3")) for one in measured() if one.record.explainer == "cam"]
    assert set(ranked([*measured(), *deep]).explainers) == {"cam at l3", "cam at l4", "grad-cam", "random"}


def test_of_several_parts_of_a_split_the_fullest_counts() -> None:
    few = {"iauc": {e: values[:3] for e, values in INSERTED.items()}}
    part = measured(few, job={"recipe": {"data": {"measured on": "other"}}}, partial=("first 3 of 5 images",))
    (source,) = sources([*part, *measured()])
    assert isinstance(source, Source) and len(source.sides) == 6 and len(ranked([*part, *measured()]).blocks) == 5
    left = "Left out: 3 measurements of net on another version or part of birds test (first 3 of 5 images)."
    assert left in ranked([*part, *measured()]).left and left in standings(ranked([*part, *measured()])).notes
    assert not any("another version" in sentence for sentence in ranked(measured()).left)
    best = [replace(one, record=replace(one.record, checkpoint="best")) for one in measured()]
    assert len(sources([*best, *measured()])) == 1 and not sources(best)


@pytest.mark.parametrize("name", INDEX)
def test_a_metric_ranks_images_or_says_why_not(name: str) -> None:
    metric, why = INDEX[name], unrankable(INDEX[name])
    ranks_images = metric.looks and not metric.fixed and not metric.rows.pairs and metric.rows.mean is None
    assert bool(why) == (not ranks_images), why
    assert {"top1": "looks at no heatmap", "px-ap": "has one value over all images, none of each"}.get(name, why) == why


def test_the_table_of_standings() -> None:
    slow = [
        replace(s, record=replace(s.record, explaining=0.002 if s.record.metric == "iauc" else None)) for s in measured()
    ]
    ranking = ranked([replace(s, record=replace(s.record, deviations=("other colours",))) for s in slow])
    first, second, third = tables(ranking)
    assert [row.label[0] for row in first.rows] == list(E) and [row.label[1] for row in first.rows] == ["a"] * 3
    assert [column.label[0] for column in first.columns] == ["mean rank", "iauc", "dauc", "time", "passes"]
    shown = [cell.measured.mean for cell in first.rows[0].cells if cell.measured]
    assert shown == pytest.approx([1.5, 1.5, 1.5, 2.0, 1]) and first.rows[0].cells[0].measured_text.startswith("1.50 [1.")
    assert "other colours." in first.notes and "Explained layer: l4." in first.notes
    assert len(second.rows) == 3 and len(third.rows) == 1
    assert cost(ranked(measured()), "cam") == (None, 1)


def test_the_notes_say_which_explainer_is_of_which_layer_and_whose_passes_count_channels() -> None:
    renamed = {metric: {{"random": "score-cam"}.get(e, e): v for e, v in own.items()} for metric, own in MEASURED.items()}
    sides = measured(renamed)
    deep = [replace(s, record=replace(s.record, layer="l3")) if s.record.explainer == "score-cam" else s for s in sides]
    notes = standings(ranked(deep)).notes
    assert {"Explained layer: l4 of cam, grad-cam.", "Explained layer: l3 of score-cam."} <= set(notes)
    (passes,) = [note for note in notes if note.startswith("Passes: ")]
    assert passes.endswith("as two; those of score-cam where the layer has 2,048 channels.")
    (passes,) = [note for note in standings(ranked(measured())).notes if note.startswith("Passes: ")]
    assert passes.endswith("as two.")


def test_the_diagram_shows_every_explainer_and_its_rank() -> None:
    ranking = ranked(measured())
    figure = critical_difference(ranking, [(0, 1), (1, 2)])
    words = [text.get_text() for text in figure.findobj(Text)]
    assert {"cam  1.50", "grad-cam  1.95", "2.55  random"} <= set(words)
    assert f"CD = {ranking.critical_distance:.2f}" in words


def test_bars_of_one_level_do_not_meet() -> None:
    assert bars([(1, 2), (1.5, 3), (2.5, 4)]) == [(1, 2, 0), (1.5, 3, 1), (2.5, 4, 0)]
    assert bars([(1, 2), (2.1, 3)]) == [(1, 2, 0), (2.1, 3, 0)], "apart, so that two are seen"
    assert bars([(1, 2), (2.1, 3)], 0.2) == [(1, 2, 0), (2.1, 3, 1)], "what is drawn beyond the ends would join them"
