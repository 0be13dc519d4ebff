"""Cue localisation's counts and means by hand and against a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import px_ap as slow
from sklearn.metrics import average_precision_score

from cambench import maps
from cambench.metrics import INDEX, find_metric
from cambench.metrics.localisation import cue_localisation, px_ap
from cambench.metrics.statistics import summarise


def counts(scores: list[list[float]], cue: list[list[bool]], scale: str = "even") -> dict[str, torch.Tensor]:
    """Of pairs of one image each, images of one row of pixels."""
    return cue_localisation.measure(torch.tensor(scores)[:, None], torch.tensor(cue)[:, None], scale=scale)  # type: ignore[arg-type]


def test_a_pair_is_measured_by_itself_or_with_all_before_it() -> None:
    found = counts([[0.9, 0.6, 0.3, 0.1]] * 2, [[True, True, False, False], [True, False, True, False]])
    of = cue_localisation.of_pairs(**found, images=torch.tensor([1, 1]))
    assert of["fresh"].tolist() == pytest.approx([1.0, 0.5 + 0.5 * 2 / 3])
    # both together: scores .9 .9 (2 of 2 positive), .6 .6 (1 of 2), .3 .3 (1 of 2): recall 1/2, 3/4, 1
    assert of["accumulated"].tolist() == pytest.approx([1.0, 1 / 2 + 1 / 4 * 3 / 4 + 1 / 4 * 4 / 6])


@pytest.mark.parametrize("scale", ["even", "log"])
def test_pairs_against_the_loop(scale: str) -> None:
    rng = np.random.default_rng(1)
    scores, cue = 10 ** -rng.uniform(0, 8, (4, 5, 6)), rng.random((4, 5, 6)) < 0.4
    scores = scores.astype(np.float32).astype(np.float64)
    found = cue_localisation.measure(torch.from_numpy(scores), torch.from_numpy(cue), scale=scale)  # type: ignore[arg-type]
    of = cue_localisation.of_pairs(**found, images=torch.ones(4))
    nothing = np.zeros_like(cue)
    assert of["fresh"].tolist() == pytest.approx(
        [slow.px_ap(scores[i], cue[i], nothing[i], scale) for i in range(4)], rel=1e-9
    )
    together = [slow.px_ap(scores[: i + 1], cue[: i + 1], nothing[: i + 1], scale) for i in range(4)]
    assert of["accumulated"].tolist() == pytest.approx(together, rel=1e-9)
    assert abs(together[3] - of["fresh"][3].item()) > 1e-3


def test_a_pair_without_an_image_or_without_a_cue_does_not_count() -> None:
    found = counts([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]], [[True, False], [False, False], [True, True]])
    of = cue_localisation.of_pairs(**found, images=torch.tensor([1, 1, 0]))
    assert of["counted"].tolist() == [True, False, False] and math.isnan(of["fresh"][1]) and math.isnan(of["accumulated"][2])


def test_the_mean_column_is_that_over_all_pairs() -> None:
    """Published row CALM_EM of Table 1: 15.9, 31.8 and 42.0 over 31, 64 and 96 pairs; other numbers, the same rule."""
    parts = torch.tensor([1] * 31 + [2] * 64 + [3] * 96)
    value = torch.tensor([0.0, 0.10, 0.20, 0.40], dtype=torch.float64)[parts]
    columns = {"pair": torch.stack([parts, parts, parts, parts], 1), "fresh": value, "accumulated": value / 2}
    found = summarise(INDEX["cue-localisation"], columns, lambda: torch.Generator().manual_seed(0))
    assert {k: (round(v.value, 9), v.n) for k, v in found.items() if k.startswith("fresh")} == {
        "fresh/1": (10, 31), "fresh/2": (20, 64), "fresh/3": (40, 96),
        "fresh/mean": (pytest.approx((31 * 10 + 64 * 20 + 96 * 40) / 191), 191),
    }  # fmt: skip
    assert found["accumulated/3"].value == pytest.approx(20) and tuple(found) == cue_localisation.VARIANTS
    some = {name: column[parts != 2] for name, column in columns.items()}
    assert "fresh/2" not in cue_localisation.spread(some)


def test_the_steps_of_the_protocol() -> None:
    """|D| comes after the resize: between −1 and 1 the difference passes through 0."""
    metric = INDEX["cue-localisation"]
    difference = torch.tensor([[[-1.0, 1.0]]])
    shown = maps.apply(difference, metric.on("score-map").maps.steps[1:], (1, 4))[0, 0]
    assert shown.tolist() == [1, 0, 0, 1]  # −1, −½, ½, 1 -> 1, ½, ½, 1, by min-max
    clipped = maps.apply(difference, metric.on("calm").maps.steps[1:], (1, 4))[0, 0]
    assert clipped.tolist() == [1, 0.5, 0.5, 1]
    assert maps.apply(torch.full((1, 2, 2), -0.3), metric.on("calm").maps.steps[1:], (2, 2)).abs().sum() == 0, "constant"
    assert cue_localisation.around_difference(metric.maps.steps) == ((), metric.maps.steps[1:])
    assert cue_localisation.around_difference(find_metric("cue-localisation-normalised").maps.steps)[0] == ("min-max",)
    assert cue_localisation.scale_on("calm") == "log" and cue_localisation.scale_on("score-map") == "even"


def test_the_exact_one_is_the_average_precision_of_the_sorted_scores() -> None:
    rng = np.random.default_rng(2)
    scores = np.where(rng.random((5, 6, 6)) < 0.2, 0.0, 10 ** -rng.uniform(0, 12, (5, 6, 6)))
    scores[0, 0, :2] = 1.0, -0.0
    scores, cue = torch.from_numpy(scores).float(), torch.from_numpy(rng.random((5, 6, 6)) < 0.4)
    found = cue_localisation.measure(scores, cue, bins="exact")
    assert int(sum(column.sum() for column in found.values())) == scores.numel(), "no score falls out"
    assert found["positive"].shape == (5, cue_localisation.FLOATS) and int(found["positive"][:, -1].sum()) == 0
    got = px_ap.average_precision(found["positive"].sum(0), found["negative"].sum(0))
    shortened = (scores.view(torch.int32) >> 16 << 16).view(torch.float32)
    assert float(got) == pytest.approx(average_precision_score(cue.flatten().numpy(), shortened.flatten().numpy()), rel=1e-9)
    assert float(got) == pytest.approx(average_precision_score(cue.flatten().numpy(), scores.flatten().numpy()), rel=0.01)
