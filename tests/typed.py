"""The command line typed in this process: what it prints and the exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cambench.cli import main

ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from cambench.cli import main
answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv, code, out = ["cambench", *arguments], 0, io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main()
        except SystemExit as e:
            code = e.code or 0
    answers.append([code, out.getvalue(), [name for name in sys.modules if "." not in name]])
print(json.dumps(answers))
"""
"""Types commands (JSON) one after another in a process of its own: [[exit code, stdout, packages imported by then], …]."""


@dataclass(frozen=True)
class Said:
    """What a command printed and its exit code."""

    code: int
    out: str
    err: str


Typed = Callable[..., Said]


def typist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """A function that runs `cambench` with the arguments that it is given."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["cambench", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
        return Said(code, *capsys.readouterr())

    return run
