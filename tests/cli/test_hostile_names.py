"""Names that would steer a terminal, leave a folder or follow a link do nothing but show."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from data.miniatures import own_folder, picture
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text
from typed import Typed

from cambench.cli.streams import OneLine
from cambench.stages.housekeeping.removal import planned, remove
from cambench.stages.listing import output, print_rows
from cambench.store.packs import Manifest
from cambench.store.runs import Run
from cambench.vocabulary import printable

TITLE = "\x1b]0;owned\x07\x9b31m\u202e"
SPELLED = r"\x1b]0;owned\x07\x9b31m\u202e"


def test_control_characters_are_spelled_out() -> None:
    assert printable(TITLE) == SPELLED
    assert printable("Ünïcødé 鳥\n\ttab 👩‍🌾") == "Ünïcødé 鳥\n\ttab 👩‍🌾"
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s\nnext", (TITLE,), None)
    assert OneLine().format(record) == rf"{SPELLED}\nnext"


def test_what_is_printed_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"class": f"[red]{TITLE}", "images": "1"}])
    grid = Table(TITLE)
    grid.add_row(Text(TITLE))
    output().print(grid, Text(TITLE))
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\x07" not in out and out.count(r"\x1b]0;own") == 4 and "[red]" in out


def test_hostile_class_and_file_names(typed: Typed, tmp_path: Path) -> None:
    own_folder(tmp_path / "mine", parts=("train", "val"))
    for part in ("train", "val"):
        picture(tmp_path / "mine" / part / TITLE / f"{TITLE}.png")
    (tmp_path / "mine" / "val" / TITLE / f"{TITLE}2.png").write_text("no picture")
    for command in (["check"], ["stats", "--by-class"]):
        said = typed("data", *command, f"folder:{tmp_path / 'mine'}")
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(said.out + said.err)
        assert r"\x1b]0;own" in said.out + said.err and "Traceback" not in said.err


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", ".hidden", "", "a\\b", "a\nb", "a\x1b[2J", "a\0b"])
def test_a_pack_names_nothing_but_files_of_its_run(name: str) -> None:
    facts = {"version": 1, "run": "r", "epoch": 1, "epochs": 1, "bf16": False}
    piece = {"size": 0, "sha256": ""}
    for changed in (
        {"run": name},
        {"files": [{**piece, "name": f"records/{name}.json" if name else "records/", "parts": []}]},
        {"files": [{**piece, "name": f"epoch-1/{name}", "parts": []}]},
        {"files": [{**piece, "name": "run.json", "parts": [{**piece, "name": f"{name}.000"}]}]},
    ):
        with pytest.raises(ValidationError):
            Manifest.model_validate_json(json.dumps({**facts, **changed}))


def test_removing_a_link_leaves_what_it_points_at(tmp_path: Path) -> None:
    elsewhere = Run(tmp_path / "elsewhere" / "cub-ce").save(method="ce", finished=True)
    (tmp_path / "results" / "runs").mkdir(parents=True)
    (tmp_path / "results" / "runs" / "cub-ce").symlink_to(elsewhere.path)
    remove(planned("cub-ce", (), tmp_path / "results"))
    assert not list((tmp_path / "results" / "runs").iterdir()) and (elsewhere.path / "run.json").exists()
