"""The table of networks: what is explained by default of all 30, anew; the whole line of small ones."""

from __future__ import annotations

import runpy

import pytest
import torch
from conftest import ROOT
from torch import nn

pytest.importorskip("timm")
pytest.importorskip("transformers")
WRITER = runpy.run_path(str(ROOT / "docs" / "networks.py"), run_name="networks")
HEAD, NAMES, place, row = (WRITER[name] for name in ("HEAD", "NAMES", "place", "row"))
PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
LINES = {line.split("`")[1]: line for line in PAGE.removeprefix(HEAD).splitlines()}
ANEW = "write docs/networks.md anew: python docs/networks.py"
BRANCHY = "torchvision:regnet_y_400mf"
"""Its widths are reckoned with tensors, which a device without numbers refuses."""
NARROW = {"hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 24}
SMALL = ("timm:mobilenetv3_small_050", "timm:regnetx_002", "timm:deit_tiny_distilled_patch16_224")


def network(name: str) -> nn.Module:
    """The network without numbers; one of tokens with some, since only a gradient shows where patches still act."""
    if "h·w, K |" in LINES[name]:
        narrow = NARROW if name in ("hf:ViT", "hf:DeiT") else {}
        made: nn.Module = WRITER["network"](name, **narrow)
        return made
    with torch.device("cpu" if name == BRANCHY else "meta"):
        made = WRITER["network"](name)
    return made.to("meta")


def test_the_page_has_every_network_under_its_heading() -> None:
    assert PAGE.startswith(HEAD), ANEW
    assert list(LINES) == list(NAMES) and len(NAMES) == 30


@pytest.mark.parametrize("name", NAMES)
def test_what_is_explained_by_default_is_what_the_table_says(name: str) -> None:
    model = network(name)
    with torch.device(next(model.parameters()).device):
        assert LINES[name].startswith(place(name, model)), ANEW


@pytest.mark.parametrize("name", SMALL)
def test_the_lines_of_small_networks_are_written_anew(name: str) -> None:
    assert row(name) == LINES[name], ANEW
