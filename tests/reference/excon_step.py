"""One training step of ExConB, slowly: mask by mask, pair by pair (ExCon protocol §1.2–1.4)."""

from __future__ import annotations

import torch
from reference import excon
from torch import Tensor, nn
from torch.nn.functional import interpolate


def features(model: nn.Module, image: Tensor) -> Tensor:
    """The encoder of a CIFAR ResNet, unit by unit."""
    x = torch.relu(model.bn1(model.conv1(image)))
    for stage in (model.layer1, model.layer2, model.layer3):
        x = stage(x)
    return x.mean((2, 3))


def explained(model: nn.Module, layer: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Grad-CAM of the label's logit for every image, signed, one after another; the batch norms couple the images."""
    kept = []
    handle = layer.register_forward_hook(lambda _m, _i, output: kept.append(output))
    logits = model.fc(features(model, images))
    handle.remove()
    (gradient,) = torch.autograd.grad(sum(logits[i, y] for i, y in enumerate(labels)), kept[0])
    heat = []
    for a, g in zip(kept[0].detach(), gradient, strict=True):
        heat.append(sum(g[k].mean() * a[k] for k in range(len(a))))
    return heat


def masked_image(image: Tensor, heat: Tensor) -> Tensor:
    """x_M: pixels whose heat, up-sampled and scaled to [0,1], is above ½; the mean colour elsewhere."""
    side = image.shape[1:]
    big = interpolate(heat[None, None], size=side, mode="bilinear", align_corners=False)[0, 0]
    scaled = (big - big.min()) / (big.max() - big.min() + 1e-8)
    result = torch.zeros_like(image)
    for row in range(side[0]):
        for column in range(side[1]):
            if scaled[row, column] > 0.5:
                result[:, row, column] = image[:, row, column]
    return result


def pairs(
    model: nn.Module, layer: nn.Module, views: dict[str, Tensor], labels: Tensor, train: bool
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Column 1, column 2 and the background; the protocol's r1 and r2 are `second` and `first`.

    train: the mode of the encoder in the passes that come before the loss.
    """
    model.train(train)
    images = views["standard"]
    parts = [masked_image(x, h) for x, h in zip(images, explained(model, layer, images, labels), strict=True)]
    with torch.no_grad():
        predicted = model.fc(features(model, torch.stack(parts))).argmax(1)
        features(model, images)  # in train mode: the third pass that moves the running statistics
    model.train()
    one, two, behind = [], [], []
    for i, label in enumerate(labels):
        one.append(parts[i] if predicted[i] == label else views["first"][i])
        two.append(views["second"][i])
        if predicted[i] != label:
            behind.append(parts[i])
    return one, two, behind


def loss(
    model: nn.Module,
    columns: tuple[list[Tensor], list[Tensor], list[Tensor]],
    labels: Tensor,
    tau: float,
    mode: str = "all",
    anchored: bool = False,
) -> Tensor:
    """The loss of [column 1, background | column 2, background] through encoder and projection, scaled as released."""
    one, two, behind = columns
    first, _, last = model.projection
    f = features(model, torch.stack([*one, *behind, *two, *behind]))
    projected = torch.relu(f @ first.weight.T + first.bias) @ last.weight.T + last.bias
    unit = torch.stack([p / p.norm() for p in projected])
    n, m = len(one), len(one) + len(behind)
    e = torch.stack([unit[:m], unit[m:]], 1)
    return torch.stack(excon.terms(e[:n], labels, e[n:], tau, mode, anchored)).mean() * tau / 0.07
