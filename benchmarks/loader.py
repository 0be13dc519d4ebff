"""The evaluation and training views of photographs beside torchvision's transforms: one process, one thread, no workers.

The peer is the loader of the papers' code: Pillow's picture in RGB, torchvision's transforms (v1), a `DataLoader` that
stacks. Photographs are those of `--photographs` (folders with one sub-folder a class); without one, smooth random JPEGs of
ImageNet's usual size. Files are in the system's cache after the warm-up round.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from benchmarks.pairs import Times, interleave, save, show
from benchmarks.settings import Settings, images
from cambench import data
from cambench.data.loader import eval_batches, train_batches
from cambench.data.views import MEAN, STD, View
from cambench.vocabulary import Dataset

IMAGES, BATCH, SIZE, TARGET = 128, 32, 224, 0.8
PEER, OURS = "torchvision on Pillow pictures", "cambench"
NORMALISED = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
EVALUATION, TRAINING = "evaluation", "training"
TRANSFORMS: dict[str, list[Any]] = {
    EVALUATION: [transforms.Resize(256), transforms.CenterCrop(SIZE)],
    TRAINING: [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip()],
}
VIEWS = {EVALUATION: View("resize-center-crop", SIZE), TRAINING: View("random-resized-crop", SIZE, flip=0.5)}


class Pictures(TorchDataset[Any]):
    """What torchvision's `ImageFolder` gives: a transformed picture and its label."""

    def __init__(self, dataset: Dataset, view: str) -> None:
        self.samples = dataset.samples
        self.transform = transforms.Compose([*TRANSFORMS[view], *NORMALISED])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        with self.samples[row].path.open("rb") as file:
            return self.transform(Image.open(file).convert("RGB")), self.samples[row].label


def torchvision(dataset: Dataset, view: str) -> int:
    """The images of one pass of the peer."""
    return sum(len(label) for _, label in DataLoader(Pictures(dataset, view), BATCH, shuffle=view == TRAINING))


def ours(dataset: Dataset, view: str) -> int:
    """The images of one pass of cambench."""
    if view == EVALUATION:
        batches = eval_batches(dataset, VIEWS[view], batch_size=BATCH, workers=0)
    else:
        batches = train_batches(dataset, {"crop": VIEWS[view]}, batch_size=BATCH, seed=0, epoch=0, workers=0)
    return sum(len(batch.label) for batch in batches)


@contextmanager
def photographs(folders: Sequence[Path]) -> Iterator[dict[str, Dataset]]:
    """Up to 128 evenly spaced images of every folder, by its name."""
    with tempfile.TemporaryDirectory() as made:
        folders = folders or [smooth(Path(made) / "smooth random JPEGs")]
        yield {folder.name: few(data.load(f"folder:{folder}", "eval", folder)) for folder in folders}


def few(dataset: Dataset) -> Dataset:
    """Evenly spaced samples."""
    return replace(dataset, samples=dataset.samples[:: max(1, len(dataset) // IMAGES)][:IMAGES])


def smooth(folder: Path) -> Path:
    """JPEGs of 500×375 pixels."""
    (folder / "one").mkdir(parents=True)
    for i, image in enumerate(images(IMAGES, 500)[:, :, :375].mul_(60).add_(128).clamp_(0, 255)):
        Image.fromarray(image.byte().permute(1, 2, 0).numpy()).save(folder / "one" / f"{i:03}.jpg", quality=90)
    return folder


def run(settings: Settings) -> None:
    """Print seconds a pass and the ratio of both views, and save them as `loader.csv`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    tables: dict[str, dict[str, Times]] = {}
    with photographs(settings.photographs) as sets:
        for name, dataset in sets.items():
            for view in VIEWS:
                title = f"{view} view of {len(dataset)} photographs, {name}, one thread"
                contestants = {PEER: lambda d=dataset, v=view: torchvision(d, v), OURS: lambda d=dataset, v=view: ours(d, v)}
                tables[title] = interleave(contestants, settings.rounds)
                show(title, tables[title], PEER, {OURS: TARGET})
    torch.set_num_threads(threads)
    save(settings.results / "loader.csv", tables, PEER, {OURS: TARGET})
