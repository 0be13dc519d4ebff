"""Whatever stands in the place of a value in a MATLAB file, a pickle or a JSON file, it is read or refused as bad data."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.cifar_miniature import python2
from data.test_fuzzed_annotations import LAYOUTS, annotations, read, spec_of
from fuzzing import bounded
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

Way = tuple[Any, ...]
GONE = object()
PLAIN = [GONE, "", "a", "x" * 300, "\0", "../..", "²", 0, -1, 1.5, 7, 2**31, 2**62, 1e300, float("nan"), float("inf"), True]
PLAIN += [[], {}, [1], ["a", 2], [[1, 2], 3], {"a": 1}]
LONG = [None, 10**30, -(10**30), 10**5000]
"""Values that MATLAB's files do not know."""
ARRAYS = [np.zeros((0, 0)), np.arange(6), np.ones((2, 3), np.uint8), np.array([1 + 2j]), np.array(["a", "bb"])]
MATLAB = [*PLAIN, *ARRAYS, np.array([np.nan, 1]), csc_matrix(np.eye(3)), 1j]
PICKLED = [*PLAIN, *LONG, b"", b"\xff", (1, 2), {1}, {(1, 2): 3}, (((), ()), ())]
JSON = [*PLAIN, *LONG[:3], -(10**400)]


def children(tree: Any) -> Mapping[Any, Any]:
    """What a dict or a list holds, by its keys or places."""
    if isinstance(tree, dict):
        return tree
    return dict(enumerate(tree)) if isinstance(tree, list | tuple) else {}


def places(tree: Any) -> Iterator[Way]:
    """The way to every node below a tree's root."""
    for key, child in children(tree).items():
        yield (key,)
        yield from ((key, *rest) for rest in places(child))


def replaced(tree: Any, way: Way, value: Any) -> Any:
    """The tree with another value at one of its nodes, without that node where the value is GONE."""
    if not way:
        return value
    new = {key: replaced(child, way[1:], value) if key == way[0] else child for key, child in children(tree).items()}
    left = {key: child for key, child in new.items() if child is not GONE}
    return left if isinstance(tree, dict) else [*left.values()]


def from_matlab(content: bytes) -> Any:
    """The variables of a MATLAB file."""
    variables = loadmat(BytesIO(content), simplify_cells=True)
    return {key: value for key, value in variables.items() if not key.startswith("__")}


def to_matlab(variables: Any) -> bytes:
    """A MATLAB file."""
    file = BytesIO()
    savemat(file, variables)
    return file.getvalue()


Form = tuple[Callable[[bytes], Any], Callable[[Any], bytes], list[Any]]
FORMS: dict[str, Form] = {
    ".mat": (from_matlab, to_matlab, MATLAB),
    ".pkl": (pickle.loads, pickle.dumps, PICKLED),
    "": (lambda content: pickle.loads(content, encoding="bytes"), python2, PICKLED),
    ".json": (json.loads, lambda tree: json.dumps(tree).encode(), JSON),
}
"""Suffix -> how such a file is read and written, and the values that may stand in it."""
SETS = ["cars", "cars in one folder", "flowers", "unrel", "sbd", "imagenet devkit", "hard-imagenet-balanced", "cifar100"]
SETS += ["folder with a JSON", "folder of classes by JSON"]


@pytest.mark.parametrize("layout", SETS)
def test_fuzzed_values_are_read_or_refused(layout: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("fuzzed")
    LAYOUTS[layout][1](root)
    whole = {path: FORMS[path.suffix][0](path.read_bytes()) for path in annotations(root) if path.suffix in FORMS}
    changes = st.sampled_from([*whole]).flatmap(
        lambda path: st.tuples(
            st.just(path), st.sampled_from([*places(whole[path])]), st.sampled_from(FORMS[path.suffix][2])
        )
    )

    @bounded
    @given(changes)
    def fuzz(change: tuple[Path, Way, Any]) -> None:
        path, way, value = change
        before = path.read_bytes()
        try:
            path.write_bytes(FORMS[path.suffix][1](replaced(whole[path], way, value)))
            read(spec_of(layout, root), root)
        finally:
            path.write_bytes(before)

    for path, tree in whole.items():
        path.write_bytes(FORMS[path.suffix][1](tree))
    read(spec_of(layout, root), root, strict=True)
    fuzz()
