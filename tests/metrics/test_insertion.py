"""Insertion and deletion: step-by-step twin, hand-sized classifiers, the protocol's constants, chunks, failures."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from reference import insertion as twin
from torch import Tensor, nn

from cambench.metrics import find_metric
from cambench.metrics.asked import Predict
from cambench.metrics.faithfulness import deletion, insertion
from cambench.metrics.faithfulness.baselines import BASELINES, baseline, blur_line, blurred
from cambench.metrics.faithfulness.perturbation import Way, area, curve, pieces, ranks, step_count
from cambench.vocabulary import CambenchError, UsageError

METRICS = {"insertion": insertion, "deletion": deletion}


def trace(metric: ModuleType, predict: Predict, image: Tensor, heatmap: Tensor, label: Tensor, **way: Any) -> Tensor:
    """The curve s_0 … s_S of insertion or deletion."""
    ends = (blurred(image), image) if metric is insertion else (image, torch.zeros_like(image))
    return curve(predict, ends, heatmap, label, Way(**way), whole=int(metric is insertion))


LABEL = torch.tensor([0, 1, 2, 3])


def network() -> nn.Module:
    """A small network whose probabilities move."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4))
    net[4].weight.data.mul_(8)
    return net.double().eval()


def problem(height: int = 20, width: int = 12, n: int = 4) -> tuple[Tensor, Tensor]:
    """Images and heatmaps with many ties."""
    g = torch.Generator().manual_seed(0)
    image = torch.randn(n, 3, height, width, generator=g, dtype=torch.float64)
    return image, torch.randint(0, 9, (n, height, width), generator=g).double()


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("shape", [(20, 12), (16, 16), (5, 9)])
def test_curves_match_their_twin(kind: str, shape: tuple[int, int]) -> None:
    net, (image, heatmap) = network(), problem(*shape)
    curve = trace(METRICS[kind], net, image, heatmap, LABEL)
    auc = METRICS[kind].measure(net, image, heatmap, LABEL)
    assert curve.shape == (4, -(-shape[0] // 8) + 1)
    assert curve.dtype == torch.float64
    for i in range(4):
        expected = twin.curve(net, image[i].numpy(), heatmap[i].numpy(), kind)
        assert curve[i].tolist() == pytest.approx(expected, abs=1e-12)
        assert float(auc[i]) == pytest.approx(twin.auc(expected), abs=1e-12)
    assert float(curve.std(1).min()) > 1e-3  # the probabilities do move


@pytest.mark.parametrize("kind", METRICS)
def test_float32_stays_float32_and_agrees_with_float64(kind: str) -> None:
    net, (image, heatmap) = network(), problem()
    wide = METRICS[kind].measure(net, image, heatmap, LABEL)
    curve = trace(METRICS[kind], net.float(), image.float(), heatmap, LABEL)
    assert curve.dtype == torch.float32
    torch.testing.assert_close(area(curve), wide, rtol=1e-4, atol=0)


@pytest.mark.parametrize(("name", "kind"), [("iauc", "insertion"), ("dauc", "deletion")])
def test_rows_and_start_are_options(name: str, kind: str) -> None:
    net, (image, heatmap) = network(), problem()
    start = {"insertion": ["start=blur", "start=zero"], "deletion": []}[kind]
    found = {}
    for words in ["rows=3", *(f"rows=3,{s}" for s in start)]:
        found[words] = find_metric(f"{name}:{words}").measure(net, image, heatmap, LABEL)
        for i in range(4):
            expected = twin.curve(net, image[i].numpy(), heatmap[i].numpy(), kind, 3, words.partition("start=")[2])
            assert float(found[words][i]) == pytest.approx(twin.auc(expected), abs=1e-12)
    if start:
        assert torch.equal(found["rows=3"], found["rows=3,start=blur"])
        assert not torch.allclose(found["rows=3"], found["rows=3,start=zero"], rtol=1e-3)


MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.2, 0.5]


@pytest.mark.parametrize(("name", "option"), [("insertion", "start"), ("deletion", "end")])
@pytest.mark.parametrize("nothing", BASELINES)
def test_every_baseline_matches_its_twin(name: str, option: str, nothing: str) -> None:
    net, (image, heatmap) = network(), problem(9, 6, 2)
    metric = find_metric(f"{name}:{option}={nothing},rows=2")
    asked = {"predict": net, "image": image, "heatmap": heatmap, "label": LABEL[:2], "normalisation": (MEAN, STD)}
    areas = metric.measure(**asked, generators=[torch.Generator().manual_seed(i) for i in (5, 6)])
    for i in range(2):
        drawn = torch.rand(3, 9, 6, generator=torch.Generator().manual_seed(5 + i)).numpy()
        left = twin.nothing(nothing, image[i].numpy(), MEAN, STD, drawn)
        expected = twin.curve(net, image[i].numpy(), heatmap[i].numpy(), name, 2, left=left)
        assert float(areas[i]) == pytest.approx(twin.auc(expected), rel=1e-9)
    usual = {"insertion": "blur", "deletion": "zero"}[name]
    assert metric.chosen.get(option, usual) == nothing


def test_noise_of_an_image_does_not_depend_on_its_batch() -> None:
    image, seeds = problem(5, 4, 3)[0].float(), [3, 4, 5]
    whole = baseline("noise", image, [torch.Generator().manual_seed(s) for s in seeds], (MEAN, STD))
    alone = [
        baseline("noise", image[i : i + 1], [torch.Generator().manual_seed(s)], (MEAN, STD)) for i, s in enumerate(seeds)
    ]
    assert torch.equal(whole, torch.cat(alone)) and not torch.equal(whole[0], whole[1])
    with pytest.raises(CambenchError, match="noise: expected a generator for each of 3 images, got 0"):
        baseline("noise", image, [], (MEAN, STD))


def test_the_kernel_is_nearly_flat_and_sums_to_one() -> None:
    line = np.array(blur_line())
    kernel = np.outer(line, line)
    np.testing.assert_allclose(kernel, twin.kernel(), rtol=1e-12)
    assert kernel.sum() == pytest.approx(1, abs=1e-12)
    assert (round(kernel.min(), 5), round(kernel.max(), 5)) == (0.00774, 0.00883)


def test_the_blur_is_a_convolution_with_zeros_outside() -> None:
    image, _ = problem()
    soft = blurred(image)
    np.testing.assert_allclose(soft[1].numpy(), twin.blur(image[1].numpy()), atol=1e-13)
    ones = blurred(torch.ones(1, 3, 30, 30))
    assert float(ones[0, 0, 15, 15]) == pytest.approx(1, abs=1e-6)
    assert 0.2 < float(ones[0, 0, 0, 0]) < 0.35  # 36 of 121 taps


def test_the_protocol_at_224_pixels() -> None:
    assert step_count(224) == 28
    image, heatmap = torch.zeros(1, 3, 224, 224), torch.rand(1, 224, 224)
    counts: list[float] = []

    def count(x: Tensor) -> Tensor:
        counts.extend((x[:, 0] == 1).sum((1, 2)).tolist())
        return torch.zeros(len(x), 2)

    assert trace(insertion, count, image + 1, heatmap, torch.tensor([0])).shape == (1, 29)
    inserted = sorted(counts)
    assert len(counts) == 29 and inserted[-1] == 224 * 224
    assert all(k * 1792 <= c for k, c in enumerate(inserted))  # the blur of ones is nearly 1 inside, never more inserted
    counts.clear()
    trace(deletion, count, image + 1, heatmap, torch.tensor([0]))
    assert sorted(counts) == [k * 1792 for k in range(29)]


def test_order_is_decreasing_with_ties_in_decreasing_index() -> None:
    heatmap = torch.tensor([[[1.0, 3.0, 1.0], [3.0, 0.0, 1.0]]])
    assert ranks(heatmap).tolist() == [[[4, 1, 3], [0, 5, 2]]]
    assert ranks(torch.zeros(1, 2, 2)).tolist() == [[[3, 2], [1, 0]]]


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("p", [0.25, 0.9])
def test_a_constant_probability_is_its_own_area(kind: str, p: float) -> None:
    image, heatmap = problem()
    logits = torch.log(torch.tensor([p, 1 - p]))

    def predict(x: Tensor) -> Tensor:
        return logits.expand(len(x), 2)

    expected = max(p, 1 - p)
    assert METRICS[kind].measure(predict, image, heatmap, LABEL).tolist() == pytest.approx([expected] * 4, abs=1e-6)
    followed = METRICS[kind].measure(predict, image, heatmap, torch.zeros(4, dtype=torch.long), track="label")
    assert followed.tolist() == pytest.approx([p] * 4, abs=1e-6)


def share_of_bright_pixels(x: Tensor) -> Tensor:
    """A classifier whose class 1 has the share of pixels with value 1 as its probability."""
    share = (x[:, 0] == 1).double().mean((1, 2)).clamp(1e-12, 1 - 1e-12)
    return torch.stack([torch.log1p(-share), torch.log(share)], 1)


def test_deletion_of_a_classifier_that_counts_pixels() -> None:
    image = torch.ones(1, 3, 16, 4)
    image[:, :, 12:] = 0  # 48 of 64 pixels count
    good, bad = image[:, 0], 1 - image[:, 0]
    scores = trace(deletion, share_of_bright_pixels, image, good, torch.tensor([1]))
    assert scores[0].tolist() == pytest.approx([0.75, 0.25, 0], abs=1e-6)
    assert deletion.measure(share_of_bright_pixels, image, good, torch.tensor([1])).tolist() == pytest.approx([0.3125])
    assert deletion.measure(share_of_bright_pixels, image, bad, torch.tensor([1])).tolist() == pytest.approx([0.4375])


def test_insertion_of_a_classifier_that_counts_pixels() -> None:
    image = torch.ones(1, 3, 16, 4)
    image[:, :, 12:] = 0
    scores = trace(insertion, share_of_bright_pixels, image, image[:, 0], torch.tensor([0]))
    assert scores[0].tolist() == pytest.approx([0, 0.5, 0.75], abs=1e-6)
    auc = insertion.measure(share_of_bright_pixels, image, image[:, 0], torch.tensor([0]))
    assert auc.tolist() == pytest.approx([(0 + 0.5 + 0.75 - 0.375) / 2])


def test_areas_by_hand() -> None:
    curves = torch.tensor([[0.0, 0.0, 1.0], [0.2, 0.6, 1.0], [1.0, 1.0, 1.0]])
    assert area(curves).tolist() == pytest.approx([0.25, 0.6, 1.0])


@pytest.mark.parametrize("kind", METRICS)
def test_ends_of_the_curves_are_the_clean_probability_of_the_predicted_class(kind: str) -> None:
    net, (image, heatmap) = network(), problem()
    p = torch.softmax(net(image), 1)
    curve = trace(METRICS[kind], net, image, heatmap, (p.argmax(1) + 1) % 4)
    end = curve[:, -1] if kind == "insertion" else curve[:, 0]
    torch.testing.assert_close(end.double(), p.amax(1).detach(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
def test_chunks_and_batches_change_nothing_and_bound_the_forward_passes(kind: str, chunk: int) -> None:
    net, (image, heatmap) = network(), problem()
    passes: list[int] = []

    def predict(x: Tensor) -> Tensor:
        passes.append(len(x))
        return net(x)

    whole = trace(METRICS[kind], net, image, heatmap, LABEL)
    chunked = trace(METRICS[kind], predict, image, heatmap, LABEL, chunk=chunk)
    alone = torch.cat([trace(METRICS[kind], net, image[i : i + 1], heatmap[i : i + 1], LABEL[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(chunked, whole, rtol=0, atol=1e-7)
    torch.testing.assert_close(alone, whole, rtol=0, atol=1e-7)
    assert max(passes) <= chunk and sum(passes) == 4 * 4  # one pass an image for each of 3 + 1 scores


@pytest.mark.parametrize(
    ("n", "columns", "chunk"), [(1, 29, 64), (32, 28, 64), (64, 28, 64), (100, 3, 64), (7, 5, 1), (0, 4, 8)]
)
def test_pieces_cover_everything_once(n: int, columns: int, chunk: int) -> None:
    seen = torch.zeros(n, columns)
    for rows, steps in pieces(n, columns, chunk):
        assert seen[rows, steps].numel() <= chunk
        seen[rows, steps] += 1
    assert bool((seen == 1).all())


@pytest.mark.parametrize("kind", METRICS)
def test_inputs_are_left_alone_and_no_graph_is_kept(kind: str) -> None:
    net, (image, heatmap) = network(), problem()
    before = image.clone(), heatmap.clone()
    auc = METRICS[kind].measure(net, image, heatmap, LABEL)
    assert not auc.requires_grad and torch.equal(image, before[0]) and torch.equal(heatmap, before[1])


@pytest.mark.parametrize("kind", METRICS)
def test_what_is_not_finite_never_becomes_a_number(kind: str) -> None:
    net, (image, heatmap) = network(), problem()
    with pytest.raises(CambenchError, match="logits of whole images.*in 4 of 4"):
        METRICS[kind].measure(lambda x: net(x) * torch.nan, image, heatmap, LABEL)
    heatmap[1, 0, 0] = torch.nan
    with pytest.raises(CambenchError, match="heatmap: expected finite values.*1 of 4"):
        METRICS[kind].measure(net, image, heatmap, LABEL)


def test_predictions_may_come_from_inference_mode() -> None:
    net, (image, heatmap) = network(), problem()

    def predict(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return net(x)

    for metric in METRICS.values():
        assert torch.equal(metric.measure(predict, image, heatmap, LABEL), metric.measure(net, image, heatmap, LABEL))


def test_composites_that_are_not_finite_are_noticed() -> None:
    net, (image, heatmap) = network(), problem()
    clean = {round(float(x.sum()), 6) for x in image}

    def broken(x: Tensor) -> Tensor:
        mixed = torch.tensor([round(float(one.sum()), 6) not in clean for one in x])
        return net(x).masked_fill(mixed[:, None], torch.nan)

    for metric in METRICS.values():
        with pytest.raises(CambenchError, match="probabilities of composites"):
            metric.measure(broken, image, heatmap, LABEL)


def test_wrong_arguments_are_refused() -> None:
    net, (image, heatmap) = network(), problem()
    with pytest.raises(CambenchError, match=r"heatmap \(N,H,W\).*got \(4, 20, 10\)"):
        insertion.measure(net, image, heatmap[:, :, :10], LABEL)
    with pytest.raises(UsageError, match="predicted or label, got 'top'"):
        deletion.measure(net, image, heatmap, LABEL, track="top")
    with pytest.raises(UsageError, match="chunk: expected at least 1"):
        insertion.measure(net, image, heatmap, LABEL, chunk=0)
