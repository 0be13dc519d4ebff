"""Every snippet of the pages: Python is run, and every command names what is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer

from cambench.cli import app
from cambench.cli.old import translated
from cambench.data import INDEX, resolve, synthbirds
from cambench.explainers import INDEX as EXPLAINERS
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.recipes.load import METHODS
from cambench.recipes.presets import presets
from cambench.recipes.tables import load_tables
from cambench.stages.workplace import GIVEN
from cambench.targets import find_target

ROOT = Path(__file__).parents[1]
DOCS = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))]
PYTHON = ("README.md", *DOCS)
MEASURED = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "results" / "measured").glob("*.md"))]
PAGES = ("README.md", "datasets/README.md", "CONTRIBUTING.md", *DOCS, *MEASURED)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return [code for name, code in FENCE.findall((ROOT / page).read_text(encoding="utf-8")) if name == language]


def spread(line: str) -> list[str]:
    """`cambench data {ls,check}` -> two commands; a line whose braces are quoted stays one."""
    if "'" in line or "$" in line:
        return [line]
    parts = CHOICE.split(line)
    return ["".join(chosen) for chosen in product(*(p.split(",") if i % 2 else [p] for i, p in enumerate(parts)))]


def as_typed(line: str, text: str) -> list[str]:
    """The words that a shell makes of a line: variables that the page sets are put in, `{a,b}` is two words."""
    for name, value in re.findall(r'^ {4}([A-Z]+)="(.*)"$', text, re.MULTILINE):
        line = re.sub(rf"\${name}\b", lambda _, value=value: value, line)
    words = shlex.split(line.partition("→")[0], comments=True)[1:]
    return [one for word in words for one in ([word] if "'" in line else spread(word))]


def commands() -> list[list[str]]:
    """Every `cambench …` of the pages, as typed: on lines of their own, and in spans of text."""
    every: list[list[str]] = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        fenced = "\n".join(code for name, code in FENCE.findall(text) if not name).replace("\\\n", " ")
        lines = re.findall(r"^(cambench [a-z].*)$", fenced, re.MULTILINE)
        lines += re.findall(r"^ {4}(cambench [a-z].*)$", text, re.MULTILINE)
        spans = re.findall(r"`(cambench [^`]*)`", text)
        every += [as_typed(line, text) for line in lines]
        every += [shlex.split(one, comments=True)[1:] for line in spans for one in spread(line.partition("→")[0])]
    return [command for command in dict.fromkeys(map(tuple, every)) if "…" not in " ".join(command)]  # type: ignore[misc]


def parsed(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and its parameters, nothing being run. Raises: a usage error of the command line."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("cambench", list(arguments), resilient_parsing=True)
    name, rest = arguments[0], list(arguments[1:])
    command = group.get_command(context, name)
    assert command is not None, f"no command {name}"
    if hasattr(command, "commands"):
        name, rest = f"{name} {rest[0]}", rest[1:]
        command = command.get_command(context, name.split()[1])
        assert command is not None, f"no command {name}"
    if not rest:
        return name, {}
    return name, command.make_context(name, rest).params


def placeholder(text: str) -> bool:
    """NAME, RUN, FOLDER: what the reader replaces."""
    return text.upper() == text


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_a_command_of_the_pages_can_be_typed(arguments: tuple[str, ...]) -> None:
    _, typed = parsed(translated(arguments))
    for run in typed.get("runs") or []:
        assert not run.startswith("python:cambench.") or find_spec(run.split(":")[1]), run
        assert run.startswith(GIVEN) or run not in EXPLAINERS, f"{run} is no run"
    metrics = typed.get("metric") or []
    for name in [metrics] if isinstance(metrics, str) else metrics:
        find_metric(name)
    explainers = typed.get("explainer") or []
    for name in [explainers] if isinstance(explainers, str) else explainers:
        find_explainer(name)
    targets = typed.get("target") or []
    for name in [targets] if isinstance(targets, str) else targets:
        find_target(name)
    for name in [typed.get("dataset"), typed.get("on")]:
        if name and not placeholder(name):
            resolve(name)
    for name in typed.get("tables") or []:
        if not placeholder(name.partition("|")[0]):
            load_tables(name)
    for name in typed.get("presets") or []:
        assert name in presets() or placeholder(name)
    if (method := typed.get("method")) and "checkpoint" not in typed and not placeholder(method):
        assert method in METHODS  # that of an added run may be anybody's


def test_there_are_commands() -> None:
    assert len(commands()) > 50


AFTER = {
    "README.md": "assert set(images['prediction'].dropna()) and tables[0].rows and peaks and callable(cambench.report)\n"
    "assert heatmaps.shape == (2, 8, 8) and every.shape == (2, 10, 8, 8)\n",
    "docs/python.md": "assert (len(by_class), len(difference), len(measured), len(share)) == (8, 2, 6, 8) and drawn.shows\n",
}
"""What a page's Python has made, once all of it has run."""


@pytest.mark.parametrize("page", [page for page in PYTHON if blocks(page, "python")])
def test_the_python_of_a_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    """Beside a tiny synthbirds set, one block after the other, as one reader types them."""
    synthbirds.make(tmp_path / "datasets" / "synthbirds", classes=4, per_class=2, test_per_class=2, size=32)
    code = "\n".join([*blocks(page, "python"), AFTER.get(page, "")])
    environment = {k: v for k, v in os.environ.items() if k not in ("CAMBENCH_DATA", "CAMBENCH_RESULTS")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_data_set_has_a_row_in_the_table_of_data_sets() -> None:
    text = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z0-9-]+)(?::PATH)?` \|", text, re.MULTILINE))
    assert named == set(INDEX.built_in)


def test_there_is_python_to_run() -> None:
    assert len(blocks("README.md", "python")) >= 2


def test_a_verb_stays_a_verb_whatever_is_imported() -> None:
    code = (
        "import cambench, cambench.report.formats.html, cambench.stages.reporting.report\n"
        "from cambench.report import Table\n"
        "shown = {n for n in dir(cambench) if not n.startswith('__')}\n"
        "assert {'train', 'explain', 'evaluate', 'report', 'stages'} <= shown, shown\n"
        "assert not shown & {'Any', 'ModuleType', 'TYPE_CHECKING', 'annotations', 'sys', '_Package'}, shown\n"
        "from cambench import api\n"
        "assert cambench.report is api.report and cambench.train is api.train\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_looking_at_the_package_costs_no_torch() -> None:
    code = "import sys, cambench; dir(cambench); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
