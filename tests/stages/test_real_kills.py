"""SIGKILL of a verb's process at random moments, one after another: then done again, it ends as if nothing had happened.

`test_faults.py` ends a verb at a given change of the disk, in the test's own process; here the kernel does it, anywhere.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from dying import artefacts
from forked import started
from verbs import VERBS, begin, fresh

from cambench.cli import main
from cambench.stages.workplace import Place

KILLS = int(os.environ.get("KILLS", "1"))
"""How often each verb is killed; by hand, KILLS=20."""
IN_A_ROW = 4
"""At most so often before it is done to the end."""


def typed(*words: object) -> None:
    """Type a command."""
    sys.argv = ["cambench", *map(str, words)]
    try:
        main()
    except SystemExit as e:
        assert not e.code


def page(place: Place) -> None:
    """A record, and a page of it: that the page is whole is all that is asked, for it has dates."""
    VERBS["eval"](place)
    typed("report", "--html", place.results / "page.html", "--results", place.results, "--data-root", place.data)
    text = (place.results / "page.html").read_text()
    assert text.rstrip().endswith("</html>")
    (place.results / "page.html").write_text("whole")


def make(place: Place) -> None:
    """A small data set."""
    few = ["--classes", 3, "--per-class", 4, "--test-per-class", 4, "--size", 32]
    typed("data", "make", "synthbirds", place.results / "birds", *few)


ACTS: dict[str, Callable[[Place], Any]] = {**VERBS, "report": page, "data make": make}


def quiet(act: Callable[[Place], Any], place: Place) -> None:
    """A verb in a process of its own, in small chunks."""
    torch.set_num_threads(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cambench.stages.measuring.explain.CHUNK", 4)
        patch.setattr("cambench.stages.measuring.rows.COMMIT", 4)
        act(place)


def ended(act: Callable[[Place], Any], place: Place, after: float | None = None) -> int:
    """Do it in a process that is killed after so many seconds, None: not at all. -> its exit code."""
    process = started(quiet, act, place)
    process.join(after)
    process.kill()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Images, and a finished run that nobody writes to."""
    return begin(tmp_path_factory.mktemp("begun"))


@pytest.mark.parametrize("verb", ACTS)
def test_kills_change_nothing_in_the_end(verb: str, begun: Place, tmp_path: Path) -> None:
    act, place, draws = ACTS[verb], fresh(verb, begun, tmp_path / "results"), random.Random(verb)
    began = time.monotonic()
    assert ended(act, place) == 0
    seconds, whole, kills = time.monotonic() - began, artefacts(place.results), 0
    while kills < KILLS:
        place = fresh(verb, begun, tmp_path / "results")
        for _ in range(min(IN_A_ROW, KILLS - kills)):
            code = ended(act, place, draws.uniform(0, 0.9 * seconds))
            assert code in (0, -signal.SIGKILL)
            kills += code == -signal.SIGKILL
        assert ended(act, place) == 0
        assert artefacts(place.results) == whole
