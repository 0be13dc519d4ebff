"""Max-sensitivity: one disturbance at a time, captum's, batches, maps of nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from captum.metrics import sensitivity_max
from torch import Tensor

from cambench.metrics import find_metric
from cambench.pixels import RAW, Normalisation
from cambench.vocabulary import NotFiniteError

N = 3
NORMALISATION = Normalisation((0.5, 0.4, 0.3), (0.25, 0.2, 0.5))


def explain(image: Tensor, classes: Tensor) -> Tensor:
    """Maps (N,4,5) that are neither linear nor the same for every class."""
    return torch.tanh(image.sum(1)) * (1 + classes[:, None, None]) - image[:, 0] ** 2


def offers(seeds: tuple[int, ...] = (7, 8, 9), normalisation: Normalisation = NORMALISATION) -> dict[str, object]:
    image = torch.randn(N, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    generators = [torch.Generator().manual_seed(s) for s in seeds]
    known = {"image": image, "explain": explain, "label": torch.tensor([2, 0, 1])}
    return {**known, "generators": generators, "normalisation": normalisation}


def slow(one: Tensor, known: int, seed: int, samples: int, radius: float) -> float:
    """The largest relative distance, number by number."""
    generator = torch.Generator().manual_seed(seed)
    usual = explain(one[None], torch.tensor([known]))[0]
    length = math.sqrt(sum(float(v) ** 2 for v in usual.flatten()))
    distances = []
    for _ in range(samples):
        drawn, moved = torch.rand(one.shape, generator=generator), one.clone()
        for c in range(3):
            for y in range(one.shape[1]):
                for x in range(one.shape[2]):
                    moved[c, y, x] += radius * (2 * float(drawn[c, y, x]) - 1) / NORMALISATION.std[c]
        other = explain(moved[None], torch.tensor([known]))[0]
        pairs = zip(usual.flatten().tolist(), other.flatten().tolist(), strict=True)
        distances.append(math.sqrt(sum((a - b) ** 2 for a, b in pairs)))
    return max(distances) / length


def test_it_matches_its_twin() -> None:
    asked = offers()
    rows = find_metric("sensitivity-max:samples=6,radius=0.1").measure(**asked)
    for i, seed in enumerate((7, 8, 9)):
        expected = slow(asked["image"][i], int(asked["label"][i]), seed, 6, 0.1)
        assert float(rows[""][i]) == pytest.approx(expected, rel=1e-6)
    assert bool(rows["counted"].all())


def test_it_is_captums_on_the_same_disturbances() -> None:
    """captum draws all disturbances of an image at once; they are handed to it here."""
    asked = offers(normalisation=RAW)
    rows = find_metric("sensitivity-max:samples=5,radius=0.3").measure(**asked)
    for i, seed in enumerate((7, 8, 9)):
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.stack([torch.rand(3, 4, 5, generator=generator) for _ in range(5)]).double()

        def disturbed(x: Tensor, radius: float, drawn: Tensor = drawn) -> Tensor:
            return x + radius * (2 * drawn - 1)

        def attribute(x: Tensor | tuple[Tensor], known: int = int(asked["label"][i])) -> tuple[Tensor]:
            x = x if isinstance(x, Tensor) else x[0]
            return (explain(x, torch.full((len(x),), known)),)

        (theirs,) = sensitivity_max(attribute, asked["image"][i : i + 1], disturbed, 0.3, n_perturb_samples=5)
        assert float(rows[""][i]) == pytest.approx(float(theirs), rel=1e-6)


def test_values_of_an_image_do_not_depend_on_its_batch() -> None:
    together = find_metric("sensitivity-max:samples=3").measure(**offers())[""]
    for i, seed in enumerate((7, 8, 9)):
        one = {k: v[i : i + 1] if isinstance(v, Tensor) else v for k, v in offers((seed,)).items()}
        assert torch.equal(find_metric("sensitivity-max:samples=3").measure(**one)[""], together[i : i + 1])


@pytest.mark.parametrize(("factor", "expected"), [(0.0, 0.0), (1.0, None)])
def test_a_map_that_does_not_look_at_the_image_does_not_move(factor: float, expected: float | None) -> None:
    def still(image: Tensor, classes: Tensor) -> Tensor:
        return 1 + factor * image[:, 0]

    rows = find_metric("sensitivity-max:samples=2").measure(**{**offers(), "explain": still})[""]
    assert rows.tolist() == [expected] * N if expected is not None else bool((rows > 0).all())


def test_more_room_to_move_never_means_less_and_scale_is_nothing() -> None:
    def of(words: str, scaled: Callable[[Tensor, Tensor], Tensor] = explain) -> Tensor:
        return find_metric(f"sensitivity-max:{words}").measure(**{**offers(), "explain": scaled})[""]

    assert bool((of("samples=8") >= of("samples=4")).all())
    torch.testing.assert_close(of("samples=4", lambda x, c: -7 * explain(x, c)), of("samples=4"))
    assert of("samples=4,radius=0").tolist() == [0.0] * N


def test_a_map_of_nothing_does_not_count_and_nan_is_no_number() -> None:
    def nothing(image: Tensor, classes: Tensor) -> Tensor:
        return explain(image, classes) * (classes != 0)[:, None, None]

    rows = find_metric("sensitivity-max:samples=2").measure(**{**offers(), "explain": nothing})
    assert rows["counted"].tolist() == [True, False, True] and math.isnan(float(rows[""][1]))
    with pytest.raises(NotFiniteError, match="maps: expected finite values"):
        find_metric("sensitivity-max").measure(**{**offers(), "explain": lambda x, c: x[:, 0] * torch.nan})
