"""Do the peers' maps and ours agree? EfficientNet-Lite0 with its ImageNet weights, on photographs, for the best class.

Ours goes through what the peer has done to its own (a ReLU; for pytorch-grad-cam also its scaling and resizing). A line a
method: the lowest correlation of any image; the largest difference of any pixel, each map divided by its largest absolute
value; and `scale`, the peer's largest absolute value over ours (median of the images; 1: the same numbers). Lines that the
file has stay as they are, so a run goes on where one was cut off; `--methods` makes those that it names anew.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from benchmarks.settings import Settings
from cambench import maps
from cambench.explainers import INDEX, Explainer
from cambench.explainers.batch import explain
from cambench.models import efficientnet_lite0
from cambench.vocabulary import UsageError

OURS = {"captum:saliency": ("gradient", "logit"), "grad-cam:finer-cam": ("grad-cam", "finer:released")}
"""The peers' method -> our explainer and target, where they are not the method's own name and the logit."""
DONE = {"torchcam": ["relu"], "captum": [], "pytorch_grad_cam": ["relu", "min-max-library", "resize", "min-max-library"]}
"""Package -> the steps that its maps have gone through."""
MANY, MOST = 200, 5000
"""Forward passes an image from which on the first image alone is taken, and from which on also a layer of few channels."""
LAYER, FEW, CHANNELS = "features", "features.network._blocks.0", 16
"""The network's last maps (1,280 channels, 7×7 cells), the layer of few channels (112×112 cells), and how many."""
FILE = "peers-agreement.csv"
COLUMNS = ("peer", "ours", "layer", "images", "correlation", "difference", "scale", "note")
ALONE = "cambench has no such method"


def photographs(folders: tuple[Path, ...], count: int) -> Tensor:
    """The first photographs of folders, in the order of their paths, as the network sees them (N,3,224,224)."""
    files = sorted(file for folder in folders for file in folder.rglob("*.jpg"))[:count]
    if not files:
        raise UsageError("agreement: expected --photographs FOLDER with files *.jpg, got none.")
    facts = efficientnet_lite0.preprocessing
    steps = [v2.Resize(256), v2.CenterCrop(facts["size"]), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    view = v2.Compose([*steps, v2.Normalize(facts["mean"], facts["std"])])
    return torch.stack([view(Image.open(file).convert("RGB")) for file in files])


def peers() -> list[tuple[Explainer, str, str]]:
    """The explainers of the peers that are installed, with the explainer that each is here, or would be, and its target."""
    here = [entry for entry in INDEX.values() if entry.package in DONE and find_spec(entry.package)]
    return [(entry, *OURS.get(entry.name, (entry.name.partition(":")[2], "logit"))) for entry in here]


def compared(theirs: Tensor, ours: Tensor) -> dict[str, float]:
    """How far maps (N,h,w) agree; NaN for a map that is zero everywhere."""
    peaks = [values.abs().amax((1, 2), keepdim=True) for values in (theirs, ours)]
    a, b = (values.double() / peak for values, peak in zip((theirs, ours), peaks, strict=True))
    correlations = [torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1] for x, y in zip(a, b, strict=True)]
    return {
        "correlation": float(torch.stack(correlations).amin()),
        "difference": float((a - b).abs().amax()),
        "scale": float((peaks[0] / peaks[1]).median()),
    }


def line(model: nn.Module, images: Tensor, theirs: Explainer, ours: str, target: str) -> dict[str, str]:
    """One line of the table; what a peer or we refuse stands in it as its error."""
    if ours not in INDEX:
        return {"peer": theirs.name, "note": ALONE}
    few, size = theirs.passes >= MOST, images.shape[3]
    layer, passes = (FEW, theirs.passes_at(size, CHANNELS)) if few else (LAYER, theirs.passes)
    shown = images[:1] if passes >= MANY else images
    named = ours if target == "logit" else f"{ours} of {target}"
    facts = {"peer": theirs.name, "ours": named, "layer": layer, "images": str(len(shown))}
    try:
        of_peer = explain(model, shown, theirs.name, layer=layer)
        own = explain(model, shown, ours, target, layer=layer)
    except UsageError as e:
        return {**facts, "note": str(e)}
    done = DONE[theirs.package] if theirs.name != "torchcam:cam" else []
    numbers = compared(of_peer, maps.apply(own, done, (of_peer.shape[1], of_peer.shape[2])))
    return {**facts, **{name: f"{number:.3g}" for name, number in numbers.items()}}


def known(file: Path, again: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The lines of earlier runs by their peer, but for those that are made again."""
    if not file.exists():
        return {}
    with file.open(encoding="utf-8", newline="") as lines:
        return {line["peer"]: line for line in csv.DictReader(lines) if line["peer"] not in again}


def run(settings: Settings) -> None:
    """Print the table, a line at a time, and write what there is of it, in the order of the index."""
    model, file = efficientnet_lite0.build().eval(), settings.results / FILE
    images = photographs(settings.photographs, settings.batch)
    settings.results.mkdir(parents=True, exist_ok=True)
    lines, order = known(file, settings.methods), [*INDEX]
    for theirs, ours, target in peers():
        if theirs.name not in lines:
            lines[theirs.name] = line(model, images, theirs, ours, target)
            print(lines[theirs.name], flush=True)
            rows = sorted(lines.values(), key=lambda row: order.index(row["peer"]))
            pd.DataFrame(rows, columns=COLUMNS).to_csv(file, index=False)
