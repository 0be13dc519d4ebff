"""Relative probability: its twin, a classifier that counts pixels, selection, signs, the two rules, extremes."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from reference import relative_probability as twin
from torch import Tensor, nn

from cambench import maps, metrics
from cambench.explainers.batch import explain_batch
from cambench.metrics.faithfulness import relative_probability as rp
from cambench.vocabulary import CambenchError

N, SIDE = 6, 12


def network(classes: int = 5) -> nn.Module:
    """A small network, sharp enough that some images have a second-best class below 0.1 and some above."""
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 8), nn.ReLU(), nn.Linear(8, classes)
    )
    net[5].weight.data.mul_(40)
    return net.double().eval()


def images() -> Tensor:
    """Random images."""
    return torch.randn(N, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def explainer(net: nn.Module, own: str, name: str = "hires-cam"):  # type: ignore[no-untyped-def]
    """What a job offers as `explain`."""

    def explain(image: Tensor, classes: Tensor, target: str | None = None) -> Tensor:
        return explain_batch(net, image, explainer=name, target=target or own, classes=classes, layer="0").maps

    return explain


@pytest.mark.parametrize("target", ["logit", "weighted"])
def test_columns_match_their_twin(target: str) -> None:
    net, x = network(), images()
    explain = explainer(net, target)
    found, equal = (rp.measure(x, explain, net, rule=rule) for rule in ("sign", "equal-count"))
    counts = 0
    for i in range(N):
        pair, counted = twin.two(net, x[i])
        assert bool(found["counted"][i]) == bool(equal["counted"][i]) == counted
        if not counted:
            assert all(bool(found[v][i].isnan()) for v in rp.variants())
            continue
        counts += 1
        for k, t in enumerate(("t1", "t2")):
            own, other, one = pair[k], pair[1 - k], torch.tensor([pair[k]])
            phi, original, weighted = (
                twin.upsample(explain(x[i : i + 1], one, name)[0], SIDE, SIDE) for name in (target, "logit", "weighted")
            )
            assert float(found[f"{t}/p"][i]) == pytest.approx(twin.ratio(net, x[i], own, other), abs=1e-12)
            rules = {"": twin.sign_rule(phi)}
            rules |= {f"{kind}/": twin.equal_rule(phi, original, weighted, kind) for kind in ("official", "topk")}
            for kind, rule in rules.items():
                columns = equal if kind else found
                for sign, pixels in rule.items():
                    for name, baseline in twin.baselines(x[i]).items():
                        expected = twin.ratio(net, twin.replace(x[i], baseline, pixels), own, other)
                        assert float(columns[f"{kind}{t}/{name}/{sign}"][i]) == pytest.approx(expected, rel=1e-6), name
    assert 2 <= counts < N, "some images count, some do not"


def test_a_classifier_that_weighs_the_left_and_the_right_half() -> None:
    """Logits (sum of the left half, sum of the right half); its exact map is the image there, its negative here."""
    image = torch.full((1, 3, 4, 4), 0.1)
    image[..., :2] = 0.12

    def predict(x: Tensor) -> Tensor:
        return torch.stack([x[..., :2].sum((1, 2, 3)), x[..., 2:].sum((1, 2, 3))], 1)

    def explain(x: Tensor, classes: Tensor, target: str | None = None) -> Tensor:
        half = torch.tensor([1.0, 1.0, -1.0, -1.0]).expand(len(x), 4, 4)
        return half * (1 - 2 * classes[:, None, None].float())

    found = rp.measure(image, explain, predict)
    left, right = 24 * 0.12, 24 * 0.1
    assert bool(found["counted"][0])
    expected = {
        "t1/p": left - right,
        "t1/zeros/positive": left,  # the right half is gone
        "t1/zeros/negative": -right,  # the left half is gone
        "t2/p": right - left,
        "t2/zeros/positive": right,
        "t2/zeros/negative": -left,
        "t1/channel-mean/positive": left - 24 * 0.11,
        "t2/channel-mean/positive": right - 24 * 0.11,
    }
    for name, margin in expected.items():
        assert float(found[name][0]) == pytest.approx(float(torch.sigmoid(torch.tensor(margin))), abs=1e-6), name
    assert not any(bool(found[name].any()) for name in rp.TALLIES)


def test_the_two_kept_parts_are_disjoint_and_zeros_of_the_map_are_never_replaced() -> None:
    phi = torch.tensor([[[1.0, -2.0, 0.0], [0.0, 3.0, -1.0]]])
    masks = {sign: mask for _, sign, mask in rp.by_sign(torch.zeros(1), torch.zeros(1), phi)}
    assert masks["positive"].tolist() == [[[False, True, False], [False, False, True]]]
    assert masks["negative"].tolist() == [[[True, False, False], [False, True, False]]]
    assert not bool((masks["positive"] & masks["negative"]).any())


def test_equal_counts_by_hand() -> None:
    original = torch.tensor([[[4.0, 3.0, 2.0], [1.0, -1.0, -2.0]]])  # 4 positive, 2 negative
    weighted = torch.tensor([[[1.0, 2.0, -1.0], [-2.0, -3.0, -4.0]]])  # 2 positive, 4 negative

    def explain(image: Tensor, classes: Tensor, target: str | None = None) -> Tensor:
        return original if target == "logit" else weighted

    found = {
        (kind, sign): mask.flatten().int().tolist()
        for kind, sign, mask in rp.by_count(explain, torch.zeros(1, 3, 2, 3), torch.zeros(1), original)
    }
    assert found["official", "positive"] == [0, 0, 0, 0, 1, 1], "the 2 lowest are replaced"
    assert found["official", "negative"] == [1, 1, 1, 0, 0, 0], "the 4 − 1 highest are replaced"
    assert found["topk", "positive"] == [0, 0, 1, 1, 1, 1], "the 2 highest are kept"
    assert found["topk", "negative"] == [1, 1, 0, 0, 0, 0], "the 4 lowest are kept"


def test_replacing_nothing_returns_the_image_and_the_scores_of_both_classes_sum_to_one() -> None:
    net, x = network(), images()

    def blank(image: Tensor, classes: Tensor, target: str | None = None) -> Tensor:
        return torch.zeros(len(image), 4, 4, dtype=torch.float64)

    found = rp.measure(x, blank, net)
    kept = found["counted"]
    torch.testing.assert_close((found["t1/p"] + found["t2/p"])[kept], torch.ones(int(kept.sum())).double())
    for name in rp.REPLACED:
        assert torch.equal(found[name][kept], found[f"{name[:2]}/p"][kept])
    assert torch.equal(found["t1 maps zero everywhere"], kept) and not bool(found["t2 maps positive everywhere"].any())


def test_maps_of_one_sign_replace_the_whole_image_and_are_marked() -> None:
    net, x = network(), images()
    found = rp.measure(x, lambda image, classes: -torch.ones(len(image), 4, 4, dtype=torch.float64), net)
    kept = found["counted"]
    assert torch.equal(found["t1 maps negative everywhere"], kept)
    zeros = rp.relative(net(torch.zeros_like(x)), rp.two_best(net(x))[0]).detach()
    torch.testing.assert_close(found["t1/zeros/positive"][kept], zeros[kept, 0])
    assert torch.equal(found["t1/zeros/negative"][kept], found["t1/p"][kept])


def test_the_threshold_is_strict_and_ties_go_in_the_order_of_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    p = torch.tensor([[0.9, 0.1, 0.0], [0.89, 0.11, 0.0], [0.2, 0.4, 0.4], [0.99, 0.005, 0.005]]).double()
    best, counted = rp.two_best(p.log())
    assert best.tolist() == [[0, 1], [0, 1], [1, 2], [0, 1]]
    assert counted.tolist()[1:] == [True, True, False]
    monkeypatch.setattr(rp, "THRESHOLD", 0.5)
    assert not bool(rp.two_best(torch.zeros(1, 2))[1]), "exactly 0.5 is not more than 0.5"


def test_large_logits_do_not_overflow() -> None:
    y = torch.tensor([[1000.0, -1000.0], [-1000.0, 1000.0]]).double()
    assert rp.relative(y, torch.tensor([[0, 1], [0, 1]])).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("shape", [(12, 12), (7, 30), (2, 3)])
def test_the_blur_is_its_twin_on_images_smaller_than_the_kernel(shape: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    blurred = rp.blurred(x)
    for i in range(2):
        torch.testing.assert_close(blurred[i], twin.blur(x[i]), rtol=1e-10, atol=1e-13)


def test_the_blur_at_224_pixels_has_101_taps_of_sigma_15_and_keeps_a_constant() -> None:
    weights = maps.gaussian_line(rp.BLUR_WIDTH, rp.BLUR_SIGMA, torch.zeros(1).double())
    assert len(weights) == 101 and float(weights.sum()) == pytest.approx(1)
    assert float(weights[50 + 15] / weights[50]) == pytest.approx(0.6065306597)
    torch.testing.assert_close(rp.blurred(torch.ones(1, 3, 224, 224)), torch.ones(1, 3, 224, 224))
    assert rp.blurred(torch.ones(1, 3, 1, 1)).tolist() == [[[[1.0]]] * 3]


def test_maps_are_resized_with_the_corners_aligned_and_signed() -> None:
    grid = torch.tensor([[[-1.0, 0.0, 2.0], [3.0, -4.0, 5.0]]]).double()
    got = maps.apply(grid, rp.STEPS, (5, 7))
    torch.testing.assert_close(got[0], twin.upsample(grid[0], 5, 7))
    assert (got[0, 0, 0], got[0, -1, -1]) == (-1, 5)


@pytest.mark.parametrize("rule", ["sign", "equal-count"])
def test_batches_and_chunks_change_nothing(rule: rp.Replacing) -> None:
    net, x, measure = network(), images(), partial(rp.measure, rule=rule)
    explain = explainer(net, "weighted")
    whole = measure(x, explain, net)
    parts = [measure(one[None], explain, net, chunk=1) for one in x]
    assert all(set(part) == set(whole) for part in parts), "an image that does not count has every column too"
    for name, column in whole.items():
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), column, equal_nan=True)


def test_what_is_not_finite_is_an_error() -> None:
    net, x = network(), images()
    with pytest.raises(CambenchError, match="logits of whole images"):
        rp.measure(x, explainer(net, "logit"), lambda image: net(image) * torch.nan)
    with pytest.raises(CambenchError, match="maps: expected finite"):
        rp.measure(x, lambda image, classes: torch.full((len(image), 2, 2), torch.nan), net)


def test_the_index_says_which_way_each_variant_is_better() -> None:
    for name in ("relative-probability", "relative-probability-equal-count"):
        metric = metrics.find_metric(name)
        for variant in metric.variants:
            wanted = "up" if variant.endswith("positive") else "down" if variant.endswith("negative") else "none"
            assert metric.direction(variant) == wanted
        assert metric.input.view == "resize" and metric.maps.steps == rp.STEPS == ("resize-corners",)
    assert [len(rp.variants(rule=rule)) for rule in ("sign", "equal-count")] == [14, 26]
