"""Whatever stands in a setting, a range, a name with options, a recipe or a file of class sets: it is taken or refused."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from fuzzing import EDITS, TOKENS, bounded, edited
from hypothesis import given
from hypothesis import strategies as st

from cambench import explainers, metrics, objectives, targets
from cambench.data.class_sets import of_birds, with_file
from cambench.lookup import Catalogue
from cambench.options import Entry
from cambench.recipes import load as recipes
from cambench.recipes import presets
from cambench.recipes.claims import of_file
from cambench.recipes.method import Method
from cambench.recipes.ranges import ranges_of
from cambench.recipes.tables import load_table
from cambench.stages.training.own import load_recipe
from cambench.store.keys import job_key
from cambench.vocabulary import CambenchError, Dataset

BRACKETS = st.sampled_from(
    ["[" * 3000, "{a=" * 2000, "[[1", "{a={}}", "1\nx = 2", "'''", '"\\u0000"', "[1, 'a']", "2020-01-01"]
)
NUMBERS = st.one_of(st.integers(), st.floats()).map(str)
VALUES = TOKENS | BRACKETS | NUMBERS
RECIPE = recipes.load("excon", "cub")
KEYS = st.sampled_from(
    [f"{table}.{name}" for table, entries in RECIPE.model_dump().items() if table in recipes.TABLES for name in entries]
)


def refused(act: Callable[[], Any]) -> None:
    """Do it; an error of ours is an answer."""
    try:
        act()
    except CambenchError as e:
        assert str(e).strip() and len(str(e)) < 20_000


@bounded
@given(st.lists(st.one_of(st.builds("{}={}".format, KEYS, VALUES), TOKENS), min_size=1, max_size=3))
def test_fuzzed_settings(overrides: list[str]) -> None:
    def act() -> None:
        recipe = load_recipe("excon", "cub", None, presets.asked([], overrides, {}), {})
        objectives.make(recipe.objective, recipe.objective_settings)
        job_key(recipe.model_dump(mode="json"))

    refused(act)


@bounded
@given(st.sampled_from(["arch", "model.surgery", "model.init", "optimizer.groups"]), VALUES)
def test_fuzzed_architectures_and_presets(kind: str, word: str) -> None:
    refused(lambda: presets.asked([word], [], {}))
    refused(lambda: load_recipe("ce", "cub", word, [f"{kind}={word}"], {}))


BOUNDS = st.sampled_from(["0", "1", "1e-5", "inf", "-1", "optimizer.lr", "nan", "x"]) | NUMBERS
RANGES = st.builds("{}..{} {}".format, BOUNDS, BOUNDS, st.sampled_from(["", "log", "inverse", "cubic"])) | VALUES


@bounded
@given(st.lists(st.builds("{}={}".format, KEYS, RANGES) | TOKENS, max_size=3), st.floats(0, 1, exclude_max=True))
def test_fuzzed_ranges(asked: list[str], share: float) -> None:
    def act() -> None:
        drawn: dict[str, Any] = {}
        for key, range_ in ranges_of(RECIPE, (), asked).items():
            drawn[key] = range_.value(share, drawn)

    refused(act)


def words(index: Catalogue[Any]) -> st.SearchStrategy[str]:
    """Names with options of any value."""
    names = st.sampled_from([*index])
    options = sorted({option.name for entry in index.values() if isinstance(entry, Entry) for option in entry.options})
    pairs = st.builds("{}={}".format, st.sampled_from(options or ["x"]) | TOKENS, VALUES) | TOKENS
    return st.builds("{}:{}".format, names | TOKENS, st.lists(pairs, max_size=3).map(",".join)) | TOKENS


@bounded
@given(words(metrics.INDEX), words(explainers.INDEX))
def test_fuzzed_options(metric: str, explainer: str) -> None:
    refused(lambda: metrics.find_metric(metric))
    refused(lambda: explainers.find_explainer(explainer))


@bounded
@given(st.builds("{}:{}".format, st.sampled_from([*targets.INDEX]), VALUES) | TOKENS)
def test_fuzzed_targets(target: str) -> None:
    import torch

    def act() -> None:
        targets.coefficients(torch.eye(3), target, torch.arange(3), {"all": torch.ones(3, 3, dtype=torch.bool)})

    refused(act)


TABLE = (files("cambench.recipes") / "tables" / "excon" / "1.toml").read_bytes()
CLAIMS = (files("cambench.recipes") / "claims" / "excon.toml").read_bytes()
METHOD = (files("cambench.recipes") / "training" / "excon.toml").read_bytes()
CHANGES = st.lists(EDITS, min_size=1, max_size=3)


@pytest.mark.parametrize("kind", ["table", "claims", "method"])
def test_fuzzed_recipes(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    read: dict[str, tuple[bytes, Callable[[], Any]]] = {
        "table": (TABLE, lambda: load_table(str(path))),
        "claims": (CLAIMS, lambda: of_file(path)),
        "method": (METHOD, lambda: Method(path)),
    }
    whole, act = read[kind]

    @bounded
    @given(CHANGES)
    def fuzz(edits: list[tuple[Any, ...]]) -> None:
        path.write_bytes(edited(whole, edits))
        refused(act)

    fuzz()


@bounded
@given(CHANGES)
def test_fuzzed_class_sets(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[Any, ...]]) -> None:
    path = tmp_path_factory.getbasetemp() / "own-sets.csv"
    path.write_bytes(edited(b"class,set\nSong Sparrow,sparrows\n1,gulls\nHouse Wren,wrens\n", edits))
    classes = ("Song Sparrow", "Ivory Gull", "House Wren")
    dataset = Dataset("d", "test", Path(), classes, (), class_sets=of_birds(classes))
    refused(lambda: with_file(dataset, path))
