"""Cue localisation from a run to its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reference import px_ap as slow
from tiny import TINY
from torch import Tensor

from cambench import maps
from cambench.data import cues, load
from cambench.data.cub import attribute_names
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.explainers.batch import explain_batch
from cambench.metrics import INDEX
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network, open_run
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import read_rows
from cambench.vocabulary import UsageError


@pytest.fixture(scope="module")
def there(birds: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run of cross-entropy and one with a CALM head."""
    place = Place(birds, tmp_path_factory.mktemp("cues"), "cpu")
    train(TrainJob("ce", "synthbirds", overrides=TINY), place)
    head = ["model.surgery=['calm-head']", "model.layer=avgpool.latent"]
    train(TrainJob("ce", "synthbirds", seed=1, overrides=[*TINY, *head]), place)
    return place


def plain(raw: Tensor, side: int, steps: Sequence[str]) -> Tensor:
    """The protocol's steps on s^A − s^B."""
    return maps.apply(raw[0] - raw[1], steps, (side, side))


def normalised(raw: Tensor, side: int, _: Sequence[str]) -> Tensor:
    """|ŝ^A − ŝ^B| with each map between 0 and 1, one map at a time."""
    ours = [torch.stack([(m - m.min()) / (m.max() - m.min()) for m in of_class]) for of_class in raw]
    return maps.resize(ours[0] - ours[1], (side, side)).abs()


def blurred(raw: Tensor, side: int, _: Sequence[str]) -> Tensor:
    """OpenCV's blur of each class's map, then the difference and its range."""
    large = [maps.resize(of_class, (side, side)).double().numpy() for of_class in raw]
    ours = [np.stack([cv2.GaussianBlur(m, (31, 31), 5.0, borderType=cv2.BORDER_REFLECT_101) for m in one]) for one in large]
    return maps.min_max(torch.from_numpy(np.abs(ours[0] - ours[1])))


@pytest.mark.parametrize(
    ("seed", "explainer", "scale", "variant", "slow_map"),
    [
        (0, "hires-cam", "even", "", plain),
        (0, "gradient", "even", "", plain),
        (1, "calm", "log", "", plain),
        (0, "cam", "even", "-normalised", normalised),
        (0, "vanilla-gradient", "even", "-blurred", blurred),
        (1, "calm-posterior", "log", "-blurred", plain),  # CALM's maps are not blurred
    ],
)
def test_the_map_of_a_pair_is_that_of_two_classes(
    there: Place, seed: int, explainer: str, scale: str, variant: str, slow_map: Callable[..., Tensor]
) -> None:
    """The stage makes each map once and takes differences; here every pair has its own, counted by the slow loop."""
    run = next(r.name for r in works.chosen(works.Works([]), there) if r.info.seed == seed)
    metric = f"cue-localisation{variant}"
    (record,) = works.evaluate_all(works.Works([run]), [EvalJob(metric, explainer, batch_size=7)], there)
    dataset = load("synthbirds", "test", there.data)
    rounding = 1e-2 if scale == "log" else 1e-3  # differences near 0 have few digits, and each bin is 1.6 % wide
    pairs = cues.cue_pairs(np.array(dataset.attributes), attribute_names(dataset.root))
    loaded, expected, sizes = load_network(open_run(run, there), there), {}, {}
    side, steps = loaded.size, INDEX["cue-localisation"].on(explainer).maps.steps[1:]
    for pair in pairs:
        rows = [r for r, s in enumerate(dataset.samples) if s.label in pair[:2]]
        source = {"device": "cpu", "cache": there.results / "cache"}
        (batch,) = eval_batches(dataset, View("resize", side), batch_size=99, rows=rows, **source)
        ready = loaded.ready_for(works.find_explainer(explainer))
        options = {"explainer": explainer, "layer": ready.layer, "head": ready.head}
        own = [torch.full((len(rows),), c) for c in pair[:2]]
        raw = torch.stack([explain_batch(ready.model, batch.image, classes=c, **options).maps for c in own])
        heatmaps, masks = slow_map(raw, side, steps).double().numpy(), []
        kept = []
        for i, row in enumerate(rows):
            sample = dataset.samples[row]
            points = cues.points_of(sample, (40, 40), side)
            if {p for p, _, _ in points} & set(pair.parts):
                kept.append(i)
                nearest = cues.nearest_part(points, side)
                masks.append(cues.cue_mask(nearest, pair.parts, cues.foreground_of(sample, side)))
        cue = np.stack(masks)
        expected[pair] = slow.px_ap(heatmaps[kept], cue, np.zeros_like(cue), scale)
        sizes[pair] = len(kept)
    (path,) = (there.results / "records" / run).glob(f"*.{explainer}.*.{metric}.*.h5")
    assert read_rows(path).values["fresh"].tolist() == pytest.approx(list(expected.values()), rel=rounding)
    for k in (1, 2, 3):
        of_k = [100 * value for pair, value in expected.items() if len(pair.parts) == k]
        assert record.values[f"fresh/{k}"].value == pytest.approx(np.mean(of_k), rel=rounding)
        assert record.values[f"fresh/{k}"].n == len(of_k) == 2
    assert record.explainer == explainer and record.values["fresh/mean"].n == 6
    assert record.values["accumulated/1"].value != record.values["fresh/1"].value
    assert record.counts == {f"pairs that do not count ({INDEX['cue-localisation'].rows.leaves_out})": 0}
    assert read_rows(path).ids[0] == f"{dataset.classes[pairs[0].a]} – {dataset.classes[pairs[0].b]}"


def test_what_the_data_or_the_question_lacks(there: Place) -> None:
    with pytest.raises(UsageError, match="the pairs of classes are the contrast"):
        works.evaluate_all(
            works.Works(["synthbirds-ce-resnet8-s0"]), [EvalJob("cue-localisation", target="weighted")], there
        )
