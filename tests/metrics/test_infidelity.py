"""Infidelity against a loop over draws and pixels, against captum with the same draws, and by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from reference import infidelity as slow
from torch import Tensor

from cambench import seeds
from cambench.metrics import INDEX, find_metric
from cambench.metrics.faithfulness import infidelity
from cambench.pixels import MEAN, STD, to_input
from cambench.vocabulary import CambenchError

SIZE = (12, 14)
NORMALISATION = ((0.5, 0.4, 0.3), (0.25, 0.3, 0.2))


measure = partial(infidelity.measure, draws=48)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The draws of `measure` in pieces that do not divide them."""
    monkeypatch.setattr(infidelity, "CHUNK", 32)


def network(seed: int = 0, classes: int = 4) -> tuple[torch.nn.Module, Tensor]:
    """A small smooth network in float64, and images as it sees them."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Flatten())
    model.append(torch.nn.Linear(6 * SIZE[0] * SIZE[1], classes)).double().eval()
    with torch.no_grad():
        model[-1].weight.mul_(6)
    return model, to_input(torch.rand(3, 3, *SIZE, dtype=torch.float64), *NORMALISATION)


def explain(image: Tensor, classes: Tensor) -> Tensor:
    """Any signed map at the image's resolution that depends on the class."""
    return (image[:, 0] - 0.7 * image[:, 1]) * (1 + classes[:, None, None])


def generators(n: int) -> list[torch.Generator]:
    return [seeds.generator("test", i) for i in range(n)]


Perturbations = list[tuple[Any, tuple[int, ...]]]
"""(what is drawn, the colours that it disturbs)."""


def drawn(seed: int, colours: str = "together") -> tuple[Perturbations, Perturbations, Perturbations]:
    """What one image's generator gives, in the order in which it is asked."""
    g, every = seeds.generator("test", seed), slow.squares(*SIZE)

    def noises(n: int) -> Perturbations:
        noise = torch.randn(n, 3, *SIZE, generator=g).double().numpy()
        one = torch.randint(3, (n,), generator=g).tolist() if colours == "each" else None
        return [(z, (0, 1, 2) if one is None else (one[i],)) for i, z in enumerate(noise)]

    first = noises(32) + noises(16)
    places = [(s, c) for s in every for c in (((0,), (1,), (2,)) if colours == "each" else ((0, 1, 2),))]
    order = torch.randperm(len(places), generator=g)[:48].tolist()
    return first, [places[k] for k in order], noises(10)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("colours", ["together", "each"])
@pytest.mark.parametrize("of", ["probability", "logit"])
def test_it_is_the_loop_over_draws(of: str, colours: str) -> None:
    model, image = network()
    entry = find_metric(f"infidelity:draws=48,of={of},colours={colours}")
    found = entry.measure(model, image, explain, generators(3), NORMALISATION)
    assert tuple(found) == infidelity.VARIANTS == entry.variants
    assert entry.unit_of("yeh-square") == {"probability": "p²", "logit": "logit²"}[of]
    with torch.no_grad():
        known = model(image).argmax(1)
    for i in range(3):
        heat = explain(image, known)[i].numpy()
        first, order, last = drawn(i, colours)
        with torch.no_grad():
            twin = slow.Twin(model, image[i].numpy(), heat, *NORMALISATION, of)
            answers = {
                "yeh-gaussian": [twin.yeh_gaussian(*z) for z in first],
                "yeh-square": [twin.yeh_square(*z) for z in order],
                "captum-gaussian": [twin.captum_gaussian(*z) for z in last],
            }
        answers["captum-gaussian-scaled"] = answers["captum-gaussian"]
        for name, pairs in answers.items():
            dots, changes = map(list, zip(*pairs, strict=True))
            expected = slow.infidelity(dots, changes, scaled=name != "captum-gaussian")
            assert float(found[name][i]) == pytest.approx(expected, rel=1e-6) and expected > 0, name


