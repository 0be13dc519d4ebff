"""The network of a run, ready to be explained: trained here, or given (`torchvision:`, `timm:`, `python:`, `hf:`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from cambench import models, seeds
from cambench.explainers.batch import place as place_in
from cambench.explainers.entry import Explainer, Prepared
from cambench.explainers.explanation import answer
from cambench.explainers.probe import check_layer, default_layer, gap_linear_head
from cambench.explainers.probing.layers import in_order
from cambench.explainers.query import Explanation, Query
from cambench.models.backbones import BRINGING, DECLARING, PYTHON, called, settled
from cambench.models.habits import first_pass, habits
from cambench.models.heads import without_head
from cambench.models.preprocessing import COMMAND, preprocessing_of
from cambench.models.source import source_of
from cambench.stages import divergence, identity, workplace
from cambench.stages.class_sets import tables
from cambench.stages.progress import say
from cambench.store.checkpoints import ANEW, load_checkpoint
from cambench.store.keys import file_hash, job_key
from cambench.store.provenance import versions
from cambench.store.runs import Run, RunInfo, read_run
from cambench.vocabulary import TARGET, CambenchError, Dataset, UsageError

LAST, BEST = identity.LAST, "best"
INPUT = {"size": "input-size", "mean": "mean", "std": "std"}
"""What a command may say of a given network's input -> its option."""
CHECKPOINTS = (LAST, BEST)
"""A run's weights after its last epoch, and after the one with the best validation accuracy (the earliest of equals)."""


OTHER_SIZE = "choose a metric that looks at images of its own size (ch:scale=1 in place of ch, say)"


class Ready(NamedTuple):
    """A network as one explainer needs it: the layer to explain, and its head or what the explainer prepared of it."""

    entry: Explainer
    model: nn.Module
    layer: str | None
    head: nn.Linear | Prepared | None
    precision: str

    def query(self, target: str = TARGET, dataset: Dataset | None = None, *, training: bool = False) -> Query:
        """What is asked of a batch of a data set's images; its class sets are those that `subset:NAME` names."""
        subsets = None if dataset is None else tables(target, dataset)
        return Query(self.entry, self.layer, self.head, target, subsets, self.precision, training)

    def explain(
        self, images: torch.Tensor, target: str, classes: torch.Tensor | None, dataset: Dataset, *, training: bool = False
    ) -> Explanation:
        """The raw maps of a batch (N,3,H,W) of a data set's images for classes (N,), None for each image's best class.

        training: as `explainers.explain_batch`, which says the rest. Every map of a run's network is made here.
        """
        return answer(self.model, images, self.query(target, dataset, training=training), classes)


