"""A results root that nobody may write to: one line and code 1 of what would write, and the rest works."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from data.miniatures import own_folder
from own import SMALL
from typed import Typed
from typer.testing import CliRunner

from cambench.cli import app
from cambench.data import synthbirds
from cambench.stages.housekeeping import packs
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs

NOBODY = 65534
SETTINGS = [word for text in SMALL for word in ("--set", text)]
MINE = ["-d", "folder:{root}/mine", "--arch", "resnet8", *SETTINGS]
WRITES: dict[str, list[str]] = {
    "train": ["train", "cgc", *MINE],
    "train --again": ["train", "ce", *MINE, "--again"],
    "search": ["search", "ce", *MINE, "-m", "top1", "--draws", "1", "--range", "optimizer.lr=1e-3..1e-2"],
    "explain": ["explain", "-e", "gradient"],
    "explain --again": ["explain", "-e", "grad-cam", "--again"],
    "eval": ["eval", "-m", "top5"],
    "eval --again": ["eval", "-m", "iauc", "--again"],
    "report --html": ["report", "--html", "{root}/results/page.html"],
    "figure": ["figure", "qualitative", "--out", "{root}/results/f.png"],
    "pack": ["pack", "{run}", "--out", "{root}/results/pack"],
    "unpack": ["unpack", "{root}/pack"],
    "rm": ["rm", "{run}", "--yes"],
    "add-run": ["add-run", "{weights}", "--method", "inca", *MINE[:4]],
    "data make": ["data", "make", "synthbirds", "{root}/birds", "--classes", "2", "--per-class", "1"],
    "reproduce": ["reproduce", "cgc/6", "--on", "synthbirds", "--rows", "CGC", "--seeds", "1", *SETTINGS[:4]],
}
READS: dict[str, list[str]] = {
    "train of what is finished": ["train", "ce", *MINE],
    "eval of what is measured": ["eval", "-m", "iauc"],
    "explain of what is explained": ["explain", "-e", "grad-cam"],
    "report": ["report"],
    "report --json": ["report", "--json"],
    "claims": ["claims"],
    "ls runs": ["ls", "runs"],
    "ls jobs": ["ls", "jobs"],
    "doctor": ["doctor"],
    "data check": ["data", "check", "folder:{root}/mine"],
    "reproduce --dry-run": ["reproduce", "cgc/6", "--on", "synthbirds", "--dry-run"],
}


@pytest.fixture(scope="module")
def finished() -> Iterator[Place]:
    """Images, a run that is explained and measured, and its pack, in a folder that no one else but root can write to."""
    root = Path(tempfile.mkdtemp())  # pytest's own folders let nobody else in
    own_folder(root / "mine", parts=("train", "val"))
    place = Place(root, root / "results", "cpu")
    train(TrainJob("ce", f"folder:{root / 'mine'}", "resnet8", overrides=SMALL), place)
    works.evaluate_all(works.Works([]), [EvalJob("iauc")], place)
    works.explain_all(works.Works([]), [ExplainJob()], place)
    packs.pack(read_runs(place.results)[0].name, root / "pack", place.results)
    synthbirds.make(root / "synthbirds", classes=2, per_class=2, test_per_class=1, size=32)
    page = ["report", "--html", str(root / "page.html")]
    for words in (page, ["report", "--json"], ["figure", "qualitative", "--out", str(root / "f.png")]):
        made = CliRunner().invoke(app, [*words, "--results", str(place.results), "--data-root", str(root)])
        assert made.exit_code == 0, "and what they import is there, which nobody but root may be able to read"
    yield place
    shutil.rmtree(root)


@pytest.fixture
def read_only(finished: Place, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """This process may read everything there and write nothing."""
    cache = tmp_path_factory.mktemp("cache")
    for name, value in {
        "CAMBENCH_DATA": finished.data,
        "CAMBENCH_RESULTS": finished.results,
        "CAMBENCH_CACHE": cache,
    }.items():
        monkeypatch.setenv(name, str(value))
    every = [finished.data, *finished.data.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0  # whom no mode keeps out
    if root:
        os.seteuid(NOBODY)
    try:
        yield finished
    finally:
        if root:
            os.seteuid(0)
        for path in every:
            path.chmod(0o755 if path.is_dir() else 0o644)


def written(words: list[str], place: Place) -> list[str]:
    """The words of a command with their folders."""
    run = read_runs(place.results)[0]
    device = ["--device", "cpu", "--workers", "0"] if words[0] in ("train", "search", "explain", "eval", "reproduce") else []
    return [word.format(root=place.data, run=run.name, weights=run.path / "last.pt") for word in words] + device


@pytest.mark.parametrize("verb", WRITES)
def test_what_would_write_is_one_line(verb: str, read_only: Place, typed: Typed) -> None:
    before = sorted(read_only.data.rglob("*"))
    said = typed(*written(WRITES[verb], read_only))
    assert said.code == 1 and "Traceback" not in said.err, said.err
    lines = [line for line in said.err.splitlines() if "cannot write" in line or "ermission denied" in line]
    assert len(lines) == 1 and str(read_only.data) in lines[0], said.err
    assert sorted(read_only.data.rglob("*")) == before


@pytest.mark.parametrize("verb", READS)
def test_what_only_reads_works(verb: str, read_only: Place, typed: Typed) -> None:
    said = typed(*written(READS[verb], read_only))
    assert said.code == 0 and "Traceback" not in said.err, said.err
