"""Malformed inputs of every kind: each is one line that names the place, an exit code, and nothing left behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli import malformed
from data.miniatures import own_folder
from own import SMALL
from typed import Said, Typed

SETTINGS = [word for text in SMALL for word in ("--set", text)]


def refused(said: Said, code: int, text: str) -> None:
    """The answer is one line that begins with `error:` and says the text, and the exit code."""
    assert said.code == code, said.err
    assert "Traceback" not in said.err and not said.out
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and re.search(text, errors[0]), said.err


def trained(typed: Typed, root: Path, spec: str, *words: object) -> Said:
    """A training of one small epoch."""
    words = ("train", "ce", "-d", spec, "--arch", "resnet8", *SETTINGS, *words, "--workers", 0, "--device", "cpu")
    return typed(*words, "--data-root", root, "--results", root / "results")


@pytest.mark.parametrize("kind", malformed.LAYOUTS)
def test_annotations(kind: str, typed: Typed, tmp_path: Path) -> None:
    which, spoil, text = malformed.LAYOUTS[kind]
    name, build, place = malformed.SETS[which]
    build(tmp_path)
    spoil(tmp_path / place)
    spec = f"folder:{tmp_path / 'mine'}" if name == "folder" else name
    refused(trained(typed, tmp_path, spec, "--set", "train.validate_epochs=true"), 3, text)
    assert not (tmp_path / "results" / "runs").exists() and not Path("ran").exists()


@pytest.mark.parametrize("kind", malformed.PICTURES)
def test_pictures(kind: str, typed: Typed, tmp_path: Path) -> None:
    own_folder(tmp_path / "mine", parts=("train", "val"))
    spoil, text = malformed.PICTURES[kind]
    spoil(tmp_path / "mine")
    refused(trained(typed, tmp_path, f"folder:{tmp_path / 'mine'}"), 3, text)
    checked = typed("data", "check", f"folder:{tmp_path / 'mine'}")
    assert checked.code == 3 and re.search(f"problem: .*{text}", checked.err)


@pytest.mark.parametrize("kind", malformed.WEIGHTS)
def test_weights(kind: str, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own_folder(tmp_path / "mine", parts=("train", "val"))
    make, text = malformed.WEIGHTS[kind]
    make(tmp_path / "w.pt")
    refused(trained(typed, tmp_path, f"folder:{tmp_path / 'mine'}", "--weights", tmp_path / "w.pt"), 2, text)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", malformed.TRAINING)
def test_settings(kind: str, typed: Typed, tmp_path: Path) -> None:
    own_folder(tmp_path / "mine", parts=("train", "val"))
    words, text = malformed.TRAINING[kind]
    said = typed(
        "train", "ce", "-d", f"folder:{tmp_path / 'mine'}", "--arch", "resnet8", *words, "--results", tmp_path / "r"
    )
    refused(said, 2, re.escape(text))
    assert not (tmp_path / "r").exists()


WORDS: dict[str, tuple[list[str], str]] = {
    "no such metric": (["eval", "-m", "iuac"], "Did you mean iauc"),
    "no such option": (["eval", "-m", "iauc:row=4"], "unknown option of iauc 'row'"),
    "an option without a value": (["eval", "-m", "iauc:rows"], "expected option=value, got 'rows'"),
    "an option of another kind": (["eval", "-m", "iauc:rows=four"], "rows"),
    "an option beyond its range": (["eval", "-m", "iauc:rows=-1"], "rows"),
    "no such explainer": (["explain", "-e", "grad-cams"], "Did you mean grad-cam"),
    "no such target": (["explain", "-t", "verso"], "Did you mean versus"),
    "a target without its argument": (["explain", "-t", "versus"], "versus"),
    "no such table": (["report", "own.toml"], "expected a file, found none there"),
    "no such device": (["eval", "-m", "top1", "--device", "tpu:x"], "no finished run"),
    "a bound turned round": (
        ["search", "cam", "-d", "cub-wsol", "-m", "max-box-acc", "--range", "optimizer.lr=1..0"],
        "LOW < HIGH",
    ),
}


@pytest.mark.parametrize("kind", WORDS)
def test_words(kind: str, typed: Typed, tmp_path: Path) -> None:
    words, text = WORDS[kind]
    refused(typed(*words, "--results", tmp_path / "r", "--data-root", tmp_path), 2, text)


@pytest.mark.parametrize("content", [b"\xff", b"id = ", b"[" * 5000, b"x = 1", b""])
def test_recipes_of_ones_own(content: bytes, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(content)
    for command in ("report", "claims"):
        refused(typed(command, tmp_path / "own.toml", "--results", tmp_path / "r"), 2, "own.toml: ")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a finished run, its maps and a record."""
    from cambench.stages.measuring import works
    from cambench.stages.measuring.rows import EvalJob
    from cambench.stages.training.train import TrainJob, train
    from cambench.stages.workplace import Place

    root = tmp_path_factory.mktemp("whole")
    own_folder(root / "mine", parts=("train", "val"))
    place = Place(root, root / "results", "cpu")
    train(TrainJob("ce", f"folder:{root / 'mine'}", "resnet8", overrides=SMALL), place)
    works.evaluate_all(works.Works([]), [EvalJob("iauc")], place)
    return root


