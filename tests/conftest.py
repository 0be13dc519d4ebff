"""Fixtures that every room's tests share."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # the tests' own modules, and `benchmarks`, which is not installed

from typed import Typed, typist  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests run beside one another on few cores."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests, and the processes that they start, remember nothing beyond them."""
    os.environ["CAMBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test of the shared data is skipped where that is not there."""
    if item.get_closest_marker("shared") and not SHARED.is_dir():
        pytest.skip("the shared data is not beside this checkout")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """A function that types a command in this process."""
    return typist(monkeypatch, capsys)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real photographs (imagenet-samples), where the shared data lies beside the checkout."""
    script = SHARED / "data" / "unpack.py"
    if not script.exists():
        pytest.skip("the shared data is not beside this checkout")
    spec = importlib.util.spec_from_file_location("unpack", script)
    assert spec is not None and spec.loader is not None
    unpack = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(unpack)
    folder = tmp_path_factory.mktemp("real")
    unpack.imagenet_samples(folder)
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """The Chromium to drive."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here")
    return found
