"""What a search draws from: how ranges are written, which values come out of them, and what is refused."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest

from cambench.recipes import ranges
from cambench.recipes.load import load
from cambench.recipes.ranges import RATE, Range, draws, ranges_of, read
from cambench.vocabulary import UsageError

HAS = load("has", "cub-wsol")


def values(written: object, count: int = 4000, *, whole: bool = False) -> list:
    """Draws of one key."""
    return [d["k"] for d in draws({"k": replace(read("k", written, "test"), whole=whole)}, 0, count)]


def test_a_plain_range_is_uniform() -> None:
    found = sorted(values("-2..6"))
    assert -2 <= found[0] < -1.95 and 5.95 < found[-1] < 6
    assert [found[i] for i in (1000, 2000, 3000)] == pytest.approx([0, 2, 4], abs=0.25)
    assert all(float(f"{v:.6g}") == v for v in found), "as it can be typed"


def test_a_logarithmic_range_is_uniform_in_the_exponent() -> None:
    logs = sorted(math.log10(v) for v in values("1e-5..1 log"))
    assert -5 <= logs[0] < -4.95 and -0.05 < logs[-1] <= 0
    assert [logs[i] for i in (1000, 2000, 3000)] == pytest.approx([-3.75, -2.5, -1.25], abs=0.15)


def test_the_inverse_range_is_cutmixs_prior() -> None:
    """rivals protocol §2: beta = 1/u − 1/2 with u uniform in (0, 2], so P(beta <= b) = 1 − 1/(2b + 1)."""
    found = values("0..inf inverse")
    assert min(found) >= 0 and max(found) > 100
    for b in (0.1, 0.5, 2.0):
        assert sum(v <= b for v in found) / len(found) == pytest.approx(1 - 1 / (2 * b + 1), abs=0.03)
    some = values("0.1..4 inverse")
    assert 0.1 <= min(some) < 0.11 and 3.8 < max(some) <= 4
    by_hand = read("k", "0..inf inverse", "test")
    assert [by_hand.value(u, {}) for u in (0.0, 0.5, 0.75)] == [0.0, 0.5, 1.5]


def test_whole_numbers_are_each_as_likely() -> None:
    found = values("1..4", whole=True)
    assert set(found) == {1, 2, 3, 4} and all(type(v) is int for v in found)
    assert all(found.count(v) == pytest.approx(1000, abs=100) for v in (1, 2, 3, 4))
    assert set(values("1..8 log", whole=True)) <= set(range(1, 9))


def test_one_of_a_list_each_as_likely() -> None:
    small, large = ["large-map"], ["large-map-28"]
    found = values([small, large])
    assert found.count(small) + found.count(large) == 4000 and found.count(small) == pytest.approx(2000, abs=130)


def test_a_bound_that_is_another_key_is_drawn_before() -> None:
    """SPG: l ~ U[0, 1], h ~ U[l, 1] (rivals protocol §2)."""
    written = {"a.high": "a.low..1", "a.low": "0..1"}
    order = ranges.in_order({key: read(key, text, "test") for key, text in written.items()})
    assert order == ["a.low", "a.high"]
    found = draws({key: read(key, written[key], "test") for key in order}, 0, 4000)
    assert all(d["a.low"] <= d["a.high"] <= 1 for d in found)
    assert statistics.mean(d["a.high"] for d in found) == pytest.approx(0.75, abs=0.02)


def test_the_first_of_many_draws_are_those_of_few_and_no_key_moves_another() -> None:
    one, two = {RATE: read(RATE, "1e-5..1 log", "")}, {RATE: read(RATE, "1e-5..1 log", ""), "a.b": read("a.b", "0..1", "")}
    assert draws(two, 0, 50)[:3] == draws(two, 0, 3) != draws(two, 1, 3)
    assert [d[RATE] for d in draws(two, 0, 9)] == [d[RATE] for d in draws(one, 0, 9)]
    assert (
        abs(statistics.correlation(*zip(*((math.log(d[RATE]), d["a.b"]) for d in draws(two, 0, 4000)), strict=True))) < 0.05
    )


def test_a_recipe_says_what_is_drawn_and_the_command_line_has_the_last_word() -> None:
    assert ranges_of(HAS)[RATE].text == "1e-5..1 log"
    asked = [
        "optimizer.lr=3.2e-4..0.2 log",
        "objective_settings.cell=1..224",
        'model.surgery=[["large-map"], ["large-map-28"]]',
    ]
    found = ranges_of(HAS, asked=asked)
    assert {RATE, "objective_settings.cell", "model.surgery"} <= set(found)
    assert (found[RATE].low, found[RATE].high) == (3.2e-4, 0.2)
    assert found["objective_settings.cell"].whole and not found[RATE].whole
    assert found["model.surgery"].choices == (["large-map"], ["large-map-28"])
    fixed = ranges_of(HAS, ["optimizer.lr=0.1"], ["data.held_out=0..0.5"])
    assert RATE not in fixed and "data.held_out" in fixed, "also a key that a recipe leaves unsaid"
    drawn = draws(found, 0, 2)[1]
    again = load("has", "cub-wsol", overrides=ranges.overrides(drawn))
    assert again.optimizer.lr == drawn[RATE] and again.model.surgery == drawn["model.surgery"]
    assert again.objective_settings["cell"] == drawn["objective_settings.cell"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("1e-5", "k: expected LOW..HIGH, LOW..HIGH log, LOW..HIGH inverse or a list of values in brackets, got '1e-5'"),
        ("..1", "expected LOW..HIGH"),
        ("0..1 cubic", "expected LOW..HIGH"),
        ("0..1 log log", "expected LOW..HIGH"),
        ([], "expected LOW..HIGH"),
        (0.5, "expected LOW..HIGH"),
        ("1..0", "expected LOW < HIGH, got '1..0'"),
        ("1..1", "expected LOW < HIGH"),
        ("0..1 log", "expected 0 < LOW < HIGH"),
        ("-1..1 inverse", "expected 0 <= LOW < HIGH"),
        ("0..inf", "expected LOW < HIGH"),
        ("nan..1", "expected LOW < HIGH"),
        ("4.8e-135..8.7e173 log", r"expected 0 < LOW < HIGH, between 1e-100 and 1e\+100, got"),
        ("-1e308..1e308", r"expected LOW < HIGH, between 1e-100 and 1e\+100, got"),
    ],
)
def test_what_is_no_range(written: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read("k", written, "test")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["objective_settings.cel=1..2"], "--range: .*Did you mean objective_settings.cell"),
        (["optimizer.lr=1e-3..1", "optimizer.lr=1e-2..1"], "--range optimizer.lr: expected it once"),
        (["input.flip=train.epochs..1"], "numbers or keys that are drawn as well, got train.epochs"),
        (["optimizer.lr=optimizer.lr..1"], "got optimizer.lr that waits for itself"),
        (["optimizer.lr"], "expected LOW..HIGH"),
    ],
)
def test_what_cannot_be_drawn(asked: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ranges_of(HAS, asked=asked)


def test_a_search_of_nothing_is_refused() -> None:
    with pytest.raises(
        UsageError, match="search: expected a key to draw, got none of cam; say --range optimizer.lr='1e-5..1 log'"
    ):
        ranges_of(load("cam", "cub-wsol"), ["optimizer.lr=0.1"])


def test_ranges_of_one_objective_are_nothing_to_another_and_a_block_may_add_some(monkeypatch: pytest.MonkeyPatch) -> None:
    from cambench.recipes.load import METHODS

    parent = {
        **METHODS.find("has").text,
        "search": {"objective_settings.rate": "0..1"},
        "when": [{"arch": "vgg16", "search": {"model.surgery": [["vgg16-gap"], ["vgg16-gap-28"]]}, "source": "test"}],
    }
    monkeypatch.setitem(METHODS.find("has").__dict__, "text", parent)
    assert set(ranges_of(load("has", "cub-wsol"))) == {RATE, "objective_settings.rate"}
    assert set(ranges_of(load("has", "cub-wsol", "vgg16"))) == {RATE, "objective_settings.rate", "model.surgery"}
    text = METHODS.find("cutmix").text
    child = {**{k: v for k, v in text.items() if k not in ("search", "when")}, "extends": "has"}
    monkeypatch.setitem(METHODS.find("cutmix").__dict__, "text", child)
    assert set(ranges_of(load("cutmix", "cub-wsol"))) == {RATE}


def test_a_range_is_frozen_as_it_is_written() -> None:
    assert read("k", "0.1..1 log", "test") == Range("0.1..1 log", 0.1, 1.0, "log")
