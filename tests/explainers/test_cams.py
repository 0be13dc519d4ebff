"""CAMs of a layer against their float64 twins, for every head and target, one image and all classes at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from explainers.networks import Net, build, images, state
from reference import cam, cams
from torch import Tensor

from cambench.explainers import find_explainer
from cambench.explainers.batch import all_class_maps, explain, explain_batch, place
from cambench.explainers.gradient_cam import grad_cam_plus_plus, layer_cam, xgrad_cam
from cambench.explainers.query import Query
from cambench.explainers.several import maps_of_classes, maps_of_explainers
from cambench.targets import coefficients
from cambench.vocabulary import UsageError

CLASSES = torch.tensor([4, 0, 2])
HEADS = ["gap-linear", "inplace-relu", "residual", "two-layers", "max", "norm"]
TARGETS = ["logit", "weighted", "finer"]
FUNCTIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "probability": lambda y, t: y.softmax(0)[t],
    "log-probability": lambda y, t: y.log_softmax(0)[t],
    "log-odds": lambda y, t: y[t] - torch.cat([y[:t], y[t + 1 :]]).logsumexp(0),
    "residual-softmax": lambda y, t: y[t] + y.log_softmax(0)[t],
}
OF_GRADIENT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "grad-cam++": cams.grad_cam_plus_plus,
    "xgrad-cam": cams.xgrad_cam,
    "layer-cam": cams.layer_cam,
    "eigen-cam": lambda a, g: cams.principal(a, False),
    "eigen-cam:centred=true": lambda a, g: cams.principal(a, True),
    "eigen-grad-cam": lambda a, g: cams.principal(g * a, True),
    "eigen-grad-cam:centred=false": lambda a, g: cams.principal(g * a, False),
}
OF_SCORE = {"ablation-cam": cams.ablation_cam, "shapley-cam": cams.shapley_cam}


def makes_sense(name: str, target: str) -> bool:
    """Whether an explainer takes a target."""
    return target == "logit" or not name.startswith(("eigen-cam", "finer-cam"))


def expected(net: Net, x: Tensor, name: str, v: Tensor) -> Tensor:
    """The twin's map of one image (3,H,W) for S = Σ v·y."""
    activation, gradient = cam.activation_and_gradient(net, net.stage, x, v)
    if name in OF_GRADIENT:
        return OF_GRADIENT[name](activation, gradient)
    return OF_SCORE[name](net, net.stage, x, activation, lambda y: (v * y).sum())


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize(
    ("name", "target"), [(n, t) for n in [*OF_GRADIENT, *OF_SCORE] for t in TARGETS if makes_sense(n, t)]
)
def test_maps_match_their_twin(name: str, head: str, target: str) -> None:
    net, x = build(head), images()
    net.eval()
    v = coefficients(net(x), target, CLASSES)
    twins = [expected(net, one, name, w) for one, w in zip(x, v, strict=True)]
    net.train()
    before = state(net)
    torch.testing.assert_close(explain(net, x, name, target, CLASSES, "stage"), torch.stack(twins), rtol=1e-8, atol=1e-11)
    assert state(net) == before


@pytest.mark.parametrize("target", FUNCTIONS)
@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
@pytest.mark.parametrize("name", OF_SCORE)
def test_a_target_that_is_a_function_of_the_input_is_that_function_at_other_maps_too(
    name: str, head: str, target: str
) -> None:
    net, x = build(head).eval(), images()
    maps, twins = explain(net, x, name, target, CLASSES, "stage"), []
    for one, t in zip(x, CLASSES.tolist(), strict=True):
        activation = net.stage(net.stem(one[None]))[0].detach()
        twins.append(OF_SCORE[name](net, net.stage, one, activation, lambda y, t=t: FUNCTIONS[target](y, t)))
    torch.testing.assert_close(maps, torch.stack(twins), rtol=1e-8, atol=1e-11)
    plain = explain(net, x, "grad-cam", target, CLASSES, "stage")
    assert float((maps - plain).norm() / plain.norm()) > 1e-3


def test_of_a_linear_head_and_a_fixed_contrast_shapley_and_xgrad_cam_are_grad_cam() -> None:
    net, x = build(), images()
    for name in ("shapley-cam", "xgrad-cam"):
        for target in TARGETS:
            ours, plain = (explain(net, x, e, target, CLASSES, "stage") for e in (name, "grad-cam"))
            torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["grad-cam++", "xgrad-cam", "layer-cam", "eigen-grad-cam", "ablation-cam", "shapley-cam"])
def test_closed_gradient_and_that_of_the_head_agree(name: str) -> None:
    net, x = build(), images()
    for target in ("weighted", "log-probability"):
        closed = explain_batch(net, x, explainer=name, target=target, layer="stage", head=net.fc)
        general = explain_batch(net, x, explainer=name, target=target, layer="stage")
        torch.testing.assert_close(closed.maps, general.maps, rtol=1e-9, atol=1e-12)
        assert torch.equal(closed.logits, general.logits) and not general.maps.requires_grad


