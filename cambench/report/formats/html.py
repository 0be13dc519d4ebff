"""One self-contained page: findings, a gallery, tables, training curves. Nothing on it asks for anything outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cambench.report.figures import drawing
from cambench.report.figures.plots import without_common
from cambench.report.formats import curves
from cambench.report.formats.claims import Claims
from cambench.report.formats.curves import Curve
from cambench.report.formats.headline import Headline
from cambench.report.formats.introduction import Trained
from cambench.report.tables.model import Table, group_starts
from cambench.report.tables.varied import SPACE
from cambench.vocabulary import Box

THUMBNAIL = 288
QUANTITIES = ("loss", "training_accuracy")


@dataclass(frozen=True)
class Prediction:
    """What a network says of an image: the class, whether it is a right one, its probability where there is one."""

    name: str
    right: bool
    probability: float | None = None

    @property
    def text(self) -> str:
        """`✓ Blue Jay, 93 %`, or `✗ says Crow, 41 %`."""
        sure = "" if self.probability is None else f", {percent(self.probability)}"
        return f"✓ {self.name}{sure}" if self.right else f"✗ says {self.name}{sure}"


@dataclass(frozen=True)
class GalleryRow:
    """One image and its maps. `image`: a file or (H,W,3) uint8, as the network saw it, so that each map covers all of it.

    `boxes`: half-open (xmin, ymin, xmax, ymax) in the image's own pixels. `maps`: label -> raw (h,w). `name`: its class;
    `predictions`: label of a map -> what its network says. `why`: why this image is shown, if not by the gallery's rule.
    """

    image: Path | NDArray[np.uint8]
    name: str
    boxes: Sequence[Box] = ()
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    why: str = ""

    @property
    def wrong(self) -> dict[str, str]:
        """Label of a map -> the class that its network says, where that is not a right one."""
        return {label: prediction.name for label, prediction in self.predictions.items() if not prediction.right}


@dataclass(frozen=True)
class Gallery:
    """The images of one data set; `notes` say which images these are, what is seen of each and whose maps."""

    name: str
    rows: Sequence[GalleryRow]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """What the page shows. `quantities`: keys of the training log to plot. `provenance`: name -> value, at the foot.

    `diagrams`: above the tables.
    """

    title: str
    tables: Sequence[Table] = ()
    curves: Sequence[Curve] = ()
    galleries: Sequence[Gallery] = ()
    headlines: Sequence[Headline] = ()
    introduction: Sequence[Trained] = ()
    claims: Claims | None = None
    diagrams: Sequence[Picture] = ()
    quantities: Sequence[str] = QUANTITIES
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A picture ready for the page: `label` above the words beneath it, `scale` says what its strongest colours are."""

    uri: str
    alt: str
    label: str = ""
    says: str = ""
    right: bool = True
    scale: str = ""


def html(page: Page) -> str:
    """The page as text. Every name that comes from data is escaped by the template engine."""
    every = [heatmap for shown in page.galleries for row in shown.rows for heatmap in row.maps.values()]
    return template("page.html.j2").render(
        page=page,
        banner=banner(page),
        starts=[group_starts(table) for table in page.tables],
        panels=panels(page),
        galleries=[drawn(shown) for shown in page.galleries],
        signed=any(map(drawing.signed, every)),
        boxed=any(row.boxes for shown in page.galleries for row in shown.rows),
        scales={"towards": drawing.gradient(0), "both": drawing.gradient(-1)},
    )


def template(name: str) -> jinja2.Template:
    """One of the templates, in which every name that comes from data is escaped."""
    loader, strict = jinja2.PackageLoader("cambench.report"), jinja2.StrictUndefined
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=strict, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(name)


def notebook(tables: Sequence[Table]) -> str:
    """The tables as a notebook shows them: without the page's style, and nothing that sorts."""
    draw = template("table.html.j2").make_module().draw  # type: ignore[attr-defined]
    return "".join(draw(table, table.id, group_starts(table), sortable=False) for table in tables)


def banner(page: Page) -> list[str]:
    """The sentences above the tables, each once, with the tables it is about unless it is about all of them."""
    about: dict[str, list[str]] = {}
    for table in page.tables:
        for sentence in table.banner:
            about.setdefault(sentence, []).append(table.id)
    every = len(page.tables)
    return [s if len(ids) == every else f"{', '.join(dict.fromkeys(ids))}: {s}" for s, ids in about.items()]


def panels(page: Page) -> list[tuple[str, dict[str, int], list[Markup]]]:
    """Rows of plots: their name, their legend (label -> colour) and the plots of the quantities that were logged."""
    rows = []
    for name in dict.fromkeys(curve.panel for curve in page.curves):
        own = [curve for curve in page.curves if curve.panel == name]
        colours = curves.legend(own)
        plots = [plot for quantity in page.quantities if (plot := curves.svg(own, quantity, colours))]
        if plots:
            rows.append((name, colours, plots))
    return rows


def drawn(shown: Gallery) -> tuple[Gallery, str, int, list[tuple[GalleryRow, list[Picture]]]]:
    """A gallery with the words that all labels share, how many pictures stand side by side, and the pictures of each row."""
    labels = list(dict.fromkeys(label for row in shown.rows for label in row.maps))
    short, shared = without_common(labels)
    return shown, shared, 1 + len(labels), [(row, pictures(row, short)) for row in shown.rows]


def pictures(row: GalleryRow, short: Mapping[str, str]) -> list[Picture]:
    """The photograph with its boxes, then an overlay for each map. short: label of a map -> what stands beneath it."""
    full = drawing.read_image(row.image)
    small = drawing.fit(full, THUMBNAIL)
    scale = small.width / full.width
    outlined = f", {len(row.boxes)} outlined" if row.boxes else ""
    shown = [Picture(drawing.data_uri(drawing.with_boxes(small, row.boxes, scale)), f"Photograph of {row.name}{outlined}")]
    for label, heatmap in row.maps.items():
        uri = drawing.data_uri(drawing.with_boxes(drawing.overlay(small, heatmap), row.boxes, scale))
        prediction, strongest = row.predictions.get(label), strength(heatmap)
        says = "" if prediction is None else prediction.text
        alt = f"{label}: heatmap of {row.name}; {strongest}{'; ' if says else ''}{says}"
        shown.append(Picture(uri, alt, short[label], says, prediction is None or prediction.right, strongest))
    return shown


def strength(heatmap: NDArray[np.float32]) -> str:
    """The largest values of a map: `up to 0.031`, with `, against −0.012` where it has negative ones."""
    high, low = float(heatmap.max()), float(heatmap.min())
    if not heatmap.any():
        return "zero everywhere"
    against = f"against up to {-low:.2g}" if low < 0 else ""
    return ", ".join(filter(None, (f"for up to {high:.2g}" if high > 0 else "", against)))


def percent(probability: float) -> str:
    """`93 %`, `<1 %`, `>99 %`, none of which is broken over two lines."""
    whole = round(100 * probability)
    return f"{'<1' if whole < 1 else '>99' if whole > 99 else whole}{SPACE}%"
