"""What needs no tensor imports no torch, nor anything else that takes long: help, listings, tables on a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sample_records import fill
from typed import ONE_AFTER_ANOTHER

from cambench.cli.catalogue import KINDS
from cambench.recipes.published import load_published
from cambench.recipes.tables import load_table
from cambench.store.records import write_record

SLOW = ("torch", "torchvision", "scipy", "pandas", "matplotlib", "numba", "jinja2", "sklearn")


def loaded(*commands: list[str], results: Path) -> list[tuple[str, set[str]]]:
    """What each of some commands prints, typed one after another in one process, and what of `SLOW` is imported by then."""
    code = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(commands)]
    roots = {"CAMBENCH_DATA": str(results / "data"), "CAMBENCH_RESULTS": str(results), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(code, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin", **roots})
    answers = json.loads(done.stdout)
    assert [code for code, _, _ in answers] == [0] * len(commands), done.stderr
    return [(out, {*SLOW} & {*packages}) for _, out, packages in answers]


COMMANDS = [
    *(["--help"], ["eval", "--help"], ["data", "ls"], ["doctor", "--quick"]),
    *(["ls", kind] for kind in KINDS),
    *(["ls", "metrics", "iauc"], ["ls", "explainers", "smoothgrad"], ["ls", "methods", "cgc"]),
]


def test_they_import_nothing_slow(tmp_path: Path) -> None:
    for command, (out, slow) in zip(COMMANDS, loaded(*COMMANDS, results=tmp_path), strict=True):
        assert out and not slow, f"{' '.join(command)}: {slow}"


def test_tables_on_a_terminal_import_nothing_slow(tmp_path: Path) -> None:
    for table in ("cgc/1", "cgc/2", "weighted-contrast/1", "weighted-contrast/figure3", "calm/3"):
        for i, record in enumerate(fill(load_table(table), load_published(table.partition("/")[0]))):
            write_record(tmp_path / "records" / record.run / f"{table.replace('/', '-')}-{i}.json", record)
    shown = ["cgc/1", "weighted-contrast/1", "weighted-contrast/figure3", "calm/3"]
    for out, slow in loaded(["report"], ["report", *shown], results=tmp_path):
        assert "5,000 images" in out and not slow


OWN = """
import sys, torch
from cambench.models import build, resolve
from cambench.explainers.batch import explain
from cambench.stages.measuring import evaluate, explain as stage, works
explain(build(resolve("resnet8"), 4).eval(), torch.zeros(1, 3, 16, 16), "grad-cam")
sys.exit(bool({"torchvision", "torch._dynamo"} & set(sys.modules)))
"""


def test_torchvision_is_imported_for_its_own_networks_alone() -> None:
    assert subprocess.run([sys.executable, "-c", OWN], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode == 0


def test_devices_are_what_doctor_asks_torch_for(tmp_path: Path) -> None:
    (quick, _), (out, slow) = loaded(["doctor", "--quick"], ["doctor"], results=tmp_path)
    assert "torch" in slow and "threads" in out  # so that the tests above can fail
    assert "threads" not in quick
