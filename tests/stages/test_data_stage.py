"""Making data sets by name: their own defaults, the options given, and sets that are not made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cambench import data
from cambench.stages.housekeeping.data import make, where
from cambench.vocabulary import UsageError

NONE = {"classes": None, "per_class": 2, "test_per_class": 1, "size": 32, "seed": 0, "background": 0.0, "scale": None}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("synthbirds", {"classes": 10}),
        ("synthbirds_binary", {"kind": "binary", "classes": 2}),
        ("synthbirds-multilabel", {"kind": "multilabel", "classes": 6, "scale": 0.6}),
    ],
)
def test_each_set_has_defaults_of_its_own(tmp_path: Path, name: str, settings: dict[str, object]) -> None:
    place = make(name, None, tmp_path, NONE)
    found = json.loads((place / "synthbirds.json").read_text())
    assert place == tmp_path / name.replace("_", "-")
    assert {k: found.get(k) for k in ("kind", "classes", "scale")} == {"kind": None, "scale": None, **settings}
    assert str(place) in where(name, tmp_path)
    assert len(data.load(name, "train", tmp_path)) == 2 * found["classes"]


def test_options_reach_the_set(tmp_path: Path) -> None:
    place = make("synthbirds", tmp_path / "small", tmp_path, {**NONE, "classes": 2, "scale": 0.5, "background": 0.95})
    found = json.loads((place / "synthbirds.json").read_text())
    assert place == tmp_path / "small" and (found["scale"], found["background"], found["classes"]) == (0.5, 0.95, 2)


def test_a_set_that_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make pets: expected synthbirds or synthbirds-binary or synthbirds-multilabel"):
        make("pets", None, tmp_path, NONE)
    with pytest.raises(UsageError, match="unknown set 'sam-mask'. Did you mean sam-masks"):
        make("sam-mask", None, tmp_path, NONE)