@pytest.mark.parametrize(("variant", "normalise"), [("captum-gaussian", False), ("captum-gaussian-scaled", True)])
def test_it_is_captums_with_the_same_draws(variant: str, normalise: bool, few: None) -> None:
    model, image = network()
    found = measure(model, image, explain, generators(3), NORMALISATION)[variant]
    with torch.no_grad():
        known = model(image).argmax(1)
        heat = explain(image, known)
    for i in range(3):
        noise = 0.003 * torch.from_numpy(np.stack([z for z, _ in drawn(i)[2]]))
        theirs = captum_infidelity(
            lambda x: torch.softmax(model(x), 1),
            lambda x, noise=noise: (noise, x - noise),
            image[i : i + 1],
            heat[i].expand(1, 3, *SIZE),
            target=int(known[i]),
            n_perturb_samples=10,
            normalize=normalise,
        )
        assert float(found[i]) == pytest.approx(float(theirs), rel=1e-6)


def test_by_hand() -> None:
    dot, change = torch.tensor([1.0, 2.0]).double(), torch.tensor([2.0, 0.0]).double()
    assert float(infidelity.infidelity(dot, change, scaled=False)) == 2.5  # (1 + 4)/2
    assert float(infidelity.infidelity(dot, change, scaled=True)) == pytest.approx(1.6)  # β = 2/5: (1.6² + 0.8²)/2
    nothing = torch.zeros(2, dtype=torch.float64)
    assert float(infidelity.infidelity(nothing, change, scaled=True)) == 2.0, "β = 0 where E[<I,φ>²] = 0"
    assert float(infidelity.infidelity(3 * change, change, scaled=True)) == 0.0, "the scale of the map does not matter"


def test_squares_and_constants() -> None:
    assert [len(infidelity.squares(n, n)) for n in (32, 64)] == [7645, 35485]
    assert infidelity.squares(12, 14).tolist() == [list(s) for s in slow.squares(12, 14)]
    assert (infidelity.DRAWS, infidelity.DRAWS_CAPTUM) == (1000, 10)
    metric = INDEX["infidelity"]
    assert metric.rows.first == 1000 and metric.fixed == "grad-cam" and metric.printing.better == "down"


def test_yeh_gaussian_stays_within_the_pixels_of_an_image() -> None:
    image = to_input(torch.tensor([0.0, 0.5, 1.0])[:, None, None].expand(3, 4, 4)[None])[0]
    heat = torch.ones(4, 4, dtype=torch.float64)
    for perturbed, dot in infidelity.yeh_gaussian(image, heat, seeds.generator("test"), (MEAN, STD), 300):
        pixel = perturbed * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
        assert float(pixel.min()) > -1e-6 and float(pixel.max()) < 1 + 1e-6
        taken = (torch.tensor([0.0, 0.5, 1.0])[:, None, None] - pixel).sum((1, 2, 3))
        assert torch.allclose(dot.float(), taken, atol=1e-4)
        assert float(pixel[:, 0].min()) >= -1e-6 and float(pixel[:, 0].max()) > 0.1, "black pixels only get brighter"


@pytest.mark.usefixtures("few")
def test_the_batch_does_not_matter_and_nothing_infinite_becomes_a_number() -> None:
    model, image = network()
    together = measure(model, image, explain, generators(3), NORMALISATION)
    for i in range(3):
        one = slice(i, i + 1)
        alone = measure(model, image[one], explain, generators(3)[one], NORMALISATION)
        assert all(float(alone[v]) == pytest.approx(float(together[v][i]), rel=1e-9) for v in infidelity.VARIANTS)
    with pytest.raises(CambenchError, match="perturbed images"):
        calls: list[int] = []

        def later(x: Tensor) -> Tensor:
            calls.append(1)
            return model(x) * (torch.nan if len(calls) > 1 else 1)

        measure(later, image, explain, generators(3), NORMALISATION)


def test_the_small_one_is_the_same_with_fewer_draws_of_fewer_images() -> None:
    """With as many draws both are one; the small one takes 100 of each kind, captum's 10."""
    model, x = network()
    size = {"normalisation": NORMALISATION, "generators": [torch.Generator().manual_seed(i) for i in range(len(x))]}
    seen = 0

    def predict(images: Tensor) -> Tensor:
        nonlocal seen
        seen += len(images)
        return model(images)

    def explain(images: Tensor, classes: Tensor) -> Tensor:
        return images.sum(1)

    small = find_metric("infidelity-small")
    found = small.measure(predict, x, explain, **size)
    assert seen == len(x) * (2 * 100 + 10 + 1) and small.rows.first == 50
    size["generators"] = [torch.Generator().manual_seed(i) for i in range(len(x))]
    whole = infidelity.measure(model, x, explain, **size, draws=100)
    assert all(torch.equal(found[name], whole[name]) for name in infidelity.VARIANTS)
