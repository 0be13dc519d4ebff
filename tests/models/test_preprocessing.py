"""A network's own preprocessing: every spelling, what is assumed, and one line for what is not understood."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cambench.models import build
from cambench.models.preprocessing import Preprocessing, preprocessing_of
from cambench.pixels import DEFAULT
from cambench.vocabulary import UsageError

HALF = "[0.5, 0.5, 0.5]"
SOURCE = f"""
import torch, torchvision
from torchvision import transforms
class Net(torch.nn.Sequential): pass
def make(**attributes):
    network = Net(torch.nn.Flatten(), torch.nn.Linear(12, 4))
    for name, value in attributes.items(): setattr(network, name, value)
    return network
def silent(): return make()
def timm():
    return make(default_cfg=dict(input_size=(3, 256, 256), crop_pct=0.8, mean={HALF}, std={HALF}, interpolation="bicubic"))
class Cfg: input_size, crop_pct, mean, std, interpolation = (3, 224, 224), 0.875, {HALF}, {HALF}, "bilinear"
def pretrained(): return make(pretrained_cfg=Cfg())
def ours(): return make(preprocessing=dict(size=64, resize=80, mean={HALF}))
def enum(): return make(weights=torchvision.models.Swin_T_Weights.IMAGENET1K_V1)
def on_function(): return make()
on_function.preprocessing = dict(size=48)
def typo(): return make(preprocessing=dict(siez=64))
def two(): return make(preprocessing=dict(mean=[0.5, 0.5]))
def huge(): return make(preprocessing=dict(size="large"))
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ownnets.py").write_text(SOURCE)
    (tmp_path / "declares.py").write_text("from ownnets import silent\npreprocessing = {'size': 32}\n")
    yield
    for name in ("ownnets", "declares"):
        sys.modules.pop(name, None)


def declared_by(name: str, module: str = "ownnets") -> Preprocessing:
    arch = f"python:{module}:{name}"
    return preprocessing_of(arch, build(arch))


HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_every_spelling() -> None:
    timm = declared_by("timm")
    assert (timm.size, timm.resize, timm.normalisation, timm.interpolation) == (256, 320, HALVES, "bicubic")  # ⌊256/0.8⌋
    assert "it declares bicubic, here images are resized bilinearly" in str(timm)
    pretrained = declared_by("pretrained")
    assert (pretrained.size, pretrained.resize, pretrained.normalisation) == (224, None, HALVES), "224/0.875 goes unsaid"
    ours = declared_by("ours")
    assert (ours.size, ours.resize, ours.normalisation) == (64, 80, (HALVES[0], DEFAULT.std))
    enum = declared_by("enum")
    assert (enum.size, enum.resize, enum.normalisation, enum.interpolation) == (224, 232, DEFAULT, "bicubic")
    assert declared_by("on_function").size == 48 and declared_by("silent", "declares").size == 32


def test_what_is_assumed_is_said() -> None:
    silent = declared_by("silent")  # its module imports torchvision's `transforms`, which declares nothing
    assert (silent.size, silent.resize, silent.normalisation, silent.source) == (224, None, DEFAULT, "")
    assert str(silent).startswith("it declares no preprocessing; taken are 224 px and ImageNet's mean (0.485, 0.456, 0.406)")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("typo", "preprocessing of the network: unknown key 'siez'. Did you mean size"),
        ("two", r"preprocessing of the network: expected a number for red, green and blue, got \[0.5, 0.5\]"),
        ("huge", "preprocessing of the network: expected a side in pixels, got 'large'"),
    ],
)
def test_one_line_for_what_is_not_understood(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        declared_by(name)


@pytest.mark.parametrize(
    ("arch", "size", "resize"),
    [
        ("resnet50", 224, None),
        ("vgg16", 224, None),
        ("inception_v3", 299, None),
        ("swin_t", 224, 232),
        ("resnet8", 224, None),
    ],
)
def test_torchvisions_networks_are_asked_for_the_transforms_of_their_weights(
    arch: str, size: int, resize: int | None
) -> None:
    own = preprocessing_of(arch, build("resnet8"))
    assert (own.size, own.resize, own.normalisation) == (size, resize, DEFAULT)
