"""FullGrad against its twin and a peer, its completeness, and the folded copy of a network."""

from __future__ import annotations

import pytest
import torch
from explainers.networks import build, images, state
from reference import full_grad as twin
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.entry import Explainer
from cambench.explainers.explanation import answer
from cambench.explainers.query import Query
from cambench.models import for_inference
from cambench.targets import coefficients
from cambench.vocabulary import UsageError

CLASSES = torch.tensor([2, 0, 1])


def resnet(dtype: torch.dtype = torch.float64) -> nn.Module:
    """A network of ReLUs, batch norms, a max pool and residual sums."""
    torch.manual_seed(0)
    net = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias):
                nn.init.normal_(values)
            for values in (module.running_var, module.weight):
                nn.init.uniform_(values, 0.5, 2)
    return net.to(dtype).eval()


@pytest.mark.parametrize("target", ["logit", "weighted"])
@pytest.mark.parametrize("scale", ["channel", "layer"])
def test_maps_match_their_twin(scale: str, target: str) -> None:
    net, x = resnet(), images(3, 32)
    before, v = state(net), coefficients(net(x), target, CLASSES)
    maps = explain(net, x, f"full-grad:scale={scale}", target, CLASSES)
    assert state(net) == before and maps.shape == (3, 32, 32) and not maps.requires_grad
    net = resnet()
    expected = torch.stack([twin.full_grad(net, one, w, scale=scale) for one, w in zip(x, v, strict=True)])
    torch.testing.assert_close(maps, expected, rtol=1e-9, atol=1e-11)


def summed(value: Tensor, gradient: Tensor) -> Tensor:
    """The terms themselves: nothing absolute, nothing scaled."""
    return (value * gradient).sum(1)


def test_input_and_biases_account_for_the_whole_score() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 5, 3, padding=1, bias=False),
        nn.BatchNorm2d(5, affine=False), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(5, 4),
    ).double().eval()  # fmt: skip
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    entry = Explainer(summed, "biases", summary="s", source="s", name="terms")
    for target in ("logit", "versus:3"):
        result = answer(net, images(), Query(entry, target=target), CLASSES)
        v = coefficients(result.logits, target, CLASSES)
        own = (v * net[-1].bias.detach()).sum(1)  # the classifier's biases lie nowhere in the image
        torch.testing.assert_close(result.maps.sum((1, 2)) + own, (v * result.logits).sum(1))


def test_a_folded_network_has_the_biases_of_its_batch_norms() -> None:
    net, x = resnet(torch.float32), images(2, 32, torch.float32)
    folded = for_inference(net, layer="layer4", precision="float32")
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules()) < 3
    plain, fast = (explain(n, x, "full-grad", "logit", CLASSES[:2]) for n in (net, folded))
    torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-2)


def test_a_network_in_train_mode_is_refused_and_bf16_runs() -> None:
    net, x = build("two-layers", torch.float32), images(dtype=torch.float32)
    with pytest.raises(UsageError, match="full-grad: expected a network in eval mode, got one in train mode"):
        explain_batch(net, x, explainer="full-grad", training=True)
    half, plain = (explain_batch(net, x, explainer="full-grad", precision=p).maps for p in ("bf16", "float32"))
    assert half.dtype == torch.float32 and float((half - plain).norm() / plain.norm()) < 0.1


def test_pytorch_grad_cams_full_grad_is_ours() -> None:
    peer = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    net, x = resnet(torch.float32), images(3, 32, torch.float32)
    ours = explain(net, x, "full-grad", "logit", CLASSES)
    theirs = peer.FullGrad(net, [])(x, [targets.ClassifierOutputTarget(int(t)) for t in CLASSES])
    low, high = ours.amin((1, 2), keepdim=True), ours.amax((1, 2), keepdim=True)
    torch.testing.assert_close((ours - low) / (high - low), torch.from_numpy(theirs).float(), rtol=1e-3, atol=1e-3)
