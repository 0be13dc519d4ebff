"""Anyone's own network: `python:pkg.mod:function`, a function that returns an nn.Module."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from cambench.lookup import nearest
from cambench.vocabulary import UsageError


def call_function(spec: str, num_classes: int | None = None) -> nn.Module:
    """Call the function `pkg.mod:function`, with `num_classes=…` if its signature has that name, else with nothing.

    The current directory can be imported from, as with `python -m`. What the function itself raises is passed on.
    Raises: UsageError if there is no such module or function, or it does not return an nn.Module.
    """
    function = find_function(spec)
    wants = "num_classes" in inspect.signature(function).parameters
    network = function(num_classes=num_classes) if wants and num_classes is not None else function()
    if not isinstance(network, nn.Module):
        raise UsageError(f"python:{spec}: expected the function to return a torch.nn.Module, got {type(network).__name__}.")
    return network


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
            raise UsageError(f"python:{spec}: no module {e.name!r} in {here} or among what is installed.") from e
        raise UsageError(f"python:{spec}: {name} needs {e.name!r}, which is not installed.") from e
    except (ImportError, SyntaxError) as e:
        raise UsageError(f"python:{spec}: importing {name} failed: {e}.") from e
