"""Several layers as one map: by hand, as torchcam fuses, in a folded copy, and what is asked of one layer alone."""

from __future__ import annotations

import math
import re

import pytest
import torch
from explainers.networks import build, images
from torch import Tensor, nn

from cambench.explainers import find_explainer
from cambench.explainers.batch import all_class_maps, explain, explain_batch, place
from cambench.explainers.fusion import fuse
from cambench.explainers.query import Query
from cambench.explainers.several import maps_of_explainers
from cambench.maps import largest
from cambench.models import for_inference
from cambench.models.cifar_resnet import CifarResNet
from cambench.vocabulary import UsageError

LAYERS = "layer2+layer3.0.bn2+layer4"
CLASSES = torch.tensor([1, 3])


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return CifarResNet(1, num_classes=4, widths=(4, 6, 8, 10)).double().eval()


def pictures() -> Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_by_hand() -> None:
    fine = torch.tensor([[[4.0, -2.0], [1.0, 0.0]], [[-1.0, -2.0], [-3.0, -1.0]]])
    coarse = torch.tensor([[[6.0]], [[2.0]]])
    scaled = [[1.0, 0.0], [0.25, 0.0]]
    # the coarse map of one cell is constant, and so says nothing: 0
    expected = [[[math.tanh(2 * v) for v in row] for row in scaled], [[0.0, 0.0], [0.0, 0.0]]]
    torch.testing.assert_close(fuse([fine, coarse]), torch.tensor(expected))
    other = torch.tensor([[[0.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]])
    best = [[1.0, 0.5], [1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]
    torch.testing.assert_close(fuse([fine, other]), torch.tanh(2 * torch.tensor(best)))


@pytest.mark.parametrize("name", ["layer-cam", "grad-cam", "ablation-cam", "eigen-cam"])
def test_the_map_of_several_layers_is_that_of_each_fused(name: str) -> None:
    net, x = resnet(), pictures()
    target = "logit" if name == "eigen-cam" else "weighted"
    fused = explain(net, x, name, target, CLASSES, LAYERS)
    assert fused.shape == (2, 8, 8) and float(fused.min()) >= 0 and float(fused.max()) < 1
    each = [explain(net, x, name, target, CLASSES, layer) for layer in LAYERS.split("+")]
    torch.testing.assert_close(fused, fuse(each))
    folded = for_inference(net, layer=LAYERS)
    torch.testing.assert_close(explain(folded, x, name, target, CLASSES, LAYERS), fused, rtol=1e-6, atol=1e-8)


def test_bf16_runs_the_convolutions_above_the_first_layer_in_float32() -> None:
    net, x = resnet().float(), pictures().float()
    half = for_inference(net, layer=LAYERS, precision="bf16")
    kept = {name for name, m in half.named_modules() if isinstance(m, nn.Conv2d) and m.weight.dtype == torch.bfloat16}
    assert kept == {
        n for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and n.startswith(("conv1", "layer1", "layer2"))
    }
    maps = explain_batch(half, x, explainer="grad-cam", layer=LAYERS, classes=CLASSES, precision="bf16").maps
    plain = explain_batch(net, x, explainer="grad-cam", layer=LAYERS, classes=CLASSES).maps
    assert maps.dtype == torch.float32 and float((maps - plain).norm() / plain.norm()) < 0.2


def test_torchcam_fuses_so() -> None:
    methods = pytest.importorskip("torchcam.methods")
    maps = [explain(resnet(), pictures(), "grad-cam", classes=CLASSES, layer=layer) for layer in ("layer2", "layer3")]
    torch.testing.assert_close(fuse(maps), methods.LayerCAM.fuse_cams([largest(m) for m in maps]))


def test_several_layers_beside_one_and_what_needs_one() -> None:
    net, x = build("two-layers"), images()
    asked = [("grad-cam", "stem+stage"), ("grad-cam", "stage"), ("layer-cam", "stage"), ("gradient", None)]
    queries = [Query(find_explainer(name), layer) for name, layer in asked]
    for (name, layer), made in zip(asked, maps_of_explainers(net, x, queries), strict=True):
        torch.testing.assert_close(made.maps, explain(net, x, name, layer=layer))
    assert place(build(), x, find_explainer("cam"), "stem+stage") == ("stem+stage", None)
    with pytest.raises(UsageError, match=r"layer stem\+stage: expected one layer, got 2"):
        all_class_maps(net, x, "grad-cam", "stem+stage")
    with pytest.raises(UsageError, match="no layer 'stages' in this model. Did you mean stage"):
        explain(net, x, "grad-cam", layer="stem+stages")
    with pytest.raises(UsageError, match="one linear layer above one layer"):
        explain(net, x, "cam", layer="stem+stage")
    for layer, reason in (("stem+stem", "got stem twice; name it once"), ("stem+", "got an empty name")):
        with pytest.raises(UsageError, match=rf"layer '?{re.escape(layer)}'?: expected .*, {re.escape(reason)}"):
            explain(net, x, "grad-cam", layer=layer)
