"""Names, places, splits, subsets: what `cambench.data` promises whatever the set."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from data.miniatures import cub, own_folder, tiny_imagenet

from cambench import data
from cambench.data import synthbirds
from cambench.vocabulary import DataError, Dataset, UsageError


def test_entries_are_whole() -> None:
    for name, entry in data.INDEX.items():
        assert entry.name == name and entry.obtain and entry.licence and entry.layout and entry.title
        for target in (entry.reader, entry.make, entry.audit, entry.own):
            assert target is None or callable(data.function(target))
        assert set(entry.counts) <= set(entry.splits)


def test_looking_at_the_index_costs_no_torch() -> None:
    code = "import sys, cambench.data; assert not {'torch', 'numpy', 'PIL', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_locate_takes_the_root_the_folder_or_the_one_above(tmp_path: Path) -> None:
    place = cub(tmp_path)
    elsewhere = tmp_path / "nothing here"
    assert data.locate("cub", tmp_path) == place
    assert data.locate(f"cub:{place}", elsewhere) == place
    assert data.locate(f"CUB:{tmp_path}", elsewhere) == place
    (tmp_path / "deep").mkdir()
    place.rename(tmp_path / "deep" / "cub")
    assert data.locate("cub", tmp_path / "deep") == tmp_path / "deep" / "cub"


def test_missing_data_says_where_it_looked_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        data.load("tiny-imagenet", "train", tmp_path)
    text = str(caught.value)
    for part in (str(tmp_path), "wnids.txt", "tiny-imagenet-200", "cs231n.stanford.edu", "--data-root", "CAMBENCH_DATA"):
        assert part in text
    assert "\n" not in text and caught.value.exit_code == 3
    with pytest.raises(DataError, match=r"expected a folder, found none in .*nowhere"):
        data.load(f"folder:{tmp_path / 'nowhere'}", "eval", tmp_path)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown dataset 'tiny-imagnet'. Did you mean tiny-imagenet"):
        data.load("tiny-imagnet", "train", tmp_path)
    with pytest.raises(UsageError, match="expected folder:PATH, got no path"):
        data.load("folder", "train", tmp_path)
    cub(tmp_path)
    with pytest.raises(UsageError, match="cub: expected split train or test or eval, got 'val'"):
        data.load("cub", "val", tmp_path)


def test_classes_and_limit_leave_notes(tmp_path: Path) -> None:
    cub(tmp_path)
    whole = data.load("cub", "train", tmp_path)
    part = data.load("cub", "train", tmp_path, classes=2, limit=3)
    assert part.classes == whole.classes[:2] and part.samples == whole.samples[:3] and len(part.attributes) == 2
    assert part.notes == ("6 of the 5994 official train images", "2 of 3 classes", "first 3 of 4 images")
    assert part.fingerprint != whole.fingerprint
    assert data.load("cub", "train", tmp_path, classes=3, limit=99).samples == whole.samples
    assert part.origin == {"spec": "cub", "split": "train", "classes": 2, "limit": 3}
    for wrong in ({"classes": 0}, {"classes": 4}, {"limit": 0}):
        with pytest.raises(UsageError, match="expected"):
            data.load("cub", "train", tmp_path, **wrong)


def test_evenly_spaced_images_reach_from_the_first_to_the_last(tmp_path: Path) -> None:
    cub(tmp_path)
    whole = data.load("cub", "train", tmp_path)
    part = data.load("cub", "train", tmp_path, evenly=3)
    assert (
        part.samples == tuple(whole.samples[row] for row in (0, 2, 5)) and part.notes[-1] == "3 of 6 images, evenly spaced"
    )
    again = data.reload(part.origin, tmp_path)
    assert (again.samples, again.notes, again.origin) == (part.samples, part.notes, part.origin)
    assert data.load("cub", "train", tmp_path, evenly=6).samples == whole.samples
    with pytest.raises(UsageError, match="expected at least 1 image, got 0"):
        data.load("cub", "train", tmp_path, evenly=0)


def test_images_behind_what_is_stored_are_loaded_and_never_made(tmp_path: Path) -> None:
    origin = {"spec": "synthbirds", "split": "test", "classes": None, "limit": None}
    with pytest.raises(DataError, match="synthbirds: expected a folder with synthbirds.json, found none"):
        data.reload(origin, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_only_looks_like_a_set_is_never_taken_for_it(tmp_path: Path) -> None:
    """CUB's photographs are no synthbirds and synthbirds no CUB: numbers of one alone may stand beside a paper's."""
    photographs = cub(tmp_path)
    for name in ("synthbirds", "synthbirds-binary", "synthbirds-multilabel"):
        with pytest.raises(DataError, match=f"{name}: expected a folder with synthbirds.json, found none"):
            data.load(f"{name}:{photographs}", "test", tmp_path)
    drawn = synthbirds.make(tmp_path / "two", classes=2, per_class=1, test_per_class=1, size=32)
    for name, seen in (("cub", "images.txt"), ("synthbirds-binary", "synthbirds.json")):
        with pytest.raises(DataError, match=f"{name}: expected .*{seen}, found .*two, which is another set"):
            data.load(f"{name}:{drawn}", "test", tmp_path)
    assert data.load(f"synthbirds:{drawn}", "test", tmp_path).classes
    with pytest.raises(DataError, match="imagenet: expected .* found .*another set in the same layout"):
        data.load(f"imagenet:{tiny_imagenet(tmp_path)}", "train", tmp_path)
    with pytest.raises(DataError, match="imagenet-100: expected .* found .*another set in the same layout"):
        data.load(f"imagenet-100:{own_folder(tmp_path / 'mine', parts=('train', 'val'))}", "train", tmp_path)


def test_the_first_use_beside_photographs_makes_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photographs = cub(tmp_path)
    before = sorted(photographs.rglob("*"))
    monkeypatch.setattr(synthbirds, "make", partial(synthbirds.make, classes=2, per_class=1, test_per_class=1, size=32))
    dataset = data.load("synthbirds", "test", tmp_path)
    assert dataset.root == tmp_path / "synthbirds" and len(dataset) == 2
    assert data.locate("cub", tmp_path) == photographs and sorted(photographs.rglob("*")) == before


def test_synthbirds_is_made_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(dest: Path) -> Path:
        made.append(dest)
        (cub(dest.parent).rename(dest) / "synthbirds.json").write_text("{}")
        return dest

    monkeypatch.setattr("cambench.data.synthbirds.make", make)
    assert len(data.load("synthbirds", "train", tmp_path)) == 6
    assert len(data.load("synthbirds", "test", tmp_path)) == 6
    assert made == [tmp_path / "synthbirds"]


def test_describe_counts(tmp_path: Path) -> None:
    tiny_imagenet(tmp_path)
    facts = data.describe(data.load("tiny-imagenet", "val", tmp_path))
    wanted = {
        "images": 8,
        "classes": 4,
        "boxes": 8,
        "fewest a class": 2,
        "most a class": 2,
        "empty classes": 0,
        "split": "val",
    }
    assert {key: facts[key] for key in wanted} == wanted


def test_third_parties_may_bring_a_reader_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_folder(tmp_path / "theirs")

    def read(root: Path, split: str) -> Dataset:
        return data.load(f"folder:{root}", "all", root)

    entry = data.DatasetEntry(read, "t", ("test",), "o", "l", "x", folders=("theirs",), name="theirs")
    monkeypatch.setitem(data.INDEX.built_in, "theirs", entry)
    assert data.load("theirs", "eval", tmp_path).name == "theirs"
