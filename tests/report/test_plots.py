"""Figures on paper: what they show, that names from data do no harm, and that a file is the same from day to day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from sample_records import fill
from sample_table import NASTY, SAMPLE

from cambench.recipes.published import load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import load_table
from cambench.report.figures import ablation, grid, plots
from cambench.report.formats.html import GalleryRow, Prediction
from cambench.report.tables.paper import paper_table
from cambench.vocabulary import CambenchError, UsageError

PUBLISHED = load_published("cgc")
HEAT = np.array([[0.0, -5.0], [0.25, 2.0]], np.float32)
IMAGE = np.full((40, 60, 3), 100, np.uint8)


def words(figure: Figure) -> list[str]:
    """Every text of a figure."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(t.get_text() for t in axes.texts)]
    return [text for text in found if text]


def rows() -> list[GalleryRow]:
    """Two images under two methods, one of which has no map of the second image and errs on the first."""
    maps = {"ce resnet8 grad-cam": HEAT, "cgc resnet8 grad-cam": HEAT}
    says = {"ce resnet8 grad-cam": Prediction("a cat", False), "cgc resnet8 grad-cam": Prediction("a dog", True)}
    return [
        GalleryRow(IMAGE, "a dog", [(5.0, 5.0, 30.0, 30.0)], maps, says),
        GalleryRow(IMAGE, "a bird", (), {"cgc resnet8 grad-cam": HEAT}),
    ]


def test_the_grid_has_an_image_and_a_map_a_method_for_every_column() -> None:
    figure = grid.grid(rows(), ["synthetic images."])
    assert len(figure.axes) == 2 * 3
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 0, 1], "what is missing is a dash"
    said = words(figure)
    assert {"a dog", "a bird", "image", "ce", "cgc", "says a cat", "—"} <= set(said)
    assert said.count("says a cat") == 1
    foot = " ".join(text.get_text() for text in figure.texts)
    assert foot.startswith("synthetic images.") and "resnet8 grad-cam" in foot and "annotated boxes" in foot


def test_maps_lose_their_negative_part_and_boxes_lie_where_they_are() -> None:
    figure = grid.grid(rows()[:1])
    picture, overlay = (np.asarray(axes.images[0].get_array()).astype(int) for axes in figure.axes[:2])
    change = np.abs(overlay - picture).sum(2)
    assert picture.shape == (213, 320, 3)
    assert (change[:50] == change[0, 0]).all(), "negative (right) and zero (left) are shown alike"
    assert np.unravel_index(change.argmax(), change.shape)[0] > 106, "the peak is below"
    (box,) = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    # 40 × 60 pixels are shown as 213 × 320: a factor of 320/60, and a picture begins at −0.5
    assert box.get_x() == pytest.approx(5 * 320 / 60 - 0.5) and box.get_width() == pytest.approx(25 * 320 / 60)


def test_labels_keep_what_tells_them_apart() -> None:
    assert plots.without_common(["ce r8 cam", "cgc r8 cam"]) == ({"ce r8 cam": "ce", "cgc r8 cam": "cgc"}, "r8 cam")
    assert plots.without_common(["ce r8 cam"]) == ({"ce r8 cam": "ce"}, "r8 cam")
    short, shared = plots.without_common(["ce r8 cam", "ce r8 cam mean"])
    assert list(short.values()) == ["ce", "ce mean"] and shared == "r8 cam"


def test_long_names_are_wrapped_and_cut() -> None:
    assert plots.wrapped("Red bellied Woodpecker", 12) == "Red bellied\nWoodpecker"
    assert plots.wrapped("a " * 50, 10, 2).endswith("…") and plots.wrapped("a " * 50, 10, 2).count("\n") == 1
    assert max(map(len, plots.wrapped("x" * 50, 12, 9).splitlines())) == 12


