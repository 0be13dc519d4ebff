"""The entry of a surgery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Surgery:
    """One change: `function(network)` cuts in place and returns False where the network has nothing to cut."""

    function: Callable[[nn.Module], bool]
    summary: str
    needs: str
    source: str
    name: str = ""
