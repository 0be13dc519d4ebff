"""MATLAB files of version 5, read by SciPy once all their elements are known to be such that it can read.

Its compiled reader looks a type up by its number without a look at the number, so that a damaged file ends the process.
Source: MAT-File Level 5 File Format (MathWorks): an element is a tag (type, bytes) and data, padded to 8 bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from math import isfinite, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cambench.data.readers import broken, need, type_of
from cambench.vocabulary import listed

HEADER = 128
UINT32, INT32, MATRIX, COMPRESSED = 6, 5, 14, 15
VALUES = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18})
"""The types of elements that hold numbers or text."""
CELL, STRUCT, OBJECT, TEXT, SPARSE, NUMBERS = 1, 2, 3, 4, 5, range(6, 16)
"""The classes of matrices."""
COMPLEX = 0x800
"""The flag of a matrix of complex numbers."""
DEEPEST, LARGEST = 32, 2**30
"""Matrices inside of one another, and bytes of a compressed variable: more are no annotation."""
Order = Literal["<", ">"]
Part = tuple[int, memoryview]
"""The type and the data of an element."""


def mat(path: Path, key: str) -> Any:
    """The variable `key` of a MATLAB file, structs as dicts and single values as numbers.

    Raises: DataError if the file is missing, no MATLAB file, or has no such variable.
    """
    from scipy.io import loadmat

    data = need(path).read_bytes()
    try:
        check(data)
        content = loadmat(BytesIO(data), simplify_cells=True)  # type: ignore[arg-type]  # the stubs know paths alone
    except Exception as e:  # a damaged file raises nearly anything
        raise broken(path, "a MATLAB file", str(e) or type(e).__name__) from e
    if key not in content:
        names = sorted(k for k in content if not k.startswith("__"))
        raise broken(path, f"the variable {key!r}", listed(names))
    return content[key]


def structs(path: Path, key: str, fields: Mapping[str, type]) -> list[dict[str, Any]]:
    """The fields of a MATLAB struct array, a dict a struct (one struct is a list of one).

    fields: name -> what it holds, as `single`. Raises: DataError where a struct has no such field.
    """
    value = mat(path, key)
    rows = list(value) if isinstance(value, list | tuple) or np.ndim(value) else [value]
    for i, row in enumerate(rows, 1):
        missing = [f for f in fields if f not in row] if isinstance(row, dict) else list(fields)
        if missing:
            raise broken(f"{path}: {key}({i})", f"the fields {', '.join(fields)}", f"none called {missing[0]}")
    return [
        {field: single(row[field], sort, f"{path}: {key}({i}).{field}") for field, sort in fields.items()}
        for i, row in enumerate(rows, 1)
    ]


SORTS = {str: "a text", int: "a whole number", float: "a number"}


def single(value: Any, sort: type, place: str) -> Any:
    """A text (str), a whole number (int), a finite number (float), or whatever it is (object).

    Raises: DataError where `place` holds anything else, an array of them, say.
    """
    if sort is object:
        return value
    if sort is str and isinstance(value, str):
        return str(value)
    is_number = sort is not str and isinstance(value, int | float | np.integer | np.floating | np.bool_)
    if not is_number or not isfinite(value) or sort(value) != value:
        raise broken(place, SORTS[sort], f"{value:g}" if is_number else type_of(value))
    return sort(value)


def texts(path: Path, key: str) -> tuple[str, ...]:
    """A MATLAB cell array of texts. Raises: DataError where it holds anything else."""
    value = mat(path, key)
    cells = list(value) if isinstance(value, list) or (isinstance(value, np.ndarray) and value.ndim == 1) else [value]
    return tuple(str(single(cell, str, f"{path}: {key}")) for cell in cells)


def check(data: bytes) -> None:
    """See that a file holds nothing on which SciPy's reader would end the process. Raises: ValueError, zlib.error."""
    if len(data) < HEADER or 0 in data[:4]:  # those of version 4 begin with a small number
        raise ValueError("one that is not of version 5")
    order: Order = "<" if data[126:128] == b"IM" else ">"
    for kind, body in elements(memoryview(data)[HEADER:], order):
        if kind == COMPRESSED:
            unpacking = zlib.decompressobj()
            plain = memoryview(unpacking.decompress(body, LARGEST))
            if unpacking.unconsumed_tail:
                raise ValueError(f"a variable of more than {LARGEST} bytes")
            for inner, matrix in elements(plain, order):
                check_matrix(inner, matrix, order)
        else:
            check_matrix(kind, body, order)


