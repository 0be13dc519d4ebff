"""The kinds of figures: kind -> its function, what is typed with it, one line, its options and their defaults.

To add one: a file beside this one whose function takes (names, place, *, options…) and returns a `scene.Drawn`, and an entry
here; then the command line and Python have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cambench.lookup import canonical, find
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from cambench.stages.reporting.figures.scene import Drawn
    from cambench.stages.workplace import Place

REQUIRED: Any = ...
"""In the place of a default."""


@dataclass(frozen=True)
class Kind:
    """One kind of figure."""

    function: str
    """`module:function`, the module in this folder, which is imported when the figure is drawn."""
    names: Literal["RUN", "RUN...", "[RUN]", "[RUN]...", "[TABLE]"]
    """What it is drawn of, as it is typed."""
    summary: str
    """One line for lists and for help."""
    options: Mapping[str, Any]
    """Option -> default."""
    printed: bool = False
    """Whether it draws a table that may be printed beside it."""

    def check(self, kind: str, names: Sequence[str], options: Mapping[str, Any]) -> None:
        """Raises: UsageError for too few or too many names, an option that the kind does not use, or one that it needs."""
        least, most = "[" not in self.names, None if "..." in self.names else 1
        if len(names) < least or (most is not None and len(names) > most):
            what = self.names.strip("[].")
            wanted = f"one {what}" if most else f"one {what} or more"
            where = "runs" if what == "RUN" else "tables"
            raise UsageError(f"figure {kind}: expected {wanted}, got {len(names) or 'none'}; see `cambench ls {where}`.")
        for name in options:
            if name not in self.options:
                known = ", ".join(self.options)
                raise UsageError(f"figure {kind}: no option {name!r}; it has {known}.")
        for name, default in self.options.items():
            if default is REQUIRED and name not in options:
                raise UsageError(f"figure {kind}: expected --{name}.")


MEASURED = {"metric": REQUIRED, "variant": None, "explainer": None, "target": None, "dataset": None, "images": 12}
SIGNED = {"dataset": None, "images": 5, "explainer": "grad-cam", "classes": None}
OF_TABLE = {"on": None, "arch": None}

INDEX: dict[str, Kind] = {
    "qualitative": Kind(
        "qualitative:qualitative",
        "[RUN]...",
        "images with the stored heatmaps of every run, method by method",
        {"dataset": None, "images": 8},
    ),
    "consistency": Kind(
        "consistency:consistency",
        "[RUN]...",
        "the same with a crop beside each image",
        {"dataset": None, "images": 4},
    ),
    "worst": Kind("extremes:worst", "[RUN]", "the images with the worst value of a metric, and their heatmaps", MEASURED),
    "best": Kind("extremes:best", "[RUN]", "the images with the best value of a metric, and their heatmaps", MEASURED),
    "contrast": Kind("contrast:contrast", "RUN", "the best classes of each image under the four contrasts, signed", SIGNED),
    "blurred": Kind(
        "contrast:blurred_where_negative",
        "RUN",
        "original against weighted contrast, each with the image blurred where the map is negative",
        SIGNED,
    ),
    "versus": Kind(
        "versus:versus",
        "RUN",
        "the predicted class against the next best ones, signed",
        {**SIGNED, "explainer": "hires-cam"},
    ),
    "calm": Kind(
        "calm:calm",
        "RUN",
        "the maps of a run with a CALM head: joint, counterfactual, ever larger sets of classes",
        {"dataset": None, "images": 5, "class_sets": ()},
    ),
    "counterfactual": Kind(
        "counterfactual:counterfactual",
        "RUN...",
        "pairs of classes that differ in a few parts: the difference of their maps beside those parts",
        {"dataset": None, "images": 6, "explainers": ()},
    ),
    "lambda": Kind("tables:curve", "[TABLE]", "a table over a number, as curves (cgc/10)", OF_TABLE),
    "gradient-sign": Kind(
        "tables:gradient_sign",
        "[TABLE]",
        "gains along the gradients of several targets, as bars (weighted-contrast/figure3)",
        OF_TABLE,
    ),
    "remove-and-classify": Kind(
        "tables:remove_and_classify",
        "[TABLE]",
        "accuracy without the most salient pixels, as curves over how many are erased (calm/figure5)",
        OF_TABLE,
    ),
    "segmentation": Kind(
        "segmentation:segmentation",
        "[TABLE]",
        "IoU of each class on the features of several classifiers, as bars (contrastive-cam/segmentation)",
        OF_TABLE,
        printed=True,
    ),
    "convergence": Kind(
        "convergence:convergence",
        "[RUN]...",
        "validation accuracy and loss over the epochs, mean and std over the seeds",
        {"dataset": None},
    ),
    "embedding": Kind(
        "embedding:embedding",
        "RUN...",
        "features of images and of what their maps show, by t-SNE",
        {"dataset": None, "images": 5, "checkpoint": "last"},
    ),
}


def draw(kind: str, out: Path, place: Place, names: Sequence[str] = (), **options: Any) -> Drawn:
    """Draw a figure of runs (or of a table) and write it; what it shows has the file too.

    Raises: UsageError for an unknown kind, a file that is no picture's, other names or options than the kind's, or where
    there is nothing to show.
    """
    from cambench.report.figures.plots import form, save

    entry, kind = find(kind, INDEX, "figure"), canonical(kind)
    form(out)
    entry.check(kind, names, options)
    module, _, function = entry.function.partition(":")
    make: Callable[..., Drawn] = getattr(import_module(f"cambench.stages.reporting.figures.{module}"), function)
    drawn = make(names, place, **{**entry.options, **options})
    save(drawn.figure, out)
    drawn.shows["file"] = str(out)
    return drawn
