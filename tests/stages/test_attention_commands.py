"""The explainers of attention typed as commands, on vision transformers of timm and transformers with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from typed import Typed

from cambench.stages.workplace import Place

timm = pytest.importorskip("timm")
hf = pytest.importorskip("transformers")
ATTENTION = ("attention-rollout", "generic-attention", "legrad")
EXPLAINERS = tuple(word for name in ATTENTION for word in ("-e", name))


def of_timm(folder: Path) -> tuple[str, ...]:
    """timm's smallest, its weights in a file."""
    torch.save(timm.create_model("test_vit", num_classes=3).state_dict(), folder / "vit.pth")
    return ("timm:test_vit", "--weights", str(folder / "vit.pth"))


def of_transformers(folder: Path) -> tuple[str, ...]:
    """A DeiT of two tokens beside the patches, in a folder."""
    sides = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = hf.DeiTConfig(image_size=32, patch_size=8, id2label={0: "cat", 1: "ant", 2: "bee"}, **sides)
    network = hf.DeiTForImageClassificationWithTeacher(config)
    for head in (network.cls_classifier, network.distillation_classifier):
        torch.nn.init.normal_(head.weight)
    network.save_pretrained(folder / "deit")
    hf.DeiTImageProcessor(size={"height": 40, "width": 40}, crop_size={"height": 32, "width": 32}).save_pretrained(
        folder / "deit"
    )
    return (f"hf:{folder / 'deit'}",)


@pytest.mark.parametrize("made", [of_timm, of_transformers])
def test_explain_eval_rank_and_draw(
    made: Callable[[Path], tuple[str, ...]], own: Place, typed: Typed, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network, mine = made(tmp_path), own.data / "mine"
    where = ("--results", own.results, "--device", "cpu", "--workers", 0)
    looked = typed("explain", *network, mine / "val" / "ant", *EXPLAINERS, "--overlay", tmp_path / "overlays", *where)
    assert looked.code == 0, looked.err
    drawn = sorted((tmp_path / "overlays").glob("*.png"))
    assert len(drawn) == 2 * 3 and all(Image.open(file).width > 0 for file in drawn)
    on = ("--dataset", f"folder:{mine}", *where)
    measured = typed("eval", *network, *on, "-m", "deletion:rows=16", *EXPLAINERS, "--json")
    assert measured.code == 0, measured.err
    records = json.loads(measured.out)
    assert [record["explainer"] for record in records] == list(ATTENTION)
    assert all(0 < value["value"] < 1 for record in records for value in record["values"].values())
    ranked = typed("rank", *network, *on, "--preset", "quick", "-m", "deletion:rows=16", *EXPLAINERS, "--json")
    assert ranked.code == 0, ranked.err
    (run,) = (own.results / "runs").iterdir()
    figure = typed(
        "figure", "qualitative", run.name, *EXPLAINERS, "--out", tmp_path / "figure.png", "--results", own.results
    )
    assert figure.code == 0 and (tmp_path / "figure.png").stat().st_size, figure.err


def test_a_class_is_no_matter_of_rollout_and_windows_have_no_attention_to_roll(
    own: Place, typed: Typed, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    where = ("--dataset", f"folder:{own.data / 'mine'}", "--results", own.results, "--device", "cpu", "--workers", 0)
    refused = typed("explain", *of_timm(tmp_path), *where, "-e", "attention-rollout", "-t", "weighted")
    assert refused.code != 0 and "attention-rollout: expected target logit, got weighted" in refused.err
    torch.save(timm.create_model("test_resnet", num_classes=3).state_dict(), tmp_path / "resnet.pth")
    other = typed("explain", "timm:test_resnet", "--weights", tmp_path / "resnet.pth", *where, "-e", "legrad")
    assert other.code != 0 and "expected blocks that attend over all tokens of the image" in other.err
