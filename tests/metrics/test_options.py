"""Options of metrics and explainers: how they are written and read, what an alias stands for, what they change."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch

from cambench import explainers, metrics
from cambench.explainers import find_explainer
from cambench.explainers.batch import explain
from cambench.functions import Function
from cambench.lookup import Catalogue
from cambench.metrics import find_metric, needs
from cambench.metrics.entry import NONE
from cambench.options import Entry, Option, bound, find, parse, sentence, set_at, written
from cambench.stages import identity
from cambench.vocabulary import UsageError

ENTRIES: dict[str, Entry] = {**metrics.INDEX, **explainers.INDEX}
OPTIONS = [(name, option) for name, entry in ENTRIES.items() for option in entry.options]


def found(name: str) -> Entry:
    return find_metric(name) if name.partition(":")[0] in metrics.INDEX else find_explainer(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("iauc", "iauc"),
        ("iauc:rows=4", "iauc:rows=4"),
        ("IAUC: track=Label , rows=4", "iauc:rows=4,track=label"),
        ("iauc:rows=8", "iauc"),
        ("iauc:", "iauc"),
        ("ch:scale=2", "ch"),
        ("ch:scale=2.0", "ch"),
        ("ch:scale=1", "ch-224"),
        ("content_heatmap_224", "ch-224"),
        ("ch-224:scale=2", "ch"),
        ("ch-224:scale=3.5", "ch:scale=3.5"),
        ("iauc-train-bn:rows=4", "iauc:batch-norms=train,rows=4"),
        ("iauc:batch_norms=train", "iauc-train-bn"),
        ("infidelity:images=50,draws=100", "infidelity-small"),
        ("gradient-sign:printed=true", "gradient-sign-printed"),
        ("drop-increase:kept=0.1+0.25", "drop-increase:kept=0.1+0.25"),
        ("drop-increase:kept=0.15+0.30+0.45", "drop-increase"),
        ("cue-localisation:normalise=minmax", "cue-localisation-normalised"),
    ],
)
def test_the_canonical_form(text: str, name: str) -> None:
    metric = find_metric(text)
    assert metric.name == name and find_metric(name).chosen == metric.chosen
    assert metric.key in metrics.INDEX


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("iauc:row=4", r"unknown option of iauc 'row'\. Did you mean rows\? Known: batch-norms, rows, start, track\."),
        ("iauc:rows=four", r"iauc: rows: expected a whole number of at least 1, got 'four'\."),
        ("iauc:rows=4.5", r"iauc: rows: expected a whole number of at least 1, got '4\.5'\."),
        ("iauc:rows=0", r"iauc: rows: expected a whole number of at least 1, got '0'\."),
        ("iauc:rows", r"iauc: expected option=value, got 'rows'; options: rows, track, start, batch-norms\."),
        ("iauc:rows=4,rows=5", r"iauc: rows is given twice"),
        ("iauc:rows=4,", r"iauc: expected option=value, got ''"),
        ("iauc:track=best", r"iauc: track: expected predicted or label, got 'best'\."),
        ("px-ap:resize=nearest", r"px-ap: resize: expected by-explainer or bilinear or cubic, got 'nearest'\."),
        ("gradient-sign:printed=1", r"gradient-sign: printed: expected true or false, got '1'\."),
        ("infidelity:sigma=nan", r"infidelity: sigma: expected a number of at least 0, got 'nan'\."),
        ("infidelity:sigma=inf", r"infidelity: sigma: expected a number of at least 0, got 'inf'\."),
        ("drop-increase:kept=0.1+2", r"drop-increase: kept: expected numbers joined by \+ of at least 0 and at most 1"),
        ("cue-localisation:blur=30", r"cue-localisation: blur: expected a whole, odd number of at least 1, got '30'\."),
        ("top5:k=3", r"top5 has no options, got 'k=3'; leave it out\."),
        ("iacu:rows=4", r"unknown metric 'iacu'\. Did you mean iauc"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, error: str) -> None:
    with pytest.raises(UsageError, match=error) as caught:
        find_metric(text)
    assert "\n" not in str(caught.value)


OLD: dict[str, dict[str, Any]] = {
    "ch-224": {"steps": ["relu", "sum-to-one-epsilon", "resize"], "variants": ["official", "correct"]},
    "iauc-train-bn": {"steps": ["relu", "resize", "min-max-epsilon"], "variants": [""], "train_bn": [100, 5000]},
    "top1-any": {"steps": [], "variants": [""]},
    "px-ap-bilinear": {"steps": ["float64", "resize", "min-max"], "variants": [""]},
    "max-box-acc-bilinear": {"steps": ["float64", "resize", "min-max"], "variants": ["", "0.3", "0.5", "0.7"]},
    "cue-localisation-normalised": {"steps": ["min-max", "difference", "resize", "absolute"]},
    "cue-localisation-blurred": {"steps": ["difference", "resize", "blur-31", "absolute", "min-max"]},
    "cue-localisation-exact": {"steps": ["difference", "resize", "absolute", "min-max"]},
    "remove-and-classify-zero": {"steps": ["resize"], "variants": ["10", "30", "50", "70", "90"]},
    "gradient-sign-printed": {"steps": []},
    "infidelity-small": {"steps": ["resize"]},
    "relative-probability-equal-count": {"steps": ["resize-corners"]},
}
"""What records say that an earlier version wrote, when each of these was an entry of its own."""


def test_what_was_stored_under_an_alias_is_still_the_same_thing() -> None:
    variants = {alias for metric in metrics.INDEX.values() for alias, words in metric.aliases.items() if words}
    assert {find_metric(alias).name for alias in variants} == {*OLD, "max-box-acc-v1"}
    for name, stored in OLD.items():
        defined = identity.defined(find_metric(name))
        assert defined["metric"] == name and defined["version"] == 1 and "options" not in defined
        assert {key: defined[key] for key in stored} == stored
        assert ("train_bn" in defined) == ("train_bn" in stored)


@pytest.mark.parametrize(
    ("name", "explainer", "steps"),
    [
        ("max-box-acc:normalise=max", "cam", ["float64", "resize-cubic", "max"]),
        ("max-box-acc:normalise=max,resize=bilinear", "cam", ["float64", "resize", "max"]),
        ("max-box-acc:normalise=clip", "calm", ["float64", "resize", "clip"]),
        ("px-ap:normalise=max", "calm-saliency", ["float64", "resize", "max"]),
        ("cue-localisation:normalise=max", "score-map", ["difference", "resize", "absolute", "max"]),
        ("cue-localisation:normalise=max", "calm", ["difference", "resize", "absolute", "clip"]),
        ("cue-localisation:blur=15", "vanilla-gradient", ["difference", "resize", "blur-15", "absolute", "min-max"]),
        ("cue-localisation:blur=15", "calm", ["difference", "resize", "absolute", "clip"]),
        ("cue-localisation:blur=15,normalise=max", "cam", ["difference", "resize", "blur-15", "absolute", "max"]),
        ("remove-and-classify:blur=31", "vanilla-gradient", ["resize", "blur-31"]),
        ("remove-and-classify", "vanilla-gradient", ["resize"]),
    ],
)
def test_how_maps_are_scaled_and_blurred(name: str, explainer: str, steps: list[str]) -> None:
    """CALM protocol §1.1, §1.4, §1.7: `max` beside `minmax` and `clipping`, a blur of any size."""
    metric = find_metric(name).on(explainer)
    assert list(metric.maps.steps) == steps and metric.on(explainer) == metric
    assert identity.defined(metric)["steps"] == steps and identity.defined(metric)["metric"] == name


def test_options_are_in_the_identity_and_draw_the_same_numbers() -> None:
    plain, finer = find_metric("rfs"), find_metric("rfs:level=0.5")
    assert identity.defined(plain) != identity.defined(finer) and plain.draws == finer.draws == "rfs"
    assert find_metric("remove-and-classify-zero").draws == "remove-and-classify-zero", "as it always drew"
    assert find_explainer("smoothgrad:samples=8").name != find_explainer("smoothgrad").name


def functions(part: Any) -> list[Callable[..., Any]]:
    """Every function of an entry and of its groups."""
    values = [getattr(part, f.name) for f in fields(part)]
    inner = [f for value in values if is_dataclass(value) and not callable(value) for f in functions(value)]
    return [*(value for value in values if callable(inspect.unwrap(value))), *inner]


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=lambda x: x if isinstance(x, str) else x.name)
def test_an_options_default_is_what_the_entry_does(name: str, option: Option) -> None:
    entry = ENTRIES[name]
    assert option.about and option.read(written(option.default), name) == option.default
    if option.sets:
        value = option.choices[option.default] if isinstance(option.choices, dict) else option.default
        assert set_at(entry, option.sets, value) == entry
    taken = [inspect.signature(f).parameters[option.keyword] for f in functions(entry) if takes(f, option)]
    assert taken or option.sets, "a function takes it, or it sets a field"
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY and p.default == option.default for p in taken)


def takes(function: Callable[..., Any], option: Option) -> bool:
    return option.keyword in inspect.signature(function).parameters


@pytest.mark.parametrize("name", metrics.INDEX)
def test_a_metric_looks_at_maps_as_its_arguments_say(name: str) -> None:
    metric = metrics.INDEX[name]
    asked = {"heatmap", "explain", "class_maps", "differentiate", "randomised"} & set(needs(metric))
    assert (metric.maps.explainer != NONE) == bool(asked)
    assert metric.passes >= 1 and metric.printing.headline in ("", *metric.variants)


def test_a_function_gets_only_the_options_that_it_takes() -> None:
    def rule(x: int, *, a: int = 1) -> int:
        return x + a

    def pool(x: int) -> int:
        return x

    entry = Entry(summary="s", source="s", name="e", cost=lambda *, a=1: 10 * a)
    assert bound(entry, {"a": 3, "b": 4}).passes == 30
    assert Function(rule, {"a": 3, "b": 4})(1) == 4 and Function(pool, {"a": 3})(1) == 1
    assert Function("math:pi")() == pytest.approx(3.14159, rel=1e-5), "a constant is itself"


def test_one_option_sets_a_field_and_reaches_the_functions() -> None:
    logit, mean = find_metric("infidelity:of=logit"), find_explainer("hires-cam:channels=mean")
    assert logit.unit_of("yeh-square") == "logit²" and logit.measure.options == {"of": "logit"}
    assert mean.closed == "channel-mean" and mean.rule.options == {"channels": "mean"}


def test_steps_of_an_explainer_hold_under_every_name_of_it() -> None:
    winning = find_explainer("excitation-backprop")
    assert (winning.name, winning.key, winning.passes) == ("mwp", "cmwp", 3)
    assert find_metric("ch").on(winning.key).maps.steps == find_metric("ch").on("cmwp").maps.steps == ("relu", "resize")


def test_options_change_the_maps() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(144, 3)
    ).double()
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    for name in ("smoothgrad", "smoothgrad:samples=2", "smoothgrad:sigma=0.1", "integrated-gradients:steps=3"):
        maps = explain(net, x, name)
        assert maps.shape == (2, 8, 8)
        key = find_explainer(name).key
        assert torch.equal(maps, explain(net, x, key)) == (name == key)
    assert torch.equal(explain(net, x, "gradient:colours=largest"), explain(net, x, "vanilla-gradient"))
    steps = [explain(net, x, f"integrated-gradients:steps={n}") for n in (50, 400)]
    torch.testing.assert_close(steps[0], steps[1], rtol=0.05, atol=1e-3)


def test_options_change_the_measure() -> None:
    """2 rows a step of 8: the whole curve by hand, of a network that sums pixels."""
    metric = find_metric("iauc:rows=2")
    image = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8) / 64
    seen: list[int] = []

    def predict(x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return torch.stack([x.mean((1, 2, 3)), torch.zeros(len(x))], 1)

    arguments = {"predict": predict, "image": image, "heatmap": image[:, 0], "label": torch.zeros(1, dtype=torch.long)}
    values = {name: float(find_metric(name).measure(**arguments)) for name in ("iauc", "iauc:rows=2", "iauc:rows=1")}
    assert len(set(values.values())) == 3
    assert seen == [1, 1, 1, 4, 1, 8], "the whole image, then all steps but the last"
    assert metric.passes == 2 + 112


def test_the_sentence_beside_a_number() -> None:
    assert sentence(find_metric("iauc")) is None and sentence(find_metric("ch-224")) is None
    assert sentence(find_metric("iauc:rows=4")) == "iauc with rows=4 in place of rows=8"
    assert sentence(find_explainer("smoothgrad:sigma=0.1,samples=8")) == (
        "smoothgrad with samples=8,sigma=0.1 in place of samples=50,sigma=0.25"
    )


def test_the_indices_and_a_name_with_options_need_no_torch() -> None:
    code = (
        "import sys; from cambench.metrics import find_metric; from cambench.explainers import find_explainer;"
        "find_metric('drop-increase:kept=0.1').name, find_metric('iauc').passes, find_explainer('smoothgrad:sigma=0').name;"
        "sys.exit(bool({'torch', 'scipy', 'numba', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_alias_of_ones_own_entry() -> None:
    option = Option("k", 5, "how many", least=1)
    entry = Entry(summary="s", source="s", options=(option,), aliases={"top7": "k=7", "tk": ""})
    index = Catalogue("metric", Entry, {"top-k": entry})
    assert find("top7", index).chosen == {"k": 7} and find("tk:k=7", index).name == "top7"
    assert find("tk", index) is index["top-k"]
    assert parse("k=5", index["top-k"]) == {"k": 5} and find("top-k:k=5", index).name == "top-k"
    assert replace(option, default=0.5).allowed == "a number of at least 1"
