"""cambench rm: what goes, what stays, and when nothing is removed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from forked import die, killed
from typed import Typed

from cambench.stages.housekeeping import removal
from cambench.store.records import Record, Value, read_record, rows_path, write_record
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError

RUN, OTHER = "cub-cgc-resnet8-s0-0123abcd", "cub-ce-resnet8-s0-0123abcd"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs, each with a heatmap file and records of two metrics with their rows."""
    for name in (RUN, OTHER):
        method = name.split("-")[1]
        facts = {"method": method, "arch": "resnet8", "seed": 0, "dataset": "cub"}
        Run(tmp_path / "runs" / name).save(kind="trained", finished=True, **facts)
        (tmp_path / "heatmaps" / name).mkdir(parents=True)
        (tmp_path / "heatmaps" / name / "test.h5").write_bytes(b"maps")
        for metric in ("ch", "iauc"):
            path = tmp_path / "records" / name / f"test.{metric}.json"
            values = {"": Value(1.0, 2, 0.1, (0.9, 1.1))}
            write_record(path, Record(run=name, split="test", metric=metric, values=values, **facts))
            rows_path(path).write_bytes(b"rows")
    return tmp_path


def left(results: Path) -> set[str]:
    """Every file and folder that is there, without its root's path."""
    return {path.relative_to(results).as_posix() for path in results.rglob("*")}


def test_a_run_goes_with_its_heatmaps_and_records_and_no_other(results: Path, typed: Typed) -> None:
    stays = {path for path in left(results) if RUN not in path}
    done = typed("rm", "cub-cgc", "--yes", "--results", results)
    assert done.code == 0 and done.out == f"{RUN}\n"
    assert f"{RUN}: the run itself (trained, 0 epochs), 1 heatmap file, 2 records, " in done.err
    assert left(results) == stays


def test_of_one_metric_only_its_records_and_rows_go(results: Path, typed: Typed) -> None:
    before = left(results)
    done = typed("rm", "cub-cgc", "-m", "insertion", "--yes", "--json", "--results", results)
    gone = {f"records/{RUN}/test.iauc.{end}" for end in ("json", "h5")}
    assert before - left(results) == gone and not left(results) - before
    assert json.loads(done.out)["removed"] == [str(results / path) for path in sorted(gone, reverse=True)]
    assert "1 record of iauc" in done.err
    again = typed("rm", "cub-cgc", "-m", "iauc", "--yes", "--results", results)
    assert again.code == 2 and "expected a record of iauc, found none; it was measured on ch." in again.err


def test_records_of_a_metric_whose_package_is_gone_go_by_its_name(results: Path, typed: Typed) -> None:
    path = results / "records" / RUN / "test.gone.json"
    write_record(path, replace(read_record(path.with_name("test.ch.json")), metric="gone-metric"))
    before = left(results)
    done = typed("rm", "cub-cgc", "-m", "gone-metric", "--yes", "--results", results)
    assert done.code == 0 and before - left(results) == {f"records/{RUN}/test.gone.json"}


def test_a_run_of_another_root_is_named_by_its_path(
    results: Path, typed: Typed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = typed("rm", results / "runs" / RUN, "--yes", "--results", tmp_path_factory.mktemp("elsewhere"))
    assert done.code == 0 and "1 heatmap file, 2 records" in done.err and RUN not in str(left(results))


def test_what_a_killed_removal_left_goes_with_the_next(results: Path, typed: Typed) -> None:
    def die_there(path: Path) -> None:
        if path.parent.name == "heatmaps":
            die()

    def rm() -> None:
        shutil.rmtree = die_there  # type: ignore[assignment]
        removal.remove(removal.planned(RUN, [], results))

    stays = {path for path in left(results) if RUN not in path}
    killed(rm)
    assert (results / "runs" / RUN).is_dir() and not (results / "heatmaps" / RUN).exists() and left(results) > stays
    assert typed("rm", RUN, "--yes", "--results", results).code == 0 and left(results) == stays


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        """A terminal."""
        return True


def test_it_asks_and_nothing_goes_without_a_yes(results: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    before = left(results)
    nobody = typed("rm", "cub-cgc", "--results", results)
    assert nobody.code == 2 and "pass --yes" in nobody.err and left(results) == before
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert typed("rm", "cub-cgc", "--results", results).code == 1 and left(results) == before
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert typed("rm", "cub-cgc", "--results", results).code == 0 and RUN not in str(left(results))


def test_ctrl_d_is_a_no_and_an_error_of_a_file_that_ends_early_is_none(
    results: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = left(results)
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    done = typed("rm", "cub-cgc", "--results", results)
    assert done.code == 1 and "stopped; nothing was done." in done.err and left(results) == before

    def ends_early(*_: object) -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr("cambench.stages.housekeeping.removal.planned", ends_early)
    with pytest.raises(EOFError, match="No data left in file"):
        typed("rm", "cub-cgc", "--results", results)


WRITERS = [f"runs/{RUN}", f"heatmaps/{RUN}/test.h5", f"records/{RUN}/test.ch.json"]


@contextmanager
def written(target: Path) -> Iterator[None]:
    """Another process writes it, as long as the block takes."""
    code = (
        "import sys, pathlib; from cambench.store.locks import only_writer\n"
        "with only_writer(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command, pipes = [sys.executable, "-c", code, target], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}, **pipes) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"held\n"
        yield
        writer.communicate()


@pytest.mark.parametrize("target", WRITERS)
def test_nothing_goes_while_another_process_writes(target: str, results: Path, typed: Typed) -> None:
    with written(results / target):
        before = left(results)
        done = typed("rm", "cub-cgc", "--yes", "--results", results)
        assert (
            done.code == 1 and "expected nobody at work on it, got another process" in done.err and left(results) == before
        )
    assert typed("rm", "cub-cgc", "--yes", "--results", results).code == 0


@pytest.mark.parametrize("target", WRITERS[1:])
def test_nothing_goes_where_another_process_began_to_write_before_the_answer(target: str, results: Path) -> None:
    planned = removal.planned("cub-cgc", [], results)
    with written(results / target):
        before = left(results)
        with pytest.raises(CambenchError, match="expected nobody at work on it, got another process"):
            removal.remove(planned)
        assert left(results) == before
    removal.remove(planned)
    assert RUN not in str(left(results))
