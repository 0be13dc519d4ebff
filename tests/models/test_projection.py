"""The projection head: what it computes, that nobody else sees it, how weights come and go."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import relu

from cambench import models
from cambench.explainers.batch import explain
from cambench.explainers.probe import default_layer, gap_linear_head
from cambench.models.heads import find_head, learner
from cambench.models.projection import project
from cambench.vocabulary import UsageError

IMAGES = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_excons_encoder_has_the_published_number_of_parameters() -> None:
    model = models.build("resnet50", 100, surgery=("small-stem", "projection"))
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert count["projection"] == 4_458_624 and count["fc"] == 204_900  # ExCon protocol §1.5
    assert sum(count.values()) - count["projection"] - count["fc"] == 23_500_352


def test_the_projection_is_that_of_the_pooled_features_and_gives_the_classifier_no_gradient() -> None:
    model = models.build("resnet8", 4, surgery=("projection",), seed=1).eval()
    projected = project(model, IMAGES)
    f = model.layer3(model.layer2(model.layer1(relu(model.bn1(model.conv1(IMAGES)))))).mean((2, 3))
    first, _, second = model.projection
    torch.testing.assert_close(projected, relu(f @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    projected.square().sum().backward()
    assert model.fc.weight.grad is None and model.conv1.weight.grad.abs().max() > 0
    assert not project_without_gradient(model).requires_grad
    with pytest.raises(UsageError, match="surgery projection"):
        project(models.build("resnet8", 4), IMAGES)


def project_without_gradient(model: torch.nn.Module) -> torch.Tensor:
    """As a measurement would ask for it."""
    with torch.no_grad():
        return project(model, IMAGES)


def test_a_network_with_it_classifies_and_explains_as_without_it() -> None:
    plain, cut = (models.build("resnet8", 4, surgery=s, seed=1).eval() for s in ((), ("projection",)))
    assert find_head(cut) == "fc" and learner(cut) is cut.fc and default_layer(cut, IMAGES[:1]) == "layer3"
    assert gap_linear_head(cut, "layer3", IMAGES[:1]) is cut.fc
    torch.testing.assert_close(cut(IMAGES), plain(IMAGES))
    for name in ("grad-cam", "hires-cam"):
        torch.testing.assert_close(explain(cut, IMAGES, name), explain(plain, IMAGES, name))
    fast = models.for_inference(cut, layer="layer2.0.conv2")
    torch.testing.assert_close(fast(IMAGES), plain(IMAGES), rtol=1e-4, atol=1e-4)


def test_weights_with_and_without_it_and_a_fresh_classifier(tmp_path: Path) -> None:
    whole = models.build("resnet8", 4, surgery=("projection",), seed=1)
    torch.save({"model": whole.state_dict()}, tmp_path / "whole.pt")
    torch.save({"model": models.build("resnet8", 4, seed=1).state_dict()}, tmp_path / "plain.pt")
    options = {"surgery": ("projection",), "seed": 2}
    load = {**options, "head": "replace"}
    same = {name: models.build("resnet8", 4, weights=tmp_path / name, **load) for name in ("whole.pt", "plain.pt")}
    fresh = models.build("resnet8", 4, weights=tmp_path / "whole.pt", head="fresh", **options)
    new = models.build("resnet8", 4, **options)
    assert torch.equal(same["whole.pt"].projection[0].weight, whole.projection[0].weight)
    assert not torch.equal(fresh.fc.weight, whole.fc.weight)
    assert torch.equal(fresh.fc.weight, new.fc.weight) and torch.equal(fresh.fc.bias, new.fc.bias)
    assert torch.equal(fresh.conv1.weight, whole.conv1.weight) and torch.equal(
        fresh.projection[2].bias, whole.projection[2].bias
    )