@dataclass(frozen=True)
class Loaded:
    """A run's network for inference: folded and laid out, its explained layer, its GAP + linear head (or None).

    original: the network as it was built, on the CPU. named: whether the command named the layer.
    checkpoint: of which epoch its weights are, `last` or `best`. input: what its recipe says of the input, or what a given
    network declares, in the same keys. notes: sentences that must stand beside its numbers.
    """

    run: Run
    model: nn.Module
    layer: str
    head: nn.Linear | None
    size: int
    device: str
    precision: str
    weights_hash: str
    original: nn.Module
    input: Mapping[str, Any]
    named: bool = False
    checkpoint: str = LAST
    notes: tuple[str, ...] = ()

    def layer_of(self, explainer: Explainer) -> str:
        """The layer that an explainer explains: the one named, else the explainer's own default, else the run's."""
        return self.layer if self.named or explainer.layer.own is None else explainer.layer.own(self.original)

    def unfolded(self, layer: str) -> nn.Module:
        """A fresh copy with its batch norms and float32 weights, in eval mode on the device, which may be changed."""
        return models.for_inference(self.original, layer=layer, fold=False).to(self.device)

    def ready_for(self, explainer: Explainer) -> Ready:
        """The network as the explainer needs it."""
        layer = self.layer_of(explainer)
        if explainer.layer.prepare is None:
            return Ready(explainer, self.model, layer, self.head, self.precision)
        model = self.unfolded(layer)
        image = torch.zeros(1, 3, self.size, self.size, device=self.device)
        with self.autocast():
            layer_and_head = place_in(model, image, explainer, layer, self.size)
        return Ready(explainer, model, *layer_and_head, self.precision)

    def check_size(self, size: int) -> None:
        """See that the network takes images of another size than its own.

        Raises: UsageError where it does not, as most vision transformers.
        """
        if size != self.size:
            with first_pass(self.run.info.arch, size, OTHER_SIZE):
                self.logits(torch.zeros(1, 3, size, size, device=self.device))

    def autocast(self) -> torch.autocast:
        """The precision in which the network runs."""
        return torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.precision == "bf16")

    def source(self, place: workplace.Place) -> dict[str, Any]:
        """How the batches are read that the network looks at: options of the loader."""
        return {"device": self.device, "workers": place.workers, "cache": place.results / "cache"}

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) -> logits (N,C) float32, without a graph."""
        with torch.inference_mode(), self.autocast():
            logits: torch.Tensor = self.model(image)
        return logits.float()

    def features(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function: image (N,3,H,W) -> what the linear classifier is fed with (N,d) float32, without a graph.

        Raises: UsageError for a network without a linear classifier.
        """
        encoder = without_head(self.model)

        def encoded(image: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode(), self.autocast():
                rows: torch.Tensor = encoder(image)
            return rows.flatten(1).float()

        return encoded


def open_run(spec: str, place: workplace.Place, weights: Path | None = None, input: Mapping[str, Any] | None = None) -> Run:
    """The run that RUN names; a given network becomes a run once it was built (`load_network`).

    input: what a command says of a given network's input: its `size`, `mean`, `std`.
    """
    if spec.startswith(workplace.GIVEN):
        return given_run(settled(spec), place, weights, input)
    run = workplace.known_run(spec, place.results)
    if weights is not None:
        raise UsageError(f"--weights {weights}: expected a given network, got the run {spec}, which has weights of its own.")
    if input:
        raise UsageError(f"--{INPUT[min(input)]}: expected a given network, got the run {spec}, whose recipe says it.")
    return run


def given_run(spec: str, place: workplace.Place, weights: Path | None, input: Mapping[str, Any] | None = None) -> Run:
    """The folder of a given network, so that its heatmaps and records have a place; nothing is trained or written yet."""
    if weights is not None and not weights.is_file():
        raise UsageError(f"--weights {weights}: expected a file of weights, found none there.")
    described = identity.of_given(spec, file_hash(weights) if weights else None, source_of(spec), input)
    path = place.results / "runs" / f"{workplace.slug(called(spec))}-{job_key(described)}"
    from_file = str(weights.resolve()) if weights else None
    if (path / "run.json").exists():
        known = read_run(path)
        return replace(known, info=replace(known.info, arch=spec, weights=from_file))
    info = RunInfo(
        kind="given",
        method="pretrained",
        arch=spec,
        weights=from_file,
        input=input or {},
        job=described,
        versions=versions(),
        finished=True,
    )
    return Run(path, info)


def load_network(
    run: Run, place: workplace.Place, *, layer: str | None = None, precision: str = "float32", checkpoint: str = LAST
) -> Loaded:
    """Build the run's network, load its weights, prepare it for inference.

    Raises: UsageError for a layer or checkpoint that does not exist; CambenchError for a run that is not finished or a
    foreign checkpoint.
    """
    check_source(run)
    known = given(run, place, checkpoint) if run.info.kind == "given" else trained(run, checkpoint)
    model, given_input, weights = known
    size = given_input["size"]
    image = torch.randn(1, 3, size, size, generator=seeds.generator("layer"))
    with first_pass(run.info.arch, size):
        notes = habits(model, size) if run.info.arch.startswith(PYTHON) else []
        named, layer = layer is not None, run.info.layer or default_layer(model, image) if layer is None else layer
        layers = in_order(model, layer)
        for one in layers if named else ():
            check_layer(model, one, image)
        layer = "+".join(layers)
        own_head = gap_linear_head(model, layer, image, training=False)
    for sentence in notes:
        say(f"{run.name}: note: {sentence}.")
    device = workplace.device(place.device)
    ready = models.for_inference(model, layer=layer, precision=precision).to(device)  # type: ignore[arg-type]
    head = head_in(ready, model, own_head, device)
    if run.info.kind == "given" and run.info.layer is None and not named:
        run = run.save(layer=layer)
    elif not (run.path / "run.json").exists():
        run = run.save()
    facts = (size, device, precision, weights, model, given_input, named, checkpoint, tuple(notes))
    return Loaded(run, ready, layer, head, *facts)


def head_in(ready: nn.Module, model: nn.Module, head: nn.Linear | None, device: str) -> nn.Linear | None:
    """The GAP + linear head of a model in its copy for inference; one that is made of a single logit is in neither."""
    name = next((n for n, m in model.named_modules() if m is head), None)
    if head is None or name is None:
        return head if head is None else head.to(device)
    copied = ready.get_submodule(name)
    assert isinstance(copied, nn.Linear)
    return copied


def check_source(run: Run) -> None:
    """See that a `python:` network is built by the source that the run knows: another one may be another network.

    Raises: CambenchError where its module was edited since, whatever was edited.
    """
    known, now = run.info.job.get("source"), source_of(run.info.arch)
    if known == now:
        return
    given = run.info.kind == "given"
    mend = f"name {run.info.arch} itself" if given else "train again (the edited module is another run)"
    raise CambenchError(
        f"{run.name}: expected the source of {run.info.arch} that the run was made with ({known}), got another ({now}): "
        f"the module was edited; put it back as it was, or {mend}."
    )


def trained(run: Run, checkpoint: str = LAST) -> tuple[nn.Module, Mapping[str, Any], str]:
    """The network of a finished training at its last or best epoch, or of an added checkpoint, its input, its hash."""
    path, recipe = checkpoint_of(run, checkpoint), run.info.recipe
    known = weights_hash(load_checkpoint(path)["model"])
    model = models.build(recipe["arch"], len(run.info.class_names), surgery=recipe["model"]["surgery"], weights=path)
    return model, recipe["input"], known


def checkpoint_of(run: Run, checkpoint: str = LAST) -> Path:
    """The file of a finished run's weights.

    Raises: CambenchError for a run that is not finished or whose file is gone, UsageError for an epoch that it has not.
    """
    path = run.path / f"{checkpoint}.pt"
    if not run.finished and (why := divergence.stopped(run)) is not None:
        raise CambenchError(
            f"{run.name}: expected a finished run, got one that {why[0].lower()}{why[1:]}. {divergence.GENTLER}"
        )
    if not run.finished:
        raise CambenchError(
            f"{run.name}: expected a finished run, got one that stopped early; run its `cambench train` again."
        )
    if not path.is_file() and checkpoint == LAST:
        raise CambenchError(
            f"{run.name}: expected {path.name} in {run.path}, found none: it was moved or deleted; put it back, or {ANEW}."
        )
    if not path.is_file():
        raise UsageError(
            f"{run.name}: expected {path.name}, found none: the run validated no epoch; use --checkpoint {LAST}, or train "
            "it with --set train.validate_epochs=true."
        )
    return path


def given(run: Run, place: workplace.Place, checkpoint: str = LAST) -> tuple[nn.Module, Mapping[str, Any], str]:
    """A given network with its own head and preprocessing; torchvision's and timm's weights unless a file is named."""
    if checkpoint != LAST:
        raise UsageError(f"{run.name}: expected --checkpoint {LAST}, got {checkpoint}; a given network has only one.")
    arch, file = run.info.arch, run.info.weights
    weights: Path | str | None = Path(file) if file else (None if arch.startswith(BRINGING) else "pretrained")
    model = models.build(arch, weights=weights, download=place.download)
    own = preprocessing_of(arch, model, run.info.input)
    if own.source in ("", COMMAND) or arch.startswith(DECLARING):
        say(f"{arch}: {own}")
    return model, own.settings, weights_hash(model.state_dict())


def weights_hash(state: dict[str, torch.Tensor]) -> str:
    """16 hex digits over the names and values of a network's weights: what a heatmap file was computed from."""
    digest = hashlib.blake2b(digest_size=8)
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
