"""Other packages' entries: the example installed and typed at, and packages that are broken in every way."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typed import ONE_AFTER_ANOTHER, Typed

from cambench import lookup, objectives
from cambench.explainers import INDEX as EXPLAINERS
from cambench.explainers import find_explainer
from cambench.metrics import INDEX as METRICS
from cambench.metrics import find_metric
from cambench.recipes.method import Method
from cambench.report.tables.summary import summary
from cambench.stages.training.own import load_recipe
from cambench.store.records import Record, Value
from cambench.vocabulary import UsageError

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugin"
NEW = {
    "explainers": "elementwise-grad-cam",
    "metrics": "top-k-intersection",
    "datasets": "shapes",
    "methods": "label-smoothing",
}
Install = Callable[..., None]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment in which the example is installed, as pip does it; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python, (packages,) = folder / "bin" / "python", folder.glob("lib/python*/site-packages")
    packages.joinpath("above.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    source = shutil.copytree(EXAMPLE, folder / "source")
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", *offline, str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return python


def test_the_example_works_in_every_verb(example: Path, tmp_path: Path) -> None:
    roots = ["--data-root", str(tmp_path), "--results", str(tmp_path)]
    quick = [*roots, "--device", "cpu", "--workers", "0"]
    commands = [
        *(["ls", kind, "--json"] for kind in NEW),
        ["data", "make", "shapes", "--data-root", str(tmp_path), "--per-class", "8", "--test-per-class", "4"],
        ["data", "ls", "--json", "--data-root", str(tmp_path)],
        ["data", "check", "shapes", "--data-root", str(tmp_path), "--json"],
        ["train", "label_smoothing", "--dataset", "shapes", "--set", "train.epochs=1", *quick],
        ["train", "ce", "--dataset", "shapes", "--set", "train.epochs=1", *quick],
        ["explain", "shapes-label", "--explainer", "element-wise-grad-cam", *quick],
        ["eval", "--metric", "tki", "--explainer", "Elementwise_Grad-CAM", "--json", *quick],
        ["report", "--csv", *roots],
        ["reproduce", str(EXAMPLE / "table.toml"), "--dry-run", *quick],
        ["reproduce", "cgc/6", "--on", "shapes", "--dry-run", *quick],
        ["report", str(EXAMPLE / "table.toml"), "--markdown", *roots],
        ["ls", "explainers", "element-wise-grad-cam"],
        ["doctor", "--quick", "--json", *roots],
    ]
    done = subprocess.run(
        [example, "-c", ONE_AFTER_ANOTHER, json.dumps(commands)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [code for code, _, _ in said] == [0] * len(commands), done.stderr
    out = [text for _, text, _ in said]
    for kind, text in zip(NEW, out, strict=False):
        assert NEW[kind] in [row["name"] for row in json.loads(text)]
    assert {row["name"]: row["found"] for row in json.loads(out[5])}["shapes"] == str(tmp_path / "shapes")
    checked = json.loads(out[6])["splits"]
    assert [(row["images"], row["classes"], row["boxes"]) for row in checked] == [("16", "2", "16"), ("8", "2", "8")]
    assert out[7].startswith("shapes-label-smoothing-resnet8-s0-") and out[8].startswith("shapes-ce-resnet8-s0-")
    records = json.loads(out[10])
    assert [(r["method"], r["metric"], r["explainer"]) for r in records] == [
        (method, "top-k-intersection", "elementwise-grad-cam") for method in ("ce", "label-smoothing")
    ]
    assert "elementwise-grad-cam" in out[11] and "top-k-intersection" in out[11]
    assert "eval top-k-intersection" in out[12] and "(elementwise-grad-cam," in out[12]
    assert "Plan of cgc/6 on shapes: 12 jobs: 12 to do; " in out[13] and "; 0 images" not in out[13]
    assert "Element-wise" in out[14] and "M = Σ_k ReLU(G_k ⊙ A_k)" in out[15]
    added = {row["name"] for row in json.loads(out[16]) if row["what"] == "plug-in"}
    assert added == {f"{kind[:-1]} {name}" for kind, name in NEW.items()}
    recipe = json.loads(next(tmp_path.glob("runs/shapes-label-*/run.json")).read_text())["recipe"]
    assert (recipe["arch"], recipe["input"]["size"], recipe["train"]["batch_size"]) == ("resnet8", 32, 8)


def test_the_example_is_short() -> None:
    assert sum(len(path.read_text().splitlines()) for path in EXAMPLE.rglob("*.py")) <= 120


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that puts a package with one entry point on the path: its metadata and its only module."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name: str, kind: str, entry: str, code: str, package: str | None = None) -> None:
        module = (package or name).replace("-", "_")
        tmp_path.joinpath(f"{module}.py").write_text(code)
        metadata = tmp_path / f"{module}-1.0.dist-info"
        metadata.mkdir()
        metadata.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {package or name}\nVersion: 1.0\n")
        metadata.joinpath("entry_points.txt").write_text(f"[cambench.{kind}s]\n{name} = {module}:{entry}\n")
        importlib.invalidate_caches()
        lookup.points.cache_clear()

    yield put
    lookup.points.cache_clear()


METRIC = """
from dataclasses import replace
from cambench.metrics import find_metric
ENTRY = replace(find_metric("top5"), aliases={aliases})
"""


def test_a_package_is_imported_when_it_is_asked_for(install: Install) -> None:
    install("lazy-share", "metric", "ENTRY", METRIC.format(aliases={"lazy-alias": ""}))
    assert find_metric("ch").name == "ch" and "lazy-share" in METRICS.names
    assert "lazy_share" not in sys.modules
    assert find_metric("Lazy_Share").name == "lazy-share" and "lazy_share" in sys.modules
    assert find_metric("lazy_alias") is find_metric("lazy-share")
    assert list(METRICS)[-1] == "lazy-share" and METRICS["lazy-share"].name == "lazy-share"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("OTHER = 1", "AttributeError: module 'broken_{n}' has no attribute 'ENTRY'"),
        ("ENTRY = max", "expected a Metric, got a builtin_function_or_method."),
        (
            METRIC.format(aliases={"insertion": ""}),
            "expected a name or alias of its own, got insertion, which is taken; rename it.",
        ),
    ],
)
def test_a_broken_package_is_one_line_where_it_is_asked_for_and_else_in_nobodys_way(
    install: Install, code: str, why: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    n = abs(hash(request.node.name))
    name = f"broken-{n}"
    install(name, "metric", "ENTRY", code)
    line = f"metric {name} of the package {name} 1.0: broken_{n}:ENTRY: {why.format(n=n)}"
    line = line.replace(f"broken_{n}:ENTRY: expected a name", "expected a name")
    with pytest.raises(UsageError) as caught:
        find_metric(name)
    assert str(caught.value) == line
    assert find_metric("ch").name == "ch" and not caplog.records
    assert name not in list(METRICS) and name not in METRICS and "ch" in METRICS
    assert [record.getMessage() for record in caplog.records] == [line]


def test_a_name_that_is_taken_stays_its_owners(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install("ch", "metric", "ENTRY", METRIC.format(aliases={}), package="usurper")
    assert find_metric("ch").summary.startswith("share of the heatmap")
    assert list(METRICS).count("ch") == 1
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "metric ch of the package usurper 1.0: expected a name or alias of its own, got ch"
    )


def test_two_packages_of_one_name_are_both_named(install: Install) -> None:
    for package in ("one-twin", "other-twin"):
        install("twin", "explainer", "ENTRY", "ENTRY = None", package=package)
    with pytest.raises(UsageError, match="explainer twin of the package one-twin 1.0 and of other-twin 1.0: expected one"):
        find_explainer("twin")
    assert "twin" not in list(EXPLAINERS)


SET = """
from cambench.data import DatasetEntry
ENTRY = DatasetEntry("cambench.data.folder:read", "t", ("train", "test"), "o", "l", "x", folders=("f",), {facts})
"""


def test_a_data_set_that_states_nothing_is_refused_with_the_mend(install: Install) -> None:
    install("silent-set", "dataset", "ENTRY", SET.format(facts=""))
    with pytest.raises(UsageError, match=r"--set input.size=N --set train.batch_size=N --arch NAME\.$"):
        load_recipe("ce", "silent-set")
    given = load_recipe("ce", "silent-set", "resnet8", ["input.size=32", "train.batch_size=4"])
    assert (given.arch, given.input.size, given.train.batch_size) == ("resnet8", 32, 4)


def test_a_data_set_trains_with_what_it_states_unless_a_recipe_knows_it(install: Install, tmp_path: Path) -> None:
    install("stating-set", "dataset", "ENTRY", SET.format(facts='arch="resnet20", size=40, batch_size=6'))
    recipe = load_recipe("excon", "stating-set")
    assert (recipe.arch, recipe.input.size, recipe.train.batch_size) == ("resnet20", 40, 6)
    assert recipe.sources["input.size"] == "the data set's own entry" and not recipe.deviations
    assert load_recipe("ce", "stating-set", "resnet18").arch == "resnet18"
    assert load_recipe("ce", "stating-set", overrides=["input.size=64"]).input.size == 64
    when = '[[when]]\ndataset = "stating-set"\nset = {{ "input.size" = {} }}\nsource = "ours"\n'
    known = when.format(48) + when.format(56) + 'arch = "resnet8"'
    (tmp_path / "knowing.toml").write_text(f'extends = "ce"\n{known}')
    install("knowing", "method", "ENTRY", METHOD)
    sizes = {arch: load_recipe("knowing", "stating-set", arch) for arch in (None, "resnet8")}
    assert [(r.input.size, r.train.batch_size) for r in sizes.values()] == [(48, 6), (56, 6)]


METHOD = """
from pathlib import Path
from cambench.recipes import Method
ENTRY = Method(Path(__file__).with_suffix(".toml"))
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("= 1", "not valid TOML: Invalid statement"),
        ('extends = "ce"\nsumary = "s"', "unknown key 'sumary'. Did you mean summary"),
        ('summary = "s"', "expected the key arch, got none"),
        ('extends = "ce"\n[train]\nepochs = 3', r"\[sources\]: expected where train.epochs is from, got nothing; say it"),
        ('extends = "ce"\n[[when]]\ndataset = "cub"\nset = {}', r"\[\[when\]\]: expected the key source, got none"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_when_it_is_made(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UsageError, match=f"/mine.toml[:,].*{why}"):
        Method(tmp_path / "mine.toml")


def test_a_method_that_extends_itself_or_nothing_known_ends_in_a_line(
    install: Install, tmp_path: Path, typed: Typed
) -> None:
    for name, base in (("egg", "hen"), ("hen", "egg"), ("orphan", "ceh")):
        (tmp_path / f"{name}.toml").write_text(f'extends = "{base}"')
        install(name, "method", "ENTRY", METHOD)
    with pytest.raises(UsageError, match="hen.toml: expected to extend a method that does not extend it, got egg"):
        load_recipe("egg", "cub")
    with pytest.raises(UsageError, match="unknown method 'ceh'. Did you mean"):
        load_recipe("orphan", "cub")
    said = typed("ls", "methods")
    assert said.code == 0 and "cgc" in said.out and "orphan" not in said.out and "hen" not in said.out.split()


def test_an_objective_comes_with_its_method_and_costs_what_it_says(install: Install, tmp_path: Path) -> None:
    (tmp_path / "dear.toml").write_text('extends = "ce"\nobjective = "dear"')
    objective = 'replace(INDEX["ce"], passes=5, views={"crop": "resize"})'
    code = "from dataclasses import replace\nfrom cambench.objectives import INDEX\n" + METHOD
    install("dear", "method", "ENTRY", code.replace('"))', f'"), {objective})'))
    found = objectives.find_objective(load_recipe("dear", "cub").objective)
    assert (found.name, found.passes, found.views) == ("dear", 5, {"crop": "resize"})
    install("wrong", "method", "ENTRY", METHOD.replace('"))', '"), max)'))
    (tmp_path / "wrong.toml").write_text('extends = "ce"\nobjective = "wrong"')
    with pytest.raises(UsageError, match="method wrong: expected its objective to be an Objective, got a builtin"):
        objectives.make("wrong", {})


def test_records_of_a_package_that_is_gone_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    value = {"": Value(50.0, 10, 1.0, (49.0, 51.0))}
    facts = {"run": "r", "dataset": "cub", "split": "test", "method": "ce", "arch": "resnet50", "seed": 0, "values": value}
    (table,) = summary([Record(metric=name, **facts) for name in ("lost-metric", "top1")])
    assert [column.label for column in table.columns] == [("top1",)]
    (record,) = caplog.records
    assert record.getMessage().startswith("records of lost-metric are passed over: unknown metric 'lost-metric'.")
