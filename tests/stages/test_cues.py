"""Cue localisation from a run to its record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from reference import px_ap as slow
from tiny import TINY

from cambench import maps
from cambench.data import cues, load
from cambench.data.cub import attribute_names
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.explainers import explain_batch
from cambench.metrics import INDEX
from cambench.stages import works
from cambench.stages.jobs import Place
from cambench.stages.networks import load_network, open_run
from cambench.stages.rows import EvalJob
from cambench.stages.train import TrainJob, train
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


@pytest.mark.parametrize(
    ("seed", "explainer", "scale"), [(0, "hires-cam", "even"), (0, "gradient", "even"), (1, "calm", "log")]
)
def test_the_map_of_a_pair_is_that_of_versus(there: Place, seed: int, explainer: str, scale: str) -> None:
    """The stage takes differences of maps; here each map is made by the target `versus` and counted by the slow loop."""
    run = next(r.name for r in works.chosen(works.Works([]), there) if r.info["seed"] == seed)
    (record,) = works.evaluate_all(works.Works([run]), [EvalJob("cue-localisation", explainer, batch_size=7)], there)
    dataset = load("synthbirds", "test", there.data)
    rounding = 1e-2 if scale == "log" else 1e-3  # differences near 0 have few digits, and each bin is 1.6 % wide
    pairs = cues.cue_pairs(np.array(dataset.attributes), attribute_names(dataset.root))
    loaded, expected, sizes = load_network(open_run(run, there), there), {}, {}
    side, steps = loaded.size, INDEX["cue-localisation"].on(explainer).steps
    for pair in pairs:
        rows = [r for r, s in enumerate(dataset.samples) if s.label in pair[:2]]
        source = {"device": "cpu", "cache": there.results / "cache"}
        (batch,) = eval_batches(dataset, View("resize", side), batch_size=99, rows=rows, **source)
        ready = loaded.ready_for(works.find_explainer(explainer))
        options = {"explainer": explainer, "target": f"versus:{pair.b}", "layer": ready.layer, "head": ready.head}
        raw = explain_batch(ready.model, batch.image, classes=torch.full((len(rows),), pair.a), **options).maps
        heatmaps, masks = maps.apply(raw, steps, (side, side)).double().numpy(), []
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
    (path,) = (there.results / "records" / run).glob(f"*.{explainer}.*.h5")
    assert read_rows(path).values["fresh"].tolist() == pytest.approx(list(expected.values()), rel=rounding)
    for k in (1, 2, 3):
        of_k = [100 * value for pair, value in expected.items() if len(pair.parts) == k]
        assert record.values[f"fresh/{k}"].value == pytest.approx(np.mean(of_k), rel=rounding)
        assert record.values[f"fresh/{k}"].n == len(of_k) == 2
    assert record.explainer == explainer and record.values["fresh/mean"].n == 6
    assert record.values["accumulated/1"].value != record.values["fresh/1"].value
    assert record.counts == {f"pairs that do not count ({INDEX['cue-localisation'].leaves_out})": 0}
    assert read_rows(path).ids[0] == f"{dataset.classes[pairs[0].a]} – {dataset.classes[pairs[0].b]}"


def test_what_the_data_or_the_question_lacks(there: Place) -> None:
    with pytest.raises(UsageError, match="the pairs of classes are the contrast"):
        works.evaluate_all(
            works.Works(["synthbirds-ce-resnet8-s0"]), [EvalJob("cue-localisation", target="weighted")], there
        )
