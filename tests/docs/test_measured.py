"""The pages of what was measured: marks that the writer finds, files that a page names, what it leaves as it is."""

from __future__ import annotations

import math
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import ROOT

from cambench.data import synthbirds
from cambench.recipes.claims import papers
from cambench.stages.measuring import works
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place

MEASURED = ROOT / "results" / "measured"
PAGES = [f"{name}.md" for name in ("README", *papers())]
PHOTOGRAPHS = "photographs.md"
BEGIN, END = "<!-- written by pages.py -->", "<!-- written by hand -->"
SMALL = ("input.size=16", "train.epochs=1", "train.batch_size=8")


@pytest.fixture(autouse=True)
def beside_its_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script imports what lies beside it."""
    monkeypatch.syspath_prepend(str(MEASURED))


def writer(folder: Path, name: str = "pages") -> dict[str, Any]:
    """The script, writing into a folder of its own."""
    shutil.copytree(MEASURED, folder)
    return runpy.run_path(str(folder / f"{name}.py"), run_name=name)


def texts(folder: Path) -> dict[str, str]:
    """Every page and CSV file."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.suffix in (".md", ".csv")}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_its_marks_once_and_in_order(name: str) -> None:
    text = (MEASURED / name).read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)


def test_every_file_is_named_on_a_page() -> None:
    said = "".join((MEASURED / name).read_text(encoding="utf-8") for name in (*PAGES, PHOTOGRAPHS))
    files = [
        path.relative_to(MEASURED).as_posix()
        for path in MEASURED.rglob("*")
        if path.suffix in (".csv", ".txt", ".png", ".xz")
    ]
    assert files and not [name for name in files if f"]({name})" not in said]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results root with two tiny networks of ExCon's paper and what its claims look at."""
    folder = tmp_path_factory.mktemp("trained")
    place = Place(folder / "data", folder / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=3, test_per_class=3, size=32, seed=0)
    for method in ("excon", "supcon"):
        train(TrainJob(method, "synthbirds", overrides=SMALL), place)
    works.evaluate_all(
        works.Works([]), works.jobs_of(["embedding-distance", "drop-increase", "ch", "top1"], None, None), place
    )
    return place.results


def test_from_what_is_kept_the_pages_come_out_as_they_are(tmp_path: Path) -> None:
    """The verdicts follow from the kept records by the code as it is; a change of one must be written down."""
    script = writer(tmp_path / "pages")
    script["write"](None, [])
    made, there = texts(tmp_path / "pages"), texts(MEASURED)
    assert {name: text for name, text in made.items() if name.endswith(".md")} == {
        name: text for name, text in there.items() if name.endswith(".md")
    }
    for name in (name for name in there if name.endswith(".csv")):  # another processor may round the last digits otherwise
        frames = [pd.read_csv(folder / name) for folder in (tmp_path / "pages", MEASURED)]
        pd.testing.assert_frame_equal(*frames, rtol=1e-8)


def test_what_a_results_root_holds_stands_between_the_marks(trained: Path, tmp_path: Path) -> None:
    script = writer(tmp_path / "pages")
    script["write"](trained, ["excon"])
    pages = {name: (tmp_path / "pages" / name).read_text(encoding="utf-8") for name in PAGES}
    for name, text in pages.items():
        before, _, rest = (MEASURED / name).read_text(encoding="utf-8").partition(BEGIN)
        assert text.startswith(before + BEGIN) and text.endswith(END + rest.partition(END)[2])
    page = pages["excon.md"]
    new, old = "| excon-embedding | undecided | synthbirds", "| excon-embedding | undecided | cifar100-10"
    assert page.index(old) < page.index(new) < page.index("### synthbirds:") < page.index("cost of training")
    assert "embedding-distance own-mask" in page and "0.45/drop-mag" in page and "2 trainings in 0.0 hours" in page
    assert " ch " not in page, "what no claim of the paper looks at"
    assert ", synthbirds |" in next(line for line in pages["README.md"].splitlines() if line.startswith("| [excon]"))


def test_p_is_corrected_among_all_and_a_verdict_of_more_seeds_stays(trained: Path, tmp_path: Path) -> None:
    script, path = writer(tmp_path / "pages"), tmp_path / "pages" / "excon-claims.csv"
    script["write"](trained, ["excon"])
    before, after = pd.read_csv(MEASURED / "excon-claims.csv"), pd.read_csv(path)
    stayed = after[after.dataset == "cifar100-10"].reset_index(drop=True)
    pd.testing.assert_frame_equal(stayed, before[before.dataset == "cifar100-10"].reset_index(drop=True))
    own = (after.claim == "excon-embedding") & (after.dataset == "synthbirds") & after.p.notna()
    assert own.any() and (after[own].seeds == 1).all() and (after[own].p_holm >= after[own].p).all()
    after.loc[own, ["seeds", "difference", "p"]] = [3, 42.0, 1e-6]
    after.to_csv(path, index=False)
    script["write"](trained, ["excon"])
    again = pd.read_csv(path)
    assert (again[own].difference == 42).all() and (again[own].p_holm < 1e-4).all()


