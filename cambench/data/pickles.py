"""Pickles of plain values. A pickle may name any function to be called on loading: here only containers are let through,
and arrays of bytes by stand-ins of our own.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from cambench.data import readers

CONTAINERS = {
    ("builtins", "dict"), ("builtins", "frozenset"), ("builtins", "list"), ("builtins", "set"),
    ("collections", "OrderedDict"), ("collections", "defaultdict"),
}  # fmt: skip
"""The names that a pickle may look up. Numbers, texts, lists, tuples and dicts need none."""


class _Plain(pickle._Unpickler):  # the one in Python: for a number of a value, the compiled one takes memory up to it
    """Refuses every name but those of containers, before anything of it is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """The container of that name."""
        plain = module.replace("__builtin__", "builtins")  # Python 2's name
        if (plain, name) not in CONTAINERS:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which could run code")
        return super().find_class(plain, name)

    def persistent_load(self, pid: Any) -> NoReturn:
        """Nothing: such values lie outside the file."""
        raise pickle.UnpicklingError("a reference to another file")


class Bytes:
    """Stands in for `numpy.ndarray`: takes the state that an array of uint8 was pickled with, and nothing else."""

    array: NDArray[np.uint8] = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[int, tuple[int, ...], _Type, bool, bytes]) -> None:
        """state: version, shape, type, whether by columns, the values one after another."""
        _, shape, kind, by_columns, raw = state
        if not isinstance(kind, _Type) or kind.name not in ("u1", b"u1") or by_columns:
            raise pickle.UnpicklingError("an array of other values than uint8, row after row")
        self.array = np.frombuffer(raw, np.uint8).reshape(shape)


class _Type:
    """Stands in for `numpy.dtype`."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Byte order and the like, which single bytes have not."""


def _empty(*_: object) -> Bytes:
    """Stands in for numpy's `_reconstruct`: an array that has no state yet."""
    return Bytes()


def _latin1(text: str, encoding: str) -> bytes:
    """Stands in for `codecs.encode`, by which Python 3 writes bytes for Python 2."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy._core.multiarray", "_reconstruct"): _empty,
    ("numpy", "ndarray"): Bytes,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _latin1,
}


class _Arrays(_Plain):
    """Lets arrays of uint8 through as well, as `Bytes`; no function of numpy's is called."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in or the container of that name."""
        return STAND_INS.get((module, name)) or super().find_class(module, name)


def load(path: Path) -> Any:
    """The value of a pickle file that holds nothing but numbers, texts and containers.

    Raises: DataError if it is missing, broken, or names anything else.
    """
    with readers.need(path).open("rb") as file:
        return _loaded(_Plain(file), path, "numbers, texts and containers")


def load_arrays(path: Path) -> Any:
    """As `load`, with arrays of uint8 as `Bytes`. The texts of Python 2 come as bytes.

    Raises: as `load`, also for an array of anything else.
    """
    with readers.need(path).open("rb") as file:
        return _loaded(_Arrays(file, encoding="bytes"), path, "numbers, texts, containers and arrays of uint8")


def _loaded(unpickler: _Plain, path: Path, expected: str) -> Any:
    """The unpickled value."""
    try:
        return unpickler.load()
    except Exception as e:  # a broken pickle raises nearly anything
        got = "one that ends too early" if isinstance(e, EOFError) else str(e) or type(e).__name__
        raise readers.broken(path, f"a pickle of plain {expected}", got) from e
