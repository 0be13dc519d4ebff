"""Metrics that edit pixels show a network the same picture, however its input is normalised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cambench import metrics
from cambench.pixels import DEFAULT, NORMALISATIONS, Normalisation, to_input, to_pixels

OTHERS = sorted(set(NORMALISATIONS) - {"imagenet"})
OF_REGIONS = ("top1-gray-mask", "top1-gray-box", "top1-tile", "rfs", "rfs-sweep")


def test_the_table_holds_the_papers_numbers() -> None:
    """ExCon protocol §1.3; ImageNet's as torchvision's weights expect them."""
    mean, std = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
    assert NORMALISATIONS["cifar100"] == (mean, std)
    assert NORMALISATIONS["tiny-imagenet"] == ((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262))
    assert NORMALISATIONS["imagenet"] == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) == DEFAULT
    x = to_input(torch.tensor([[1.0, 0.5, 0.0]]).double()[:, :, None, None], mean, std)
    assert x.flatten().tolist() == pytest.approx([(1 - 0.5071) / 0.2675, (0.5 - 0.4867) / 0.2565, -0.4408 / 0.2761])
    assert to_pixels(x, mean, std).flatten().tolist() == pytest.approx([1, 0.5, 0])


def pictures(name: str, normalisation: Normalisation) -> tuple[list[Tensor], dict[str, Tensor]]:
    """The pixels that the network is shown by a metric, in order, and the metric's columns."""
    g = torch.Generator().manual_seed(0)
    start = torch.rand(3, 3, 12, 12, generator=g, dtype=torch.float64)
    mask = torch.zeros(3, 12, 12, dtype=torch.bool)
    mask[0, 3:8, 4:9] = mask[1] = True  # all of the second is object, none of the third
    weight = torch.randn(3 * 144, 4, generator=g, dtype=torch.float64)
    seen: list[Tensor] = []

    def predict(x: Tensor) -> Tensor:
        seen.append(to_pixels(x, *normalisation))
        return seen[-1].flatten(1) @ weight

    offers = {
        "predict": predict,
        "image": to_input(start, *normalisation),
        "label": torch.tensor([0, 1, 2]),
        "mask": mask,
        "generators": [torch.Generator().manual_seed(i) for i in range(3)],
        "differentiate": lambda x, classes: to_pixels(x, *normalisation) - 0.5,
        "normalisation": normalisation,
        "heatmap": torch.rand(3, 12, 12, generator=g),
    }
    found = metrics.find_metric(name).measure(**{n: offers[n] for n in metrics.needs(metrics.find_metric(name))})
    return seen, found if isinstance(found, dict) else {"": found}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(
    "name", [*OF_REGIONS, "gradient-sign", "gradient-sign-printed", "iauc:start=noise", "dauc:end=black"]
)
def test_a_network_is_shown_the_same_pixels(name: str, other: str) -> None:
    (usual, columns), (seen, found) = pictures(name, DEFAULT), pictures(name, NORMALISATIONS[other])
    assert len(usual) == len(seen) and columns.keys() == found.keys()
    for a, b in zip(usual, seen, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)
    for key, column in columns.items():
        torch.testing.assert_close(column, found[key], atol=1e-9, rtol=0)


def test_every_metric_that_edits_pixels_asks_for_the_normalisation() -> None:
    asking = {name for name, metric in metrics.INDEX.items() if "normalisation" in metrics.needs(metric)}
    assert asking == {*OF_REGIONS, "gradient-sign", "infidelity", "iauc", "dauc", "road", "sensitivity-max"}
