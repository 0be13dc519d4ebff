"""Two processes at one job, and files that hold the rows of two."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from own import SMALL, measured, trained

from cambench.data import load
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.network import load_network, open_run
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import read_columns, records_of, rows_path
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError, Dataset

STOPPED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from cambench.stages.measuring import explain, works
from cambench.stages.workplace import Place
from cambench.store.parts import Parts
data, results, when = sys.argv[1:]
explain.CHUNK = 2
write = Parts.write
def once(self, chunk, arrays):
    write(self, chunk, arrays)
    if when == "stop" and chunk.start == 0:
        print("stopped", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
Parts.write = once
works.explain_all(works.Works([]), [explain.ExplainJob(batch_size=2)], Place(Path(data), Path(results), "cpu"))
"""


def test_two_that_explain_one_job_write_it_once(own: Place) -> None:
    """The slower is stopped after its first part; the other waits for it, and neither writes what the other wrote."""
    import signal

    trained(own)
    command = [sys.executable, "-c", STOPPED, str(own.data), str(own.results)]
    slow = subprocess.Popen([*command, "stop"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert slow.stdout is not None and slow.stdout.readline() == "stopped\n"
    fast = subprocess.Popen([*command, "go"], stderr=subprocess.PIPE, text=True)
    assert fast.stderr is not None
    said = next(line for line in fast.stderr if "waiting" in line)
    assert "another process is at it" in said and not list(own.results.rglob("heatmaps/*/*.h5"))
    slow.send_signal(signal.SIGCONT)
    assert (slow.wait(), fast.wait()) == (0, 0)
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
        "logits": found.logits[twice],
        "id": np.array([found.ids[i].encode() for i in twice]),
    }
    heatmaps.write_heatmaps(path, found.job, found.origin, arrays)
    loaded = load_network(open_run(run, own), own)
    dataset: Dataset = load(f"folder:{own.data / 'mine'}", "val", own.data)
    with pytest.raises(CambenchError, match=r"expected the 6 images .* in order, got 8 rows, 6 images, 6 in their places"):
        explain(ExplainJob(), loaded, dataset, own)
    works.explain_all(works.Works([], again=True), [ExplainJob()], own)
    assert len(explain(ExplainJob(), loaded, dataset, own).maps) == 6


TWO = """
import sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from cambench.stages.workplace import Place
from cambench.stages.training.train import TrainJob, train
data, results, *overrides = sys.argv[1:]
train(TrainJob("ce", f"folder:{data}/mine", "resnet8", overrides=overrides), Place(Path(data), Path(results), "cpu"))
"""


def test_two_that_train_one_run_train_it_once(own: Place) -> None:
    command = [sys.executable, "-c", TWO, str(own.data), str(own.results), *SMALL, "train.epochs=3"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
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
