"""Two processes at one job, and files that hold the rows of two."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from contextlib import redirect_stderr
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import started
from own import SMALL, measured, trained

from cambench.data import load
from cambench.stages.measuring import explain as explaining
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.network import load_network, open_run
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.parts import Parts
from cambench.store.records import read_columns, records_of, rows_path
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError, Dataset


def explain_slowly(place: Place, written: Connection) -> None:
    """Explain in parts of two images; the first is told of, and then this process stops."""
    explaining.CHUNK = 2
    write = Parts.write

    def once(self: Parts, chunk: range, arrays: dict[str, Any]) -> None:
        write(self, chunk, arrays)
        if chunk.start == 0:
            written.send("the first part")
            os.kill(os.getpid(), signal.SIGSTOP)

    Parts.write = once  # type: ignore[method-assign]
    works.explain_all(works.Works([]), [ExplainJob(batch_size=2)], place)


def explain_aloud(place: Place, log: Path) -> None:
    """Explain in parts of two images, and keep what is logged."""
    logging.basicConfig(filename=log, force=True)
    explaining.CHUNK = 2
    works.explain_all(works.Works([]), [ExplainJob(batch_size=2)], place)


def test_two_that_explain_one_job_write_it_once(own: Place, tmp_path: Path) -> None:
    """The slower is stopped after its first part; the other waits for it, and neither writes what the other wrote."""
    trained(own)
    log, (here, there) = tmp_path / "log", multiprocessing.Pipe()
    slow = started(explain_slowly, own, there)
    try:
        assert here.recv() == "the first part"
        fast = started(explain_aloud, own, log)
        while not (log.exists() and "waiting" in log.read_text()):
            assert fast.is_alive()
            time.sleep(0.05)
        assert "another process is at it" in log.read_text() and not list(own.results.rglob("heatmaps/*/*.h5"))
        os.kill(slow.pid or 0, signal.SIGCONT)
        for process in (slow, fast):
            process.join(300)
        assert (slow.exitcode, fast.exitcode) == (0, 0)
    finally:
        slow.kill()  # a process that is stopped ends in no other way
    (path,) = own.results.rglob("heatmaps/*/*.h5")
    assert len(read_heatmaps(path).ids) == len(set(read_heatmaps(path).ids)) == 6
    assert [p.name for p in path.parent.iterdir()] == [path.name], "neither parts nor locks stay"


def test_a_file_that_holds_other_images_does_not_count_as_whole(own: Place) -> None:
    from cambench.store import heatmaps

    run = trained(own)
    (path,) = works.explain_all(works.Works([]), [ExplainJob()], own)
    found = read_heatmaps(path)
    twice = [*range(6), 0, 1]
    arrays = {
        **heatmaps.pack(np.stack([found.maps[i] for i in twice])),
        "target": found.target[twice],
        "prediction": found.prediction[twice],
        "logits": np.stack(found.logits.take(twice)),
        "id": np.array([found.ids[i].encode() for i in twice]),
    }
    heatmaps.write_heatmaps(path, found.job, found.origin, lambda name: [arrays[name]])
    loaded = load_network(open_run(run, own), own)
    dataset: Dataset = load(f"folder:{own.data / 'mine'}", "val", own.data)
    with pytest.raises(CambenchError, match=r"expected the 6 images .* in order, got 8 rows, 6 images, 6 in their places"):
        explain(ExplainJob(), loaded, dataset, own)
    works.explain_all(works.Works([], again=True), [ExplainJob()], own)
    assert len(explain(ExplainJob(), loaded, dataset, own).maps) == 6


def train_aloud(place: Place, said: Path) -> None:
    """Train, and keep what is said."""
    with said.open("w") as file, redirect_stderr(file):
        train(TrainJob("ce", f"folder:{place.data / 'mine'}", "resnet8", overrides=[*SMALL, "train.epochs=3"]), place)


def test_two_that_train_one_run_train_it_once(own: Place, tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "other"]
    both = [started(train_aloud, own, file) for file in files]
    for process in both:
        process.join(300)
    said = [file.read_text() for file in files]
    assert [process.exitcode for process in both] == [0, 0], said
    assert sum(text.count("epoch 3/3") for text in said) == 1
    assert sum("finished" in text for text in said) == 1
    (run,) = read_runs(own.results)
    assert run.finished and len(run.log()) == 3
    assert not list((own.results / "runs").glob(".*"))


def test_rows_of_a_record_are_each_image_once(own: Place) -> None:
    trained(own)
    (record,) = measured(own, "iauc")
    (path,) = (r.path for r in records_of(own.results, record.run))
    assert sorted(read_columns(rows_path(path))["row"].tolist()) == list(range(6))
