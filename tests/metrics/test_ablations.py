"""Gray edits, relative foreground sensitivity, average precision: hand-sized, beside twins and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import contrastive_cam as twin
from torch import Tensor

from cambench.metrics import INDEX
from cambench.metrics.accuracy import average_precision
from cambench.metrics.core import gray, rfs
from cambench.metrics.statistics import summarise
from cambench.pixels import to_input
from cambench.vocabulary import CambenchError


def test_gray_edits_by_hand() -> None:
    """ContrastiveCAM protocol §6.7: a box around rows 10..19, columns 30..49 covers rows 10..18, columns 30..48."""
    pixels = torch.rand(2, 3, 64, 64)
    mask = torch.zeros(2, 64, 64, dtype=torch.bool)
    mask[0, 10:13, 30:35] = mask[0, 15:20, 48:50] = True
    box = gray.gray_box(pixels, mask)
    changed = (box != pixels).any(1)
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[10:19, 30:49] = True
    assert torch.equal(changed[0], expected) and not changed[1].any()
    assert bool((box[0][:, expected] == 0.5).all())
    masked = gray.gray_mask(pixels, mask)
    assert torch.equal((masked != pixels).any(1), mask) and bool((masked[0][:, mask[0]] == 0.5).all())


def test_accuracy_without_the_object() -> None:
    """Class 1 where the middle is bright; gray of 0.5 is not."""
    image = to_input(torch.full((2, 3, 9, 9), 0.9))
    mask = torch.zeros(2, 9, 9, dtype=torch.bool)
    mask[0, 3:6, 3:6] = True

    def predict(x: Tensor) -> Tensor:
        middle = x[:, 0, 4, 4]
        limit = to_input(torch.full((1, 3, 1, 1), 0.7))[0, 0, 0, 0]
        return torch.stack([limit.expand(len(x)), middle], 1)

    label = torch.ones(2, dtype=torch.long)
    assert gray.mask_accuracy(predict, image, label, mask).tolist() == [0, 1]
    assert gray.box_accuracy(predict, image, label, mask).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("fg", "bg", "value"), [(0.5, 0.9, 2 / 3), (0.9, 0.5, -2 / 3), (0, 1, 1), (1, 0, -1), (1, 1, 0), (0, 0, 0)]
)
def test_sensitivity_by_hand(fg: float, bg: float, value: float) -> None:
    """ContrastiveCAM protocol §6.6."""
    assert rfs.sensitivity(fg, bg) == pytest.approx(value)


def test_sensitivity_matches_its_twin_and_averages_over_classes() -> None:
    rng = np.random.default_rng(0)
    fg, bg = (rng.random((3, 40)) < p for p in (0.4, 0.7))
    label = rng.integers(0, 5, 40) ** 2  # classes of different size, and numbers that do not occur
    columns = {k: torch.from_numpy(v.mean(0)) for k, v in (("fg", fg), ("bg", bg))}
    found = rfs.mean({**columns, "label": torch.from_numpy(label)})[""]
    assert found == pytest.approx(twin.rfs(fg.astype(float), bg.astype(float), label), rel=1e-9)
    micro = rfs.sensitivity(float(fg.mean()), float(bg.mean()))
    assert abs(found - micro) > 1e-3


def generators(rows: list[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in rows]


def noisy(x: Tensor) -> Tensor:
    """Class 1 where the left half varies."""
    return torch.stack([torch.full((len(x),), 0.3), x[:, :, :, :8].flatten(1).std(1)], 1)


def test_noise_falls_where_it_should() -> None:
    image, label = to_input(torch.full((2, 3, 16, 16), 0.5)), torch.tensor([0, 1])
    for left in (True, False):
        mask = torch.zeros(2, 16, 16, dtype=torch.bool)
        mask[:, :, slice(8) if left else slice(8, 16)] = True
        found = rfs.measure(noisy, image, label, mask, generators([0, 1]))
        assert found["fg"].tolist() == ([0, 1] if left else [1, 0])
        assert found["bg"].tolist() == ([1, 0] if left else [0, 1])


def test_noise_is_the_same_in_both_copies_and_clipped_and_its_level_counts() -> None:
    seen: list[Tensor] = []
    mask = torch.rand(1, 8, 8) < 0.5

    def look(x: Tensor) -> Tensor:
        seen.append(x.clone())
        return torch.zeros(len(x), 2)

    image = to_input(torch.full((1, 3, 8, 8), 0.5))
    rfs.measure(look, image, torch.tensor([0]), mask, generators([7]), level=0.1, trials=2)
    g = torch.Generator().manual_seed(7)
    for fg, bg in (seen[:2], seen[2:]):
        noise = 0.1 * torch.randn(3, 8, 8, generator=g)
        torch.testing.assert_close(fg[0], to_input((0.5 + mask[0] * noise)[None])[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(bg[0], to_input((0.5 + ~mask[0] * noise)[None])[0], atol=1e-5, rtol=0)
    seen.clear()
    rfs.measure(look, image, torch.tensor([0]), mask, generators([7]), level=50)
    low, high = (to_input(torch.full((1, 3, 1, 1), v)) for v in (0.0, 1.0))
    assert all(bool((x >= low - 1e-5).all() and (x <= high + 1e-5).all()) for x in seen)


def test_rows_do_not_depend_on_the_batch() -> None:
    g = torch.Generator().manual_seed(0)
    image = to_input(torch.rand(6, 3, 16, 16, generator=g))
    mask = torch.rand(6, 16, 16, generator=g) < 0.4
    label = torch.tensor([0, 1, 0, 1, 0, 1])
    weight = torch.randn(3 * 256, 2, generator=g)

    def predict(x: Tensor) -> Tensor:
        return x.flatten(1) @ weight

    whole = rfs.measure(predict, image, label, mask, generators(list(range(6))))
    alone = [rfs.measure(predict, image[i : i + 1], label[i : i + 1], mask[i : i + 1], generators([i])) for i in range(6)]
    for name in ("fg", "bg"):
        assert torch.equal(whole[name], torch.cat([a[name] for a in alone]))
    assert 0 < float(whole["fg"].mean()) < 1


def test_average_precision_by_hand() -> None:
    """Positives at ranks 1 and 3: (1 + 2/3)/2; two at one score enter together; a class without a positive has none."""
    scores = torch.tensor([[0.9, 0.5, 1.0], [0.8, 0.5, 2.0], [0.7, 0.1, 3.0]])
    truths = torch.tensor([[True, True, False], [False, False, False], [True, False, False]])
    found = average_precision.average_precision(scores, truths)
    assert found[:2].tolist() == pytest.approx([5 / 6, 1 / 2]) and bool(found[2].isnan())
    columns = {"scores": scores, "truths": truths}
    assert average_precision.mean(columns)[""] == pytest.approx((5 / 6 + 1 / 2) / 2)
    with pytest.raises(CambenchError, match="expected an image that shows a class"):
        average_precision.mean({"scores": scores, "truths": truths & False})


@pytest.mark.parametrize("levels", [5, 1000])
def test_average_precision_is_scikit_learns(levels: int) -> None:
    oracle = pytest.importorskip("sklearn.metrics").average_precision_score
    rng = np.random.default_rng(0)
    truths = rng.random((60, 7)) < 0.3
    scores = rng.integers(0, levels, (60, 7)) + 1.5 * levels * truths * rng.random((60, 7))
    scores = np.floor(scores)
    found = average_precision.average_precision(torch.from_numpy(scores), torch.from_numpy(truths))
    for c in range(7):
        own = twin.average_precision(scores[:, c].tolist(), truths[:, c].tolist())
        assert float(found[c]) == pytest.approx(oracle(truths[:, c], scores[:, c]), rel=1e-9) == pytest.approx(own)
    macro = average_precision.mean({"scores": torch.from_numpy(scores), "truths": torch.from_numpy(truths)})[""]
    assert macro == pytest.approx(oracle(truths, scores, average="macro"))


def test_the_classes_of_an_image_are_marked() -> None:
    logits = torch.tensor([[1.0, 2, 3], [3, 2, 1]])
    found = average_precision.measure(lambda x: logits, torch.zeros(2, 3, 4, 4), [(0, 2), (1,)])
    assert found["truths"].tolist() == [[True, False, True], [False, True, False]]
    value = summarise(INDEX["average-precision"], found, lambda: torch.Generator().manual_seed(3))[""]
    assert value.value == pytest.approx(100 * (0.5 + 0.5 + 1) / 3)
    with pytest.raises(CambenchError, match="average precision: expected finite values"):
        average_precision.measure(lambda x: logits / 0, torch.zeros(2, 3, 4, 4), [(0, 2), (1,)])
