"""Sensitivity-n and faithfulness correlation: slow twin, a linear network, batches, what is undefined."""

from __future__ import annotations

import math

import pytest
import torch
from reference import subsets as twin
from torch import Tensor, nn

from cambench.metrics import find_metric
from cambench.metrics.correlation import pearson, spearman, varies
from cambench.metrics.faithfulness.sensitivity_n import variants
from cambench.vocabulary import CambenchError, UsageError

N, H, W = 3, 6, 5


def network() -> nn.Module:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (H - 2) * (W - 2), 5))
    return net.double().eval()


def offers(predict: object, seeds: tuple[int, ...] = (7, 8, 9)) -> dict[str, object]:
    g = torch.Generator().manual_seed(0)
    return {
        "predict": predict,
        "image": torch.randn(N, 3, H, W, generator=g, dtype=torch.float64),
        "heatmap": torch.randn(N, H, W, generator=g, dtype=torch.float64),
        "explained": torch.tensor([4, 0, 2]),
        "generators": [torch.Generator().manual_seed(s) for s in seeds],
    }


@pytest.mark.parametrize("of", ["logit", "probability"])
def test_sensitivity_n_matches_its_twin(of: str) -> None:
    net = network()
    asked = offers(net)
    columns = find_metric(f"sensitivity-n:percent=1+20+80,draws=9,of={of}").measure(**asked)
    assert list(columns) == ["mean", "1", "20", "80", "counted"] and bool(columns["counted"].all())
    for i, seed in enumerate((7, 8, 9)):
        generator, expected = torch.Generator().manual_seed(seed), []
        for size in (1, 6, 24):
            sets = twin.drawn(H * W, size, 9, generator)
            known = int(asked["explained"][i])
            expected.append(twin.correlation(net, asked["image"][i], asked["heatmap"][i], known, sets, of))
        assert [float(columns[k][i]) for k in ("1", "20", "80")] == pytest.approx(expected, rel=1e-6)
        assert float(columns["mean"][i]) == pytest.approx(sum(expected) / 3, rel=1e-6)
    assert variants(percent=(0.5, 20.0)) == ("mean", "0.5", "20")


def test_faithfulness_correlation_matches_its_twin() -> None:
    net = network()
    asked = offers(net)
    columns = find_metric("faithfulness-correlation:pixels=4,draws=11").measure(**asked)
    for i, seed in enumerate((7, 8, 9)):
        sets = twin.drawn(H * W, 4, 11, torch.Generator().manual_seed(seed))
        known = int(asked["explained"][i])
        expected = twin.correlation(net, asked["image"][i], asked["heatmap"][i], known, sets, "probability")
        assert float(columns[""][i]) == pytest.approx(expected, rel=1e-6)


def test_a_linear_network_is_foretold_by_gradient_times_input() -> None:
    """y_c(x) − y_c(x without S) = Σ_{p∈S} w_p·x_p, so the correlation is 1, and −1 of the negative map."""
    weight = torch.randn(5, 3 * H * W, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    asked = offers(lambda x: x.flatten(1) @ weight.T)
    own = weight[asked["explained"]].view(N, 3, H, W) * asked["image"]
    for sign in (1, -1):
        rows = find_metric("sensitivity-n:draws=8").measure(**{**asked, "heatmap": sign * own.sum(1)})
        assert rows["mean"].tolist() == pytest.approx([sign] * N, abs=1e-9)
        row = find_metric("faithfulness-correlation:pixels=5,draws=8,of=logit").measure(
            **{**asked, "heatmap": sign * own.sum(1)}
        )
        assert row[""].tolist() == pytest.approx([sign] * N, abs=1e-9)


def test_values_of_an_image_do_not_depend_on_its_batch() -> None:
    net, name = network().float(), "faithfulness-correlation:pixels=5,draws=300"
    together = find_metric(name).measure(**{**offers(net), "image": offers(net)["image"].float()})[""]
    for i, seed in enumerate((7, 8, 9)):
        asked = {**offers(net, (seed,)), "image": offers(net)["image"].float()}
        one = {k: v[i : i + 1] if isinstance(v, Tensor) else v for k, v in asked.items()}
        assert float(find_metric(name).measure(**one)[""]) == pytest.approx(float(together[i]), rel=1e-5)


def test_what_is_undefined_does_not_count() -> None:
    """A constant map foretells nothing, be it constant but for rounding; a constant output loses nothing."""
    asked = offers(network())
    asked["heatmap"][1] = 0.3 + 1e-9 * torch.rand(H, W, dtype=torch.float64)
    for name in ("sensitivity-n:draws=5", "faithfulness-correlation:pixels=5"):
        columns = find_metric(name).measure(**asked)
        assert columns["counted"].tolist() == [True, False, True]
        assert math.isnan(float(columns[find_metric(name).variants[0]][1]))
        constant = find_metric(name).measure(**{**asked, "predict": lambda x: torch.ones(len(x), 5)})
        assert not constant["counted"].any()


def test_sets_that_cannot_be_drawn_are_refused() -> None:
    asked = offers(network())
    for pixels in (30, 224):
        with pytest.raises(UsageError, match=f"expected 1 to 29 of 30 pixels, got {pixels}; take fewer"):
            find_metric(f"faithfulness-correlation:pixels={pixels}").measure(**asked)
    with pytest.raises(CambenchError, match=r"heatmap \(N,H,W\)"):
        find_metric("sensitivity-n").measure(**{**asked, "heatmap": asked["heatmap"][:, 1:]})
    asked["heatmap"][0, 0, 0] = torch.nan
    with pytest.raises(CambenchError, match="heatmap: expected finite values"):
        find_metric("sensitivity-n").measure(**asked)
    with pytest.raises(CambenchError, match="logits without a set"):
        find_metric("sensitivity-n").measure(**offers(lambda x: x.flatten(1)[:, :5] * (1 if len(x) == N else torch.nan)))


def test_correlations_match_their_twins_and_say_where_there_is_none() -> None:
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 6, (4, 9), generator=g).double() for _ in range(2))
    for i in range(4):
        assert float(pearson(a, b)[i]) == pytest.approx(twin.pearson(a[i].tolist(), b[i].tolist()), rel=1e-9)
        assert float(spearman(a, b)[i]) == pytest.approx(twin.spearman(a[i].tolist(), b[i].tolist()), rel=1e-9)
    assert torch.isnan(pearson(torch.full((9,), 0.1), a[0])) and torch.isnan(spearman(a[0], torch.zeros(9)))
    assert float(pearson(a[0], a[0])) == float(spearman(a[0], a[0])) == 1.0
    assert varies(torch.tensor([[1.0, 1.0], [1.0, 1.1]])).tolist() == [False, True]
    assert not varies(torch.tensor([1.0, 1.1]), 0.2)
