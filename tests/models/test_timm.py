"""`timm:NAME`: names, weights from the cache or a file, its own preprocessing, its default layer, surgery."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch
from torch import nn

from cambench.explainers.batch import explain
from cambench.explainers.probe import check_layer, default_layer, gap_linear_head
from cambench.models import build, for_inference, resolve
from cambench.models.backbones import class_names
from cambench.models.preprocessing import as_timm, preprocessing_of
from cambench.vocabulary import CambenchError, UsageError

timm = pytest.importorskip("timm")

SMALL = {"img_size": 64, "depth": 2, "embed_dim": 24, "num_heads": 2, "num_classes": 3}
TOKENS = {
    "vit_tiny_patch16_224": (SMALL, (64, 64), "blocks.1.norm1", (4, 4)),
    "vit_tiny_patch16_224, wide": (SMALL | {"img_size": (32, 96)}, (32, 96), "blocks.1.norm1", (2, 6)),
    "vit_base_patch16_reg4_gap_256": (SMALL, (64, 64), "blocks.1.norm2", (4, 4)),
    "deit_tiny_distilled_patch16_224": (SMALL, (64, 64), "blocks.1.norm1", (4, 4)),
    "deit_tiny_distilled_patch16_224, high": (SMALL | {"img_size": (96, 48)}, (96, 48), "blocks.1.norm1", (6, 3)),
    "deit3_small_patch16_224": (SMALL, (64, 64), "blocks.1.norm1", (4, 4)),
}
"""Network of tokens -> its options, its images' height and width, its default layer, the grid there."""
GRIDS = {
    "test_resnet": ({"num_classes": 3}, (64, 96), "layer4", (2, 3)),
    "test_convnext": ({"num_classes": 3}, (96, 64), "stages", (3, 2)),
    "test_efficientnet": ({"num_classes": 3}, (64, 96), "bn2", (2, 3)),
    "regnetx_002": ({"num_classes": 3}, (64, 96), "s4", (2, 3)),
    "swin_tiny_patch4_window7_224": (
        {"img_size": (64, 128), "window_size": 2, "embed_dim": 12, "depths": (1, 1), "num_heads": (2, 2), "num_classes": 3},
        (64, 128),
        "norm",
        (8, 16),
    ),
    "maxvit_nano_rw_256": (
        {"img_size": 64, "embed_dim": (32, 64), "depths": (1, 1), "stem_width": 8, "num_classes": 3},
        (64, 64),
        "norm",
        (8, 8),
    ),
}
"""Network of maps -> likewise."""


