"""Images beside their heatmaps: the pictures, the words beneath, nothing cut off and nothing read as mathematics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sample_table import NASTY

from cambench.report.figures import drawing
from cambench.report.figures.mosaic import ACROSS, LETTERS, Tile, mosaic

RAMP = np.tile(np.arange(40, dtype=np.uint8)[None, :, None] * 6, (40, 1, 3))
MAP = np.array([[2.0, -1.0], [0.0, 1.0]], np.float32)
TILE = Tile(RAMP, MAP, [(4.0, 10.0, 20.0, 30.0)], "0.1234 probability", "7/a.jpg", "Song Finch", "Jay", False)


def test_each_image_stands_beside_the_positive_part_of_its_map() -> None:
    figure = mosaic([TILE, replace(TILE, heatmap=-MAP)])
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    picture = drawing.read_image(RAMP)
    wanted = [np.asarray(drawing.overlay(picture, np.maximum(m, 0))) for m in (MAP, -MAP)]
    assert [np.array_equal(a, b) for a, b in zip(shown, (RAMP, wanted[0], RAMP, wanted[1]), strict=True)] == [True] * 4
    (box,) = figure.axes[0].patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (3.5, 9.5, 16, 20)  # type: ignore[attr-defined]


def test_the_words_beneath_are_the_value_the_name_the_class_and_the_answer() -> None:
    long = replace(TILE, id="x" * 100 + "end.jpg", right=True)
    texts = [text.get_text() for text in mosaic([TILE, long], ["A sentence."]).texts]
    assert texts[:4] == ["0.1234 probability", "7/a.jpg", "Song Finch", "✗ says Jay"] and texts[7] == "✓ Jay"
    assert texts[5] == "…" + long.id[1 - LETTERS :] and len(texts[5]) == LETTERS and texts[-1] == "A sentence."


def test_nothing_is_cut_off_whatever_the_names_and_their_number() -> None:
    for n in (1, ACROSS + 1):
        figure = mosaic([replace(TILE, id=NASTY, label=NASTY, predicted=NASTY)] * n, [NASTY * 5])
        assert not any(text.get_parse_math() for text in figure.texts)
        renderer = FigureCanvasAgg(figure).get_renderer()
        width, height = figure.canvas.get_width_height()
        for text in figure.texts:
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, text.get_text()
