"""`cambench figure`: a sub-command a kind, with its own options only; the old spelling works and says what it is now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typed import Typed

from cambench.cli.figure import OPTIONS, SEVERAL
from cambench.cli.old import translated
from cambench.stages.reporting.figures.index import INDEX, draw
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

EVERY = {**SEVERAL, **OPTIONS}
VALUES = {"images": "2", "classes": "2", "class_sets": "x.csv", "checkpoint": "best", "metric": "iauc"}


def option(name: str) -> str:
    """How an option of the index is typed."""
    typed = EVERY[name].__metadata__[0]
    return max(typed.param_decls or [typed.default], key=len)


def test_the_kinds_are_listed_with_a_line_each(typed: Typed) -> None:
    shown = " ".join(typed("figure", "--help").out.split())
    rows = {row["name"]: row for row in json.loads(typed("ls", "figures", "--json").out)}
    assert set(rows) == set(INDEX)
    for kind, entry in INDEX.items():
        assert f"{kind} " in shown and rows[kind]["summary"] == entry.summary and rows[kind]["of"] == entry.names


@pytest.mark.parametrize("kind", INDEX)
def test_a_kind_shows_and_takes_its_own_options_and_no_other(kind: str, typed: Typed, tmp_path: Path) -> None:
    own = {option(name) for name in INDEX[kind].options}
    shown = typed("figure", kind, "--help").out
    for name in EVERY:
        flag = option(name)
        assert (f"{flag} " in shown) == (flag in own), flag
        if flag not in own:
            refused = typed("figure", kind, "--out", "x.png", flag, VALUES.get(name, "x"), "--results", tmp_path)
            assert refused.code == 2 and f"No such option: {flag}" in refused.err, (flag, refused.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lambada", "--out", "x.png"], "unknown figure 'lambada'. Did you mean lambda"),
        (["lambda", "--out", "x.jpeg"], "unknown picture format"),
        (["lambda", "cgc/1", "--out", "x.png"], "figure lambda: expected a table whose columns are numbers"),
        (["lambda", "--arch", "resnet8", "--out", "x.png"], "--arch: expected --on DATASET beside it"),
        (["Gradient_Sign", "--on", "synthbirds", "--out", "x.png"], "nothing of weighted-contrast/figure3 is measured"),
        (
            ["convergence", "-d", "cub", "--out", "x.png"],
            "no training with its accuracy in every epoch, there are none",
        ),
        (["qualitative", "--out", "x.png"], "no heatmaps to show"),
        (
            ["worst", "-m", "iauc", "--out", "x.png"],
            "figure worst: no such record of iauc; measure it: cambench eval -m iauc",
        ),
        (
            ["worst", "-m", "average-precision", "--out", "x.png"],
            "expected a metric with a value an image and stored heatmaps, got average-precision",
        ),
        (["worst", "-m", "iauk", "--out", "x.png"], "Did you mean iauc"),
        (["segmentation", "--out", "x.png", "--csv", "--latex"], "one at a time"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(arguments: list[str], message: str, typed: Typed, tmp_path: Path) -> None:
    refused = typed("figure", *arguments, "--results", tmp_path)
    assert refused.code == 2 and message in refused.err and refused.err.count("\n") == 1, refused.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["contrast", "--out", "x.png"], "Missing argument 'RUN'"),
        (["embedding", "--out", "x.png"], "Missing argument"),
        (["calm", "a", "b", "--out", "x.png"], "unexpected extra argument(s) (b)"),
        (["lambda", "cgc/10", "cgc/1", "--out", "x.png"], "unexpected extra argument(s) (cgc/1)"),
        (["worst", "--out", "x.png"], "Missing option '--metric'"),
        (["lambda"], "Missing option '--out'"),
    ],
)
def test_too_few_and_too_many_words_are_usage_errors(arguments: list[str], message: str, typed: Typed) -> None:
    refused = typed("figure", *arguments)
    assert refused.code == 2 and message in refused.err


def test_python_is_refused_in_the_same_cases(tmp_path: Path) -> None:
    out, place = tmp_path / "x.png", Place(tmp_path, tmp_path, "cpu")
    for kind, names, options, message in (
        ("contrast", [], {}, "figure contrast: expected one RUN, got none; see `cambench ls runs`"),
        ("Calm", ["a", "b"], {}, "figure calm: expected one RUN, got 2"),
        ("embedding", [], {}, "figure embedding: expected one RUN or more, got none"),
        ("lambda", ["cgc/10", "cgc/1"], {}, "figure lambda: expected one TABLE, got 2; see `cambench ls tables`"),
        ("lambda", [], {"images": 2}, "figure lambda: no option 'images'; it has on, arch"),
        ("worst", [], {}, "figure worst: expected --metric"),
    ):
        with pytest.raises(UsageError) as refused:
            draw(kind, out, place, names, **options)
        assert message in str(refused.value)


def test_a_figure_of_a_table_for_a_machine(typed: Typed, tmp_path: Path) -> None:
    out = tmp_path / "lambda.pdf"
    drawn = typed("figure", "lambda", "--out", out, "--json", "--results", tmp_path)
    assert drawn.code == 0 and out.read_bytes().startswith(b"%PDF")
    shows = json.loads(drawn.out)
    assert shows["file"] == str(out) and shows["table"] == "cgc/10" and shows["points"][0].keys() >= {"x", "measured"}


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ("report --figure contrast --run a --out x.png -e cam", "figure contrast a --out x.png -e cam"),
        ("report cgc/10 --figure=lambda --out x.png --on cub", "figure lambda cgc/10 --out x.png --on cub"),
        ("report --run=a --run b --figure embedding --out x.png", "figure embedding a b --out x.png"),
        ("report --figure convergence --on cub --out x.png", "figure convergence --dataset cub --out x.png"),
    ],
)
def test_the_old_spelling_is_translated_and_says_so(old: str, now: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert translated(old.split()) == now.split()
    assert capsys.readouterr().err == f"note: written `cambench {now}` now\n"


@pytest.mark.parametrize("line", ["report cgc/1 --latex", "figure lambda --out x.png", "train ce -d cub", ""])
def test_other_commands_stay_as_they_are(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert translated(line.split()) == line.split() and not capsys.readouterr().err


def test_the_old_spelling_draws_the_same_file(typed: Typed, tmp_path: Path) -> None:
    for name, words in (("old.png", ["report", "--figure", "lambda"]), ("new.png", ["figure", "lambda"])):
        assert typed(*words, "--out", tmp_path / name, "--results", tmp_path).code == 0
    assert (tmp_path / "old.png").read_bytes() == (tmp_path / "new.png").read_bytes()
    with pytest.raises(UsageError, match="--figure: expected it once, got it 2 times"):
        translated(["report", "--figure", "lambda", "--figure", "calm"])
