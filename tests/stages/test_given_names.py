"""Networks without saying where they are from, images without saying that they are a folder: the error has the mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed import Typed

WRITTEN = {
    "mine:build": "If it is a network, write python:mine:build.",
    "nets/mine.py": "If it is a network, write python:mine:FUNCTION.",
    "ResNet-50": "",
    "resnet50": "If it is a network, write torchvision:resnet50.",
    "cub-cgc": "",
}


@pytest.mark.parametrize("weights", [(), ("--weights", "w.pth")])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_no_run_may_be_a_network(name: str, weights: tuple[str, ...], typed: Typed, tmp_path: Path) -> None:
    refused = typed("eval", name, *weights, "-m", "top1", "--dataset", "folder:photos", "--results", tmp_path)
    assert refused.code == 2 and refused.err.startswith(f"error: no run '{name}'") and refused.err.count("\n") == 1
    assert WRITTEN[name] in refused.err and ("If it is" in refused.err) == bool(WRITTEN[name])


def test_a_folder_is_named_as_one(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    refused = typed("data", "check", "photos")
    assert refused.code == 2 and "in the folder photos write folder:photos." in refused.err
    assert "folder:phots" not in typed("data", "check", "phots").err
    module = typed("eval", "python:mine.py:build", "-m", "top1", "--dataset", "folder:photos", "--results", tmp_path)
    assert module.code == 2 and "among what is installed; leave out .py." in module.err
