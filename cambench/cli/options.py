"""Options that several commands share, each defined once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cambench.stages.workplace import Place

Data = Annotated[Path, typer.Option("--data-root", envvar="CAMBENCH_DATA", help="Where data sets lie.")]
Results = Annotated[Path, typer.Option("--results", envvar="CAMBENCH_RESULTS", help="Where runs, heatmaps and records go.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1.")]
Devices = Annotated[
    int,
    typer.Option("--devices", min=1, help="A process each; several machines by torchrun or srun."),
]
Workers = Annotated[int, typer.Option("--workers", min=-1, help="Decoding processes; -1 chooses.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Bit-equal reruns on one device; slower, refuses what cannot be.")
]
Download = Annotated[bool, typer.Option("--download", help="Allow torchvision and timm to download their weights.")]
Run = Annotated[str, typer.Argument(help="A run's name, a unique prefix, its path, or a given network.")]
RUNS = "Run names, prefixes or paths, torchvision:NAME, timm:NAME, hf:PATH, python:pkg.mod:function."
Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help=RUNS)]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", "-d", help="Data set: a name, NAME:PATH, or folder:PATH; by default the run's own."),
]
Split = Annotated[str, typer.Option("--split", help="Split; eval is the data set's evaluation split.")]
Explainers = Annotated[
    list[str] | None,
    typer.Option("--explainer", "-e", help="NAME[:option=value,…], see cambench ls explainers; repeatable; else grad-cam."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option("--target", "-t", help="See cambench ls targets; may be given several times. By default logit."),
]
Target = Annotated[str, typer.Option("--target", "-t", help="See cambench ls targets.")]
LAST_STAGE = "by default the last convolutional stage"
LAYER = f"Explained layer, or LAYER+LAYER, fused as LayerCAM does; {LAST_STAGE}."
Layer = Annotated[str | None, typer.Option("--layer", help=LAYER)]
Checkpoint = Annotated[
    str, typer.Option("--checkpoint", help="A run's weights: of its last epoch, or of its best by validation accuracy.")
]
ClassSets = Annotated[
    Path | None, typer.Option("--class-sets", help="CSV `class,set` for the target subset:NAME, NAME being the file's.")
]
Again = Annotated[bool, typer.Option("--again", help="Do it anew, whatever is there.")]
MapClasses = Annotated[
    bool, typer.Option("--map-classes", help="Where the data has other classes than the run: those in common, by name.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N images; results are marked partial.")]
Weights = Annotated[Path | None, typer.Option("--weights", help="A file of weights (a state dict or a checkpoint).")]
InputSize = Annotated[
    int | None, typer.Option("--input-size", min=1, help="Pixels a side, of a given network that declares none.")
]
Colours = tuple[float, float, float] | None
Mean = Annotated[Colours, typer.Option("--mean", metavar="R G B", help="Its colours' mean, of pixels in [0,1].")]
Std = Annotated[Colours, typer.Option("--std", metavar="R G B", help="Its colours' standard deviation.")]
Precision = Annotated[str, typer.Option("--precision", help="float32, or bf16 for the network's convolutional trunk.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Images a forward pass.")]
Method = Annotated[str, typer.Argument(help="See cambench ls methods.")]
TrainedOn = Annotated[str, typer.Option("--dataset", "-d", help="Data set: a name, NAME:PATH, or folder:PATH.")]
Arch = Annotated[str | None, typer.Option("--arch", help="See cambench ls archs; by default the recipe's.")]
On = Annotated[str | None, typer.Option("--on", metavar="DATASET", help="A paper's table, on this data instead of its own.")]
ArchThere = Annotated[str | None, typer.Option("--arch", help="With --on: instead of the paper's networks.")]
OnlyMetrics = Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this metric; may be repeated.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seeds initialisation, order and augmentation.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override the recipe: optimizer.lr=0.01.")
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", metavar="KEY=RANGE", help="Draw a key from another range: 'optimizer.lr=3.2e-4..0.2 log'."),
]
Presets = Annotated[
    list[str] | None, typer.Option("--preset", metavar="NAME", help="Named overrides: see cambench ls presets.")
]
Latex = Annotated[bool, typer.Option("--latex", help="LaTeX (booktabs).")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Markdown.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV, numbers of ten digits.")]
Html = Annotated[Path | None, typer.Option("--html", help="One self-contained page: tables, curves, gallery.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

DATA, RESULTS = Path("datasets"), Path("results")


def together(devices: int, place: Place) -> Place:
    """The place of one of several processes; where none was started yet, they are started here and waited for.

    Raises: CambenchError where one of them failed; SystemExit once they are done.
    """
    from cambench import processes
    from cambench.stages import elastic

    if devices > 1 and not processes.started():
        raise SystemExit(elastic.launch(devices, place.device, sys.argv[1:]))
    return elastic.together(place)


def place(
    data: Path, results: Path, device: str = "auto", workers: int = -1, download: bool = False, deterministic: bool = False
) -> Place:
    """The roots, the device and the workers of a command."""
    from cambench.models.memory import keep_heap
    from cambench.stages import workplace

    keep_heap()
    return workplace.place(data, results, device, workers, download, deterministic)
