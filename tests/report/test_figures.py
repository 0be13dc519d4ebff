"""Overlays, boxes and curves: pixels and points with answers done by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cambench.report.figures import drawing
from cambench.report.formats import curves
from cambench.report.formats.curves import Curve
from cambench.vocabulary import CambenchError, DataError

GREY = Image.new("RGB", (8, 8), (100, 100, 100))


PALE = Image.new("RGB", (8, 8), (160, 100, 40))


def blend(colour: Sequence[float], opacity: float) -> list[int]:
    return [round((1 - opacity) * 100 + opacity * c) for c in colour]


def test_a_map_of_zeros_only_takes_colours_away_and_a_constant_map_is_the_top_of_the_scale() -> None:
    zero = np.asarray(drawing.overlay(PALE, np.zeros((2, 2), np.float32)))
    grey = np.asarray(PALE.convert("L"))[0, 0]
    assert zero[0, 0].tolist() == [round(0.2 * c + 0.8 * grey) for c in (160, 100, 40)]
    full = np.asarray(drawing.overlay(GREY, np.full((2, 2), 1e-9, np.float32)))
    assert (full == blend(drawing.LOOK.towards[-1], 0.85)).all()


def test_for_and_against_are_seen_on_one_scale() -> None:
    drawn = np.asarray(drawing.overlay(GREY, np.array([[-2.0, 1.0]], np.float32), replace(drawing.LOOK, percentile=100)))
    assert drawn[0, 0].tolist() == blend(drawing.LOOK.away[-1], 0.85)
    half = drawing.ramp(np.array(0.5), drawing.LOOK.towards).tolist()
    assert drawn[0, -1].tolist() == blend(half, 0.85 * 0.5**0.75)
    assert int(drawn[0, 0, 2]) - drawn[0, 0, 0] > 100 and int(drawn[0, -1, 0]) - drawn[0, -1, 2] > 100, (
        "blue against, warm for"
    )


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0, -0.2, -0.5, -1.0])
@pytest.mark.parametrize("shade", [0, 60, 128, 200, 255])
def test_a_fifth_of_the_strongest_value_is_seen_on_any_ground(share: float, shade: int) -> None:
    ground = Image.new("RGB", (8, 8), (shade, shade, shade))
    drawn = np.asarray(drawing.overlay(ground, np.array([[share, 1.0]], np.float32), replace(drawing.LOOK, percentile=100)))
    assert np.abs(drawn[0, 0].astype(int) - shade).max() >= 25
    assert np.ptp(drawn[0, 0].astype(int)) >= 20, "a colour, where the ground has none"


def test_one_pixel_that_stands_out_does_not_make_all_others_pale() -> None:
    heatmap = np.ones((20, 20), np.float32)
    heatmap[0, 0] = 1000
    drawn = np.asarray(drawing.overlay(Image.new("RGB", (20, 20), (100, 100, 100)), heatmap))
    assert drawn[10, 10].tolist() == blend(drawing.LOOK.towards[-1], 0.85)


def test_the_peak_lies_where_the_map_has_it() -> None:
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[0, 3] = 1
    drawn = np.asarray(drawing.overlay(GREY, heatmap)).astype(int).sum(2)
    assert drawn[0, 7] == drawn.max() > drawn[7, 0] and (drawn[4:, :4] == 300).all()


@pytest.mark.parametrize("heatmap", [np.zeros((1, 2, 2), np.float32), np.array([[np.nan]], np.float32)])
def test_a_map_that_cannot_be_drawn_is_an_error(heatmap: np.ndarray) -> None:
    with pytest.raises(CambenchError, match="gallery heatmap: expected"):
        drawing.overlay(GREY, heatmap)


def test_a_box_is_half_open_scaled_and_clipped() -> None:
    image = Image.new("RGB", (40, 40))
    drawn = np.asarray(drawing.with_boxes(image, [(4, 6, 14, 16)], scale=2.0))
    rows, columns = np.nonzero((drawn == drawing.OUTLINE).all(2))
    # 8..27 across and 12..31 down; the coloured outline lies one pixel inside
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (9, 26, 13, 30)
    assert np.asarray(image).sum() == 0, "the given image is untouched"
    drawing.with_boxes(image, [(-5, -5, 100, 100), (39, 39, 39.5, 39.5)])


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"x\.jpg: expected a readable image"):
        drawing.read_image(tmp_path / "x.jpg")
    with pytest.raises(CambenchError, match=r"expected an array \(H,W,3\)"):
        drawing.read_image(np.zeros((3, 4, 4), np.uint8))


def test_a_picture_is_fitted_by_its_longer_side() -> None:
    assert drawing.fit(Image.new("RGB", (400, 100)), 200).size == (200, 50)
    assert drawing.fit(GREY, 200).size == (200, 200)


@pytest.mark.parametrize(("low", "high", "expected"), [
    (0.0, 10.0, [0, 2, 4, 6, 8, 10]), (0.13, 0.88, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (2.0, 2.0, [2.0, 2.5]),
    (0.0, 0.0, [0.0, 0.2]), (68.2, 70.1, [68.0, 68.5, 69.0, 69.5, 70.0, 70.5]),
])  # fmt: skip
def test_ticks_are_round_and_cover(low: float, high: float, expected: list[float]) -> None:
    assert curves.ticks(low, high)[: len(expected)] == pytest.approx(expected)
    assert curves.ticks(low, high)[0] <= low and curves.ticks(low, high)[-1] >= high


def test_a_curve_skips_what_is_not_a_number() -> None:
    log = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": None}, {"epoch": 3, "loss": float("nan")}, {"epoch": 4}]
    curve = Curve("r", "ce", [*log, {"epoch": 5, "loss": 3}])
    assert curve.points("loss") == [(1.0, 1.0), (5.0, 3.0)]
    assert curves.svg([curve], "accuracy", {"ce": 0}) == ""


def test_runs_of_one_label_share_a_colour_and_lie_inside_the_plot() -> None:
    own = [
        Curve(f"r{i}", label, [{"epoch": e, "loss": e * 0.1} for e in range(1, 12)])
        for i, label in enumerate(("ce", "cgc", "ce"))
    ]
    assert curves.legend(own) == {"ce": 0, "cgc": 1}
    drawn = str(curves.svg(own, "loss", curves.legend(own)))
    assert re.findall(r'polyline class="(c\d)"', drawn) == ["c0", "c1", "c0"]
    points = [tuple(map(float, p.split(","))) for path in re.findall(r'points="([^"]+)"', drawn) for p in path.split()]
    assert all(curves.LEFT <= x <= curves.WIDTH - curves.RIGHT for x, _ in points)
    assert all(curves.TOP <= y <= curves.HEIGHT - curves.BOTTOM for _, y in points)
    assert points[0][1] > points[10][1], "a larger loss lies higher"
