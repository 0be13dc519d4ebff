"""What a terminal and a disk refuse: characters that it cannot show, files that cannot be read or written."""

from __future__ import annotations

import codecs
import io
import logging
import sys
from collections.abc import Sequence

from cambench import processes
from cambench.vocabulary import CambenchError, printable

LOOKALIKE = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "±": "+-",
        "×": "x",
        "…": "...",
        "→": "->",
        "←": "<-",
        "↑": "^",
        "↓": "v",
        "≤": "<=",
        "≥": ">=",
    }
    | {"·": ".", "’": "'", "‘": "'", "“": '"', "”": '"', "λ": "lambda", "δ": "delta", "Δ": "Delta", "σ": "sigma"}
)
"""What stands for a character where it cannot be shown: a minus must not vanish."""
HANDLER = "cambench-lookalike"


def lookalike(error: UnicodeError) -> tuple[str, int]:
    """A codec's error handler: what looks most alike in ASCII, else a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = error.object[error.start : error.end].translate(LOOKALIKE)
    return shown.encode("ascii", "replace").decode("ascii"), error.end


def forgive() -> None:
    """Let stdout and stderr show what they can, where their encoding lacks a character."""
    codecs.register_error(HANDLER, lookalike)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def one_line(text: str) -> str:
    """A text without line breaks and control characters, which the name of a file or a class may hold."""
    return printable(text.replace("\n", "\\n"))


def raise_all(errors: Sequence[CambenchError]) -> None:
    """Print what several things failed of, each reason once, and raise the last. Raises: it."""
    reasons = list({str(error): error for error in errors}.values())
    for error in reasons[:-1] if processes.rank() == 0 else ():
        sys.stderr.write(f"error: {one_line(str(error))}\n")
    if reasons:
        raise reasons[-1]


class OneLine(logging.Formatter):
    """What is logged, as `one_line` has it."""

    def format(self, record: logging.LogRecord) -> str:
        """The message alone."""
        return one_line(record.getMessage())


def refusal(error: OSError) -> str:
    """One line of an operating system's error: the file, and why."""
    reason = error.strerror or str(error) or type(error).__name__
    where = f"{error.filename}: " if error.filename is not None else ""
    return one_line(f"{where}{reason} (--debug shows where)")
