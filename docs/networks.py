"""Writes docs/networks.md: 30 networks, what is explained of them by default, and by what else: `python docs/networks.py`.

Each has random weights, since nothing in the table depends on them, and looks at one image of noise of its size.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cambench.explainers.batch import explain
from cambench.explainers.probe import default_layer
from cambench.explainers.probing.default import maps
from cambench.explainers.probing.layout import Layout
from cambench.models import build
from cambench.models.preprocessing import SIZE, preprocessing_of
from cambench.vocabulary import UsageError

PAGE = Path(__file__).with_suffix(".md")
BUILT = (
    *("alexnet", "vgg16", "googlenet", "inception_v3", "resnet50", "densenet121", "mobilenet_v3_large", "efficientnet_b0"),
    *("regnet_y_400mf", "convnext_tiny", "swin_t", "maxvit_t", "vit_b_32"),
    *("timm:resnet18", "timm:regnetx_002", "timm:efficientnet_b0", "timm:mobilenetv3_small_050", "timm:convnext_atto"),
    *("timm:swinv2_tiny_window8_256", "timm:maxvit_nano_rw_256", "timm:vit_tiny_patch16_224", "timm:deit_tiny_patch16_224"),
    *("timm:deit_tiny_distilled_patch16_224", "timm:cait_xxs24_224"),
)
B0 = {"image_size": 224, "width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280}
CONFIGURED: dict[str, dict[str, Any]] = {
    "RegNet": {},
    "EfficientNet": B0,
    "ConvNext": {},
    "Swin": {},
    "ViT": {},
    "DeiT": {},
}
"""Of transformers: the configuration, where it is not the one without arguments."""
NAMES = (*(f"torchvision:{name}" if ":" not in name else name for name in BUILT), *(f"hf:{name}" for name in CONFIGURED))
SHAPES = {"channels-first": "K, h, w", "channels-last": "h, w, K", "tokens": "h·w, K"}
"""The kind of a layer's output -> its shape, without the number of images."""
FAMILIES = (
    {"score-map": "closed", "cam": "pooled"},
    {"cmwp": "yes"},
    {"guided-backprop": "yes"},
    {"attention-rollout": "yes"},
)
"""A column each: an explainer of a family that asks for networks of its kind -> what stands there where it explains one."""
HEAD = """# Networks and their maps

What `cambench` explains of a network when you name no layer, and how large the heatmap is, for 30 networks at their own
input size. Any other classifier of torchvision, timm or transformers, and [your own](own-networks.md), is looked at in the
same way: by running it, not by its name.

```
cambench explain torchvision:resnet50 photographs --overlay overlays --download                  # layer4, 7×7
cambench explain torchvision:resnet50 photographs --overlay overlays --download --layer layer3   # 14×14
```

How to read the table:

- **Layer**: the last stage of a network of convolutions, whole, and of one of windows (Swin, MaxViT). Of a network whose
  head reads a class token (ViT, DeiT, CaiT) it is the norm before the last attention: no patch is read above that.
  `--layer` names another, `--layer A+B` several; a layer that has no map is an error that lists some that have.
- **Map**: rows × columns of the raw heatmap. Beside it that of an image half as wide, as tensors in Python may be (`cambench
explain` and `eval` cut images to squares); a dash: the network takes no such image.
- **Output**: of K channels, what the layer gives an image. `2 + h·w, K` are tokens, of which the first two, class and
  distillation (or registers), are at no place: they are left out of the map and stay in the network.

Every network has the CAMs of a layer (`grad-cam`, `hires-cam`, `layer-cam`, `ablation-cam`, `score-cam` …), gradients
(`gradient`, `input-x-gradient`, `integrated-gradients`, `smoothgrad` …) and masks (`occlusion`, `rise` …). Four families
ask for more, and are an error in one line elsewhere:

- **CAM**: of a head that begins with global average pooling. *Closed*: behind that is one linear layer, and Grad-CAM,
  HiResCAM and XGrad-CAM come from its weights too, without a backward pass; `score-map` and `min-max-cam` are for these
  alone. *Pooled*: more stands behind it, a norm or a second layer, of which `cam` takes the gradient.
- **CMWP**: convolutions, ReLUs, pools, residual sums: `cmwp` (contrastive excitation backprop).
- **Guided**: ReLU or ReLU6 and no other activation function: `guided-backprop`, `guided-grad-cam`, `deconvnet`.
- **Attention**: blocks in which every token looks at all of the image: `attention-rollout`, `generic-attention`, `legrad`.

`hf:` stands for `hf:PATH`: here transformers' `ViTForImageClassification` and its like, as their configuration without
arguments makes them (EfficientNet: B0). `python docs/networks.py` writes this page, and a test looks at every network anew.

| network | input | layer | map | half as wide | output | CAM | CMWP | guided | attention |
|---|---|---|---|---|---|---|---|---|---|
"""


def network(name: str, **configuration: Any) -> nn.Module:
    """The network with random weights, in eval mode on the default device. configuration: of transformers' alone."""
    if not name.startswith("hf:"):
        return build(name).eval()
    import transformers

    kind = name.removeprefix("hf:")
    arguments = {**CONFIGURED[kind], **configuration}
    config = getattr(transformers, f"{kind}Config")(**arguments)
    made: nn.Module = getattr(transformers, f"{kind}ForImageClassification")(config)
    return made.eval()


def noise(name: str, model: nn.Module) -> Tensor:
    """An image (1,3,S,S) of the network's own size, on the default device."""
    own = getattr(model.config, "image_size", SIZE) if name.startswith("hf:") else preprocessing_of(name, model).size
    return torch.randn(1, 3, own, own)


def half_as_wide(model: nn.Module, layer: str, image: Tensor) -> str:
    """The layer's grid for the left half of an image, a dash where the network takes no such image.

    A copy looks at it, since transformers' Swin keeps the smaller window that a small image gives it.
    """
    try:
        return grid(maps(deepcopy(model), image[..., : image.shape[3] // 2])[layer])
    except (RuntimeError, AssertionError, ValueError):  # how a network of one size says so
        return "–"


def grid(layout: Layout) -> str:
    """Rows × columns."""
    return "×".join(map(str, layout.grid))


def place(name: str, model: nn.Module) -> str:
    """The line's beginning: what is explained, without a number of the network being looked at but for tokens."""
    image = noise(name, model)
    layer = default_layer(model, image)
    layout = maps(model, image)[layer]
    shape = f"{layout.extra} + {SHAPES[layout.kind]}" if layout.extra else SHAPES[layout.kind]
    size, wide = image.shape[2], half_as_wide(model, layer, image)
    return f"| `{name}` | {size} | `{layer}` | {grid(layout)} | {wide} | {shape} |"


def fitting(model: nn.Module, image: Tensor, family: dict[str, str]) -> str:
    """What stands for the first explainer of a family that explains the network, a dash where none does."""
    for name, mark in family.items():
        try:
            explain(model, image, name)
        except UsageError:
            continue
        return mark
    return "–"


def row(name: str) -> str:
    """The line of a network."""
    torch.manual_seed(0)
    model = network(name)
    for module in model.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():  # a head of zeros, of which nothing has a gradient
            nn.init.normal_(module.weight)
    fits = [fitting(model, noise(name, model), family) for family in FAMILIES]
    return f"{place(name, model)} {' | '.join(fits)} |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    PAGE.write_text(HEAD + "\n".join(map(row, NAMES)) + "\n", encoding="utf-8")
