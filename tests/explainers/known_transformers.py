"""Tiny transformers of three libraries, each beside the same network taken apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from reference import attention as twin
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer

PATCH, WIDTH, HEADS, CLASSES = 4, 8, 2, 3


@dataclass(frozen=True)
class Known:
    """A network of a library, and the same taken apart: tokens before the first block, blocks, head, tokens of no place."""

    net: nn.Module
    start: Callable[[Tensor], Tensor]
    blocks: list[twin.Block]
    head: twin.Rows
    extra: int
    read: tuple[int, ...]


def cut(convolution: nn.Conv2d, image: Tensor) -> Tensor:
    """The patches (T,K) of an image (3,H,W), row by row."""
    weights, rows = convolution.weight.flatten(1), []
    for top in range(0, image.shape[1], PATCH):
        for left in range(0, image.shape[2], PATCH):
            rows.append(weights @ image[:, top : top + PATCH, left : left + PATCH].reshape(-1) + convolution.bias)
    return torch.stack(rows)


def torchvision_vit() -> Known:
    net = VisionTransformer(8, PATCH, 2, HEADS, WIDTH, 16, num_classes=CLASSES)
    nn.init.normal_(net.heads.head.weight)  # torchvision begins it at zero
    blocks = [
        twin.Block(
            b.ln_1,
            lambda z, a=b.self_attention: functional.linear(z, a.in_proj_weight, a.in_proj_bias),
            b.self_attention.out_proj,
            b.ln_2,
            b.mlp,
            HEADS,
        )
        for b in net.encoder.layers
    ]

    def start(image: Tensor) -> Tensor:
        return torch.cat([net.class_token[0], cut(net.conv_proj, image)]) + net.encoder.pos_embedding[0]

    return Known(net, start, blocks, lambda z: net.heads(net.encoder.ln(z)[0]), 1, (0,))


def timm_vit(**options: Any) -> Known:
    timm = pytest.importorskip("timm")
    facts = {"img_size": 8, "patch_size": PATCH, "embed_dim": WIDTH, "depth": 2, "num_heads": HEADS, "num_classes": CLASSES}
    net = timm.models.vision_transformer.VisionTransformer(**{**facts, **options}, mlp_ratio=2)
    average = options.get("global_pool") == "avg"

    def start(image: Tensor) -> Tensor:
        own = [] if net.cls_token is None else [net.cls_token[0]]
        return torch.cat([*own, cut(net.patch_embed.proj, image)]) + net.pos_embed[0]

    def head(z: Tensor) -> Tensor:
        return net.head(net.fc_norm(net.norm(z).mean(0))) if average else net.head(net.norm(z)[0])

    blocks = [twin.Block(b.norm1, b.attn.qkv, b.attn.proj, b.norm2, b.mlp, HEADS) for b in net.blocks]
    extra = 0 if average else 1
    return Known(net, start, blocks, head, extra, tuple(range(len(net.pos_embed[0]))) if average else (0,))


def timm_written_out() -> Known:
    known = timm_vit()
    for block in known.net.blocks:
        block.attn.fused_attn = False
    return known


def timm_deit() -> Known:
    timm = pytest.importorskip("timm")
    net = timm.models.deit.VisionTransformerDistilled(
        img_size=8, patch_size=PATCH, embed_dim=WIDTH, depth=2, num_heads=HEADS, num_classes=CLASSES, mlp_ratio=2
    )

    def start(image: Tensor) -> Tensor:
        return torch.cat([net.cls_token[0], net.dist_token[0], cut(net.patch_embed.proj, image)]) + net.pos_embed[0]

    def head(z: Tensor) -> Tensor:
        return (net.head(net.norm(z)[0]) + net.head_dist(net.norm(z)[1])) / 2

    blocks = [twin.Block(b.norm1, b.attn.qkv, b.attn.proj, b.norm2, b.mlp, HEADS) for b in net.blocks]
    return Known(net, start, blocks, head, 2, (0, 1))


def hf(kind: str = "ViT") -> Known:
    transformers = pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        intermediate_size=16,
        image_size=8,
        patch_size=PATCH,
        num_labels=CLASSES,
        attn_implementation="sdpa",
    )
    suffix = "ForImageClassificationWithTeacher" if kind == "DeiT" else "ForImageClassification"
    net = getattr(transformers, f"{kind}{suffix}")(config)
    trunk = getattr(net, kind.lower())

    def start(image: Tensor) -> Tensor:
        return trunk.embeddings(image[None])[0]

    def head(z: Tensor) -> Tensor:
        z = trunk.layernorm(z)
        return (net.cls_classifier(z[0]) + net.distillation_classifier(z[1])) / 2 if kind == "DeiT" else net.classifier(z[0])

    def block(b: Any) -> twin.Block:
        a = b.attention
        return twin.Block(
            b.layernorm_before,
            lambda z: torch.cat([a.q_proj(z), a.k_proj(z), a.v_proj(z)], -1),
            a.o_proj,
            b.layernorm_after,
            b.mlp,
            HEADS,
        )

    extra = 2 if kind == "DeiT" else 1
    return Known(net, start, [block(b) for b in trunk.layers], head, extra, tuple(range(extra)))


NETWORKS: dict[str, Callable[[], Known]] = {
    "torchvision": torchvision_vit,
    "timm": timm_vit,
    "timm-written-out": timm_written_out,
    "timm-average": lambda: timm_vit(global_pool="avg", class_token=False),
    "timm-not-square": lambda: timm_vit(img_size=(8, 12)),
    "timm-distilled": timm_deit,
    "transformers": hf,
    "transformers-distilled": lambda: hf("DeiT"),
}


def made(name: str) -> tuple[Known, Tensor]:
    """A tiny network in float64, in eval mode, whose weights are far from equal, and three images."""
    torch.manual_seed(0)
    known = NETWORKS[name]()
    known.net.double().eval()
    for parameter in known.net.parameters():
        nn.init.normal_(parameter, std=0.6)
    wide = 12 if name == "timm-not-square" else 8
    return known, torch.randn(3, 3, 8, wide, dtype=torch.float64)
