"""The command line as a person types it: what is printed where, and the exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from interrupts import hear_interrupts
from typed import Typed

from cambench import __version__
from cambench.data import synthbirds
from cambench.extras import EXTRAS

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def cambench(*arguments: str, **places: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": "/tmp"}
    environment |= {f"CAMBENCH_{name.upper()}": str(path) for name, path in places.items()}
    command = [sys.executable, "-m", "cambench", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False, cwd=Path(__file__).parents[2]
    )


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The roots of a command that is typed in this process: empty folders."""
    for name in ("data", "results"):
        monkeypatch.setenv(f"CAMBENCH_{name.upper()}", str(tmp_path / name))
    return tmp_path


def test_the_main_job_by_hand(tmp_path: Path) -> None:
    places = {"data": tmp_path / "data", "results": tmp_path / "results"}
    tiny = ["--classes", "4", "--per-class", "4", "--test-per-class", "8", "--size", "40"]
    made = cambench("data", "make", "synthbirds", *tiny, **places)
    assert made.returncode == 0, made.stderr
    small = ["--set", "input.size=32", "--set", "train.batch_size=8", "--epochs", "1", "--workers", "0"]
    trained = cambench("train", "cgc", "--dataset", "synthbirds", *small, **places)
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.startswith("synthbirds-cgc-resnet8-s0-")
    assert "explained layer layer3" in trained.stderr
    measured = cambench("eval", "--metric", "ch", "--metric", "top1", "--workers", "0", **places)
    assert measured.returncode == 0, measured.stderr
    assert "official" in measured.stdout
    as_json = json.loads(cambench("eval", "-m", "ch", "--workers", "0", "--json", **places).stdout)
    assert as_json[0]["metric"] == "ch"
    latex = cambench("report", "--latex", **places)
    assert latex.returncode == 0, latex.stderr
    assert r"\toprule" in latex.stdout
    costs = cambench("report", "--cost", "--csv", **places)
    assert costs.returncode == 0 and "synthbirds: cost of training,cgc,Training,s,down," in costs.stdout
    page = tmp_path / "report.html"
    assert cambench("report", "--html", str(page), **places).returncode == 0
    assert "data:image/jpeg" in page.read_text()
    checked = cambench("data", "check", "synthbirds", **places)
    assert checked.returncode == 0, checked.stderr
    (places["data"] / "synthbirds" / "classes.txt").unlink()
    broken = cambench("data", "check", "synthbirds", **places)
    assert broken.returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["train", "cgd", "--dataset", "cub"], 2, "error: unknown method 'cgd'. Did you mean cgc"),
        (["train", "cgc", "--dataset", "cubs"], 2, "Did you mean cub"),
        (["train", "cgc", "--dataset", "cub"], 3, "CAMBENCH_DATA"),
        (["train", "cgc"], 2, "--dataset"),
        (["eval", "--metric", "iuac"], 2, "Did you mean iauc"),
        (["eval", "--metric", "iauc"], 2, "no finished run"),
        (["report"], 2, "nothing to report"),
        (["report", "cgc/99"], 2, "cgc/1"),
        (["report", "--latex", "--csv"], 2, "one at a time"),
        (["report", "--paired", "a", "b", "--arch", "x"], 2, "No such option: --arch"),
        (["nosuch"], 2, "error: No such command 'nosuch'"),
        (["train", "cgc", "--seed"], 2, "cambench train --help shows what it takes."),
        (["reproduce", "cgc/1", "--seeds", "x"], 2, "error: Invalid value for '--seeds'"),
        (["report", "--paired", "a", "b"], 2, "no run 'a'"),
        (["report", "--on", "synthbirds"], 2, "expected a TABLE"),
        (["report", "cgc/1", "--arch", "resnet8"], 2, "expected --on DATASET"),
        (["report", "cgc/1", "--on", "synthbird"], 2, "Did you mean synthbirds"),
        (["ls", "metric"], 2, "Did you mean metrics"),
        (["data", "where", "cub"], 0, "CUB_200_2011"),
        (["data", "make", "cub"], 2, "expected synthbirds"),
        (["train", "ce", "--dataset", "synthbirds", "--device", "cuda:9"], 2, "not available here"),
        (["pack", "cub-cgc"], 2, "--out"),
        (["pack", "cub-cgc", "--out", "x"], 2, "no run 'cub-cgc'"),
        (["unpack", "cambench"], 2, "expected a folder that `cambench pack` wrote, found no pack.json in it"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    arguments: list[str], code: int, said: str, typed: Typed, places: Path
) -> None:
    done = typed(*arguments)
    assert done.code == code, done.err
    assert said in done.err + done.out
    assert "Traceback" not in done.err
    if code == 2:
        assert done.err.splitlines()[-1].startswith("error: ") and "─" not in done.err


def test_the_version(typed: Typed) -> None:
    assert typed("--version").out == f"cambench {__version__}\n"


def test_a_table_for_a_machine(typed: Typed, places: Path) -> None:
    cells = json.loads(typed("report", "cgc/10", "--json").out)
    assert len(cells) == 18 and cells[0]["published"] == 69.76 and cells[0]["measured"] is None
    text = typed("report", "cgc/10", "--on", "synthbirds", "--csv").out
    assert "synthbirds stands in" in text and "69.76" not in text


@pytest.mark.parametrize("ignored", [False, True], ids=["heard", "ignored by the suite"])
def test_an_interrupt_is_said_and_has_its_code(tmp_path: Path, ignored: bool) -> None:
    """Also where the suite was started in the background of a script, which ignores SIGINT for all its children."""
    synthbirds.make(tmp_path / "synthbirds", classes=2, per_class=2, test_per_class=1, size=32)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignored else signal.getsignal(signal.SIGINT)
    try:
        interrupted(tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted(tmp_path: Path) -> None:
    """Interrupt a training after its first epoch."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "CAMBENCH_DATA": str(tmp_path),
        "CAMBENCH_RESULTS": str(tmp_path),
    }
    command = [sys.executable, "-m", "cambench", "train", "ce", "--dataset", "synthbirds", "--workers", "0"]
    options = {"stderr": subprocess.PIPE, "text": True, "env": environment, "cwd": Path(__file__).parents[2]}
    with subprocess.Popen([*command, "--epochs", "9999"], preexec_fn=hear_interrupts, **options) as running:  # type: ignore[call-overload]
        assert running.stderr is not None
        for line in running.stderr:
            if "epoch 1/" in line:
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
    assert running.returncode == 130
    assert "goes on from here" in rest
    assert "Traceback" not in rest


def test_help_does_not_import_torch() -> None:
    code = "import sys; import cambench.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "kind", ["methods", "presets", "explainers", "targets", "metrics", "datasets", "archs", "tables", "figures", "runs"]
)
def test_every_catalogue_is_listed(kind: str, typed: Typed, places: Path) -> None:
    done = typed("ls", kind, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)
    assert bool(rows) == (kind != "runs")
    assert all(row["name"] for row in rows)


def test_doctor_says_what_is_here(typed: Typed, places: Path) -> None:
    facts = {(r["what"], r["name"]): r["is"] for r in json.loads(typed("doctor", "--json").out)}
    assert facts["version", "torch"]
    assert facts["data", "cub"].startswith("not here; expected at")


def test_doctor_names_extras_that_exist() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert set(EXTRAS.values()) == set(extras) - {"test"}
