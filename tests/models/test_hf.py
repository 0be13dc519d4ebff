"""`hf:PATH`: transformers' classifiers from disk, their preprocessing against the library's, default layers, bad folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.miniatures import picture
from PIL import Image

from cambench.data.stream import cut
from cambench.data.views import View, normalise, windows
from cambench.explainers.batch import explain
from cambench.explainers.probe import check_layer, default_layer
from cambench.models import build, for_inference
from cambench.models.backbones import called, class_names, settled
from cambench.models.preprocessing import preprocessing_of
from cambench.models.source import source_of
from cambench.vocabulary import UsageError

hf = pytest.importorskip("transformers")

VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIZE = {"image_size": 32, "patch_size": 8, "num_labels": 3}
Make = Callable[[], tuple[Any, Any]]


def square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


MAKE: dict[str, Make] = {
    "vit": lambda: (
        hf.ViTForImageClassification(hf.ViTConfig(**VIT, **SIZE)),
        hf.ViTImageProcessor(size=square(32)),
    ),
    "deit": lambda: (
        hf.DeiTForImageClassificationWithTeacher(hf.DeiTConfig(**VIT, **SIZE)),
        hf.DeiTImageProcessor(size=square(40), crop_size=square(32)),
    ),
    "swin": lambda: (
        hf.SwinForImageClassification(
            hf.SwinConfig(
                image_size=32, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4, num_labels=3
            )
        ),
        hf.ViTImageProcessor(size=square(32), resample=3),
    ),
    "convnext": lambda: (
        hf.ConvNextForImageClassification(hf.ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, num_labels=3)),
        hf.ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=0.8, do_normalize=False),
    ),
    "regnet": lambda: (
        hf.RegNetForImageClassification(
            hf.RegNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=4, num_labels=3)
        ),
        hf.ConvNextImageProcessor(size={"shortest_edge": 384}),
    ),
    "efficientnet": lambda: (
        hf.EfficientNetForImageClassification(
            hf.EfficientNetConfig(image_size=64, width_coefficient=0.25, depth_coefficient=0.2, hidden_dim=320, num_labels=3)
        ),
        hf.EfficientNetImageProcessor(size=square(64), rescale_offset=True, rescale_factor=1 / 127.5),
    ),
    "cut": lambda: (
        hf.ResNetForImageClassification(
            hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3)
        ),
        hf.BitImageProcessor(size={"shortest_edge": 72}, crop_size=square(64)),
    ),
}
LAYERS = {
    "vit": ("vit.layers.1.layernorm_before", 4),
    "deit": ("deit.layers.1.layernorm_before", 4),
    "swin": ("swin.layernorm", 8),
    "convnext": ("convnext.encoder.stages.3", 2),
    "regnet": ("regnet.encoder.stages.1", 48),
    "efficientnet": ("efficientnet.encoder.top_activation", 2),
    "cut": ("resnet.encoder.stages.1", 8),
}
"""Name -> default layer, the side of its map at the network's own size."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a network, as save_pretrained writes it."""
    root = tmp_path_factory.mktemp("hf")
    torch.manual_seed(0)
    for name, make in MAKE.items():
        network, processor = make()
        for parameter in network.parameters():
            if parameter.abs().max() < 1e-3:
                torch.nn.init.normal_(parameter, std=0.1)
        network.save_pretrained(root / name)
        processor.save_pretrained(root / name)
    return root


@pytest.mark.parametrize("name", MAKE)
def test_the_logits_are_transformers_own_and_the_default_layer_has_a_map(name: str, folders: Path) -> None:
    arch = f"hf:{folders / name}"
    net = build(arch).eval()
    side = preprocessing_of(arch, net).size
    x = torch.randn(2, 3, side, side)
    twin = hf.AutoModelForImageClassification.from_pretrained(folders / name).eval()
    with torch.no_grad():
        torch.testing.assert_close(net(x), twin(pixel_values=x).logits)
    layer, grid = LAYERS[name]
    assert default_layer(net, x[:1]) == layer
    check_layer(net, layer, x[:1])
    fast = for_inference(net, layer=layer)
    with torch.no_grad():
        torch.testing.assert_close(fast(x), net(x), rtol=1e-3, atol=1e-4)
    maps = explain(fast, x, "hires-cam", layer=layer)
    assert maps.shape == (2, grid, grid) and bool(maps.abs().amax((1, 2)).gt(0).all())


