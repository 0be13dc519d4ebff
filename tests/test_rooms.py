"""The layers of the design: a room imports only from lower levels, never sideways; files stay short; nothing prints."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import cambench

PACKAGE = Path(cambench.__file__).parent
LEVELS = [
    {"vocabulary", "lookup", "extras", "functions", "seeds", "geometry", "maps", "pixels", "tensors"}
    | {"contrastive", "processes", "files"},
    {"losses", "targets", "options"},
    {"explainers", "metrics"},
    {"models", "data", "recipes", "store"},
    {"objectives", "report"},
    {"stages"},
    {"cli", "api"},
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))
SPECIAL = {"__init__", "__main__"}  # the package's face: they import the stages and the command line, lazily


SUB_ROOMS = {
    "": set(),
    "training": set(),
    "measuring": set(),
    "reporting": set(),
    "reproducing": {"training", "measuring", "reporting"},
    "housekeeping": set(),
}
"""Room within `stages` -> the others whose code it may use, beside the floor of all: the files of `stages` itself."""


def room_of(path: Path) -> str:
    """The room (folder or level-0 file) of a source file."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sub_room_of(path: Path) -> str:
    """The room within `stages`; empty for the floor that all of them share."""
    parts = path.relative_to(PACKAGE / "stages").parts
    return parts[0] if len(parts) > 1 else ""


def imported(tree: ast.AST) -> set[tuple[str, ...]]:
    """The modules of cambench that a file imports, anywhere in it, without the package's own name."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules |= {(*node.module.split("."), alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {tuple(alias.name.split(".")) for alias in node.names}
    return {parts[1:] for parts in modules if parts[0] == "cambench" and len(parts) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    room = room_of(path)
    if room in SPECIAL:
        return
    for other in {parts[0] for parts in imported(ast.parse(path.read_text()))} - {room}:
        assert other in LEVEL, f"{path}: imports {other}, which is no room"
        allowed = LEVEL[other] < LEVEL[room] or (LEVEL[room] == 0 and other == "vocabulary")
        assert allowed, f"{room} (level {LEVEL[room]}) imports {other} (level {LEVEL[other]})"


@pytest.mark.parametrize("path", sorted((PACKAGE / "stages").rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_of_the_stages_know_only_what_they_may(path: Path) -> None:
    room = sub_room_of(path)
    stages = {parts[1] for parts in imported(ast.parse(path.read_text())) if parts[0] == "stages" and len(parts) > 1}
    others = stages & set(SUB_ROOMS) - {room}
    assert others <= SUB_ROOMS[room], f"stages/{room} imports {sorted(others - SUB_ROOMS[room])}"


@pytest.mark.parametrize("init", sorted(PACKAGE.rglob("__init__.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_module_is_shadowed_by_a_name(init: Path) -> None:
    package = ".".join(("cambench", *init.relative_to(PACKAGE).parent.parts))
    modules = {p.stem for p in init.parent.glob("*.py")} | {p.name for p in init.parent.iterdir() if p.is_dir()}
    names = set()
    for node in ast.parse(init.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module != package:
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    assert not names & modules


def test_every_file_belongs_to_a_room() -> None:
    assert {room_of(p) for p in FILES} - SPECIAL == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            assert node.end_lineno is not None
            assert node.end_lineno - body[0].lineno < 40, f"{path.name}: {node.name} has more than 40 lines of code"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_everything_public_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{path} says not what it is"
    for node in [n for body in public(tree) for n in body]:
        assert ast.get_docstring(node), f"{path.name}: {node.name} has no docstring"


def public(tree: ast.Module) -> list[list[ast.FunctionDef | ast.ClassDef]]:
    """The public functions and classes of a file, and the public methods of its classes."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]
    bodies = [tree.body, *(c.body for c in classes)]
    return [[n for n in body if isinstance(n, kinds) and not n.name.startswith("_")] for body in bodies]


def test_contributing_has_the_same_levels() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| \d \| (.*?) \|", text, re.MULTILINE)
    named = [re.findall(r"`(\w+)(?:\.py)?`", re.sub(r"\(.*?\)", "", cell)) for cell in cells]
    assert [set(names) for names in named] == LEVELS
