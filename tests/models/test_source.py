"""The source of a `python:` network: its file and those beside it that it imports, whatever else was imported."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from cambench.models.source import source_of
from cambench.vocabulary import UsageError

NET = "import torch\nfrom parts import blocks\ndef build(): return torch.nn.Identity()\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module, a package that it imports and one that it does not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mynet.py").write_text(NET)
    (tmp_path / "other.py").write_text("x = 1\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "blocks.py").write_text("from . import deep\ndef lazy():\n    import late\n")
    (tmp_path / "parts" / "deep.py").write_text("y = 2\n")
    (tmp_path / "late.py").write_text("z = 3\n")
    return tmp_path


def test_an_edit_of_what_it_imports_is_another_source_and_of_other_files_is_not(here: Path) -> None:
    first = source_of("python:mynet:build")
    assert first == source_of("python:mynet:another") and len(first or "") == 16
    (here / "other.py").write_text("x = 2\n")
    assert source_of("python:mynet:build") == first
    seen = {first}
    for name in ("mynet.py", "parts/__init__.py", "parts/blocks.py", "parts/deep.py", "late.py"):
        (here / name).write_text((here / name).read_text() + "# edited\n")
        seen.add(source_of("python:mynet:build"))
    assert len(seen) == 6


def test_a_module_of_a_package_counts_the_package(here: Path) -> None:
    first = source_of("python:parts.blocks:lazy")
    (here / "parts" / "deep.py").write_text("y = 3\n")
    assert source_of("python:parts.blocks:lazy") != first


def test_installed_packages_count_alone_and_nothing_is_imported(here: Path) -> None:
    before = set(sys.modules)
    assert source_of("python:mynet:build") and "mynet" not in sys.modules
    assert source_of("python:h5py.h5f:open") is not None
    assert set(sys.modules) - before <= {"mynet"}


def test_of_cambench_itself_the_networks_own_module_counts_alone() -> None:
    name = "cambench.models.efficientnet_lite0"
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    content = Path(spec.origin).read_bytes()
    alone = hashlib.blake2b(f"{name} {len(content)} ".encode() + content, digest_size=8).hexdigest()
    assert source_of(f"python:{name}:build") == alone


def test_an_edit_after_the_import_is_noticed(here: Path) -> None:
    source_of("python:other:x")
    importlib.import_module("other")
    try:
        (here / "other.py").write_text("x = 2\n")
        with pytest.raises(UsageError, match="python:other: expected the source that this process imported, got another"):
            source_of("python:other:x")
    finally:
        del sys.modules["other"]
    assert source_of("python:other:x")


class Finder:
    """As an editable installation has one: it alone knows where its module lies."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self.path) if name == self.name else None


def test_a_module_is_where_its_own_finder_says(
    here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path_factory.mktemp("elsewhere") / "editable"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text(NET)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder("editable", package / "__init__.py")])
    first = source_of("python:editable.net:build")
    (package / "net.py").write_text(NET + "# edited\n")
    assert first is not None and source_of("python:editable.net:build") not in (first, None)


def test_what_is_not_there_is_one_clear_error(here: Path) -> None:
    with pytest.raises(UsageError, match="no module 'nowhere'"):
        source_of("python:nowhere:build")
    assert source_of("torchvision:resnet18") is None and source_of("resnet50") is None