def elements(data: memoryview, order: Order) -> Iterator[Part]:
    """The elements one after another: type and data. One of up to 4 bytes may have them in its tag.

    Raises: ValueError where one reaches beyond the end or is of no known type.
    """
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError(f"{len(data) - at} bytes where an element begins")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        small = kind >> 16
        kind, size, start = (kind & 0xFFFF, small, at + 4) if small else (kind, size, at + 8)
        if kind not in VALUES | {MATRIX, COMPRESSED} or (small and (small > 4 or kind not in VALUES)):
            raise ValueError(f"an element of the unknown type {kind}")
        if start + size > len(data):
            raise ValueError(f"an element of {size} bytes, of which {len(data) - start} are there")
        yield kind, data[start : start + size]
        at = at + 8 if small else start + size + (-size % 8 if kind != COMPRESSED else 0)


def check_matrix(kind: int, body: memoryview, order: Order, depth: int = 0) -> None:
    """See that a matrix has the elements that one of its class has, which SciPy reads without a look. Raises: ValueError.

    They are: its flags, its dimensions, its name; then values, or the values and matrices of a cell, struct or object.
    """
    if kind != MATRIX or depth > DEEPEST:
        raise ValueError(f"an element of type {kind}, {depth} deep, where a matrix is expected")
    parts = list(elements(body, order))
    if not parts:  # an empty one
        return
    kinds = [inner for inner, _ in parts]
    if kinds[:2] != [UINT32, INT32] or len(parts[0][1]) != 8 or not VALUES.issuperset(kinds[2:3]) or len(kinds) < 3:
        raise ValueError(f"a matrix that begins with elements of the types {kinds[:3]}")
    (flags,), shape = struct.unpack_from(f"{order}I", parts[0][1]), whole_numbers(parts[1][1], order)
    number = flags & 0xFF
    if min(shape, default=-1) < 0 or (number != SPARSE and prod(shape) > len(body)):
        raise ValueError(f"a matrix of {len(body)} bytes with the dimensions {shape}")
    values, matrices = contents(number, bool(flags & COMPLEX), prod(shape), parts[3:], order)
    held = kinds[3 : 3 + values]
    if len(held) < values or not VALUES.issuperset(held) or kinds[3 + values :] != [MATRIX] * matrices:
        raise ValueError(f"a matrix of class {number} with elements of the types {sorted(set(kinds[3:]))}")
    for inner, part in parts[3 + values :]:
        check_matrix(inner, part, order, depth + 1)


def contents(number: int, imaginary: bool, size: int, parts: Sequence[Part], order: Order) -> tuple[int, int]:
    """How many elements of values, and then how many matrices, one of a class holds. size: the product of its dimensions.

    Raises: ValueError for a class that no annotation has.
    """
    if number in NUMBERS:
        return 1 + imaginary, 0
    if number in (TEXT, SPARSE):
        return (1, 0) if number == TEXT else (3 + imaginary, 0)
    if number == CELL:
        return 0, size
    first = {STRUCT: 0, OBJECT: 1}.get(number)  # an object's class comes first
    if first is None or len(parts) < first + 2:
        raise ValueError(f"a matrix of class {number} with {len(parts)} elements")
    (length, *_), names = (*whole_numbers(parts[first][1], order), 0), parts[first + 1][1]
    return first + 2, size * (len(names) // length if length > 0 else 0)


def whole_numbers(data: memoryview, order: Order) -> tuple[int, ...]:
    """Whole numbers of 4 bytes each."""
    return struct.unpack_from(f"{order}{len(data) // 4}i", data)
