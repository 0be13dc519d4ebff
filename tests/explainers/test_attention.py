"""Explainers of attention against their slow twin, in the transformers of three libraries; the model is left alone."""

from __future__ import annotations

import pytest
import torch
from explainers.known_transformers import CLASSES, NETWORKS, PATCH, Known, made
from explainers.networks import build, state
from reference import attention as twin
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import SwinTransformer

from cambench.explainers import find_explainer
from cambench.explainers.batch import explain, explain_batch, place
from cambench.explainers.probing.attention import Attentions, tokens_of
from cambench.targets import coefficients
from cambench.vocabulary import UsageError

EXPLAINERS = ["attention-rollout", "generic-attention", "legrad"]


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
