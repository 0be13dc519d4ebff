"""The figure `shift`, as ContrastiveCAM's Figure 1: a map that is added to all classes' HiResCAMs changes what they show and
every logit, but no probability and no ContrastiveCAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cambench.contrastive import contrastive_maps
from cambench.explainers.batch import all_class_maps
from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.reporting.figures.contrast import READ, Best, best_of, facts, fine, opened, row_of
from cambench.stages.reporting.figures.scene import Drawn, Meaning, Scene, chance, evenly, headings, signed
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

EXPLAINER = "hires-cam"
TIMES = 2.0
"""The height of M, as a multiple of the largest |value| of the best class's map."""
WIDTH = 1 / 6
"""The standard deviation of M, as a share of the grid's side."""
MEANING = Meaning(
    ("blue: against the class", "red: for the class"),
    f"{READ} f: the class's logit, p: its probability. M: a map that is added to the HiResCAMs of all classes, here a bump "
    "as far as can be from the peak of the best class's map. The ContrastiveCAM is the difference of two classes' maps, "
    "before and after M is added.",
)


def shift(runs: Sequence[str], place: Place, *, dataset: str | None, images: int, classes: int | None) -> Drawn:
    """Evenly spaced images. Raises: UsageError for images of several labels, whose sigmoids a shift does change."""
    shown, k = opened("shift", runs, place, (dataset, EXPLAINER, "resize-center-crop", classes or 2))
    if shown.dataset.multilabel:
        got = f"{shown.dataset.name}, whose probabilities are sigmoids of each logit"
        raise UsageError(f"figure shift: expected one class an image, where a shift leaves softmax as it is, got {got}.")
    rows, chosen = evenly(shown.dataset, images)
    return signed([shown], [shifted(shown, one) for one in best_of(shown, rows, k, place)], MEANING, chosen)


def shifted(shown: Scene, one: Best) -> tuple[Row, dict[str, Any]]:
    """A row: the best classes' HiResCAMs before and after, M, the ContrastiveCAM of the best two before and after.

    Source: ContrastiveCAM eq. 5, 6, 10 and Figure 1; f' = f + Σ M for every class.
    """
    loaded = shown.loaded
    before = all_class_maps(loaded.model, one.image, EXPLAINER, loaded.layer, head=loaded.head).double()
    logits = loaded.logits(one.image)[0].double()
    m = bump(before[0, one.classes[0]])
    after, moved = before + m, logits + m.sum()
    p, p_after = torch.softmax(logits, 0), torch.softmax(moved, 0)
    contrasts = [contrastive_maps(maps, one.order[:, 0])[0, one.classes[1]] for maps in (before, after)]

    def panel(title: str, native: Tensor) -> Panel:
        return Panel(title, fine(native, one.image))

    groups = [
        Group(words(shown.name(c), (logits[c], moved[c]), (p[c], p_after[c])), [panel(EXPLAINER, a), panel("+ M", b)])
        for c, a, b in ((c, before[0, c], after[0, c]) for c in one.classes)
    ]
    against = f"{shown.name(one.classes[0])} against\n{shown.name(one.classes[1])}"
    pair = Group(against, [panel(title, d) for title, d in zip(("ContrastiveCAM", "+ M"), contrasts, strict=True)])
    changed = {
        "logits": [[float(y[c]) for y in (logits, moved)] for c in one.classes],
        "p": [[float(y[c]) for y in (p, p_after)] for c in one.classes],
        "contrast": float((contrasts[0] - contrasts[1]).abs().max()),
    }
    row = row_of(shown, one, [Group("added to all classes", [panel("M", m)]), *groups, pair])
    return row, {**facts(shown, one), "shifted": changed}


def bump(heatmap: Tensor) -> Tensor:
    """M: a Gaussian at the cell farthest from the peak of a map, twice as high as the map's largest |value|. (h,w) -> (h,w).

    The paper's M is arbitrary. Of equally far cells the first in reading order; a map of zeros gets the height 2.
    """
    h, w = heatmap.shape
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    rows, columns = (part.to(heatmap) for part in (rows, columns))

    def distance(cell: int) -> Tensor:
        return ((rows - cell // w) ** 2 + (columns - cell % w) ** 2).to(heatmap)

    place = int(distance(int(heatmap.argmax())).argmax())
    largest = float(heatmap.abs().max()) or 1.0
    return TIMES * largest * torch.exp(-distance(place) / (2 * (WIDTH * max(h, w)) ** 2))


def words(name: str, logits: tuple[Tensor, Tensor], p: tuple[Tensor, Tensor]) -> str:
    """A class, its logit and its probability, before → after."""
    f, changed = (f"{float(y):.2f}" for y in logits)
    heading, p_after = headings([name], [float(p[0])])[0], chance(float(p[1]))
    return heading.replace("\n", f"\nf = {f} → {changed}\n") + f" → {p_after}"
