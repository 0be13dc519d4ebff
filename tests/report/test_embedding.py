"""The picture of features in two dimensions: markers, colours, percentages, what is cut."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from cambench.report.figures.embedding import COLOURS, Cloud, Sample, embedding
from cambench.vocabulary import CambenchError

CLASSES = ["White tailed Red breasted Finch of the northern woods", "jay", "a $ b $", "owl", "wren"]


def cloud(title: str = "excon s0", samples: int = 5) -> Cloud:
    """Twelve images of classes 0, 1 and 4."""
    rng = np.random.default_rng(0)
    labels = np.array([0, 1, 4] * 4)
    pictures = [
        Sample(*rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8), label=i % 5, p=0.1 * i + 0.0512, masked_p=0.9)
        for i in range(samples)
    ]
    said = "image to its mask / between classes: 12.3 / 14.5 = 0.848"
    return Cloud(title, said, rng.normal(size=(12, 2)), rng.normal(size=(12, 2)), labels, pictures)


def test_crosses_are_images_and_dots_are_masked_in_the_colour_of_their_class() -> None:
    shown = cloud()
    axes = embedding([shown], CLASSES).axes[0]
    found = {}
    for drawn in axes.collections:
        dot = bool(drawn.get_paths()[0].codes is not None and len(drawn.get_paths()[0].vertices) > 5)
        found[to_hex(drawn.get_facecolor()[0] if dot else drawn.get_edgecolor()[0]), dot] = np.asarray(drawn.get_offsets())
    assert len(found) == 6
    for n in (0, 1, 4):
        assert np.array_equal(found[COLOURS[n], False], shown.original[shown.labels == n])
        assert np.array_equal(found[COLOURS[n], True], shown.masked[shown.labels == n])


def test_the_legend_names_classes_and_markers() -> None:
    figure = embedding([cloud()], CLASSES)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words[1:] == [*CLASSES[1:], "original", "masked"]
    assert [h.get_marker() for h in figure.legends[0].legend_handles] == ["s"] * 5 + ["x", "o"]
    assert [h.get_color() for h in figure.legends[0].legend_handles][:5] == list(COLOURS)


def test_beneath_each_pair_stand_the_percentages() -> None:
    figure = embedding([cloud()], CLASSES)
    pictures = [axes for axes in figure.axes if axes.images]
    assert len(pictures) == 10
    assert [to_hex(axes.spines["left"].get_edgecolor()) for axes in pictures[::2]] == list(COLOURS)
    words = [text.get_text() for text in figure.texts]
    shares = [word for word in words if word.endswith(" %")]
    assert shares == ["5.1 %", "90.0 %", "15.1 %", "90.0 %", "25.1 %", "90.0 %", "35.1 %", "90.0 %", "45.1 %", "90.0 %"]
    left, right = (axes.get_position() for axes in pictures[:2])
    assert left.x1 < right.x0 and left.y0 == right.y0


@pytest.mark.parametrize(("panels", "samples"), [(1, 5), (2, 3), (3, 7), (4, 5)])
def test_no_text_is_cut_and_nothing_overlaps(panels: int, samples: int) -> None:
    figure = embedding(
        [cloud(f"method {i}", samples) for i in range(panels)], CLASSES, ["A sentence of some words. " * 9] * 3
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text()]
    boxes += [(f"axes {i}", axes.bbox) for i, axes in enumerate(figure.axes)]
    for text, box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1, text
    for (text, a), (other, b) in combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), (text, other)
    assert len([axes for axes in figure.axes if not axes.images]) == panels


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(CambenchError, match="expected panels of at most 5 classes, got 0 panels of 1 classes"):
        embedding([], ["a"])
    with pytest.raises(CambenchError, match="got 1 panels of 6 classes"):
        embedding([replace(cloud(), samples=[])], [*CLASSES, "f"])