def saved(name: str, path: Path, **options: object) -> nn.Module:
    """A network with random weights and its file."""
    from safetensors.torch import save_file

    torch.manual_seed(3)
    network: nn.Module = timm.create_model(name, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), str(path))
    return network


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """timm's smallest network, its weights in Hugging Face's cache as a download leaves them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    own = timm.get_pretrained_cfg("test_resnet")
    repository, commit = tmp_path / f"models--{own.hf_hub_id.replace('/', '--')}", "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    return saved("test_resnet", repository / "snapshots" / commit / "model.safetensors")


def test_a_name_is_found_in_any_spelling_with_or_without_its_tag() -> None:
    assert resolve("timm:ResNet-18") == resolve("timm:resnet18") == "timm:resnet18"
    assert resolve("timm:resnet18.a1_in1k") == "timm:resnet18.a1_in1k"
    for name, text in (
        (
            "timm:resnt18",
            "timm:resnt18: unknown network of timm 'resnt18'. Did you mean .*resnet18.* and 1[0-9]* more",
        ),
        ("timm:resnet18.a9_in1k", r"unknown weights of timm:resnet18 'a9_in1k'. Did you mean .*a1_in1k.*Known: "),
        ("timm:", "unknown network of timm ''"),
    ):
        with pytest.raises(UsageError, match=text) as caught:
            resolve(name)
        assert len(str(caught.value)) < 700


def test_weights_come_from_the_cache_with_their_head_or_a_new_one(cached: nn.Module) -> None:
    own = cached.state_dict()
    found = build("timm:test_resnet", weights="pretrained").state_dict()
    assert all(torch.equal(found[key], own[key]) for key in own)
    anew = build("timm:test_resnet", 3, weights="pretrained", head="replace", seed=1).state_dict()
    again = build("timm:test_resnet", 3, weights="pretrained", head="replace", seed=1).state_dict()
    assert anew["fc.weight"].shape[0] == 3 and torch.equal(anew["fc.weight"], again["fc.weight"])
    assert torch.equal(anew["layer4.0.conv1.weight"], own["layer4.0.conv1.weight"])
    with pytest.raises(UsageError, match="test_resnet: expected weights for 3 classes, got 1000; ask for a new head"):
        build("timm:test_resnet", 3, weights="pretrained")


def test_weights_that_are_not_there_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UsageError, match=r"test_vit: expected its weights \(https://\S*/timm/test_vit\S*\) in the"):
        build("timm:test_vit", weights="pretrained")
    with pytest.raises(UsageError, match="timm:test_coatnet: timm has no weights for it; pass --weights FILE, or begin"):
        build("timm:test_coatnet", weights="pretrained")

    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known\nand more")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(CambenchError, match="fetching https://.* failed: Name or service not known; pass --weights FILE"):
        build("timm:test_vit", weights="pretrained", download=True)


def test_weights_of_a_file_as_timm_writes_them(tmp_path: Path) -> None:
    own = saved("test_resnet", tmp_path / "w.safetensors", num_classes=4).state_dict()
    training = {"epoch": 2, "arch": "test_resnet", "args": argparse.Namespace(lr=0.1), "state_dict_ema": own}
    torch.save(training, tmp_path / "model_best.pth.tar")
    for name in ("w.safetensors", "model_best.pth.tar"):
        found = build("timm:test_resnet", 4, weights=tmp_path / name).state_dict()
        assert all(torch.equal(found[key], own[key]) for key in own)
    (tmp_path / "w.safetensors").write_bytes(b"no tensors")
    for name, text in (("w.safetensors", "expected a file of safetensors, got"), ("gone.safetensors", "cannot be read")):
        with pytest.raises(UsageError, match=text):
            build("timm:test_resnet", 4, weights=tmp_path / name)


def test_its_preprocessing_is_followed() -> None:
    network = timm.create_model("vit_tiny_patch16_224", depth=1)
    own = preprocessing_of("timm:vit_tiny_patch16_224", network)
    halves = {"mean": [0.5] * 3, "std": [0.5] * 3}
    assert own.settings == {"size": 224, "resize": 248, "normalisation": halves, "interpolation": "bicubic"}  # ⌊224/0.9⌋
    assert str(own) == "its own preprocessing (pretrained_cfg): 224 px, mean (0.5, 0.5, 0.5), deviation (0.5, 0.5, 0.5)" or (
        "default_cfg" in str(own)
    )
    squashed = as_timm("pretrained_cfg", {"input_size": (3, 384, 384), "crop_pct": 1.0, "crop_mode": "squash"})
    assert (squashed.size, squashed.resize, squashed.crop, squashed.view) == (384, 384, "squash-center-crop", {})


def test_the_classes_of_its_weights_have_names() -> None:
    names = class_names("timm:resnet18")
    assert len(names) == 1000 and "tench" in names[0]


@pytest.mark.parametrize("name", [*TOKENS, *GRIDS])
def test_the_default_layer_is_the_last_map_through_which_patches_act(name: str) -> None:
    options, size, layer, grid = {**TOKENS, **GRIDS}[name]
    torch.manual_seed(0)
    net = timm.create_model(name.partition(",")[0], **options)
    x = torch.randn(2, 3, *size)
    for parameter in net.parameters():  # zero, or so small that the logits do not depend on the image
        if parameter.abs().max() < 1e-3:
            nn.init.normal_(parameter, std=0.1)
    with torch.no_grad():  # running statistics of its own activations
        net.train()(x)
    net.eval()
    assert default_layer(net, x[:1]) == layer
    check_layer(net, layer, x[:1])
    fast = for_inference(net, layer=layer)
    with torch.no_grad():
        expected = net(x)
        torch.testing.assert_close(fast(x), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    maps = explain(fast, x, "hires-cam", layer=layer)
    assert maps.shape == (2, *grid) and bool(maps.abs().amax((1, 2)).gt(0).all())


@pytest.mark.parametrize(
    ("surgery", "grid"), [("large-map", 4), ("large-map-28", 8), ("calm-head", 2), ("no-head-bias", 2), ("stride-1-stem", 4)]
)
def test_surgery_that_looks_at_the_forward_pass_applies(surgery: str, grid: int) -> None:
    net = build("timm:resnet18", 3, surgery=[surgery]).eval()
    x = torch.randn(1, 3, 64, 64)
    layer = default_layer(net, x)
    assert net(x).shape == (1, 3) and explain(net, x, "hires-cam", layer=layer).shape == (1, grid, grid)
    assert gap_linear_head(build("timm:resnet18", 3).eval(), "layer4", x) is not None


@pytest.mark.parametrize("surgery", ["small-stem", "vgg16-gap", "bare-last-block"])
def test_surgery_that_does_not_apply_is_one_line(surgery: str) -> None:
    with pytest.raises(UsageError, match=f"surgery {surgery} does not apply to timm:test_vit: it needs") as caught:
        build("timm:test_vit", 3, surgery=[surgery])
    assert "\n" not in str(caught.value)
