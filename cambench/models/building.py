"""A network from its name: made, cut, given its weights and its head, the same numbers for the same seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cambench import seeds
from cambench.explainers.probing.calls import SIZES, calls
from cambench.models import timm_networks
from cambench.models.backbones import BRINGING, PYTHON, TIMM, create, resolve
from cambench.models.heads import find_head, head_classes, replace_head
from cambench.models.surgery import operate
from cambench.models.weights import Head, classes_in, load_weights, read_weights, torchvision_file
from cambench.vocabulary import UsageError


def build(
    arch: str,
    num_classes: int | None = None,
    *,
    surgery: Sequence[str] = (),
    weights: Path | str | None = None,
    download: bool = False,
    head: Head = "keep",
    seed: int = 0,
    anew: bool = False,
) -> nn.Module:
    """A network in float32 on the CPU, its random weights a function of `seed` alone; no global generator is moved.

    arch: a name of `arch_names()`, with or without `torchvision:`, `timm:NAME`, `python:pkg.mod:function` or `hf:PATH`.
    `num_classes` None: as many as a file of weights has, else the architecture's own number. weights: None (random),
    "pretrained" (those that torchvision, of ImageNet V1, or timm has for it, loaded before the surgery) or a file (loaded
    after it, or before it where it holds what the surgery takes away). head: a head of another number of classes
    gives way to a new one ("replace") or is an error ("keep"); "fresh" takes none from the file. The own head of a network
    that brings its weights (`python:`, `hf:`) always gives way to one for `num_classes`. anew: random weights in place of
    those that it brings.
    Source of the initialisation: torchvision's (ResNet: He normal, fan-out; no residual batch norm starts at zero), as
    CGC protocol §1.7 asks.
    Raises: UsageError for an unknown name, surgery that does not apply, or weights that do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds.derive(seed, "initial weights"))
        if weights == "pretrained":
            return pretrained(arch, num_classes, surgery, download, head)
        network = fitted(arch, num_classes, seed)
        if weights is not None and num_classes is None and (num_classes := classes_in(Path(weights), network)) is not None:
            network = fitted(arch, num_classes, seed)
        if anew:
            draw_anew(network, arch, seed)
        whole, classifier = network.state_dict(), f"{find_head(network)}."
        operate(network, surgery, arch)
        if weights is None:
            return network
        left = {key: tensor.shape[1:] for key, tensor in network.state_dict().items()}
        removed = {key: t.shape[1:] for key, t in whole.items() if key not in left}
        removed |= {k: t.shape[1:] for k, t in whole.items() if k.startswith(classifier) and left.get(k) != t.shape[1:]}
        uncut = bool(removed) and holds(read_weights(Path(weights), whole), removed)
        network = fitted(arch, num_classes, seed) if uncut else network
        load_weights(network, Path(weights), arch=arch, head=head)
        if uncut:
            operate(network, surgery, arch)
    return network


def holds(state: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> bool:
    """Whether a state has all these keys, of these shapes but for the first number, which may be that of classes."""
    return all(key in state and state[key].shape[1:] == shape for key, shape in shapes.items())


def fitted(arch: str, num_classes: int | None, seed: int) -> nn.Module:
    """The network with a head for `num_classes`; that of a `python:` function which does not count gets a new one.

    Raises: UsageError where the last linear layer is not what gives the network's outputs.
    """
    network = create(arch, num_classes)
    if not arch.startswith(PYTHON) or num_classes is None or head_classes(network) == num_classes:
        return network
    torch.default_generator.manual_seed(seeds.derive(seed, "head"))  # whatever the function did with it
    replace_head(network, num_classes, arch)
    outputs = next((run[-1].made.shape for size in SIZES if (run := calls(network, size))), None)
    if outputs is not None and outputs[1:2] != (num_classes,):
        raise UsageError(
            f"{arch}: expected {num_classes} outputs after a new layer {find_head(network)}, got {tuple(outputs[1:])}; its "
            "classifier is another layer, so let the function take num_classes."
        )
    return network


def draw_anew(network: nn.Module, arch: str, seed: int) -> None:
    """Random weights in place of a network's own, in place, by each module's `reset_parameters`.

    Raises: UsageError naming a module that has weights and no such function.
    """
    torch.default_generator.manual_seed(seeds.derive(seed, "anew"))
    for name, module in network.named_modules():
        reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
        if callable(reset):
            reset()
        elif [*module.parameters(recurse=False)]:
            raise UsageError(
                f"{arch}: model.init = scratch cannot redraw {name or 'it'} ({type(module).__name__}) here, which has "
                "weights and no reset_parameters; begin with its own weights (model.init = own)."
            )


def pretrained(arch: str, num_classes: int | None, surgery: Sequence[str], download: bool, head: Head) -> nn.Module:
    """torchvision's or timm's network with its own weights, with a head for `num_classes`, then cut."""
    name = resolve(arch)
    if name.startswith(BRINGING):
        raise UsageError(
            f"{name}: torchvision has no weights for it; it brings its own (model.init = own), or --weights FILE."
        )
    if name.startswith(TIMM):
        network = timm_networks.pretrained(name, None if head == "keep" else num_classes, download)
    else:
        path = torchvision_file(name, download)
        network = create(name)
        load_weights(network, path, arch=name)
    fit_head(network, num_classes, name, head)
    operate(network, surgery, name)
    return network


def fit_head(network: nn.Module, num_classes: int | None, arch: str, head: Head) -> None:
    """Give the network a head for `num_classes` where it has another. Raises: UsageError if `head` is "keep"."""
    if num_classes is None or head_classes(network) == num_classes:
        return
    if head == "keep":
        own = head_classes(network)
        raise UsageError(f"{arch}: expected weights for {num_classes} classes, got {own}; ask for a new head (fine-tuning).")
    replace_head(network, num_classes, arch)
