"""Remove-and-classify of a run: what is erased of an image does not depend on its batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cambench.metrics import INDEX
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.workplace import Place
from cambench.store.records import read_rows, records_of, rows_path


def test_the_rows_do_not_depend_on_the_batch_size(place: Place, tmp_path: Path) -> None:
    rows = []
    for size in (7, 40):
        root = tmp_path / str(size)
        root.mkdir()
        (root / "runs").symlink_to(place.results / "runs")
        wanted = [
            EvalJob(name, "vanilla-gradient", batch_size=size)
            for name in ("remove-and-classify", "remove-and-classify-zero")
        ]
        blur, zero = works.evaluate_all(works.Works(["synthbirds-ce"]), wanted, Place(place.data, root, "cpu"))
        assert blur.explainer == "vanilla-gradient" and blur.values["10"].n == 40 and blur.values != zero.values
        assert set(blur.values) <= set(INDEX["remove-and-classify"].variants)
        rows.append([read_rows(rows_path(record.path)).values for record in records_of(root, blur.run)])
    for few, many in zip(*rows, strict=True):
        assert set(few) == {name for k in (10, 30, 50, 70, 90) for name in (f"{k}", f"{k}-random")}
        for name, hits in few.items():
            assert np.abs(hits - many[name]).sum() <= 1, "all but an image whose logits are equal up to rounding"