def test_what_was_measured_is_kept_and_read_again(trained: Path, tmp_path: Path) -> None:
    script = writer(tmp_path / "pages")
    script["write"](trained, ["excon"])
    first, packed = texts(tmp_path / "pages"), tmp_path / "pages" / "records" / "excon.tar.xz"
    content = packed.read_bytes()
    script["write"](None, ["excon"])
    assert texts(tmp_path / "pages") == first and packed.read_bytes() == content
    script["archive"].unpack(packed, tmp_path / "root")
    names = {path.name for path in (tmp_path / "root").rglob("*") if path.is_file()}
    assert {"run.json", "log.jsonl"} < names and not {name for name in names if name.endswith(".pt")}
    assert not {name for name in names if ".ch." in name}, "what no claim of the paper looks at"


def test_of_named_papers_alone_others_stay_as_they_are(trained: Path, tmp_path: Path) -> None:
    script = writer(tmp_path / "pages")
    script["write"](trained, ["excon"])
    new, old = texts(tmp_path / "pages"), texts(MEASURED)
    assert {name for name in new if new[name] != old[name]} == {"README.md", "excon.md", "excon.csv", "excon-claims.csv"}
    lines = [pages["README.md"].splitlines() for pages in (new, old)]
    assert [line[:8] for line, before in zip(*lines, strict=True) if line != before] == ["| [excon"]


def grids(text: str) -> dict[tuple[str, str, str], str]:
    """(table, row, column) -> the cell as a page of the photographs has it; a table's first columns name its rows."""
    cells: dict[tuple[str, str, str], str] = {}
    for part in re.split(r"^### ", text.replace("\\", ""), flags=re.MULTILINE)[1:]:
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("|")]
        (head, rule), rows = lines[:2], lines[2:]
        first = rule.index("---:")
        columns = [" ".join(word for word in name.split() if not re.fullmatch(r"[↑↓]|\(.*\)", word)) for name in head]
        title = re.split(r": (?=\d|of a|which|do they)", part.splitlines()[0])[0]
        cells |= {
            (title, "/".join(row[:first]).rstrip("/"), columns[c]): row[c] for row in rows for c in range(first, len(row))
        }
    return cells


def test_the_page_of_the_photographs_has_the_numbers_of_its_files() -> None:
    before, _, rest = (MEASURED / PHOTOGRAPHS).read_text(encoding="utf-8").partition(BEGIN.replace("pages", "photographs"))
    made, _, after = rest.partition(END)
    frame = pd.concat([pd.read_csv(MEASURED / f"photographs-{name}.csv") for name in ("ranks", "metrics", "cost")])
    cells = grids(made)
    assert len(cells) == len(frame) > 400
    for line in frame.itertuples():
        text = cells[str(line.table), str(line.row).rstrip("/"), str(line.column)].replace("−", "-")
        number = text.split()[0]
        decimals = len(number.partition(".")[2])
        assert (
            number == "—"
            if math.isnan(line.measured)
            else float(number) == pytest.approx(line.measured, abs=0.51 * 10**-decimals)
        )
    said = pd.concat([frame, *(pd.read_csv(MEASURED / f"photographs-{name}.csv") for name in ("pairs", "values"))])
    measured = {f"{abs(value):.2f}" for value in [*said.measured, *said.low, *said.high]}
    assert not set(re.findall(r"(?<![\d.,])\d+\.\d\d(?![\d.])", before + after)) - measured, "what the words say is measured"


def test_what_was_ranked_stands_on_the_page_of_the_photographs(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=3, test_per_class=3, size=32, seed=0)
    train(TrainJob("ce", "synthbirds", overrides=SMALL), place)
    works.evaluate_all(works.Works([]), works.jobs_of(["ch", "iauc:rows=16"], ["grad-cam", "random"], None), place)
    script = writer(tmp_path / "pages", "photographs")
    script["write"](place.results)
    page = (tmp_path / "pages" / PHOTOGRAPHS).read_text(encoding="utf-8")
    cells = grids(page.partition("photographs.py -->")[2].partition(END)[0])
    assert {row.partition("/")[0] for table, row, _ in cells if table == "rank synthbirds test"} == {"grad-cam", "random"}
    assert {row for table, row, _ in cells if table == "cost synthbirds test"} == {"ch", "iauc:rows=16"}
    pairs = pd.read_csv(tmp_path / "pages" / "photographs-pairs.csv")
    pairs = pairs[pairs["table"].str.startswith("rank synthbirds test")]
    assert set(pairs.column) == {"A − B", "p", "Holm"} and len(pairs) == 3
    old = (MEASURED / PHOTOGRAPHS).read_text(encoding="utf-8")
    kept = {key: cell for key, cell in cells.items() if "synthbirds" not in key[0]}
    assert kept == grids(old.partition("photographs.py -->")[2].partition(END)[0]), "other data sets stay as they are"
    script["write"](place.results)
    assert (tmp_path / "pages" / PHOTOGRAPHS).read_text(encoding="utf-8") == page
