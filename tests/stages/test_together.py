"""Heatmaps of several explainers from one pass through the network: the files are those of each explainer alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.miniatures import picture
from own import trained
from torch import Tensor
from typed import Typed

from cambench.explainers.forward import predict
from cambench.processes import LostError
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.parts import Arrays, Parts
from cambench.vocabulary import CambenchError, StoppedError, UsageError

SHARING = ("grad-cam", "hires-cam", "grad-cam++", "ablation-cam", "score-map", "random", "center")
JOBS = [ExplainJob(name, target, batch_size=4) for name in SHARING for target in ("logit", "weighted")]


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The batch sizes of the passes through a network that explainers make."""
    run: list[int] = []

    def counted(model: Callable[[Tensor], Any], images: Tensor, precision: str) -> Tensor:
        run.append(len(images))
        return predict(model, images, precision)

    for module in [m for name, m in sys.modules.items() if name.startswith("cambench.explainers.")]:
        if getattr(module, "predict", None) is predict:
            monkeypatch.setattr(module, "predict", counted)
    return run


def files(results: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in results.rglob("heatmaps/*/*.h5")}


@pytest.fixture
def there(own: Place, tmp_path: Path) -> Place:
    """Other results of the same run."""
    trained(own)
    place = replace(own, results=tmp_path / "there")
    place.results.mkdir()
    (place.results / "runs").symlink_to(own.results / "runs")
    return place


def test_explainers_of_a_layer_share_each_pass_and_their_files_are_as_if_alone(
    own: Place, there: Place, sizes: list[int]
) -> None:
    others = [replace(JOBS[0], classes="prediction"), replace(JOBS[0], view="resize"), replace(JOBS[0], scale=2.0)]
    for job in [*JOBS, *others]:
        works.explain_all(works.Works([]), [job], own)
    assert sizes == [4, 2] * (len(JOBS) + len(others))
    sizes.clear()
    works.explain_all(works.Works([]), [*JOBS, *others], there)
    assert sizes == [4, 2] * 4, "two batches of six images for each view and choice of classes, whatever the explainers"
    assert files(there.results) == files(own.results) and len(files(own.results)) == len(JOBS) + len(others)


def test_whole_images_of_one_size_share_passes_and_each_map_is_its_own_images(
    own: Place, there: Place, sizes: list[int]
) -> None:
    for n in range(6):
        picture(own.data / "others" / ("ant", "bee", "cat")[n // 2] / f"{n}.png", ((48, 40), (64, 40))[n % 2], seed=n)
    here, job = works.Works([], dataset=f"folder:{own.data / 'others'}"), replace(JOBS[0], view="full")
    (alone,) = works.explain_all(here, [replace(job, batch_size=1)], own)
    sizes.clear()
    (path,) = works.explain_all(here, [job], there)
    one, other = read_heatmaps(alone), read_heatmaps(path)
    assert sizes == [3, 3] and other.ids == one.ids and other.job == one.job
    assert {heatmap.shape for heatmap in other.maps} == {(8, 10), (8, 13)}
    for a, b in zip(one.maps, other.maps, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert (one.target == other.target).all() and np.allclose(one.logits, other.logits, rtol=1e-4, atol=1e-5)


def test_what_is_refused_keeps_nothing_else_from_being_made(own: Place, there: Place) -> None:
    sound = [ExplainJob("grad-cam", "weighted"), ExplainJob("hires-cam", "weighted")]
    works.explain_all(works.Works([]), sound, own)
    with pytest.raises(UsageError, match="finer-cam: expected target logit, got weighted"):
        works.explain_all(works.Works([]), [sound[0], ExplainJob("finer-cam", "weighted"), sound[1]], there)
    assert files(there.results) == files(own.results) and len(files(own.results)) == 2


def test_a_command_makes_what_it_can_and_names_each_refusal(there: Place, typed: Typed) -> None:
    names = [word for name in ("grad-cam", "calm", "random", "finer-cam") for word in ("-e", name)]
    roots = ("--data-root", there.data, "--results", there.results, "--workers", 0, "--device", "cpu")
    done = typed("explain", *names, "-t", "weighted", *roots)
    made = [Path(line).name.split(".")[1] for line in done.out.split()]
    assert done.code == 2 and made == ["grad-cam", "random"] and len(files(there.results)) == 2
    assert (
        "error: calm: CALM's maps need a network with a CALM head" in done.err
        and "error: finer-cam: expected target logit" in done.err
    )
    alone = typed("explain", "-e", "calm", *roots)
    assert "error: CALM's maps need" in alone.err, "of one explainer it is plain which"
    with pytest.raises(UsageError, match="^calm: CALM's maps need"):
        works.explain_all(works.Works([]), [ExplainJob("grad-cam"), ExplainJob("calm")], there)
    assert not [*there.results.rglob("*.parts")], "nothing stays of what was refused"


@pytest.mark.parametrize("error", [LostError("another one ended."), StoppedError("asked to end.")])
def test_what_ends_the_process_or_ended_another_is_no_refusal(
    error: CambenchError, there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(*_: object) -> None:
        raise error

    for verb, job in (("evaluate", EvalJob("top1")), ("explain", ExplainJob("center"))):
        monkeypatch.setattr(works, verb, ending)
        refused: works.Refused[Any] = []
        with pytest.raises(type(error)):
            getattr(works, f"{verb}_all")(works.Works([]), [job], there, refused)
        assert not refused


def test_jobs_that_were_killed_at_different_images_end_like_uninterrupted_ones(
    own: Place, there: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cambench.stages.measuring.explain.CHUNK", 2)
    jobs = [replace(job, batch_size=2) for job in JOBS[:6]]
    for job in jobs:
        works.explain_all(works.Works([]), [job], own)
    write = Parts.write

    def killed(self: Parts, chunk: range, arrays: Arrays) -> None:
        write(self, chunk, arrays)
        if chunk.start == 2 and "hires-cam" in self.folder.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(Parts, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        works.explain_all(works.Works([]), jobs, there)
    assert not files(there.results) and len({len([*f.glob("part-*")]) for f in there.results.rglob("*.h5.parts")}) == 2
    monkeypatch.setattr(Parts, "write", write)
    works.explain_all(works.Works([]), jobs, there)
    assert files(there.results) == files(own.results) and len(files(own.results)) == len(jobs)
    assert not [*there.results.rglob("*.parts")] and not [*there.results.rglob("*.lock")]


def test_what_measurements_look_at_is_made_by_shared_passes_and_its_seconds_are_known(
    there: Place, sizes: list[int]
) -> None:
    asked = [EvalJob("average-drop", name, batch_size=4) for name in SHARING]
    works.evaluate_all(works.Works([]), asked[:1], there)
    sizes.clear()
    records = works.evaluate_all(works.Works([]), asked, there)
    assert records[0].stored and not any(record.stored for record in records[1:])
    assert sizes == [4, 2]
    assert all(record.explaining is not None and 0 < record.explaining < 60 for record in records[1:])
