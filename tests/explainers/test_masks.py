"""Explainers of masked images: twins, peers, passes, batches, scores of every target."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from explainers.networks import build, images
from reference import masks as twin
from torch import Tensor, nn

from cambench import seeds
from cambench.explainers import find_explainer
from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.control import digest
from cambench.explainers.masking import places
from cambench.explainers.masks import AT_ONCE
from cambench.targets import INDEX, coefficients, scalar
from cambench.vocabulary import CambenchError, UsageError

CLASSES = torch.tensor([4, 0, 2])
TARGETS = ["logit", "weighted", "versus:second", "probability", "log-probability", "log-odds"]


def value(logits: Tensor, name: str, t: int, v: Tensor) -> float:
    """The target's scalar of one image's logits (C,), v being that of the whole image."""
    p = torch.softmax(logits, 0)[t]
    own = {"probability": p, "log-probability": p.log(), "log-odds": (p / (1 - p)).log()}
    return float(own.get(name, (v * logits).sum()))


def scores(net: nn.Module, x: Tensor, target: str) -> list[twin.Score]:
    """The score of each of three images, of its class."""
    v = coefficients(net(x).detach(), target, CLASSES)

    def score(one: Tensor, n: int) -> float:
        return value(net(one[None])[0].detach(), target, int(CLASSES[n]), v[n])

    return [partial(score, n=n) for n in range(3)]


def noise(x: Tensor, k: int, sample: int, samples: int, sigma: float) -> Tensor:
    """The noise of a sample of channel k of an image (3,H,W)."""
    generator = seeds.generator("ss-cam", digest(x), k * samples + sample)
    return sigma * torch.randn(x.shape[1:], generator=generator).double()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
def test_score_cam_is_its_twin(head: str, target: str) -> None:
    net, x = build(head).eval(), images()[:, :, :, :9]
    got = explain(net, x, "score-cam", target, CLASSES, "stage")
    for n, score in enumerate(scores(net, x, target)):
        expected = twin.score_cam(score, x[n], twin.activation(net, net.stage, x[n]), lambda k, mask: [mask])
        torch.testing.assert_close(got[n], expected, rtol=1e-9, atol=1e-12)
    assert float(got.min()) < 0 and got.shape == (3, 6, 5)


def test_its_smoothed_and_integrated_variants_are_their_twins() -> None:
    net, x = build().eval(), images()
    smoothed = explain(net, x, "ss-cam:samples=3,sigma=0.5", "logit", CLASSES, "stage")
    integrated = explain(net, x, "is-cam:samples=4", "logit", CLASSES, "stage")
    for n, score in enumerate(scores(net, x, "logit")):
        maps = twin.activation(net, net.stage, x[n])

        def noisy(k: int, mask: Tensor, n: int = n) -> list[Tensor]:
            return [mask + noise(x[n], k, i, 3, 0.5) for i in range(3)]

        expected = twin.score_cam(score, x[n], maps, noisy)
        torch.testing.assert_close(smoothed[n], expected, rtol=1e-9, atol=1e-12)
        expected = twin.score_cam(score, x[n], maps, lambda k, mask: [factor * mask for factor in (0.25, 0.75, 1.5, 2.5)])
        torch.testing.assert_close(integrated[n], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("target", ["logit", "probability"])
def test_occlusion_is_its_twin(target: str, baseline: str) -> None:
    net, x = build("two-layers").eval(), images()[:, :, :11]
    name = f"occlusion:window=0.35,stride=0.25,baseline={baseline}"  # 4 and 3 of 11 × 12 pixels: one window reaches out
    got = explain(net, x, name, target, CLASSES)
    for n, score in enumerate(scores(net, x, target)):
        colour = x[n].mean((1, 2)) if baseline == "mean" else torch.zeros(3, dtype=x.dtype)
        torch.testing.assert_close(got[n], twin.occlusion(score, x[n], 4, 3, colour), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("target", ["logit", "probability"])
def test_rise_is_its_twin(target: str) -> None:
    net, x = build("two-layers").eval(), images()[:, :, :10]
    got = explain(net, x, "rise:masks=9,grid=3,p=0.3", target, CLASSES)
    for n, score in enumerate(scores(net, x, target)):
        generator = torch.Generator().manual_seed(digest(x[n]))
        grids = (torch.rand(9, 3, 3, generator=generator) < 0.3).double()
        down, across = (torch.randint(4, (9,), generator=generator).tolist() for _ in range(2))
        masks = [twin.rise_mask(*one) for one in zip(grids, [(10, 12)] * 9, zip(down, across, strict=True), strict=True)]
        torch.testing.assert_close(got[n], twin.rise(score, x[n], masks, 0.3), rtol=1e-9, atol=1e-12)


def test_rise_masks_show_a_pixel_as_often_as_a_cell_and_are_an_images_own() -> None:
    masks = find_explainer("rise:masks=4000").hiding.masks(images(2, 28))
    every = torch.stack([masks.make(torch.full((4000,), n), torch.arange(4000)) for n in range(2)])
    assert every.shape == (2, 4000, 28, 28) and float(every.min()) >= 0 and float(every.max()) <= 1
    torch.testing.assert_close(every.mean(1), torch.full((2, 28, 28), 0.5, dtype=torch.float64), rtol=0, atol=0.04)
    assert not torch.equal(every[0], every[1])


@pytest.mark.parametrize("name", ["score-cam", "ss-cam:samples=2", "is-cam:samples=2", "occlusion", "rise:masks=70"])
def test_any_batch_gives_the_same_maps_with_as_few_passes_as_masks_allow(name: str) -> None:
    net, x, passes = build("two-layers"), images(5), []
    net.register_forward_hook(lambda module, given, made: passes.append(len(made)))
    whole = explain_batch(net, x, explainer=name, layer="stage").maps
    masks = find_explainer(name).passes_at(12, channels=6) - 1
    assert len(passes) == 1 + math.ceil(5 * masks / AT_ONCE) and sum(passes) == 5 * (masks + 1)
    alone = torch.cat([explain_batch(net, one[None], explainer=name, layer="stage").maps for one in x])
    torch.testing.assert_close(alone, whole, rtol=1e-9, atol=1e-12)
    assert not whole.requires_grad


def test_in_bf16_only_the_network_is() -> None:
    net, x = build(dtype=torch.float32), images(dtype=torch.float32)
    for name, most in (("score-cam", 0.1), ("occlusion", 0.5)):  # of differences of scores that bf16 rounds
        plain, half = (explain_batch(net, x, explainer=name, layer="stage", precision=p).maps for p in ("float32", "bf16"))
        assert half.dtype == torch.float32 and 0 < float((half - plain).norm() / plain.norm()) < most


def test_a_target_that_is_a_function_has_its_coefficients_as_gradient() -> None:
    y = (torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3).requires_grad_()
    for name in [name for name, entry in INDEX.items() if entry.anew]:
        v = coefficients(y, name, CLASSES)
        (gradient,) = torch.autograd.grad(scalar(y, name, v, CLASSES).sum(), y)
        torch.testing.assert_close(gradient, v, rtol=1e-10, atol=1e-14)


def test_what_cannot_be_asked() -> None:
    net, x = build(), images()
    with pytest.raises(UsageError, match="score-cam: expected a network in eval mode, got one in train mode"):
        explain_batch(net, x, explainer="score-cam", layer="stage", training=True)
    with pytest.raises(UsageError, match=r"a stride of at most the window, got 0\.5 and 0\.25"):
        explain(net, x, "occlusion:window=0.25,stride=0.5")
    x[1, 0, 2, 2] = 1e308
    net.stem[0].weight.data.abs_().mul_(100)
    with pytest.raises(CambenchError, match="NaN or infinity"):
        explain(net, x, "occlusion")


def test_places_of_windows() -> None:
    assert [places(12, 4, 4), places(12, 4, 3), places(12, 12, 1), places(224, 28, 14)] == [3, 4, 1, 15]
    assert find_explainer("occlusion").passes == 226 and find_explainer("rise").passes == 8001
    assert find_explainer("score-cam").passes_at(224, channels=512) == 513
    assert find_explainer("ss-cam:samples=2").passes == 4097 and find_explainer("is-cam").passes == 20481


def coarse() -> nn.Module:
    """A network whose map is a third of the image's side, so that upsampled maps keep their extremes, which peers scale."""
    torch.manual_seed(3)
    layers = [nn.Conv2d(3, 5, 3, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 5)]
    return nn.Sequential(*layers).double().eval()


