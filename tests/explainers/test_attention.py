"""Explainers of attention against their slow twin, in the transformers of three libraries; the model is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from explainers.networks import build, state
from reference import attention as twin
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import SwinTransformer, VisionTransformer

from cambench.explainers import find_explainer
from cambench.explainers.batch import explain, explain_batch, place
from cambench.explainers.probing.attention import Attentions, tokens_of
from cambench.targets import coefficients
from cambench.vocabulary import UsageError

PATCH, WIDTH, HEADS, CLASSES = 4, 8, 2, 3
EXPLAINERS = ["attention-rollout", "generic-attention", "legrad"]


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


def expected(known: Known, x: Tensor, name: str, v: Tensor) -> Tensor:
    """The twin's maps, image by image."""
    rows, maps = list(known.read), []
    for image, w in zip(x, v, strict=True):
        tokens = known.start(image).detach().requires_grad_()
        if name.startswith("attention-rollout"):
            values = twin.rollout(known.blocks, tokens, name.partition("heads=")[2] or "mean")[rows].mean(0)
        elif name == "generic-attention":
            values = twin.generic(known.blocks, tokens, known.head, w)[rows].mean(0)
        else:
            values = twin.legrad(known.blocks, tokens, known.head, w)
        maps.append(values[known.extra :].reshape(x.shape[2] // PATCH, x.shape[3] // PATCH))
    return torch.stack(maps).detach()


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_maps_match_their_twin(network: str, name: str) -> None:
    known, x = made(network)
    classes, target = torch.tensor([2, 0, 1]), "logit" if name == "attention-rollout" else "weighted"
    direct = torch.stack([known.head(twin.run(known.blocks, known.start(image))[1][-1]) for image in x]).detach()
    result = explain_batch(known.net, x, explainer=name, target=target, classes=classes)
    torch.testing.assert_close(result.logits, direct, rtol=1e-9, atol=1e-12)
    theirs = expected(known, x, name, coefficients(direct, target, classes))
    assert theirs.flatten(1).std(1).min() > 1e-6 * theirs.abs().max(), "a map without contrast tests nothing"
    torch.testing.assert_close(result.maps, theirs, rtol=1e-6, atol=1e-12)


def test_torchcams_legrad_is_ours() -> None:
    methods = pytest.importorskip("torchcam.methods")
    known, x = made("torchvision")
    classes = torch.tensor([2, 0, 1])
    ours = explain(known.net, x, "legrad", classes=classes)
    with methods.LeGrad(known.net, list(known.net.encoder.layers)) as extractor:
        known.net(x)
        theirs = extractor(classes.tolist(), normalized=False)[0]
    torch.testing.assert_close(ours, theirs.detach(), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("heads", ["max", "min"])
def test_rollout_over_other_pools_of_heads(heads: str) -> None:
    known, x = made("timm")
    name = f"attention-rollout:heads={heads}"
    torch.testing.assert_close(explain(known.net, x, name), expected(known, x, name, x.new_zeros(3, CLASSES)))


@pytest.mark.parametrize("target", ["logit", "probability", "max", "versus:1", "reconstructed"])
@pytest.mark.parametrize("name", EXPLAINERS[1:])
def test_every_target_is_a_choice_of_v(name: str, target: str) -> None:
    known, x = made("torchvision")
    classes = torch.tensor([2, 0, 2])
    v = coefficients(known.net(x), target, classes)
    torch.testing.assert_close(explain(known.net, x, name, target, classes), expected(known, x, name, v))


def test_rollout_shows_no_class() -> None:
    known, x = made("timm")
    with pytest.raises(UsageError, match="attention-rollout: expected target logit, got weighted; its map is that of no"):
        explain(known.net, x, "attention-rollout", "weighted")
    with pytest.raises(UsageError, match="unknown target"):
        explain(known.net, x, "attention-rollout", "lodgit")
    assert torch.equal(*(explain(known.net, x, "rollout", classes=torch.full((3,), c)) for c in (0, 1)))


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("network", ["torchvision", "timm", "transformers"])
def test_batches_and_what_is_left_alone(network: str, name: str) -> None:
    known, x = made(network)
    net = known.net.train()
    next(net.parameters()).requires_grad_(False)
    before, pixels = state(net), x.clone()
    entry = find_explainer(name)
    layer, ready = place(net, x, entry, "whatever")
    assert layer is None
    whole = explain_batch(net, x, explainer=name, head=ready).maps
    parts = [explain_batch(net, part, explainer=name, head=ready).maps for part in x.split(1)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-9, atol=1e-14)
    with torch.inference_mode():
        torch.testing.assert_close(explain(net, x.clone(), name), whole)
    assert not whole.requires_grad
    with pytest.raises(UsageError):
        explain(net, x, name, target="versus:9")
    assert state(net) == before and torch.equal(x, pixels)


@pytest.mark.parametrize("name", EXPLAINERS)
def test_bf16_is_near_and_an_eager_attention_the_same(name: str) -> None:
    known, x = made("transformers")
    net, x = known.net.float(), x.float()
    plain = explain(net, x, name)
    net.set_attn_implementation("eager")
    torch.testing.assert_close(explain(net, x, name), plain, rtol=1e-4, atol=1e-6)
    half = explain_batch(net, x, explainer=name, precision="bf16", classes=net(x).logits.argmax(1)).maps
    assert half.dtype == torch.float32 and float((half - plain).norm() / plain.norm()) < 0.1


def test_networks_that_are_refused_in_one_line() -> None:
    swin = SwinTransformer([2, 2], 8, [1, 1], [2, 2], [2, 2], num_classes=3)
    for net, got in ((swin, "windows of 4 tokens in SwinTransformer"), (build(dtype=torch.float32), "none in Net")):
        for name in EXPLAINERS:
            with pytest.raises(UsageError, match=rf"attention: expected blocks that attend .* got {got}; use a CAM") as e:
                explain(net, torch.randn(1, 3, 16, 16), name)
            assert "\n" not in str(e.value)
    timm = pytest.importorskip("timm")
    pooled = timm.models.vision_transformer.VisionTransformer(
        img_size=8, patch_size=4, embed_dim=8, depth=2, num_heads=2, num_classes=3, class_token=False, global_pool="map"
    )
    with pytest.raises(UsageError, match="got 1 tokens that look at 4 in VisionTransformer"):
        explain(pooled, torch.randn(1, 3, 8, 8), "legrad")


def test_tokens_that_the_logits_read() -> None:
    for name, read in (("timm", [1, 0, 0, 0, 0]), ("timm-distilled", [0.5, 0.5, 0, 0, 0, 0]), ("timm-average", [0.25] * 4)):
        known, x = made(name)
        tokens = tokens_of(known.net, x[:1])
        assert tokens.read.tolist() == read and tokens.blocks == ("blocks.0", "blocks.1")
    zero, x = made("torchvision")
    nn.init.zeros_(zero.net.heads.head.weight)
    assert tokens_of(zero.net, x[:1]).read.tolist() == [1, 0, 0, 0, 0]


def test_attentions_are_seen_whatever_asks_for_them() -> None:
    torch.manual_seed(0)
    module, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(2, 5, 8)
    mask = torch.randn(5, 5) > 0
    mask.fill_diagonal_(False)
    for options in ({}, {"average_attn_weights": False}, {"need_weights": False}, {"attn_mask": mask}):
        with torch.no_grad():
            plain = module(x, x, x, **options)
            with Attentions() as kept:
                seen = module(x, x, x, **options)
        for ours, theirs in zip(seen, plain, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                torch.testing.assert_close(ours, theirs)
        (attention,) = kept.seen
        assert attention.shape == (2, 2, 5, 5)
        torch.testing.assert_close(attention.probabilities.sum(-1), torch.ones(2, 2, 5))
    q = torch.randn(3, 2, 2, 5, 4)
    for hidden in (mask, torch.randn(5, 5)):
        with Attentions():
            ours = functional.scaled_dot_product_attention(*q, attn_mask=~hidden if hidden is mask else hidden, scale=0.3)
        theirs = functional.scaled_dot_product_attention(*q, attn_mask=~hidden if hidden is mask else hidden, scale=0.3)
        torch.testing.assert_close(ours, theirs)
    with Attentions(), pytest.raises(UsageError, match="sees all tokens"):
        functional.scaled_dot_product_attention(*q, is_causal=True)
