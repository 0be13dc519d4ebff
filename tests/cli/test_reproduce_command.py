"""`cambench reproduce` as a person types it: what is printed where, and the exit codes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from interrupts import hear_interrupts
from typed import Said, Typed

from cambench.data import synthbirds
from cambench.stages.reproducing.cost import Estimate
from cambench.stages.reproducing.outline import sums
from cambench.stages.reproducing.plan import Job, Network

ROOT = Path(__file__).parents[2]
TINY = ["--set", "input.size=32", "--set", "train.batch_size=8", "--workers", "0"]


NEW_BIRDS = ["cgc/6", "--on", "synthbirds"]


def command(*arguments: str) -> list[str]:
    """The command line of `cambench reproduce`."""
    return [sys.executable, "-m", "cambench", "reproduce", *arguments]


def environment(root: Path) -> dict[str, str]:
    """Roots in a folder, no weights of torchvision's, no GPU."""
    roots = {"CAMBENCH_DATA": str(root / "data"), "CAMBENCH_RESULTS": str(root / "results"), "TORCH_HOME": str(root)}
    return {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **roots}


@pytest.fixture
def reproduce(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """A function that types it in this process, its roots in a folder."""

    def run(root: Path, *arguments: str) -> Said:
        for name, value in environment(root).items():
            if name != "PATH":
                monkeypatch.setenv(name, value)
        return typed("reproduce", *arguments)

    return run


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with tiny data."""
    root = tmp_path_factory.mktemp("reproduce")
    synthbirds.make(root / "data" / "synthbirds", classes=4, per_class=4, test_per_class=4, size=32)
    return root


def test_the_dry_run_needs_no_data_and_says_what_is_needed(reproduce: Callable[..., Said], tmp_path: Path) -> None:
    done = reproduce(tmp_path, "cgc/1", "cgc/6", "--dry-run", "--verbose")
    assert done.code == 0, done.err
    said = done.out
    total = said.splitlines()[0]
    assert total.startswith("Plan of cgc/1, cgc/6: 76 jobs: 76 blocked; ")
    assert f"Blocked: {total.partition('; ')[2].partition(',')[0]}" in said
    listing = " ".join(said.split())
    assert "train cgc imagenet resnet18" in listing and "115,305,030" in listing, "90 epochs of 1,281,167 images"
    assert "train ce cub resnet50 0, 1, 2 blocked 1,618,380" in listing, "three seeds on one line: 3 · 90 · 5,994"
    for name, folder in (("imagenet", "imagenet"), ("cub", "CUB_200_2011"), ("aircraft", "fgvc-aircraft-2013b")):
        assert f"- {name}: expected at {tmp_path / 'data' / folder}, not there; layout: " in said
    assert "resnet50-0676ba61.pth" in said and "h of one device" in said and "Times from: FLOPs at 0.05 TFLOP/s" in said
    assert not (tmp_path / "results").exists() and not (tmp_path / "data").exists()


def test_a_dry_run_groups_jobs_that_differ_in_the_network_alone(reproduce: Callable[..., Said], tmp_path: Path) -> None:
    short, long = (reproduce(tmp_path, "cgc/1", "cgc/6", "--dry-run", *more).out for more in ((), ("--verbose",)))
    assert short.splitlines()[0] == long.splitlines()[0] and len(short.splitlines()) < len(long.splitlines())
    listing = " ".join(short.split())
    assert "train cgc on imagenet 2 blocked" in listing, "of ResNet-18 and ResNet-50"
    assert "eval top1 on cub test 6 blocked" in listing, "three seeds of ce and of cgc"
    counts = [int(found[1]) for found in re.finditer(r"(\d+)  (?:blocked|to do|begun|cannot run|finished) ", short)]
    assert sum(counts) == 76
    assert "Plan of cgc (11 tables): 1339 jobs" in reproduce(tmp_path, "cgc", "--dry-run").out
    assert "--verbose is not used here, it is for --dry-run" in reproduce(tmp_path, "cgc/1", "--verbose").err


def test_a_dry_run_says_for_which_device_and_what_cannot_be_run(reproduce: Callable[..., Said], tmp_path: Path) -> None:
    here, there = (reproduce(tmp_path, "calm/3", "--dry-run", *more).out for more in ((), ("--as", "a100")))
    assert "15 % of the peak of an NVIDIA A100" in there and "NVIDIA" not in here
    assert here.splitlines()[0].split(";")[0] == there.splitlines()[0].split(";")[0], "the same jobs"
    assert re.search(r"Only published, unless `cambench add-run` gives the network:\n- calm/3: .*InCA", here)
    assert "unknown device 'a10'" in reproduce(tmp_path, "calm/3", "--dry-run", "--as", "a10").err
    assert "--as is not used here, it is for --dry-run" in reproduce(tmp_path, "calm/3", "--as", "a100").err


def test_a_setting_of_some_recipes_is_done_where_it_is_taken(reproduce: Callable[..., Said], tmp_path: Path) -> None:
    plan = reproduce(tmp_path, *NEW_BIRDS, "--set", "objective_settings.weight=0.1", "--dry-run")
    assert plan.code == 0 and "12 jobs: 6 to do, 6 cannot run; " in plan.out
    job = Job(Network("cgcc", None, "synthbirds"), state="unknown")
    assert sums([job], {job.key: Estimate(0, 0.0, 0, "")}) == [], "nothing is done, and something left"


def test_a_table_of_counts_has_nothing_to_run_and_is_printed_with_code_0(
    reproduce: Callable[..., Said], tmp_path: Path
) -> None:
    plan, done = reproduce(tmp_path, "calm/4", "--dry-run"), reproduce(tmp_path, "calm/4", "--markdown")
    assert plan.out.split("\n") == ["Plan of calm/4: no jobs", "", "Nothing is left to do.", ""]
    assert (plan.code, done.code, done.err) == (0, 0, "")
    assert "| bird | n01503061 | 52 (52, 0) |" in done.out
    assert not (tmp_path / "results").exists()


def test_a_stand_in_is_marked_in_every_format(reproduce: Callable[..., Said], birds: Path) -> None:
    arguments = ["cgc/6", "--on", "synthbirds", "--seeds", "1", "--set", "train.epochs=1", *TINY]
    first = reproduce(birds, *arguments)
    assert first.code == 0, first.err
    assert "[4/4] eval top1 on synthbirds test: cgc synthbirds resnet8, seed 0" in first.err
    page = birds / "page.html"
    forms = [first.out, page]
    for form in (["--latex"], ["--markdown"], ["--csv"], ["--html", str(page)]):
        done = reproduce(birds, *arguments, *form)
        assert done.code == 0 and "jobs to do" not in done.err
        forms.append(done.out)
    for text in [page.read_text() if form is page else form for form in forms if str(form).strip() != str(page)]:
        plain = " ".join(str(text).replace("&#39;", "'").split())
        assert "synthbirds stands in for the paper's data" in plain and "81.49" not in plain
    again = reproduce(birds, *arguments, "--dry-run")
    assert "4 jobs: 4 finished" in again.out and "Nothing is left to do." in again.out


def test_a_cell_that_lacks_something_gives_code_1_and_its_footnote(reproduce: Callable[..., Said], tmp_path: Path) -> None:
    done = reproduce(tmp_path, "cgc/6", "--columns", "CUB-200", "--csv")
    assert done.code == 1
    assert "Not measured: cub: expected at" in done.out and "80.09" in done.out
    assert "Traceback" not in done.err


@pytest.mark.parametrize(("arguments", "said"), [
    (["cgc/66"], "Did you mean cgc/6"),
    (["cgc/6", "--rows", "CGD"], "unknown row 'CGD'. Did you mean cgc"),
    (["cgc/6", "--on", "birds"], "Did you mean synthbirds"),
    (["cgc/6", "--launcher", "slurn"], "Did you mean slurm"),
    (["cgc/6", "--latex", "--csv"], "one at a time"),
    (["cgc/6", "--device", "cuda:9", "--on", "synthbirds"], "not available here"),
    ([], "expected TABLE... or --claims CLAIM"),
    *(([*NEW_BIRDS, *more], said) for more, said in {
        ("--set", "nokey=2"): "--set nokey: unknown key 'nokey'",
        ("--set", "train.epochs=2", "--set", "optimizer.rl=1"): "--set optimizer.rl: unknown key 'optimizer.rl'. Did",
        ("--set", "train.epochs=two", "--dry-run"): "train.epochs: input should be a valid integer, got 'two'",
        ("--set", "objective_settings.weight=-3"): "objective_settings of cgc: weight: input should be greater",
        ("--set", "train.epochs=1", "--set", "train.epochs=2"): "--set train.epochs: expected it once, got it 2 times",
        ("--set", "data.redraw=1", "--dry-run"): "need data.masks, which say where the object is",
        ("--weights", "no.pth", "--dry-run"): "--weights no.pth: expected a recipe that begins from a file",
        ("--weights", "no.pth", "--set", "model.init=swav"): "no.pth: expected a file of weights, found none there",
    }.items()),
    (["calm/4", "--set", "train.epochs=1"], "--set train.epochs=1: expected something to train"),
    (["calm/4", "--seeds", "2"], "--seeds 2: expected something to train"),
    (["calm/3", "--on", "synthbirds", "--search", "2", "--range", "no.key=0..1", "--dry-run"], "--range: unknown key 'no.k"),
], ids=str)  # fmt: skip
def test_what_is_typed_wrong_is_one_line_and_code_2(
    arguments: list[str], said: str, reproduce: Callable[..., Said], tmp_path: Path
) -> None:
    done = reproduce(tmp_path, *arguments)
    assert done.code == 2 and said in done.err, done.err
    assert "Traceback" not in done.err and not done.out and not list(tmp_path.iterdir())


def test_the_status_says_how_far_it_is_and_where_each_job_is(reproduce: Callable[..., Said], tmp_path: Path) -> None:
    arguments = ["cgc/6", "--on", "synthbirds", "--rows", "CGC", "--seeds", "1", *TINY]
    synthbirds.make(tmp_path / "data" / "synthbirds", classes=2, per_class=2, test_per_class=2, size=32)
    begun = reproduce(tmp_path, *arguments, "--status")
    assert (begun.code, begun.out) == (0, "Plan of cgc/6 on synthbirds: 2 jobs: 2 to do\n")
    failed = reproduce(tmp_path, *arguments, "--set", "optimizer.lr=1e30", "--set", "schedule.warmup_epochs=0")
    status = reproduce(
        tmp_path, *arguments, "--set", "optimizer.lr=1e30", "--set", "schedule.warmup_epochs=0", "--status"
    ).out
    assert failed.code == 1 and "failed" in status and "expected a finite loss" in " ".join(status.split())
    assert "--status: --csv is not used here" in reproduce(tmp_path, *arguments, "--status", "--csv").err


def test_an_interrupt_is_code_130_and_the_next_call_goes_on(reproduce: Callable[..., Said], birds: Path) -> None:
    arguments = ["cgc/6", "--on", "synthbirds", "--rows", "CGC", "--seeds", "1", "--set", "train.epochs=30", *TINY]
    options = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "cwd": ROOT,
        "preexec_fn": hear_interrupts,
    }
    with subprocess.Popen(command(*arguments), env=environment(birds), **options) as running:  # type: ignore[call-overload]
        for line in running.stderr:
            if "epoch 2/" in line:
                running.send_signal(signal.SIGINT)
                break
        rest = running.stderr.read()
    assert running.returncode == 130 and "goes on from here" in rest and "Traceback" not in rest
    plan = reproduce(birds, *arguments, "--dry-run", "--verbose").out
    assert "1 begun" in plan and "begun, epoch " in " ".join(plan.split())
    done = reproduce(birds, *arguments)
    assert done.code == 0 and "going on after epoch" in done.err
