"""Remove-and-classify against a loop over pixels, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import remove_and_classify as slow

from cambench import seeds
from cambench.metrics import INDEX
from cambench.metrics.faithfulness import remove_and_classify
from cambench.metrics.statistics import summarise
from cambench.vocabulary import CambenchError


def generators(n: int) -> list[torch.Generator]:
    return [seeds.generator("test", i) for i in range(n)]


@pytest.mark.parametrize("fill", ["blur", "zero", "mean"])
def test_it_is_the_loop_over_pixels(fill: str) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(8, 3, 18, 20)), rng.integers(0, 2, 8)
    heatmaps = np.round(rng.normal(size=(8, 18, 20)), 1)  # with ties
    weights = torch.from_numpy(rng.normal(size=(2, 3 * 18 * 20)))

    def predict(image: torch.Tensor) -> torch.Tensor:
        return image.flatten(1) @ weights.T

    tensors = [torch.from_numpy(x) for x in (images, heatmaps, labels)]
    found = remove_and_classify.mean(remove_and_classify.measure(predict, *tensors, generators(8), fill=fill))  # type: ignore[arg-type]
    expected = slow.relative_accuracies(predict, images, heatmaps, labels, generators(8), fill)
    assert found == pytest.approx(expected, rel=1e-12) and len(set(expected.values())) > 1
    blurred = remove_and_classify.blurred(tensors[0])
    np.testing.assert_allclose(blurred[0].numpy(), slow.blur(images[0]), rtol=1e-6, atol=1e-9)


def test_by_hand_on_a_classifier_that_sums_the_left_half() -> None:
    """Class 1 where more than a tenth of the left half is bright: erasing it first leaves nothing at 50 %."""
    image = torch.zeros(4, 3, 20, 20)
    image[:, :, :, :10] = 1.0
    left, right = torch.zeros(4, 20, 20), torch.zeros(4, 20, 20)
    left[:, :, :10], right[:, :, 10:] = 1.0, 1.0

    def predict(x: torch.Tensor) -> torch.Tensor:
        bright = x[:, 0, :, :10].mean((1, 2))
        return torch.stack([torch.full_like(bright, 0.1), bright], 1)

    label = torch.ones(4, dtype=torch.int64)
    measured = [remove_and_classify.measure(predict, image, m, label, generators(4), fill="zero") for m in (left, right)]
    good, bad = (remove_and_classify.mean(columns) for columns in measured)
    assert good == {"10": 1, "30": 1, "50": 0, "70": 0} or good == {"10": 1, "30": 1, "50": 0, "70": 0, "90": 0}
    assert [bad[k] for k in ("10", "30", "50")] == [1, 1, 1]


def test_counts_ties_and_random_pixels() -> None:
    assert [k * 224 * 224 // 100 for k in remove_and_classify.PERCENT] == [5017, 15052, 25088, 35123, 45158]
    ranks = remove_and_classify.ranks(torch.tensor([[[1.0, 3.0], [3.0, 0.0]]]))
    assert ranks.tolist() == [[[2, 0], [1, 3]]], "ties in ascending pixel index"
    image, heatmap, label = torch.randn(4, 3, 20, 20), torch.rand(4, 20, 20), torch.zeros(4, dtype=torch.int64)
    seen: list[torch.Tensor] = []

    def predict(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.zeros(len(x), 2)

    remove_and_classify.measure(predict, image, heatmap, label, generators(4), fill="zero")
    together, seen = seen, []
    for i in range(4):
        one = slice(i, i + 1)
        remove_and_classify.measure(predict, image[one], heatmap[one], label[one], generators(4)[one], fill="zero")
    alone = [torch.cat(seen[j::10]) for j in range(10)]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True)), "the batch does not matter"
    assert [int((x[0, 0] == 0).sum()) for x in together] == [n for k in remove_and_classify.PERCENT for n in (4 * k, 4 * k)]
    assert not torch.equal(together[1][0, 0] == 0, together[1][1, 0] == 0), "each image has pixels of its own"


def test_no_accuracy_left_is_no_value_and_bad_arguments() -> None:
    rows = {name: torch.tensor([True, False]) for k in remove_and_classify.variants() for name in (k, f"{k}-random")}
    rows["90-random"] = torch.tensor([False, False])
    found = summarise(INDEX["remove-and-classify"], rows, lambda: torch.Generator().manual_seed(0))
    assert tuple(found) == ("10", "30", "50", "70") and found["10"].value == 1.0
    label, image = torch.zeros(2, dtype=torch.int64), torch.zeros(2, 3, 20, 20)
    with pytest.raises(CambenchError, match="heatmap"):
        remove_and_classify.measure(lambda x: x, image, torch.zeros(2, 10, 10), label, generators(2))
    with pytest.raises(CambenchError, match="more than 15 pixels"):
        remove_and_classify.blurred(torch.zeros(1, 3, 15, 40))
