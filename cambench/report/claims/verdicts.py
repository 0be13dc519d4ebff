"""What follows for a claim: the verdict of each comparison, of each part, of the whole, and p after Holm in the paper."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cambench.metrics import find_metric, statistics
from cambench.metrics.hierarchical import Effect, Interval, seeds_needed
from cambench.recipes.claims import Claim, Part
from cambench.recipes.tables import Select
from cambench.report.claims.effects import Read, Trained, effect
from cambench.report.claims.records import (
    UnmeasuredError,
    Where,
    is_elsewhere,
    moved,
    part_in_words,
    selects_of,
    side_by_side,
    wheres,
    words,
)
from cambench.report.claims.trained import lacking
from cambench.report.tables.select import variant_of
from cambench.store.records import Record
from cambench.vocabulary import CambenchError

Verdict = Literal["supported", "contradicted", "undecided", "not measured"]
Role = Literal["claim", "control", "floor"]


@dataclass(frozen=True)
class Finding:
    """One comparison. role: of the claim itself, with a control in b's place, or of a with a floor.

    first, second: its sides in words, second "" for a number. measures: metric and variant. notes: what a reader must know.
    """

    part: int
    role: Role
    first: str
    second: str
    measures: str
    unit: str
    decimals: int
    direction: str
    thresholds: tuple[float, ...]
    verdict: Verdict = "not measured"
    effect: Effect | None = None
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    p_holm: float | None = None

    @property
    def p(self) -> float | None:
        """The largest p of a difference as at a threshold; 1 for a claimed equality whose difference is beyond."""
        if self.effect is None:
            return None
        inside = len(self.thresholds) < 2 or self.thresholds[0] < self.effect.difference < self.thresholds[1]
        values = [self.effect.p(threshold) for threshold in self.thresholds]
        known = [value for value in values if value is not None]
        return max(known, default=None) if inside or not known else 1.0

    @property
    def needed(self) -> int | None:
        """Seeds that would decide it."""
        return None if self.effect is None else seeds_needed(self.effect, nearest_threshold(self))


@dataclass(frozen=True)
class Judgement:
    """A claim on one data set and network; where: None where nothing of it is measured. notes: on the whole verdict."""

    claim: Claim
    where: Where | None
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def elsewhere(self) -> bool:
        """Whether it is judged on other data than the paper's."""
        return self.where is not None and is_elsewhere(self.claim, self.where)

    @property
    def shown(self) -> Finding | None:
        """The comparison that decides: of a contradicted claim one against it, else the one farthest from supporting it."""
        measured = [finding for finding in self.findings if finding.effect is not None]
        if self.verdict == "contradicted":
            measured = [finding for finding in measured if finding.verdict == "contradicted"]
        elif any(finding.role == "claim" for finding in measured):
            measured = [finding for finding in measured if finding.role == "claim"]
        return max(measured, key=lambda f: (f.verdict != "supported", 0.0 if f.p is None else f.p), default=None)


@dataclass(frozen=True)
class Evidence:
    """Records, and how to read their rows and the runs behind them."""

    records: Sequence[Record]
    read: Read
    trained: Trained


def everywhere(claim: Claim, evidence: Evidence, on: str | None) -> list[Judgement]:
    """A claim on every data set and network on which it is measured (on: on this data set alone); one where it is on none.

    p is not corrected yet: see `with_holm`.
    """
    places = [where for where in wheres(claim, evidence.records) if on is None or where.dataset == on]
    judged = [at(claim, where, evidence) for where in places]
    measured = [judgement for judgement in judged if judgement.verdict != "not measured"]
    return measured or judged[:1] or [Judgement(claim, None, "not measured")]


def at(claim: Claim, where: Where, evidence: Evidence) -> Judgement:
    """The claim on one data set and network."""
    findings = [finding for i, part in enumerate(claim.parts) for finding in of_part(claim, i, part, where, evidence)]
    by_part = [list(own) for _, own in itertools.groupby(findings, key=lambda finding: finding.part)]
    verdicts = [whole(own) for own in by_part]
    verdict: Verdict = "undecided"
    if "contradicted" in verdicts:
        verdict = "contradicted"
    elif set(verdicts) in ({"supported"}, {"not measured"}):
        verdict = verdicts[0]
    return Judgement(claim, where, verdict, tuple(findings), tuple(remarks(by_part, verdicts)))


def whole(findings: Sequence[Finding]) -> Verdict:
    """The verdict of a part from its comparisons.

    Supported where the claim's own comparison, every control and every floor say so. Contradicted where the claim's own
    comparison and every control that is measured say that. Otherwise undecided, so a control that says the opposite of the
    claim's own comparison leaves it open.
    """
    own, *others = findings
    if own.verdict == "not measured":
        return "not measured"
    if all(finding.verdict == "supported" for finding in findings):
        return "supported"
    controls = [finding.verdict for finding in others if finding.role == "control" and finding.verdict != "not measured"]
    against = own.verdict == "contradicted" and all(verdict == "contradicted" for verdict in controls)
    return "contradicted" if against else "undecided"


