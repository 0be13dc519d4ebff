"""One self-contained page: tables, training curves and a gallery. Nothing on it asks for anything outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cambench.report import curves, figures
from cambench.report.curves import Curve
from cambench.report.model import Table, group_starts
from cambench.vocabulary import Box

THUMBNAIL = 288
QUANTITIES = ("loss", "accuracy", "top1")


@dataclass(frozen=True)
class GalleryRow:
    """One image and its maps. `image`: a file or (H,W,3) uint8, as the network saw it, so that each map covers all of it.

    `boxes`: half-open (xmin, ymin, xmax, ymax) in the image's own pixels. `maps`: label -> raw (h,w). `name`: its class;
    `wrong`: label of a map -> the class that its network predicts, where that is another one.
    """

    image: Path | NDArray[np.uint8]
    caption: str
    boxes: Sequence[Box] = ()
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    name: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """What the page shows. `quantities`: keys of the training log to plot. `provenance`: name -> value, at the foot."""

    title: str
    tables: Sequence[Table] = ()
    curves: Sequence[Curve] = ()
    gallery: Sequence[GalleryRow] = ()
    quantities: Sequence[str] = QUANTITIES
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A picture ready for the page; `scale` says which values its colours span."""

    uri: str
    alt: str
    scale: str = ""


def html(page: Page) -> str:
    """The page as text. Every name that comes from data is escaped by the template engine."""
    diverging = {label for row in page.gallery for label, heatmap in row.maps.items() if figures.signed(heatmap)}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cambench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        page=page,
        banner=banner(page),
        starts=[group_starts(table) for table in page.tables],
        panels=panels(page),
        labels=list(dict.fromkeys(label for row in page.gallery for label in row.maps)),
        gallery=[(row, pictures(row, diverging)) for row in page.gallery],
        scales={
            "sequential": figures.gradient(figures.SEQUENTIAL),
            "diverging": figures.gradient(figures.DIVERGING),
        },
        any_signed=bool(diverging),
    )


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
    found = []
    for name in dict.fromkeys(curve.panel for curve in page.curves):
        own = [curve for curve in page.curves if curve.panel == name]
        colours = curves.legend(own)
        plots = [plot for quantity in page.quantities if (plot := curves.svg(own, quantity, colours))]
        if plots:
            found.append((name, colours, plots))
    return found


def pictures(row: GalleryRow, diverging: Set[str]) -> dict[str, Picture]:
    """The image with its boxes under "", and one overlay under each map's label.

    diverging: labels with a negative value in any row; one label's maps share one kind of colour scale.
    """
    full = figures.read_image(row.image)
    small = figures.fit(full, THUMBNAIL)
    scale = small.width / full.width
    found = {"": Picture(figures.data_uri(figures.with_boxes(small, row.boxes, scale)), row.caption)}
    for label, heatmap in row.maps.items():
        drawn = figures.with_boxes(figures.overlay(small, heatmap, label in diverging), row.boxes, scale)
        largest = float(np.abs(heatmap).max())
        spread = f"±{largest:.2g}" if label in diverging else f"0 to {largest:.2g}"
        found[label] = Picture(figures.data_uri(drawn), f"{label}: {row.caption}", spread)
    return found