@pytest.mark.parametrize("name", MAKE)
def test_images_are_prepared_as_its_processor_does(name: str, folders: Path, tmp_path: Path) -> None:
    image = Image.open(picture(tmp_path / "x.png", (90, 75)))
    own = preprocessing_of(f"hf:{folders / name}", build(f"hf:{folders / name}"))
    given = own.settings
    view = View(given.get("evaluation", "resize-center-crop"), own.size, own.resize, **own.normalisation._asdict())
    window, size = windows(view, torch.tensor([75]), torch.tensor([90]))
    pixels = cut(image, window, (int(size[0, 0]), int(size[0, 1])), given.get("interpolation", "bilinear"))
    found = normalise(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None], view)[0].numpy()
    twin = hf.AutoImageProcessor.from_pretrained(folders / name)(image, return_tensors="np")["pixel_values"][0]
    assert found.shape == twin.shape
    step = 1 / (255 * min(own.normalisation.std))  # resizing to the whole, then cutting, rounds one pixel otherwise
    assert np.abs(found - twin).max() <= 2.01 * step and np.abs(found - twin).mean() <= 0.5 * step
    assert own.source == "preprocessor_config.json" and own.followed


def test_a_new_head_for_other_classes_also_of_two_tokens(folders: Path) -> None:
    arch = f"hf:{folders / 'deit'}"
    first, again, other = (build(arch, 5, seed=seed) for seed in (1, 1, 2))
    assert first.eval()(torch.randn(1, 3, 32, 32)).shape == (1, 5)
    weights = [net.state_dict()["distillation_classifier.weight"] for net in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    own = build(arch).state_dict()
    assert torch.equal(own["cls_classifier.weight"], build(arch, 3).state_dict()["cls_classifier.weight"])
    with pytest.raises(UsageError, match="torchvision has no weights for it; it brings its own"):
        build(arch, weights="pretrained")


def test_without_a_processor_the_size_is_the_networks_and_the_rest_is_said(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "vit", tmp_path / "vit")
    (tmp_path / "vit" / "preprocessor_config.json").unlink()
    arch = f"hf:{tmp_path / 'vit'}"
    own = preprocessing_of(arch, build(arch))
    assert (own.size, own.source) == (32, "") and "it declares no preprocessing; taken are 32 px" in str(own)
    assert preprocessing_of(arch, build(arch), {"size": 48, "mean": [0.5] * 3}).size == 48


def test_it_is_known_by_its_contents_and_its_folders_name(folders: Path, tmp_path: Path) -> None:
    shutil.copytree(folders / "vit", tmp_path / "vit")
    arch, copy = f"hf:{folders / 'vit'}", f"hf:{tmp_path / 'vit'}"
    assert called(arch) == called(copy) == "hf:vit" and settled(copy) == copy and settled("resnet18") == "resnet18"
    assert source_of(arch) == source_of(copy) != source_of(f"hf:{folders / 'deit'}")
    config = json.loads((tmp_path / "vit" / "config.json").read_text())
    assert class_names(copy) == ()
    config["id2label"] = {"0": "ant", "2": "cat", "1": "bee"}
    (tmp_path / "vit" / "config.json").write_text(json.dumps(config))
    assert class_names(copy) == ("ant", "bee", "cat") and source_of(arch) != source_of(copy)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda folder: shutil.rmtree(folder), "expected a folder that save_pretrained wrote, got nothing there"),
        (lambda folder: (folder / "config.json").unlink(), "got a folder without config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "expected an image classifier of transformers, got "),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b""),
            "expected an image classifier of transformers, got ",
        ),
        (
            lambda folder: (folder / "preprocessor_config.json").write_text('{"image_processor_type": "NoSuch"}'),
            "expected preprocessor_config.json of an image classifier, got ",
        ),
        (
            lambda folder: hf.ViTImageProcessor(size={"height": 32, "width": 48}).save_pretrained(folder),
            "preprocessor_config.json of the network: expected images resized to a square, or cut to one, got size",
        ),
        (
            lambda folder: hf.BitImageProcessor(size={"shortest_edge": 72}, do_center_crop=False).save_pretrained(folder),
            "expected images resized to a square, or cut to one, got size .* crop none",
        ),
    ],
)
def test_a_folder_that_is_no_such_network_is_one_line(
    change: Callable[[Path], object], text: str, folders: Path, tmp_path: Path
) -> None:
    shutil.copytree(folders / "vit", tmp_path / "vit")
    change(tmp_path / "vit")
    arch = f"hf:{tmp_path / 'vit'}"
    with pytest.raises(UsageError, match=text) as caught:
        preprocessing_of(arch, build(arch))
    assert "\n" not in str(caught.value)


@torch.no_grad()
def test_an_image_that_is_too_small_for_swin_does_not_spoil_the_next(tmp_path: Path) -> None:
    config = hf.SwinConfig(
        image_size=32, patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 2], window_size=4, num_labels=3
    )
    hf.SwinForImageClassification(config).save_pretrained(tmp_path)
    network = build(f"hf:{tmp_path}").eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = network(images)
    with pytest.raises(RuntimeError):  # transformers' own: its position biases are of the whole window
        network(torch.zeros(1, 3, 8, 8))
    assert torch.equal(network(images), before)
