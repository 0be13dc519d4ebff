"""Writes docs/peers.md from results/measured/peers-agreement.csv, with why what differs does: `python docs/peers.py`."""

from __future__ import annotations

import csv
import math
from pathlib import Path

PAGE = Path(__file__).with_suffix(".md")
MEASURED = PAGE.parents[1] / "results" / "measured" / "peers-agreement.csv"
WHY = {
    "torchcam:grad-cam++": "torchcam divides a copy of its α, so its weights are Σ G²·ReLU(G); ours: the paper, eq. 19",
    "torchcam:is-cam": "torchcam scales a channel before it upsamples it, ours after (Score-CAM §3); more so over ten steps",
    "torchcam:ss-cam": "as `torchcam:is-cam`; and the noise is other noise",
    "captum:deconvnet": "captum knows `nn.ReLU` alone, and these are ReLU6: the plain gradient; with `nn.ReLU` both agree",
    "captum:guided-backprop": "as `captum:deconvnet`",
    "captum:guided-grad-cam": "as `captum:deconvnet`; and captum upsamples to the nearest cell, ours bilinearly (§3.2)",
    "captum:integrated-gradients": "50 points of Gauss and Legendre on the path, ours are 50 midpoints",
    "captum:occlusion": "captum gives each of the three colours the whole fall, and they are summed: three times ours",
    "grad-cam:eigen-cam": "it centres channels, the paper does not; with `eigen-cam:centred=true` alike but for the sign",
    "grad-cam:grad-cam++": "it adds 1e-6 to α's denominator, which under global average pooling is as large as G² itself",
    "grad-cam:score-cam": "it upsamples with the corners aligned",
}
"""Why a line differs, by the peer; every line that does has one."""
HEAD = """# The peers' maps and ours

Every method of torchcam, captum and pytorch-grad-cam that `cambench ls explainers` lists, made by the peer itself
(`torchcam:NAME`, `captum:NAME`, `grad-cam:NAME`) and, but for five that it has not, by cambench: EfficientNet-Lite0 with
its ImageNet weights, photographs
of ImageNet, the best class of each. Ours goes through what the peer has done to its own first: a ReLU (torchcam), a ReLU,
min-max and resizing to the image (pytorch-grad-cam), nothing (captum).

- *correlation*: of the pixels, the lowest of the images.
- *difference*: the largest of any pixel, each map divided by its largest absolute value.
- *scale*: the peer's largest absolute value over ours, median of the images; maps of pytorch-grad-cam are between 0 and 1.

Made by `python -m benchmarks agreement` ([how](../results/measured/README.md#the-peers-maps-and-ours),
[CSV](../results/measured/peers-agreement.csv)); this page is written by `python docs/peers.py`.
"""
FOOT = """
Layer: the network's last maps (`features`, 1,280 channels of 7×7 cells); of methods that would take more than 5,000
forward passes an image there, its first block (16 channels of 112×112 cells). Methods of 200 passes and more have one
photograph.
"""


def agrees(row: dict[str, str]) -> bool:
    """Whether a line's maps are the same to a thousandth."""
    numbers = [float(row[name]) for name in ("correlation", "difference", "scale")]
    return all(map(math.isfinite, numbers)) and numbers[0] > 0.999 and numbers[1] < 1e-3 and abs(numbers[2] - 1) < 1e-2


def line(row: dict[str, str]) -> str:
    """A line of the page's table."""
    why = row["note"] or WHY.get(row["peer"], "the same")
    names = [f"`{row['peer']}`", f"`{row['ours']}`" if row["ours"] else "–"]
    layer = row["layer"].rpartition(".")[0] and "first block"
    return f"| {' | '.join([*names, row['images'] + (f', {layer}' if layer else ''), *numbers(row), why])} |"


def numbers(row: dict[str, str]) -> list[str]:
    """Correlation, difference and scale as they are printed."""
    return [row[name] or "–" for name in ("correlation", "difference", "scale")]


def page() -> str:
    """The whole page."""
    with MEASURED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    titles = ("peer", "ours", "photographs", "correlation", "difference", "scale", "why they differ")
    head = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    return "\n".join([HEAD, *head, *map(line, rows), FOOT])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
