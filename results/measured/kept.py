"""Judgements of claims as `<paper>-claims.csv` has them, beside those of the records that are at hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from cambench.metrics import find_metric, known_metric
from cambench.metrics.hierarchical import Effect, Interval
from cambench.recipes.claims import Claim
from cambench.report.claims.records import Where
from cambench.report.claims.verdicts import Finding, Judgement, with_holm
from cambench.report.formats import claims as formats

Rows = list[dict[str, Any]]
NOWHERE = Where("", "")


def joined(path: Path, new: Sequence[Judgement]) -> list[Judgement]:
    """The judgements of a paper; where the file has one of more seeds, that one. The file then has them all."""
    claims = {judgement.claim.id: judgement.claim for judgement in new}
    every, rows, order = {key(j): j for j in new if j.verdict != "not measured"}, {}, list(claims)
    known = {name for name, _ in every}
    for judgement, own in read(path, claims):
        there = every.get(key(judgement))
        if seeds(judgement) > (seeds(there) if there else 0) or judgement.claim.id not in known:
            every[key(judgement)], rows[key(judgement)] = judgement, own
            known.add(judgement.claim.id)
    lacking = [judgement for judgement in new if judgement.claim.id not in known]
    made = sorted([*every.values(), *lacking], key=lambda j: (order.index(j.claim.id), j.elsewhere, j.where or NOWHERE))
    made = with_holm(made)
    path.write_text(formats.as_csv([line for j in made for line in written(j, rows.get(key(j), []))]), encoding="utf-8")
    return made


def key(judgement: Judgement) -> tuple[str, Where | None]:
    """The claim, and where it is judged."""
    return judgement.claim.id, judgement.where


def seeds(judgement: Judgement) -> int:
    """How many seeds its comparisons have at most."""
    return max((len(finding.seeds) for finding in judgement.findings), default=0)


def written(judgement: Judgement, rows: Rows) -> Rows:
    """The rows of a judgement; those that the file had, with p after Holm among all comparisons that there are now."""
    pairs = zip(rows, judgement.findings, strict=True) if rows else ()
    return [with_p(row, finding.p_holm) for row, finding in pairs] or formats.tidy([judgement])


@dataclass(frozen=True)
class Written(Effect):
    """A difference of which the file has the ends of the intervals and p, but not what they are reckoned from."""

    known: float | None = None

    def p(self, threshold: float = 0.0) -> float | None:
        """p as it is written."""
        return self.known


def read(path: Path, claims: dict[str, Claim]) -> list[tuple[Judgement, Rows]]:
    """Each judgement of a file that names a data set, with its rows; claims that are no more are left out."""
    frame = pd.read_csv(path, keep_default_na=False, dtype=str)
    placed = frame[(frame.dataset != "") & frame.claim.isin(claims)]
    groups = placed.groupby(["claim", "dataset", "arch", "method"], sort=False)
    every = [cast(Rows, own.to_dict("records")) for _, own in groups]
    return [(judgement(rows, claims), rows) for rows in every]


def judgement(rows: Rows, claims: dict[str, Claim]) -> Judgement:
    """A claim on one data set and network, from its rows."""
    first = rows[0]
    where = Where(first["dataset"], first["arch"], first["method"])
    notes = tuple(first["notes"].split("; ")) if first["notes"] else ()
    return Judgement(claims[first["claim"]], where, first["verdict"], tuple(finding(row) for row in rows), notes)


def finding(row: dict[str, Any]) -> Finding:
    """One comparison."""
    name = row["measures"].split(",")[0].split(" ")[0]
    return Finding(
        part=0, role=row["role"], first=row["first"], second=row["second"], measures=row["measures"], unit=row["unit"],
        decimals=find_metric(name).printing.decimals if known_metric(name) else 2, direction=row["direction"],
        thresholds=tuple(map(float, row["threshold"].split(" to "))), verdict=row["comparison"],
        effect=effect(row) if row["difference"] else None, seeds=tuple(range(int(row["seeds"]))),
    )  # fmt: skip


def effect(row: dict[str, Any]) -> Effect:
    """Its difference, intervals and p."""
    bootstrap, student = ends(row["low"], row["high"]), ends(row["seeds_low"], row["seeds_high"])
    known = float(row["p"]) if row["p"] else None
    return Written((float(row["difference"]),), int(row["images"]), bootstrap, student, known=known)


def with_p(row: dict[str, Any], p: float | None) -> dict[str, Any]:
    """The row with another p after Holm; where only digits beyond the file's differ it stays as it is."""
    old = float(row["p_holm"]) if row["p_holm"] else None
    alike = p == old or (p is not None and old is not None and math.isclose(p, old, rel_tol=1e-8))
    return row if alike else {**row, "p_holm": p}


def ends(low: str, high: str) -> Interval | None:
    """An interval, None where there is none."""
    return (float(low), float(high)) if low else None