def remarks(by_part: Sequence[Sequence[Finding]], verdicts: Sequence[Verdict]) -> list[str]:
    """How the parts stand, who does not beat a control or floor, and what the comparisons have to say."""
    sentences = []
    if len(verdicts) > 1:
        counted = [(verdicts.count(v), v) for v in ("supported", "contradicted", "undecided", "not measured")]
        sentences.append(f"of {len(verdicts)} parts {', '.join(f'{n} {v}' for n, v in counted if n)}")
    for finding in (finding for own in by_part for finding in own):
        if finding.role != "claim" and finding.verdict != "supported":
            how = {
                "undecided": f"{finding.first} does not clearly beat the {finding.role} {finding.second}",
                "contradicted": f"{finding.first} is beaten by the {finding.role} {finding.second}",
                "not measured": f"the {finding.role} {finding.second} is not measured",
            }
            sentences.append(f"{how[finding.verdict]} in {finding.measures}")
        sentences += finding.notes
    return list(dict.fromkeys(sentences))


def of_part(claim: Claim, number: int, part: Part, where: Where, evidence: Evidence) -> list[Finding]:
    """The claim's own comparison, then those with its controls, then those with its floors."""
    selects = selects_of(claim, part, where)
    findings = [compared(claim, number, part, "claim", selects, evidence)]
    for control in part.controls:
        side = moved(claim.joined(part, control), claim, where)
        findings.append(compared(claim, number, part, "control", [selects[0], side, *selects[2:]], evidence))
    plain = part.model_copy(update={"expected": 0.0, "margin": 0.0, "relative": False, "than": None})
    for name in part.floors:
        side = moved(claim.floor(part, name), claim, where)
        findings.append(compared(claim, number, plain, "floor", [selects[0], side], evidence))
    return findings


def compared(claim: Claim, number: int, part: Part, role: Role, selects: Sequence[Select], evidence: Evidence) -> Finding:
    """One comparison of a part, whose sides are selected."""
    finding = labelled(claim, number, part, role, selects)
    try:
        groups, differ = side_by_side(selects, evidence.records)
        variants = [variant_of(select, group[0]) for select, group in zip(selects, groups, strict=True)]
        difference = effect(groups, variants, part, evidence.read, evidence.trained)
    except CambenchError as e:  # it is said in the place of the numbers
        known = role != "claim" and isinstance(e, UnmeasuredError)  # `remarks` says it of a control and a floor
        return replace(finding, notes=() if known else (str(e).rstrip("."),))
    own_seeds = tuple(record.seed for record in groups[0])
    notes = [f"trained with other {', '.join(differ)}"] if differ else []
    notes += dict.fromkeys(
        f"{r.method}, seed {r.seed}: {sentence.rstrip('.')}" for group in groups for r in group for sentence in r.warnings
    )
    finding = replace(finding, effect=difference, seeds=own_seeds)
    verdict = decided(difference, part)
    lack = lacking(claim, part, selects, groups, evidence.records)
    if lack and verdict in ("supported", "contradicted"):
        verdict = "undecided"
    return replace(finding, verdict=verdict, notes=(*lack, *notes))


def labelled(claim: Claim, number: int, part: Part, role: Role, selects: Sequence[Select]) -> Finding:
    """A comparison before it is made, in words."""
    first, *others = selects
    entry, variant = find_metric(first.metric or ""), first.variant or ""
    second = words(others[0], selects) if others else ""
    measures = (
        part.quantity.replace("-", " ") if part.quantity != "metric" else " ".join(filter(None, (entry.name, variant)))
    )
    measures = ", ".join([measures, *part_in_words(claim, part)])
    unit = {"metric": entry.unit_of(variant), "epoch-seconds": "s", "curve-deviation": "points", "failed": ""}[part.quantity]
    decimals = entry.printing.decimals if part.quantity == "metric" else 2
    shown = (measures, "%" if part.relative else unit, decimals, part.direction, part.thresholds)
    return Finding(number, role, words(first, selects), second, *shown)


def decided(difference: Effect, part: Part) -> Verdict:
    """What the intervals say together: only where all of them lie on one side of the threshold is anything decided."""
    sides = {side_of(ends, part) for ends in difference.intervals}
    verdicts: dict[int, Verdict] = {1: "supported", -1: "contradicted"}
    return verdicts.get(sides.pop(), "undecided") if len(sides) == 1 else "undecided"


def side_of(ends: Interval, part: Part) -> int:
    """1 where an interval is wholly as claimed, −1 where it is wholly otherwise, 0 where it is neither."""
    low, high = ends
    if part.direction == "equal":
        least, most = part.thresholds
        return 1 if least < low and high < most else -1 if high < least or low > most else 0
    (threshold,) = part.thresholds
    above = 1 if low > threshold else -1 if high < threshold else 0
    return above if part.direction == "up" else -above


def nearest_threshold(finding: Finding) -> float:
    """The threshold that a difference is nearest to."""
    assert finding.effect is not None
    difference = finding.effect.difference
    return min(finding.thresholds, key=lambda threshold: abs(threshold - difference))


def with_holm(judgements: Sequence[Judgement]) -> list[Judgement]:
    """p of every comparison corrected for all of its paper's on the same data set and architecture."""
    families: dict[tuple[str, ...], list[tuple[int, int, float]]] = {}
    for j, judgement in enumerate(judgements):
        for f, finding in enumerate(judgement.findings):
            if judgement.where is not None and (p := finding.p) is not None:
                key = (judgement.claim.paper, judgement.where.dataset, judgement.where.arch)
                families.setdefault(key, []).append((j, f, p))
    corrected = {
        (j, f): p
        for family in families.values()
        for (j, f, _), p in zip(family, statistics.holm([p for *_, p in family]), strict=True)
    }
    return [
        replace(judgement, findings=tuple(
            replace(finding, p_holm=corrected.get((j, f))) for f, finding in enumerate(judgement.findings)
        ))
        for j, judgement in enumerate(judgements)
    ]  # fmt: skip
