"""What a network of a plan is to a search of its settings."""

from __future__ import annotations

from collections.abc import Sequence

DRAW, BEST, OPEN = "draw", "best draw", "best draw, not decided yet"
"""One of the draws; what the search found; what it will find, until then with the settings of the first draw."""


def words(role: str, drawn: Sequence[str]) -> str:
    """`(draw: lr=0.01)` behind a network's label, of what was drawn as `a.b=value` texts; nothing without a search."""
    if role in ("", OPEN):
        return f"({role})" if role else ""
    pairs = [text.split("=", 1) for text in drawn]
    return f"({role}: {', '.join('='.join((key.rpartition('.')[2], value)) for key, value in pairs)})"