def test_names_of_methods_are_whole_and_neither_cut_nor_overlapping() -> None:
    names = ["cam resnet8 score-map", "cam resnet8 min-max-cam subset:supersets", "calm-em resnet8 calm subset:supersets"]
    names.append("cgc-no-negatives-released resnet8 integrated-vanilla-gradient versus:second")
    figure = grid.grid([GalleryRow(IMAGE, "a dog", (), dict.fromkeys(names, HEAT))] * 2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    labels = [axes.yaxis.label for axes in figure.axes if axes.get_ylabel()]
    assert [label.get_text() for label in labels[:4]] == [
        "image", "cam score-map", "cam min-max-cam\nsubset: supersets", "calm-em calm\nsubset: supersets",
    ]  # fmt: skip
    boxes = [label.get_window_extent(renderer) for label in labels]
    pictures = [axes.get_window_extent(renderer) for axes in figure.axes]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and not any(box.overlaps(picture) for picture in pictures)
        assert sum(box.overlaps(other) for other in boxes) == 1, "no other than itself"


def test_an_empty_grid_is_an_error() -> None:
    for nothing in ([], [GalleryRow(IMAGE, "no maps")]):
        with pytest.raises(CambenchError, match="expected images with heatmaps"):
            grid.grid(nothing)


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_a_file_is_a_picture_and_the_same_every_time(ending: str, tmp_path: Path) -> None:
    nasty = NASTY.replace("中", "")
    row = GalleryRow(IMAGE, f"$\\frac{{ {nasty}", (), {f"$x^2 {nasty}": HEAT}, {f"$x^2 {nasty}": Prediction("$_$", False)})
    for name in ("a", "b"):
        plots.save(grid.grid([row], ["100 % $sure$"]), tmp_path / f"{name}.{ending}")
    first = (tmp_path / f"a.{ending}").read_bytes()
    assert first == (tmp_path / f"b.{ending}").read_bytes()
    if ending == "pdf":
        assert first.startswith(b"%PDF") and b"Type3" not in first
    else:
        with Image.open(tmp_path / "a.png") as image:
            assert image.width > 300


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x\.pfd: unknown picture format 'pfd'\. Did you mean pdf"):
        plots.save(Figure(), tmp_path / "x.pfd")
    assert list(tmp_path.iterdir()) == []


def lambda_table(**facts: Any) -> Any:
    """Table 10, all but one cell of it measured."""
    recipe = load_table("cgc/10")
    return paper_table(recipe, fill(recipe, PUBLISHED, **facts), PUBLISHED)


def test_the_lambda_curve_has_the_tables_numbers() -> None:
    table = lambda_table()
    points = ablation.points(table)
    first = points[:6]
    assert [p.x for p in first] == [0, 0.01, 0.1, 0.5, 1, 2] and len({p.row for p in first}) == 1
    for point, cell in zip(points, (cell for row in table.rows for cell in row.cells), strict=True):
        assert point.measured == (cell.measured.mean if cell.measured else None)
        assert point.published == (cell.published.value if cell.published else None)
        assert (point.low, point.high) == (cell.measured.interval if cell.measured else (None, None))
    figure = ablation.ablation(table)
    assert [axes.get_title() for axes in figure.axes] == ["Top-1 Acc (%) ↑", "CH (%) ↑", "CH, correct (%) ↑"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["published"].get_xydata().tolist() == [[p.x, p.published] for p in first[1:]], "0 stands apart"
    assert lines["measured"].get_xydata().tolist() == [[p.x, p.measured] for p in first[1:]]
    assert "One seed (0); 95 % bootstrap interval over the images." in words(figure)


def test_long_titles_are_broken_and_many_panels_are_several_rows() -> None:
    table = lambda_table()
    label = "CH (64\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}200\N{NO-BREAK SPACE}images,\N{NO-BREAK SPACE}evenly spaced)"
    rows = [replace(row, label=(f"{label} {n}",)) for n, row in enumerate(3 * table.rows)]
    figure = ablation.ablation(replace(table, rows=tuple(rows)))
    shown = [axes for axes in figure.axes if axes.axison]
    assert len(shown) == 9 and len({round(axes.get_position().x0, 3) for axes in shown}) == ablation.ACROSS
    lines = [line for axes in shown for line in axes.get_title().split("\n")]
    assert max(map(len, lines)) <= ablation.LETTERS and all(not line.endswith("im") for line in lines)


def test_nothing_published_stands_beside_what_is_not_comparable() -> None:
    synthetic = {"comparable": False, "partial": ("synthetic images (synthbirds)",)}
    shown = ablation.points(lambda_table(**synthetic))
    assert all(p.published is None for p in shown if p.measured is not None)
    recipe = stand_in(load_table("cgc/10"), "synthbirds", split="test", arch="resnet8")
    table = paper_table(recipe, fill(recipe, PUBLISHED, **synthetic), PUBLISHED)
    assert all(p.published is None for p in ablation.points(table))
    assert "Not comparable with published numbers: synthetic" in words(ablation.ablation(table))[0]


def test_an_unmeasured_table_shows_the_published_curve_alone() -> None:
    figure = ablation.ablation(paper_table(load_table("cgc/10"), [], PUBLISHED))
    assert [axes.get_title() for axes in figure.axes] == ["Top-1 Acc (%) ↑", "CH (%) ↑"]
    assert {line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")} == {"published"}
    recipe = stand_in(load_table("cgc/10"), "synthbirds", split="test")
    with pytest.raises(UsageError, match=r"nothing of cgc/10 is measured or published"):
        ablation.ablation(paper_table(recipe, [], PUBLISHED))


def test_a_table_over_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="expected a table whose columns are numbers, such as cgc/10; demo/1 has 'Top-1"):
        ablation.ablation(SAMPLE)
