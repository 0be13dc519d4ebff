"""cambench: a benchmark harness for class-activation-map explanations.

The verbs of the command line are functions of the package (`cambench.api`), `cambench.train` and so on; `cambench.records`
and `cambench.heatmaps` open what they made. The rooms `targets`, `explainers`, `losses`, `metrics` hold the pure functions.
`cambench.report` is the verb; the room of that name is imported with `from cambench.report import …`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cambench.api import claims, compare, evaluate, explain, figure, heatmaps, rank, records, report, reproduce, train

__version__ = "0.5.0"
__all__ = [
    "claims",
    "compare",
    "evaluate",
    "explain",
    "figure",
    "heatmaps",
    "rank",
    "records",
    "report",
    "reproduce",
    "train",
]


def __getattr__(name: str) -> Any:
    """The verbs, imported when asked for: `import cambench` stays cheap."""
    if name in __all__:
        from cambench import api

        return getattr(api, name)
    raise AttributeError(f"module 'cambench' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The verbs and the rooms that are imported, without the names that this module works with."""
    rooms = {n for n, value in globals().items() if isinstance(value, ModuleType) and value.__name__ == f"{__name__}.{n}"}
    return sorted({*__all__, *rooms, *(n for n in globals() if n.startswith("__"))})


class _Package(ModuleType):
    """The package, in which a verb stays a verb: Python binds a room to its name in the package when it imports it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