class Noise:
    """In the place of torchcam's distribution: our noise of the images, sample after sample."""

    def __init__(self, x: Tensor, samples: int, sigma: float) -> None:
        self.x, self.samples, self.sigma, self.drawn = x, samples, sigma, 0

    def sample(self, size: torch.Size) -> Tensor:
        i, self.drawn = self.drawn, self.drawn + 1
        return torch.stack([torch.stack([noise(x, k, i, self.samples, self.sigma) for k in range(size[1])]) for x in self.x])


@pytest.mark.parametrize(("name", "peer", "options"), [
    ("score-cam", "ScoreCAM", {}),
    ("ss-cam:samples=3,sigma=2", "SSCAM", {"num_samples": 3, "std": 2.0}),
    ("is-cam", "ISCAM", {}),
])  # fmt: skip
def test_torchcam(name: str, peer: str, options: dict[str, float]) -> None:
    methods = pytest.importorskip("torchcam.methods")
    net, x = coarse(), images()
    ours = explain(net, x, name, "logit", CLASSES, "1").clamp(min=0)
    with getattr(methods, peer)(net, "1", **options) as extractor:
        if peer == "SSCAM":
            extractor._distrib = Noise(x, 3, 2.0)
        net(x)
        theirs = extractor(CLASSES.tolist(), normalized=False)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("window", "stride", "pixels"), [(0.35, 0.25, (4, 3)), (0.25, 0.0625, (3, 1))])
def test_captum(window: float, stride: float, pixels: tuple[int, int]) -> None:
    attr = pytest.importorskip("captum.attr")
    net, x = build("two-layers").eval(), images()
    side, step = pixels
    theirs = attr.Occlusion(net).attribute(
        x, sliding_window_shapes=(3, side, side), strides=(3, step, step), target=CLASSES, perturbations_per_eval=7
    )
    ours = explain(net, x, f"occlusion:window={window},stride={stride}", "logit", CLASSES)
    torch.testing.assert_close(ours.float(), theirs[:, 0].detach(), rtol=1e-4, atol=1e-6)  # theirs is in float32
