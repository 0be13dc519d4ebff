"""Do the peers' maps and ours agree? EfficientNet-Lite0 with its ImageNet weights, on photographs, for the best class.

Ours goes through what the peer has done to its own (a ReLU; for pytorch-grad-cam also its scaling and resizing). A line a
method that both have: the lowest correlation of any image; the largest difference of any pixel, each map divided by its
largest absolute value; and `scale`, the peer's largest absolute value over ours (median of the images; 1: the same numbers).
"""

from __future__ import annotations

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

OURS = {"saliency": "gradient"}
"""The peers' method -> ours, where the names differ."""
DONE = {"torchcam": ["relu"], "captum": [], "pytorch_grad_cam": ["relu", "min-max-library", "resize", "min-max-library"]}
"""Package -> the steps that its maps have gone through."""
ONE, NONE = 200, 5000
"""Forward passes an image from which on the first image alone is taken, and none at all."""
FILE = "peers-agreement.csv"


def photographs(folders: tuple[Path, ...], count: int) -> Tensor:
    """The first photographs of folders, in the order of their paths, as the network sees them (N,3,224,224)."""
    files = sorted(file for folder in folders for file in folder.rglob("*.jpg"))[:count]
    if not files:
        raise UsageError("agreement: expected --photographs FOLDER with files *.jpg, got none.")
    facts = efficientnet_lite0.preprocessing
    steps = [v2.Resize(256), v2.CenterCrop(facts["size"]), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    view = v2.Compose([*steps, v2.Normalize(facts["mean"], facts["std"])])
    return torch.stack([view(Image.open(file).convert("RGB")) for file in files])


def pairs() -> list[tuple[Explainer, str]]:
    """The peer's explainer and ours, of the methods that both have and of the peers that are installed."""
    here = [entry for entry in INDEX.values() if entry.package in DONE and find_spec(entry.package)]
    named = [(entry, entry.name.partition(":")[2]) for entry in here]
    return [(entry, OURS.get(method, method)) for entry, method in named if OURS.get(method, method) in INDEX]


def compared(theirs: Tensor, ours: Tensor) -> dict[str, float]:
    """How far maps (N,h,w) agree."""
    peaks = [values.abs().amax((1, 2), keepdim=True) for values in (theirs, ours)]
    a, b = (values.double() / peak for values, peak in zip((theirs, ours), peaks, strict=True))
    correlations = [float(torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1]) for x, y in zip(a, b, strict=True)]
    return {
        "correlation": min(correlations),
        "difference": float((a - b).abs().max()),
        "scale": float((peaks[0] / peaks[1]).median()),
    }


def line(model: nn.Module, images: Tensor, theirs: Explainer, ours: str) -> dict[str, object]:
    """One line of the table; what a peer or we refuse stands in it as its error."""
    shown = images[:1] if theirs.passes >= ONE else images
    facts: dict[str, object] = {"peer": theirs.name, "ours": ours, "images": len(shown)}
    try:
        of_peer, own = explain(model, shown, theirs.name), explain(model, shown, ours)
    except UsageError as e:
        return {**facts, "note": str(e)}
    done = DONE[theirs.package] if theirs.name != "torchcam:cam" else []
    return {**facts, **compared(of_peer, maps.apply(own, done, (of_peer.shape[1], of_peer.shape[2])))}


def run(settings: Settings) -> None:
    """Print the table, a line at a time, and write what there is of it."""
    model = efficientnet_lite0.build().eval()
    images = photographs(settings.photographs, settings.batch)
    settings.results.mkdir(parents=True, exist_ok=True)
    rows = []
    for theirs, ours in pairs():
        if theirs.passes < NONE:
            rows.append(line(model, images, theirs, ours))
            print(rows[-1], flush=True)
            pd.DataFrame(rows).to_csv(settings.results / FILE, index=False, float_format="%.3g")
