"""Anyone's own network: `python:pkg.mod:function`, a function that returns an nn.Module."""

from __future__ import annotations

import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from cambench.explainers.probing.layers import unwrapped
from cambench.explainers.probing.outputs import logits_of, two_classes
from cambench.lookup import nearest
from cambench.vocabulary import CambenchError, UsageError

log = logging.getLogger("cambench")

STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def call_function(spec: str, num_classes: int | None = None) -> nn.Module:
    """Call the function `pkg.mod:function`, with `num_classes=…` if its signature has that name, else with nothing.

    Modules of the current directory can be imported, as with `python -m`. The network is unwrapped, in float32, and whatever
    it returns becomes logits (N,C); one sigmoid logit z becomes the logits (0, z) of two classes.
    Raises: UsageError if there is no such module or function, or it wants arguments, raises, or returns no nn.Module.
    """
    function = find_function(spec)
    parameters = signature(function)
    arguments = {"num_classes": num_classes} if "num_classes" in parameters and num_classes is not None else {}
    required = [name for name, p in parameters.items() if p.default is p.empty and p.kind not in STARRED]
    if lacking := [name for name in required if name not in arguments]:
        raise UsageError(
            f"python:{spec}: expected a function without arguments (num_classes aside), got one that wants "
            f"{', '.join(lacking)}; write one that calls it with them, or give them defaults."
        )
    try:
        network = function(**arguments)
    except CambenchError:
        raise
    except Exception as e:
        raise UsageError(f"python:{spec}: expected a network, but the function raised {in_one_line(e)}.") from e
    if not isinstance(network, nn.Module):
        got = type(network).__name__
        raise UsageError(f"python:{spec}: expected the function to return a torch.nn.Module, got {got}.")
    if isinstance(network, torch.jit.ScriptModule):
        raise UsageError(f"python:{spec}: expected a network in Python, got a scripted one, whose layers cannot be watched.")
    return adopted(network, f"python:{spec}", one_class=num_classes == 1)


def signature(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a callable; none where it has no signature, as some classes written in C."""
    try:
        return inspect.signature(function).parameters
    except ValueError:
        return {}


def in_one_line(error: BaseException) -> str:
    """`RuntimeError: its first line`."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def adopted(network: nn.Module, arch: str, *, one_class: bool = False) -> nn.Module:
    """The network itself, out of its wrappers, in float32, with a hook that makes logits (N,C) of what it returns."""
    network = unwrapped(network)
    for module in network.modules():
        module._compiled_call_impl = None  # module.compile() would run past hooks
    tensors = [*network.parameters(), *network.buffers()]
    foreign = {t.dtype for t in tensors if t.is_floating_point() and t.dtype != torch.float32}
    if foreign:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in foreign))
        log.warning("%s: its weights are %s; it runs in float32.", arch, names)
        network = network.float()
    network.register_forward_hook(logits_alone if one_class else as_logits)
    return network


def logits_alone(module: nn.Module, arguments: Any, output: Any) -> Tensor:
    """The hook on a network of one class: its output as logits (N,1)."""
    return logits_of(output)


def as_logits(module: nn.Module, arguments: Any, output: Any) -> Tensor:
    """The hook on a network: its output as logits (N,C), C ≥ 2."""
    logits = logits_of(output)
    return two_classes(logits) if logits.shape[1] == 1 else logits


def find_function(spec: str) -> Callable[..., Any]:
    """The callable named `pkg.mod:function`.

    Raises: UsageError naming what is missing.
    """
    module_name, _, attribute = spec.partition(":")
    if not module_name or not attribute:
        raise UsageError(f"python:{spec}: expected python:MODULE:FUNCTION, for example python:my_networks:build.")
    module = import_module(module_name, spec)
    if not hasattr(module, attribute):
        public = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise UsageError(f"python:{spec}: {module_name} has no {attribute!r}: {nearest(attribute, public, 'function')}")
    function = getattr(module, attribute)
    if not callable(function):
        raise UsageError(f"python:{spec}: expected a function, got {type(function).__name__}.")
    return function  # type: ignore[no-any-return]


def import_module(name: str, spec: str) -> ModuleType:
    """Import a module, from the current directory too.

    Raises: UsageError that tells a missing module from one that fails to import, with the cause chained.
    """
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is not None and (name == e.name or name.startswith(f"{e.name}.")):
            mend = "; leave out .py" if name.endswith(".py") else ""
            raise UsageError(f"python:{spec}: no module {e.name!r} in {here} or among what is installed{mend}.") from e
        raise UsageError(f"python:{spec}: {name} needs {e.name!r}, which is not installed.") from e
    except (ImportError, SyntaxError) as e:
        raise UsageError(f"python:{spec}: importing {name} failed: {e}.") from e
