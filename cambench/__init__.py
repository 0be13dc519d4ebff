"""cambench: a benchmark harness for class-activation-map explanations.

The verbs are `cambench.train`, `cambench.explain`, `cambench.evaluate` and `cambench.report`, as on the command line; the
rooms `targets`, `explainers`, `losses`, `metrics` hold the pure functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cambench.stages.api import evaluate, explain, report, train

__version__ = "0.1.0"
__all__ = ["evaluate", "explain", "report", "train"]


def __getattr__(name: str) -> Any:
    """The verbs, imported when first asked for: `import cambench` stays cheap."""
    if name in __all__:
        from cambench.stages import api

        return getattr(api, name)
    raise AttributeError(f"module 'cambench' has no attribute {name!r}")
