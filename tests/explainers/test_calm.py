"""CALM's maps: the axioms of the paper, the targets, and networks without its head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import calm as slow
from torch import nn

from cambench.explainers.batch import explain, explain_batch
from cambench.explainers.calm import joint, posterior
from cambench.models import build, for_inference
from cambench.models.calm_head import CalmHead
from cambench.vocabulary import UsageError

CLASSES = 5


def network(head: str = "calm-head") -> nn.Module:
    """A small network with a CALM head, float64, eval mode."""
    return build("resnet8", CLASSES, surgery=[head], seed=1).double().eval()


def images(n: int = 3) -> torch.Tensor:
    """Random images."""
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def maps(name: str, target: str = "logit", head: str = "calm-head") -> torch.Tensor:
    """Maps of class 2."""
    return explain(network(head), images(), name, target, torch.full((3,), 2))


@pytest.mark.parametrize("head", ["calm-head", "calm-head-softplus", "calm-head-attached"])
def test_the_head_is_the_formula(head: str) -> None:
    net = network(head)
    features = net.layer3(net.layer2(net.layer1(net.relu(net.bn1(net.conv1(images())))))).detach()
    g, a = net.avgpool.classes(features).detach().numpy(), net.avgpool.location(features).detach().numpy()
    activation = "softplus" if head.endswith("softplus") else "relu"
    for i in range(3):
        both = slow.joint(g[i], slow.prior(a[i, 0], activation))
        assert np.allclose(net(images())[i].exp().detach().numpy(), both.sum((1, 2)), rtol=1e-10)
        assert np.allclose(maps("calm", head=head)[i], both[2], rtol=1e-10)


def test_the_posterior_of_a_class_that_hardly_is_there_is_small() -> None:
    latent = torch.tensor([[[[1e-10, 1e-10]], [[1.0, 1.0]]]], dtype=torch.float64).log()  # p(y|x,z) of two classes
    latent = torch.cat([latent, torch.tensor([[[[0.25, 0.75]]]], dtype=torch.float64)], 1)
    found = posterior(latent, torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    assert found.flatten().tolist() == pytest.approx([0.25 / 2, 0.75 / 2], rel=1e-12), "p(c|x) = 1e-10, and 1e-10 beside it"


def test_completeness_and_the_other_identities() -> None:
    net = network()
    p = net(images()).exp().detach()
    assert torch.allclose(p.sum(1), torch.ones(3, dtype=torch.float64))
    every = [explain(net, images(), "calm", "logit", torch.full((3,), c)) for c in range(CLASSES)]
    assert torch.allclose(every[2].sum((1, 2)), p[:, 2])
    assert torch.allclose(sum(every), maps("calm-saliency"))
    assert torch.allclose(maps("calm-posterior").sum((1, 2)), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(maps("calm-conditional") * maps("calm-saliency"), every[2])
    assert torch.allclose(maps("calm", "versus:4"), every[2] - every[4])
    table = torch.zeros(CLASSES, CLASSES, dtype=torch.bool)
    table[2, [1, 2]] = True
    options = {"classes": torch.full((3,), 2), "subsets": {"family": table}}
    superset = explain_batch(net, images(), explainer="calm", target="subset:family", **options).maps
    assert torch.allclose(superset, every[1] + every[2])


def test_a_constant_on_all_classes_changes_nothing() -> None:
    net = network()
    before = explain(net, images(), "calm", "logit", torch.full((3,), 2))
    with torch.no_grad():
        net.avgpool.classes.bias += 3.0
    assert torch.allclose(explain(net, images(), "calm", "logit", torch.full((3,), 2)), before)


def test_dead_locations_are_uniform_and_finite() -> None:
    head = CalmHead(2, 3).double()
    with torch.no_grad():
        head.location.bias.fill_(-1e3)
    features = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    latent = head.latent(head.classes(features), head.location(features))
    assert torch.allclose(latent[:, -1], torch.full((2, 4, 4), 1 / 16, dtype=torch.float64))
    head(features).sum().backward()
    assert torch.isfinite(features.grad).all() and torch.isfinite(joint(latent)).all()


def test_the_denominator_is_detached_where_the_authors_detach_it() -> None:
    torch.manual_seed(0)
    free, held = (CalmHead(2, 3, attached=a).double() for a in (True, False))
    held.load_state_dict(free.state_dict())
    features = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    gradients = []
    for head in (free, held):
        (g,) = torch.autograd.grad(
            head.latent(head.classes(features), head.location(features))[:, -1].sum(), head.location.bias
        )
        gradients.append(float(g))
    assert abs(gradients[0]) < 1e-12 < abs(gradients[1])  # Σ_z p(z|x) is 1 whatever the weights


def test_the_copy_for_inference_gives_the_same_maps() -> None:
    net = build("resnet8", CLASSES, surgery=["calm-head"], seed=1).eval()
    fast, x, classes = for_inference(net, layer="avgpool.latent"), images().float(), torch.full((3,), 2)
    assert torch.allclose(explain(fast, x, "calm", "logit", classes), explain(net, x, "calm", "logit", classes), atol=1e-6)


def test_a_network_without_the_head_gets_one_clear_error() -> None:
    with pytest.raises(UsageError, match="need a network with a CALM head, got one without; train one with the method calm"):
        explain(build("resnet8", CLASSES), images().float(), "calm")
    with pytest.raises(UsageError, match="calm-head does not apply to vgg11"):
        build("vgg11", 3, surgery=["calm-head"])
