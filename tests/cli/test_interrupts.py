"""Ctrl-C at a change of the disk, whatever the verb: code 130, one line, nothing half-written; the same command goes on."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from data.miniatures import own_folder
from dying import artefacts, failing
from own import SMALL
from typed import Typed

from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place

SETTINGS = [word for text in SMALL for word in ("--set", text)]
VERBS: dict[str, list[str]] = {
    "train": ["train", "cgc", "-d", "folder:{root}/mine", "--arch", "resnet8", *SETTINGS],
    "explain": ["explain", "-e", "grad-cam", "-e", "smoothgrad:samples=2", "--batch-size", "2"],
    "eval": ["eval", "-m", "iauc", "-m", "top1", "--batch-size", "2"],
    "eval --again": ["eval", "-m", "top1", "--again", "--batch-size", "2"],
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Images, and a finished run that nobody writes to."""
    root = tmp_path_factory.mktemp("begun")
    own_folder(root / "mine", parts=("train", "val"))
    place = Place(root, root / "results", "cpu")
    train(TrainJob("ce", f"folder:{root / 'mine'}", "resnet8", overrides=SMALL), place)
    return place


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """SIGINT is an interrupt, though the suite may have been started with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("verb", VERBS)
def test_an_interrupt(verb: str, begun: Place, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambench.stages.measuring.explain.CHUNK", 4)
    monkeypatch.setattr("cambench.stages.measuring.rows.COMMIT", 4)
    results = tmp_path / "results"
    words = [word.format(root=begun.data) for word in VERBS[verb]]
    where = ["--results", results, "--data-root", begun.data, "--device", "cpu"]

    def fresh() -> None:
        shutil.rmtree(results, ignore_errors=True)
        shutil.copytree(begun.results, results)

    fresh()
    with failing(0, "interrupted", monkeypatch) as changes:
        assert typed(*words, *where).code == 0
    whole = artefacts(results)
    fresh()
    with failing(len(changes) // 2, "interrupted", monkeypatch):
        said = typed(*words, *where)
    assert said.code == 130 and said.err.endswith("interrupted; run the same command again, it goes on from here\n")
    assert "Traceback" not in said.err and not said.out
    assert not list(results.rglob("*.tmp")) and not list(results.rglob("*.lock")), "nothing half-written stays"
    assert typed(*words, *where).code == 0
    assert artefacts(results) == whole
