"""The figure of signed maps: red is positive, every map has its own range, nothing is cut and nothing overlaps."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sample_table import NASTY

from cambench.report.figures import panels, plots
from cambench.report.figures.panels import Below, Group, Panel, Row
from cambench.vocabulary import CambenchError

GREY = np.full((40, 40, 3), 100, np.uint8)
SIGNS = ("blue: against", "red: for")
UPPER = np.array([[2.0, 2.0], [-1.0, -1.0]], np.float32)


def row(heading: str = "a dog", mask: np.ndarray | None = None, scale: float = 1.0, name: str = "a cat") -> Row:
    """An image with two groups: two panels of one class, one of another."""
    first = [Panel("original", UPPER * scale), Panel("weighted", -UPPER)]
    second = [Panel("original", UPPER)]
    return Row(GREY, heading, [Group(f"{name}\np = 0.60", first), Group("a fox\np = 0.20", second)], mask)


def beneath(made: Row, pictures: list[np.ndarray]) -> Row:
    """The same with a picture and two lines beneath each map."""
    lines = [("p(t1) 0.60 → < 0.01", True), ("p(t2) 0.20 → 0.55", False)]
    left = iter(pictures)
    groups = [Group(g.heading, [replace(panel, below=Below(next(left), lines)) for panel in g.panels]) for g in made.groups]
    return replace(made, groups=groups, aside="blurred where the map is negative")


def words(figure: Figure) -> list[str]:
    """Every text of the figure."""
    return [text.get_text() for text in figure.texts]


def shown(figure: Figure) -> list[np.ndarray]:
    """Every picture of the figure."""
    return [np.asarray(axes.images[0].get_array()).astype(int) for axes in figure.axes]


def test_a_row_is_an_image_and_its_maps_under_their_headings() -> None:
    figure = panels.panels([row(), row("a wolf")], SIGNS, ["synthetic images."])
    assert len(figure.axes) == 2 * (1 + 3) + 1, "two rows and the colour bar"
    said = words(figure)
    assert [said.count(text) for text in ("image", "original", "weighted")] == [1, 2, 1]
    assert said.count("a cat\np = 0.60") == 2 and said.count("a dog") == said.count("a wolf") == 1
    assert {"−m", "0", "m", *SIGNS, "synthetic images."} <= set(said)
    assert said.count("m = 2") == 6


def test_red_is_positive_blue_is_negative_and_zero_is_grey() -> None:
    image, original, weighted, _, bar = shown(panels.panels([row()], SIGNS))
    assert (image == 100).all() and image.shape == (320, 320, 3)
    # half of (100,100,100) and half of pure red, which is the map's own maximum; −1 of ±2 is half way to blue
    assert original[0, 0].tolist() == [178, 50, 50] and original[-1, 0].tolist() == [114, 114, 178]
    assert weighted[0, 0].tolist() == [50, 50, 178] and weighted[-1, 0].tolist() == [178, 114, 114]
    (zero,) = shown(panels.panels([Row(GREY, "", [Group("", [Panel("", np.zeros((2, 2), np.float32))])])], SIGNS))[1:2]
    assert np.ptp(zero, axis=2).max() <= 1, "no colour where nothing speaks"
    assert bar[0, 0, 2] > bar[0, 0, 0] and bar[0, -1, 0] > bar[0, -1, 2]


def test_a_positive_map_has_one_colour_scale_and_a_mask_is_black_and_white() -> None:
    positive = np.array([[4.0, 4.0], [0.0, 0.0]], np.float32)
    kinds = [Panel("joint", positive, kind="positive"), Panel("parts", positive, kind="mask"), Panel("less", UPPER)]
    figure = panels.panels([Row(GREY, "a dog", [Group("a cat", kinds)])], SIGNS, amount="probability")
    _, joint, mask, less, *bars = shown(figure)
    # 0.85 of the scale's last colour (255,225,40) over a grey of 100, and nothing where the map is zero
    assert joint[0, 0].tolist() == pytest.approx([232, 206, 49], abs=1) and joint[-1, 0].tolist() == [100, 100, 100]
    assert (mask[:160] == 255).all() and (mask[160:] == 0).all()
    assert less[0, 0].tolist() == [178, 50, 50]
    assert len(bars) == 2 and {"probability", "−m", *SIGNS} <= set(words(figure))
    assert [text for text in words(figure) if text.startswith("m = ")] == ["m = 4", "m = 2"], "a mask has no range"
    only = panels.panels([Row(GREY, "a dog", [Group("a cat", kinds[:2])])], SIGNS, amount="probability")
    assert len(shown(only)) == 4 and not set(SIGNS) & set(words(only))
    with pytest.raises(CambenchError, match="expected 'joint' positive, got -1"):
        panels.panels([Row(GREY, "a dog", [Group("a cat", [Panel("joint", UPPER, kind="positive")])])], SIGNS)


def test_what_stands_beneath_a_map_is_beneath_it_and_its_own_class_is_red() -> None:
    pictures = [np.full((40, 40, 3), value, np.uint8) for value in (10, 20, 30)]
    found = beneath(row(), pictures)
    figure = panels.panels([found, found], SIGNS)
    assert len(figure.axes) == 2 * (1 + 3 + 3) + 1
    (_, *others), seen = figure.axes[:7], shown(figure)[:7]
    for above, below, at, value in zip(others[::2], others[1::2], seen[2::2], (10, 20, 30), strict=True):
        assert (at == value).all(), "in its own colours"
        a, b = above.get_position(), below.get_position()
        assert a.x0 == pytest.approx(b.x0) and b.y1 < a.y0 and a.width == pytest.approx(b.width)
    lines = {t.get_text(): (t.get_color(), t.get_fontweight()) for t in figure.texts if t.get_text().startswith("p(")}
    red, blue = (panels.FOR, "bold"), (panels.AGAINST, "normal")
    assert lines == {"p(t1) 0.60 → < 0.01": red, "p(t2) 0.20 → 0.55": blue}
    assert words(figure).count("blurred where the map\nis negative") == 2


def test_every_map_has_a_range_of_its_own() -> None:
    small, large = (panels.panels([row(scale=s)], SIGNS) for s in (1e-3, 1.0))
    assert all(np.array_equal(a, b) for a, b in zip(shown(small), shown(large), strict=True))
    assert "m = 0.002" in words(small) and "m = 0.002" not in words(large)
    assert [panels.short(x) for x in (0.01234, 7.66, 99.4, 123.4, 2e6)] == ["0.012", "7.7", "99", "123", "2e+06"]


def test_the_object_is_outlined_where_it_is_known() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:30, 4:20] = True
    figure = panels.panels([row(mask=mask)], SIGNS)
    for axes in figure.axes[:-1]:
        points = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
        # 40 pixels are shown as 320; a picture begins at −0.5 and the line runs between the pixels, half a pixel to and fro
        assert points.min(0) == pytest.approx([4 * 8 - 0.5, 10 * 8 - 0.5], abs=0.1)
        assert points.max(0) == pytest.approx([20 * 8 - 0.5, 30 * 8 - 0.5], abs=0.1)
    for nothing in (None, np.zeros((40, 40), bool), np.ones((40, 40), bool)):
        assert not any(axes.collections for axes in panels.panels([row(mask=nothing)], SIGNS).axes)


@pytest.mark.parametrize("name", ["a cat", "Gold winged White tailed Red breasted Warbler of the Northern Woods", "x" * 70])
def test_no_text_is_cut_and_none_overlaps(name: str) -> None:
    one = Row(GREY, name, [Group(f"{name}\np = 0.60", [Panel("against the 2nd best", UPPER)])] * 4)
    under = beneath(row(name, name=name), [GREY] * 3)
    of_two_kinds = [Panel("cam resnet8 integrated-vanilla-gradient", UPPER), Panel("joint", abs(UPPER), kind="positive")]
    for rows in ([row(name, name=name), row()], [one], [under, under], [Row(GREY, name, [Group(name, of_two_kinds)] * 2)]):
        notes = ["A long sentence about what is shown here. " * 6, "short."]
        figure = panels.panels(
            rows, ("blue: against it, for the other class", "red: for the predicted class"), notes, "chance"
        )
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in figure.texts]
        whole = figure.bbox
        for text, box in boxes:
            assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0 and box.y1 <= whole.y1, text
        for (text, a), (other, b) in combinations(boxes, 2):
            assert not a.padded(-1).overlaps(b.padded(-1)), (text, other)
        pictures = [axes.get_window_extent(renderer) for axes in figure.axes]
        assert not any(box.padded(-1).overlaps(picture) for _, box in boxes for picture in pictures)


def test_rows_of_different_columns_and_no_rows_are_errors(tmp_path: Path) -> None:
    other = Row(GREY, "a dog", [Group("", [Panel("mean", UPPER)])])
    with pytest.raises(CambenchError, match="expected rows with the same columns, got 2 kinds"):
        panels.panels([row(), other], SIGNS)
    with pytest.raises(CambenchError, match="got 0 kinds"):
        panels.panels([], SIGNS)
    nasty = NASTY.replace("中", "")
    for name in ("a", "b"):
        plots.save(panels.panels([row(nasty, name=f"$x^2 {nasty}")], SIGNS, ["100 % $sure$"]), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
