"""How fuzzers run: few examples, the same every time, in the suite; with `FUZZ=3000 pytest -k fuzzed` so many new ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

bounded = settings(
    max_examples=int(os.environ.get("FUZZ", "25")),
    derandomize="FUZZ" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

TOKENS = st.sampled_from(
    ["", "0", "-1", "1", "2", "1e999", "nan", "inf", "9" * 25, "1.5", "²", "٣", "é", "\0", "\ufeff", "../..", "/", "a/b"]
    + ['"', ",", "\t", "\r", "\u2028", "<", "&", "{", "[", "'", "x" * 300, "\x1b[31m", "True", "0x10", "1_0", " "]
) | st.text(max_size=8)
"""Words that are no number, too large a one, or not plain text."""
Edit = Callable[[bytes], bytes]


def replaced_word(data: bytes, at: int, word: str) -> bytes:
    """The text with one of its words, cut at anything that is no letter, digit, dot or dash, replaced."""
    import re

    pieces = re.split(r"([\w.-]+)", data.decode("utf-8", "replace"))
    words = range(1, len(pieces), 2)
    if words:
        pieces[words[at % len(words)]] = word
    return "".join(pieces).encode("utf-8", "surrogatepass")


def moved_line(data: bytes, at: int, how: str) -> bytes:
    """The text with one of its lines left out, doubled, cut in half or put last."""
    lines = data.splitlines(keepends=True) or [b""]
    i = at % len(lines)
    new = {"left out": [], "doubled": [lines[i]] * 2, "cut": [lines[i][: len(lines[i]) // 2]], "last": []}[how]
    return b"".join([*lines[:i], *new, *lines[i + 1 :], *([lines[i]] if how == "last" else [])])


def patched(data: bytes, at: int, length: int, new: bytes) -> bytes:
    """The bytes with a few of them replaced by others."""
    start = at % (len(data) + 1)
    return data[:start] + new + data[start + length :]


PLACES = st.integers(0, 2**16)
EDITS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just(replaced_word), PLACES, TOKENS),
    st.tuples(st.just(moved_line), PLACES, st.sampled_from(["left out", "doubled", "cut", "last"])),
    st.tuples(st.just(patched), PLACES, st.integers(0, 9), st.binary(max_size=9)),
    st.tuples(st.just(patched), PLACES, st.just(2**30), st.just(b"")),
)
BINARY_EDITS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just(patched), PLACES, st.integers(0, 9), st.binary(max_size=9)),
    st.tuples(st.just(patched), PLACES, st.just(1), st.binary(min_size=1, max_size=1)),
    st.tuples(st.just(patched), PLACES, st.just(2**30), st.just(b"")),
)


def edited(data: bytes, edits: list[tuple[Any, ...]]) -> bytes:
    """The bytes after edits, one after another."""
    for edit, *arguments in edits:
        data = edit(data, *arguments)
    return data
