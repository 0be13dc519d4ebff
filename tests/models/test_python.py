"""`python:pkg.mod:function`: what is called and how, and the sentence for everything that can be missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cambench.models import build
from cambench.vocabulary import UsageError

SOURCE = """
import torch
def plain(): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
def asks(num_classes=9): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, num_classes))
def nothing(): pass
def fails(): raise ZeroDivisionError("inside")
number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynets.py").write_text(SOURCE)
    (tmp_path / "needs.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "half.py").write_text("def f(:\n")
    (tmp_path / "old.py").write_text("from torch import not_a_name_of_torch\n")
    yield
    for name in ("mynets", "needs", "half", "old"):
        sys.modules.pop(name, None)


def classes(spec: str, **options: object) -> int:
    return int(build(spec, **options)(torch.ones(1, 3, 2, 2)).shape[1])  # type: ignore[arg-type]


def test_the_function_is_found_in_the_current_directory_and_called() -> None:
    assert classes("python:mynets:plain") == 4
    assert classes("python:mynets:asks") == 9
    assert classes("python:mynets:asks", num_classes=6) == 6
    assert classes("python:mynets:plain", num_classes=6) == 4  # not ours to change
    assert classes("python:mynets:plain", num_classes=6, head="replace") == 6


def test_weights_from_a_file_and_the_seed_reach_it(tmp_path: Path) -> None:
    first = build("python:mynets:plain", seed=3).state_dict()
    assert torch.equal(first["1.weight"], build("python:mynets:plain", seed=3).state_dict()["1.weight"])
    torch.save(first, tmp_path / "w.pt")
    again = build("python:mynets:plain", weights=tmp_path / "w.pt", seed=8).state_dict()
    assert torch.equal(first["1.weight"], again["1.weight"])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("python:mynets", "expected python:MODULE:FUNCTION"),
        ("python::f", "expected python:MODULE:FUNCTION"),
        ("python:mynetz:plain", "no module 'mynetz' in .* or among what is installed"),
        ("python:mynets.deep:plain", "no module 'mynets.deep'|mynets.deep needs 'mynets.deep'"),
        ("python:needs:f", "needs needs 'not_installed_anywhere', which is not installed"),
        ("python:half:f", "importing half failed: .*invalid syntax"),
        ("python:old:f", "importing old failed: cannot import name 'not_a_name_of_torch'"),
        ("python:mynets:plane", "mynets has no 'plane': .*Did you mean plain"),
        ("python:mynets:number", "expected a function, got int"),
        ("python:mynets:nothing", "to return a torch.nn.Module, got NoneType"),
    ],
)
def test_one_sentence_for_what_is_missing(spec: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        build(spec)
    assert "\n" not in str(caught.value)
    if "import" in text or "module" in text:
        assert caught.value.__cause__ is not None


def test_what_the_function_raises_is_passed_on() -> None:
    with pytest.raises(ZeroDivisionError, match="inside"):
        build("python:mynets:fails")


def test_no_torchvision_weights_for_it() -> None:
    with pytest.raises(UsageError, match="has no weights for it"):
        build("python:mynets:plain", weights="torchvision", download=True)
