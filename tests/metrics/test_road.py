"""ROAD: the slow twin, pytorch-grad-cam's imputer, holes of any shape, batches, what cannot be imputed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import road as twin
from torch import Tensor, nn

from cambench.metrics import find_metric
from cambench.metrics.faithfulness import imputation
from cambench.metrics.faithfulness.imputation import coarser, finer, imputed
from cambench.pixels import Normalisation
from cambench.vocabulary import CambenchError, UsageError

N, H, W = 3, 9, 7
NORMALISATION = Normalisation((0.5, 0.4, 0.3), (0.25, 0.2, 0.5))


def network() -> nn.Module:
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (H - 2) * (W - 2), 4))
    net[3].weight.data.mul_(4)
    return net.double().eval()


def offers(predict: object, seeds: tuple[int, ...] = (7, 8, 9)) -> dict[str, object]:
    g = torch.Generator().manual_seed(0)
    return {
        "predict": predict,
        "image": torch.randn(N, 3, H, W, generator=g, dtype=torch.float64),
        "heatmap": torch.randint(-4, 5, (N, H, W), generator=g).double(),
        "explained": torch.tensor([3, 0, 2]),
        "generators": [torch.Generator().manual_seed(s) for s in seeds],
        "normalisation": NORMALISATION,
    }


@pytest.mark.parametrize("of", ["accuracy", "probability"])
def test_road_matches_its_twin(of: str) -> None:
    net = network()
    asked = offers(net)
    columns = find_metric(f"road:percent=10+50+90,of={of}").measure(**asked)
    names = [f"{k}/{order}" for order in ("morf", "lerf") for k in (10, 50, 90)]
    for i, seed in enumerate((7, 8, 9)):
        generator, scores = torch.Generator().manual_seed(seed), {}
        known = int(asked["explained"][i])
        for name in names:
            percent, order = name.split("/")
            gone = twin.removed(asked["heatmap"][i].numpy(), float(percent), order)
            noise = torch.randn(3, H, W, generator=generator)
            shown = twin.imputed(asked["image"][i].numpy(), gone)
            for c, y, x in np.ndindex(3, H, W):
                shown[c, y, x] += gone[y, x] * 0.01 / NORMALISATION.std[c] * float(noise[c, y, x])
            p = torch.softmax(net(torch.from_numpy(shown)[None])[0].detach(), 0)
            scores[name] = float(p[known]) if of == "probability" else float(int(p.argmax()) == known)
        assert [float(columns[name][i]) for name in names] == pytest.approx([scores[name] for name in names], rel=1e-6)
        morf, lerf = (sum(scores[f"{k}/{order}"] for k in (10, 50, 90)) / 3 for order in ("morf", "lerf"))
        means = [float(columns[name][i]) for name in ("morf", "lerf", "combined")]
        assert means == pytest.approx([morf, lerf, (lerf - morf) / 2], rel=1e-6)
    scores_of_all = torch.stack([columns[name] for name in names]).flatten()
    assert set(scores_of_all.tolist()) == {0.0, 1.0} if of == "accuracy" else float(scores_of_all.std()) > 0.01


@pytest.mark.parametrize("shape", [(9, 7), (8, 8), (1, 12), (13, 2), (21, 18)])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_imputation_matches_its_twin(shape: tuple[int, int], share: float) -> None:
    """Scattered pixels and one hole, the corners among them."""
    g = torch.Generator().manual_seed(1)
    image = torch.randn(2, 3, *shape, generator=g, dtype=torch.float64)
    order = torch.stack([torch.rand(shape, generator=g), torch.arange(shape[0] * shape[1]).view(shape) / 1000])
    gone = order <= torch.stack([o.flatten().sort().values[int(share * (o.numel() - 1))] for o in order])[:, None, None]
    found = imputed(image, gone)
    for i in range(2):
        np.testing.assert_allclose(found[i].numpy(), twin.imputed(image[i].numpy(), gone[i].numpy()), rtol=1e-6, atol=1e-9)
    assert torch.equal(found[~gone[:, None].expand_as(found)], image[~gone[:, None].expand_as(image)])


def test_imputation_is_pytorch_grad_cams() -> None:
    """Its imputer without noise solves the same system directly."""
    road = pytest.importorskip("pytorch_grad_cam.metrics.road")
    g = torch.Generator().manual_seed(4)
    image = torch.rand(2, 3, 16, 12, generator=g)
    gone = torch.rand(2, 16, 12, generator=g) < 0.8
    found = imputed(image, gone)
    for i in range(2):
        theirs = road.NoisyLinearImputer(noise=0.0)(image[i], (~gone[i]).float())
        torch.testing.assert_close(found[i], theirs, atol=1e-5, rtol=1e-5)


def test_a_plane_of_constant_slope_is_imputed_exactly_and_a_large_hole_takes_few_iterations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights are symmetric, so a linear image solves the system wherever no hole touches the border."""
    monkeypatch.setattr(imputation, "MOST", 40)
    y, x = torch.meshgrid(torch.arange(64.0).double(), torch.arange(61.0).double(), indexing="ij")
    image = (2 * y - 3 * x)[None, None].expand(1, 3, -1, -1) / 64
    gone = torch.zeros(1, 64, 61, dtype=torch.bool)
    gone[:, 1:-1, 1:-1] = True
    torch.testing.assert_close(imputed(image, gone), image, rtol=0, atol=1e-8)


