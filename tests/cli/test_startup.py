"""What needs no tensor imports no torch, nor anything else that takes long: help, listings, tables on a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sample_records import fill

from cambench.cli.catalogue import KINDS
from cambench.recipes.published import load_published
from cambench.recipes.tables import load_table
from cambench.store.records import write_record

SLOW = ("torch", "torchvision", "scipy", "pandas", "matplotlib", "numba", "jinja2", "sklearn")
CODE = """
import sys
from cambench.cli import main
try:
    main()
finally:
    print("loaded:", *[name for name in {slow} if name in sys.modules], file=sys.stderr)
"""


def loaded(*arguments: str, results: Path) -> tuple[str, str]:
    """What a command prints, and what it has imported of `SLOW`."""
    code = [sys.executable, "-c", CODE.format(slow=SLOW), *arguments]
    roots = {"CAMBENCH_DATA": str(results / "data"), "CAMBENCH_RESULTS": str(results), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(code, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **roots})
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.rpartition("loaded:")[2].strip()


@pytest.mark.parametrize(
    "command",
    [
        *(["--help"], ["eval", "--help"], ["data", "ls"], ["doctor", "--quick"]),
        *(["ls", kind] for kind in KINDS),
        *(["ls", "metrics", "iauc"], ["ls", "explainers", "smoothgrad"]),
    ],
    ids=" ".join,
)
def test_it_imports_nothing_slow(command: list[str], tmp_path: Path) -> None:
    out, slow = loaded(*command, results=tmp_path)
    assert out and not slow


def test_tables_on_a_terminal_import_nothing_slow(tmp_path: Path) -> None:
    for table in ("cgc/1", "cgc/2", "weighted-contrast/1", "weighted-contrast/figure3", "calm/3"):
        for i, record in enumerate(fill(load_table(table), load_published(table.partition("/")[0]))):
            write_record(tmp_path / "records" / record.run / f"{table.replace('/', '-')}-{i}.json", record)
    for command in (["report"], ["report", "cgc/1", "weighted-contrast/1", "weighted-contrast/figure3", "calm/3"]):
        out, slow = loaded(*command, results=tmp_path)
        assert "5,000 images" in out and not slow


def test_devices_are_what_doctor_asks_torch_for(tmp_path: Path) -> None:
    out, slow = loaded("doctor", results=tmp_path)
    assert "torch" in slow.split() and "threads" in out  # so that the test above can fail
    assert "threads" not in loaded("doctor", "--quick", results=tmp_path)[0]
