"""What files by torch.save hold, read without running any code that they hold."""

from __future__ import annotations

import pickle
import re
import struct
from argparse import Namespace
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch

from cambench.vocabulary import CambenchError

BEGINNINGS = (b"PK", b"\x80")
"""Of a zip, as torch.save writes it, and of a pickle, as it did before torch 1.6."""
DAMAGED = (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, struct.error, pickle.UnpicklingError)
"""What torch raises at bytes that are none of its own, or that break off."""


class ForeignFileError(CambenchError):
    """A file that torch.save did not write, that is damaged, or that holds code; the message is a part of a sentence."""


def read_tensors(file: Path | BytesIO) -> Any:
    """What a file by torch.save, or its bytes, hold, on the CPU.

    Only tensors and plain containers are unpickled (`weights_only=True`), also of cambench's own files; timm's files hold
    the options of their training as a Namespace.
    Raises: OSError; ForeignFileError that says what it is instead.
    """
    with file.open("rb") if isinstance(file, Path) else BytesIO(file.getvalue()) as begun:
        beginning = begun.read(2)
    if beginning and not beginning.startswith(BEGINNINGS):
        raise ForeignFileError("a file that is not torch.save's")
    try:
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except DAMAGED as e:
        raise ForeignFileError(refusal(e)) from e


def refusal(error: BaseException) -> str:
    """Why torch.load(…, weights_only=True) refused a file, in one whole sentence part: what it holds, and the mend."""
    text = str(error)
    code = re.search(r"Unsupported (?:global|class|type)[^:]*: (?:GLOBAL )?([\w.]+)|GLOBAL ([\w.]+)", text)
    if code is not None:
        name = (code[1] or code[2]).rstrip(".")
        mend = "in the program that wrote it, save the state_dict alone (torch.save(model.state_dict(), FILE))"
        return f"one that holds {name}, which is code and not weights, and code is never run; {mend}"
    inner = re.search(r"WeightsUnpickler error: ([^\n]*)", text)
    if inner is not None:
        return f"a file that is not torch.save's ({shorten(inner[1].rstrip('. '), 120)})"
    first = next(iter(text.splitlines()), "").split(". ")[0].rstrip(". ")
    return f"a damaged file ({shorten(first, 120)})" if first else "an empty file"
