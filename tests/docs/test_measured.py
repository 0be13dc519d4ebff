"""The pages of what was measured: marks that the writer finds, files that a page names, what it leaves as it is."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from cambench.data import synthbirds
from cambench.recipes.claims import papers
from cambench.stages.measuring import works
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place

MEASURED = ROOT / "results" / "measured"
PAGES = [f"{name}.md" for name in ("README", *papers())]
SMALL = ("input.size=16", "train.epochs=1", "train.batch_size=8")


def writer(folder: Path) -> dict[str, Any]:
    """The script, writing into a folder of its own."""
    shutil.copytree(MEASURED, folder)
    return runpy.run_path(str(folder / "pages.py"), run_name="pages")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_its_marks_once_and_in_order(name: str) -> None:
    marks, text = runpy.run_path(str(MEASURED / "pages.py"), run_name="pages"), (MEASURED / name).read_text(encoding="utf-8")
    assert text.count(marks["BEGIN"]) == text.count(marks["END"]) == 1 and text.index(marks["BEGIN"]) < text.index(
        marks["END"]
    )


def test_every_file_is_named_on_a_page() -> None:
    texts = "".join((MEASURED / name).read_text(encoding="utf-8") for name in PAGES)
    files = [
        path.relative_to(MEASURED).as_posix() for path in MEASURED.rglob("*") if path.suffix in (".csv", ".txt", ".png")
    ]
    assert files and not [name for name in files if f"]({name})" not in texts]


def test_what_a_results_root_holds_stands_between_the_marks(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=3, test_per_class=3, size=32, seed=0)
    for method in ("excon", "supcon"):
        train(TrainJob(method, "synthbirds", overrides=SMALL), place)
    works.evaluate_all(
        works.Works([]), works.jobs_of(["embedding-distance", "drop-increase", "ch", "top1"], None, None), place
    )
    script = writer(tmp_path / "pages")
    script["write"](place.results)
    pages = {name: (tmp_path / "pages" / name).read_text(encoding="utf-8") for name in PAGES}
    for name, text in pages.items():
        before, _, rest = (MEASURED / name).read_text(encoding="utf-8").partition(script["BEGIN"])
        assert text.startswith(before + script["BEGIN"]) and text.endswith(script["END"] + rest.partition(script["END"])[2])
    page = pages["excon.md"]
    assert page.index("| excon-embedding | undecided |") < page.index("### synthbirds:") < page.index("cost of training")
    assert "embedding-distance own-mask" in page and "0.45/drop-mag" in page and "2 trainings in 0.0 hours" in page
    assert " ch " not in page, "what no claim of the paper looks at"
    assert "## Values" not in pages["weighted-contrast.md"] and "3 not measured" in pages["weighted-contrast.md"]
    assert "| [excon](excon.md) |" in pages["README.md"] and (tmp_path / "pages" / "excon-claims.csv").exists()
    script["write"](place.results)
    assert pages == {name: (tmp_path / "pages" / name).read_text(encoding="utf-8") for name in PAGES}