def only(root: Path, pattern: str) -> Path:
    """The file of a pattern."""
    (path,) = (root / "results").glob(pattern)
    return path


def without_its_end(path: Path) -> None:
    """Half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def pickled(path: Path) -> None:
    """A pickle that would run code in place of a file."""
    path.write_bytes(malformed.CODE)


AGAIN = ["eval", "RUN", "-m", "iauc:rows=2"]
"""Another metric of the same maps."""
STORE: dict[str, tuple[str, Callable[[Path], Any], list[str], str]] = {
    "half a run.json": ("runs/*/run.json", without_its_end, ["explain", "RUN"], "run.json: expected JSON, got"),
    "an old run.json": ("runs/*/run.json", lambda p: p.write_text('{"job": {}}'), ["explain", "RUN"], "schema 1"),
    "a list": ("runs/*/run.json", lambda p: p.write_text("[]"), ["explain", "RUN"], "not a run of schema"),
    "an unknown word": ("runs/*/run.json", lambda p: p.write_text('{"schema": 2, "x": 1}'), ["explain", "RUN"], "got 'x'"),
    "half a checkpoint": ("runs/*/last.pt", without_its_end, ["explain", "RUN", "-e", "hires-cam"], "last.pt"),
    "code in a checkpoint": ("runs/*/last.pt", pickled, ["explain", "RUN", "-e", "hires-cam"], "last.pt"),
    "no checkpoint": ("runs/*/last.pt", Path.unlink, ["explain", "RUN"], "expected last.pt in"),
    "half a file of maps": ("heatmaps/*/*.h5", without_its_end, AGAIN, "h5: expected a heatmap file, got"),
    "a text for maps": ("heatmaps/*/*.h5", lambda p: p.write_text("maps"), AGAIN, "a heatmap file"),
    "half a record": ("records/*/*.json", without_its_end, ["eval", "RUN", "-m", "iauc"], "json: expected JSON, got"),
    "an old record": ("records/*/*.json", lambda p: p.write_text('{"schema": 1}'), ["eval", "RUN", "-m", "iauc"], "record"),
    "a record of words": ("records/*/*.json", lambda p: p.write_text('{"schema": 2, "values": "x"}'),
                          ["eval", "RUN", "-m", "iauc"], "expected a record"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STORE)
def test_the_store(kind: str, whole: Path, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole / "results", tmp_path / "results")
    pattern, spoil, words, text = STORE[kind]
    run = only(tmp_path, "runs/*").name
    spoil(only(tmp_path, pattern))
    words = [run if word == "RUN" else word for word in words]
    said = typed(*words, "--results", tmp_path / "results", "--data-root", whole)
    refused(said, 2 if kind == "code" else said.code, text)
    assert said.code in (1, 2) and not (tmp_path / "ran").exists()