def test_the_coarser_grid_is_the_transpose_of_the_finer() -> None:
    fine, coarse = torch.randn(1, 1, 7, 10).double(), torch.randn(1, 1, 4, 5).double()
    torch.testing.assert_close((coarser(fine) * coarse).sum(), (fine * finer(coarse, fine)).sum())


def test_values_of_an_image_do_not_depend_on_its_batch() -> None:
    metric, net = find_metric("road:percent=20+60,of=probability"), network()
    together = metric.measure(**offers(net))
    for i, seed in enumerate((7, 8, 9)):
        one = {k: v[i : i + 1] if isinstance(v, Tensor) else v for k, v in offers(net, (seed,)).items()}
        alone = metric.measure(**one)
        for name, rows in together.items():
            assert float(alone[name]) == pytest.approx(float(rows[i]), rel=1e-9)


def test_more_relevant_pixels_matter_more_to_a_classifier_that_sees_a_spot() -> None:
    """A bright spot decides; the map shows it, or all but it."""
    image = torch.zeros(1, 3, 12, 12).double()
    image[:, :, 4:8, 4:8] = 1
    asked = {**offers(lambda x: torch.stack([x[:, 0, 5, 5] - 0.5, 0.5 - x[:, 0, 5, 5]], 1)), "image": image}
    asked |= {"explained": torch.tensor([0]), "generators": asked["generators"][:1]}
    good = find_metric("road:percent=20").measure(**{**asked, "heatmap": image[:, 0]})
    bad = find_metric("road:percent=20").measure(**{**asked, "heatmap": -image[:, 0]})
    assert (float(good["morf"]), float(good["lerf"]), float(good["combined"])) == (0, 1, 0.5)
    assert (float(bad["morf"]), float(bad["lerf"]), float(bad["combined"])) == (1, 0, -0.5)


def test_what_cannot_be_imputed_is_refused() -> None:
    with pytest.raises(CambenchError, match="expected a pixel that is left in every image, got none"):
        imputed(torch.zeros(2, 3, 4, 4), torch.ones(2, 4, 4, dtype=torch.bool))
    with pytest.raises(UsageError, match="percent: expected numbers joined by .* at most 99"):
        find_metric("road:percent=10+100")
    with pytest.raises(CambenchError, match="expected a solution within 500 iterations"):
        imputed(torch.full((1, 3, 9, 9), torch.inf), torch.rand(1, 9, 9) < 0.5)
    with pytest.raises(CambenchError, match="logits of imputed images"):
        find_metric("road").measure(**offers(lambda x: x.mean((2, 3)) * torch.nan))


def test_its_entry() -> None:
    metric = find_metric("road")
    assert metric.variants == ("combined", "morf", "lerf") and metric.passes == 15
    assert [metric.direction(name) for name in metric.variants] == ["up", "down", "up"]
    assert find_metric("road:of=probability").unit_of("morf") == "probability"