@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
@pytest.mark.parametrize("name", [*OF_GRADIENT, *OF_SCORE, "finer-cam"])
def test_maps_of_all_and_of_some_classes_are_those_of_each(name: str, head: str) -> None:
    net, x = build(head), images()
    every = all_class_maps(net, x, name, "stage")
    layer, found = place(net, x, find_explainer(name), "stage")
    places, classes = torch.tensor([2, 0, 2, 1]), torch.tensor([1, 4, 0, 0])
    some = maps_of_classes(net, x, Query(find_explainer(name), layer, found), places, classes)
    for c in range(5):
        one = explain(net, x, name, "logit", torch.full((3,), c), "stage")
        torch.testing.assert_close(every[:, c], one, rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(some, every[places, classes], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("head", ["gap-linear", "two-layers"])
def test_explainers_of_a_layer_share_one_forward_pass(head: str) -> None:
    net, x = build(head), images()
    linear = ["cam", "score-map", "min-max-cam", "grad-cam:head=false"] if head == "gap-linear" else []
    names = ["grad-cam", *OF_GRADIENT, *OF_SCORE, "finer-cam", *linear, "gradient", "random"]
    found = place(net, x, find_explainer("grad-cam"), "stage")
    asked = [(name, target) for target in ("logit", "weighted") for name in names if makes_sense(name, target)]
    queries = [Query(find_explainer(name), *found, target) for name, target in asked]
    runs: list[int] = []
    net.stem[0].register_forward_hook(lambda module, arguments, output: runs.append(len(output)))
    together = maps_of_explainers(net, x, queries, CLASSES)
    assert runs == [3] * (1 + 2), "one for all of the layer, random too; one for each gradient of the input"
    for (name, target), made in zip(asked, together, strict=True):
        alone = explain_batch(net, x, explainer=name, target=target, classes=CLASSES, layer="stage", head=found[1])
        torch.testing.assert_close(made.maps, alone.maps, rtol=1e-12, atol=1e-14)
        assert torch.equal(made.classes, CLASSES) and torch.equal(made.logits, alone.logits)


def test_a_shared_pass_counts_for_each_of_its_explainers(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr("cambench.explainers.several.clock", lambda device: float(next(ticks)))
    net, x = build("gap-linear"), images()
    found = place(net, x, find_explainer("grad-cam"), "stage")
    for made in maps_of_explainers(net, x, [Query(find_explainer(name), *found) for name in ("cam", "grad-cam")]):
        assert made.seconds.tolist() == pytest.approx([2 / 3] * 3), "one for the pass, one for the map, of three images"


def test_the_weights_by_hand() -> None:
    activation = torch.tensor([[[[1.0, 2.0]], [[-3.0, 4.0]]]])
    gradient = torch.tensor([[[[2.0, -1.0]], [[1.0, 0.5]]]])
    # channel 1: ΣA = 3, only G = 2 is positive: 2/(2 + 6) = 1/4; channel 2: ΣA = 1: 1/3 + 0.5/2.5
    first, second = 1 / 4, 1 / 3 + 1 / 5
    torch.testing.assert_close(
        grad_cam_plus_plus(activation, gradient), torch.tensor([[[first - 3 * second, 2 * first + 4 * second]]])
    )
    assert layer_cam(activation, gradient).tolist() == [[[-1.0, 2.0]]]
    # channel 1: (2 − 2)/3 = 0; channel 2: (−3 + 2)/1 = −1
    assert xgrad_cam(activation, gradient).tolist() == [[[3.0, -4.0]]]


def test_a_channel_of_zeros_adds_nothing_and_one_whose_sum_alone_is_zero_is_no_number() -> None:
    gradient = torch.ones(1, 2, 1, 2)
    dead = torch.tensor([[[[1.0, 2.0]], [[0.0, 0.0]]]])
    assert xgrad_cam(dead, gradient).tolist() == [[[1.0, 2.0]]]
    assert not xgrad_cam(torch.tensor([[[[1.0, 2.0]], [[-1.0, 1.0]]]]), torch.rand(1, 2, 1, 2)).isfinite().any()


def test_eigen_cam_looks_at_no_class_and_needs_no_gradient() -> None:
    net, x = build("two-layers"), images()
    maps = explain(net, x, "eigen-cam", "logit", CLASSES, "stage")
    assert torch.equal(explain(net, x, "eigen-cam", "logit", CLASSES.flip(0), "stage"), maps)
    with pytest.raises(UsageError, match="eigen-cam: expected target logit, got weighted; its map is that of no class"):
        explain(net, x, "eigen-cam", "weighted", CLASSES, "stage")
    with torch.no_grad():
        net.stage.bias += 50
    assert bool((explain(net, x, "eigen-cam", layer="stage") > 0).all()), "of a positive map it is positive"


def test_finer_cam_is_grad_cam_of_finer_and_takes_no_other_target() -> None:
    net, x = build("two-layers"), images()
    finer = explain(net, x, "finer-cam", "logit", CLASSES, "stage")
    assert torch.equal(finer, explain(net, x, "grad-cam", "finer", CLASSES, "stage"))
    with pytest.raises(UsageError, match="finer-cam: expected target logit, got weighted; finer-cam explains finer"):
        explain(net, x, "finer-cam", "weighted", CLASSES, "stage")


def test_the_head_is_not_run_again_in_train_mode() -> None:
    net, x = build("norm"), images()
    with pytest.raises(UsageError, match="layer stage: expected a network in eval mode, got train mode"):
        explain_batch(net, x, explainer="ablation-cam", layer="stage", training=True)
    assert explain_batch(net, x, explainer="eigen-cam", layer="stage", training=True).maps.shape == (3, 6, 6)
