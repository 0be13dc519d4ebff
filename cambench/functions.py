"""Functions named by their place, so that an index that names them imports none of their modules."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Function:
    """A function, or its place `module:name`, imported when it is first called; it is called with the options that it takes.

    A constant by its place is what a call of it returns.
    """

    target: str | Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function itself, whose signature is this one's."""
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function

    @property
    def documentation(self) -> str:
        """Its docstring, read off the source of its module, which is not run for it."""
        if not isinstance(self.target, str):
            return inspect.getdoc(self.target) or ""
        module, _, name = self.target.partition(":")
        place = find_spec(module)
        assert place is not None and place.origin is not None
        nodes = ast.parse(Path(place.origin).read_text(encoding="utf-8")).body
        texts = (ast.get_docstring(node) for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name)
        return next(texts, None) or ""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        function = self.__wrapped__
        if not callable(function):
            return function
        known = inspect.signature(function).parameters if self.options else {}
        taken = {name: value for name, value in self.options.items() if name in known}
        return function(*arguments, **{**taken, **keywords})
