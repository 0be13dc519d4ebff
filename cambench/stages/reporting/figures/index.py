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
from cambench.vocabulary import EXPLAINER, UsageError

if TYPE_CHECKING:
    from cambench.stages.reporting.figures.scene import Drawn
    from cambench.stages.workplace import Place

REQUIRED: Any = ...
"""In the place of a default."""


@dataclass(frozen=True)
class Kind:
    """One kind of figure."""

    function: str
    """The module of this folder and function of the same name, or `module:function`; imported when a figure is drawn."""
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
        what, several = self.names.strip("[]."), "..." in self.names
        if len(names) < ("[" not in self.names) or (len(names) > 1 and not several):
            wanted, got = f"one {what}{' or more' if several else ''}", len(names) or "none"
            raise UsageError(f"figure {kind}: expected {wanted}, got {got}; see `cambench ls {what.lower()}s`.")
        for name in [*options, *self.options]:
            if name not in self.options:
                raise UsageError(f"figure {kind}: no option {name!r}; it has {', '.join(self.options)}.")
            if self.options[name] is REQUIRED and name not in options:
                raise UsageError(f"figure {kind}: expected --{name}.")


FEW = {"dataset": None, "images": 5}
STORED = {**FEW, "explainer": ()}
SIGNED = {**FEW, "explainer": EXPLAINER, "classes": None}
MEASURED = {"metric": REQUIRED, "variant": None, "explainer": None, "target": None, "dataset": None, "images": 12}
OF_TABLE = {"on": None, "arch": None}
BLURRED = "original against weighted contrast, each with the image blurred where the map is negative"
SHIFTED = "a map added to those of all classes: HiResCAMs and logits change, ContrastiveCAMs and probabilities do not"
COUNTERFACTUAL = "pairs of classes that differ in a few parts: the difference of their maps beside those parts"

INDEX: dict[str, Kind] = {
    "qualitative": Kind("qualitative", "[RUN]...", "images with the stored heatmaps of every run", {**STORED, "images": 8}),
    "consistency": Kind("consistency", "[RUN]...", "the same with a crop beside each image", {**STORED, "images": 4}),
    "worst": Kind("extremes:worst", "[RUN]", "images with the worst value of a metric, and their heatmaps", MEASURED),
    "best": Kind("extremes:best", "[RUN]", "images with the best value of a metric, and their heatmaps", MEASURED),
    "contrast": Kind("contrast", "RUN", "the best classes of each image under the four contrasts, signed", SIGNED),
    "blurred": Kind("contrast:blurred_where_negative", "RUN", BLURRED, SIGNED),
    "versus": Kind(
        "versus",
        "RUN",
        "the predicted class against the next best, or classes by name against each other, signed",
        {**SIGNED, "explainer": "hires-cam", "class_names": ()},
    ),
    "shift": Kind("shift", "RUN", SHIFTED, {**FEW, "classes": None}),
    "calm": Kind("calm", "RUN", "maps of a run with a CALM head, of ever larger sets of classes", {**FEW, "class_sets": ()}),
    "hierarchy": Kind(
        "hierarchy", "RUN", "maps of a run with a CALM head, up WordNet from a class to all classes", {**FEW, "levels": 7}
    ),
    "counterfactual": Kind("counterfactual", "RUN...", COUNTERFACTUAL, {**FEW, "images": 6, "explainer": ()}),
    "lambda": Kind("tables:curve", "[TABLE]", "a table over a number (cgc/10), as curves", OF_TABLE),
    "gradient-sign": Kind("tables:gradient_sign", "[TABLE]", "gains along gradients of several targets, as bars", OF_TABLE),
    "remove-and-classify": Kind(
        "tables:remove_and_classify", "[TABLE]", "accuracy over how much is erased, as curves", OF_TABLE
    ),
    "segmentation": Kind(
        "segmentation", "[TABLE]", "IoU of each class by several classifiers, as bars", OF_TABLE, printed=True
    ),
    "convergence": Kind(
        "convergence", "[RUN]...", "accuracy and loss over the epochs, mean ± std over seeds", {"dataset": None}
    ),
    "critical-difference": Kind(
        "critical_difference",
        "[RUN]...",
        "mean ranks of explainers over images and metrics, and which of them do not differ",
        {"metric": (), "explainer": (), "dataset": None},
    ),
    "embedding": Kind("embedding", "RUN...", "features of images and their masks, by t-SNE", {**FEW, "checkpoint": "last"}),
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
    make: Callable[..., Drawn] = getattr(import_module(f"{__package__}.{module}"), function or module)
    drawn = make(names, place, **{**entry.options, **options})
    save(drawn.figure, out)
    drawn.shows["file"] = str(out)
    return drawn
