"""Maps of several classes: each one is the map that `explain_batch` makes; their difference is that of `versus`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cambench.explainers import find_explainer
from cambench.explainers.batch import explain_batch, place
from cambench.explainers.query import Query
from cambench.explainers.several import maps_of_classes
from cambench.models import build
from cambench.vocabulary import UsageError

PLACES, CLASSES = torch.tensor([0, 0, 2, 1]), torch.tensor([3, 1, 0, 3])


MASKED = ("score-cam", "ss-cam:samples=2", "occlusion:window=0.5,stride=0.25", "rise:masks=70")


@pytest.mark.parametrize("name", ["score-map", "cam", "grad-cam", "gradient", "calm", "calm-posterior"])
def test_each_map_is_that_of_one_class(name: str) -> None:
    torch.manual_seed(0)
    model = build("resnet8", 4, surgery=["calm-head"] if name.startswith("calm") else [], head="replace").eval()
    images, entry = torch.randn(3, 3, 32, 32), find_explainer(name)
    layer, head = place(model, images, entry, None)
    found = maps_of_classes(model, images, Query(entry, layer, head, target="weighted"), PLACES, CLASSES, chunk=3)
    options = {"explainer": name, "layer": layer, "head": head}
    for i, (at, of) in enumerate(zip(PLACES.tolist(), CLASSES.tolist(), strict=True)):
        alone = explain_batch(model, images[at : at + 1], classes=torch.tensor([of]), **options).maps[0]
        torch.testing.assert_close(found[i], alone, rtol=1e-4, atol=1e-6)
    versus = explain_batch(model, images[:1], target="versus:1", classes=torch.tensor([3]), **options).maps[0]
    torch.testing.assert_close(found[0] - found[1], versus, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", MASKED)
def test_an_image_is_masked_once_for_all_its_classes(name: str) -> None:
    torch.manual_seed(0)
    model, images = build("resnet8", 4, head="replace").eval().double(), torch.randn(4, 3, 16, 16).double()
    query, sizes = Query(find_explainer(name), "layer1.0.conv1"), []
    with model.register_forward_hook(lambda module, given, logits: sizes.append(len(logits))):
        every = maps_of_classes(model, images, query, PLACES, CLASSES)  # nobody asks about the last image
        explain_batch(model, images[:3], explainer=name, layer=query.layer)
    half = len(sizes) // 2
    assert sizes[:half] == sizes[half:]
    for of, at, c in zip(every, PLACES, CLASSES, strict=True):
        alone = explain_batch(model, images[at][None], explainer=name, layer=query.layer, classes=c[None]).maps[0]
        torch.testing.assert_close(of, alone, rtol=1e-9, atol=1e-12)


def test_the_score_map_is_cam_plus_the_bias_and_its_mean_is_the_logit() -> None:
    torch.manual_seed(0)
    model, images, classes = build("resnet8", 4, head="replace").eval(), torch.randn(2, 3, 32, 32), torch.tensor([1, 2])
    nn.init.normal_(model.fc.bias)
    found, plain = (
        explain_batch(model, images, explainer=name, classes=classes, **with_head(model, images, name))
        for name in ("score-map", "cam")
    )
    torch.testing.assert_close(
        found.maps - plain.maps, model.fc.bias[classes][:, None, None].expand_as(plain.maps), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(found.maps.mean((1, 2)), found.logits.gather(1, classes[:, None])[:, 0])
    with pytest.raises(UsageError, match="global average pooling"):
        explain_batch(model, images, explainer="score-map", classes=classes)


def with_head(model: nn.Module, images: torch.Tensor, name: str) -> dict[str, object]:
    layer, head = place(model, images, find_explainer(name), None)
    return {"layer": layer, "head": head}
