"""Claims with their verdicts: as rows of text, Markdown, LaTeX, CSV and JSON, and as the section of a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cambench.lookup import network_name
from cambench.metrics.hierarchical import Interval
from cambench.recipes.claims import Claim
from cambench.report.claims.records import Where
from cambench.report.claims.verdicts import Finding, Judgement
from cambench.report.formats import latex as tex
from cambench.report.formats import markdown as md
from cambench.report.tables.model import UNMEASURED, Cell, probability
from cambench.vocabulary import number_of

Line = dict[str, str]
SIGNS = {"up": ">", "down": "<", "equal": "="}
METHOD = (
    "Difference: matched by seed and image; n: seeds × images (of episodes, all that any of them measures). 95 %: bootstrap "
    "of seeds and images at once (of one network: of its images); over seeds: Student's t, from 3 seeds on.",
    "Supported or contradicted: every interval lies on that side of the threshold, for the claim and its controls; p: the "
    "larger of the two tests, after Holm over the paper's comparisons on the same data and network.",
    "Elsewhere: on other data than the paper's, of which it says nothing.",
)


@dataclass(frozen=True)
class Claims:
    """The section of a page. papers: for each its name, the rows, the claims. notes: beneath all of them."""

    papers: Sequence[tuple[str, Sequence[Line], Sequence[Claim]]]
    notes: Sequence[str]


def section(judgements: Sequence[Judgement], *, power: bool = False) -> Claims | None:
    """What a page shows of the claims; None of none."""
    papers = [(paper, rows(own, power=power), claims_of(own)) for paper, own in by_paper(judgements).items()]
    return Claims(papers, notes(judgements)) if papers else None


def network(where: Where) -> str:
    """The architecture, short, and of an explanation the method that it was trained by."""
    return " ".join(filter(None, (network_name(where.arch), where.method)))


def place(judgement: Judgement) -> str:
    """`cub-50 efficientnet-lite0 (elsewhere)`."""
    if judgement.where is None:
        return UNMEASURED
    return f"{judgement.where.dataset} {network(judgement.where)}{' (elsewhere)' if judgement.elsewhere else ''}"


def rows(judgements: Iterable[Judgement], *, every: bool = False, power: bool = False) -> list[Line]:
    """One row a claim, with the comparison that decides; every: one a comparison; power: and the seeds that would decide."""
    made = []
    for judgement in judgements:
        findings = judgement.findings if every and judgement.findings else [judgement.shown]
        for i, finding in enumerate(findings):
            first = {"claim": judgement.claim.id, "verdict": judgement.verdict, "on": place(judgement)}
            again = {"claim": "", "verdict": finding.verdict if finding else "", "on": ""}
            line = (first if i == 0 else again) | drawn(finding)
            if every and finding is not None:
                line["verdict"] = finding.verdict
            made.append(line | ({"needs": needs(judgement, finding)} if power else {}))
    return made


def brief(judgements: Sequence[Judgement], *, every: bool = False, power: bool = False) -> dict[str, list[Line]]:
    """The measured claims for a narrow page, by their data and network: a row with the verdict, one with what decides."""
    made: dict[str, list[Line]] = {}
    for judgement in judgements:
        if judgement.verdict == "not measured" and (judgement.where is None or not every):
            continue
        lines = rows([judgement], every=every, power=power)
        empty = dict.fromkeys((name for name in lines[0] if name not in ("claim", "verdict", "on", "compared")), "")
        own = made.setdefault(place(judgement), [])
        own.append({"claim": f"{judgement.claim.id}: {judgement.verdict}"} | empty)
        for line in lines:
            verdict = f" ({line['verdict']})" if every and len(lines) > 1 else ""
            own.append({"claim": f"  {line['compared']}{verdict}"} | {name: line[name] for name in empty})
    return made


def unmeasured(judgements: Iterable[Judgement]) -> str:
    """The claims of which nothing is measured, in words; "" without any."""
    ids = [judgement.claim.id for judgement in judgements if judgement.verdict == "not measured"]
    return f"not measured: {', '.join(dict.fromkeys(ids))}." if ids else ""


def drawn(finding: Finding | None) -> Line:
    """A comparison's columns."""
    if finding is None or finding.effect is None:
        empty = dict.fromkeys(("compared", "difference", "95 %", "over seeds", "n", "p"), UNMEASURED)
        return empty | ({} if finding is None else {"compared": compared(finding)})
    effect, cell = finding.effect, Cell(finding.decimals)
    images = f" × {effect.images:,}" if effect.images else ""
    return {
        "compared": compared(finding),
        "difference": (cell.signed if finding.second else cell.number)(effect.difference),
        "95 %": ends(effect.interval, cell),
        "over seeds": ends(effect.over_seeds, cell),
        "n": f"{len(finding.seeds)}{images}",
        "p": UNMEASURED if finding.p_holm is None else probability(finding.p_holm),
    }


def compared(finding: Finding) -> str:
    """`cgc > ce, ch correct (%)`; `cgc > ce −1.50, top1 (%)`."""
    sign, cell = SIGNS[finding.direction], Cell(finding.decimals)
    shift = finding.thresholds[0] if len(finding.thresholds) == 1 else sum(finding.thresholds) / 2
    bound = "" if not shift and finding.second else cell.signed(shift) if finding.second else cell.number(shift)
    margin = f" within {cell.number(finding.thresholds[1] - shift)}" if len(finding.thresholds) == 2 else ""
    unit = f" ({finding.unit})" if finding.unit else ""
    return f"{finding.first} {sign} {f'{finding.second} {bound}'.strip()}{margin}, {finding.measures}{unit}"


def ends(interval: Interval | None, cell: Cell) -> str:
    """`[1.02, 3.40]`, or a dash."""
    return UNMEASURED if interval is None else f"[{', '.join(cell.number(end) for end in interval)}]"


def needs(judgement: Judgement, finding: Finding | None) -> str:
    """The seeds that would decide an open comparison at a power of 0.8, if the difference is what was seen; or images."""
    if finding is None or finding.effect is None or finding.verdict in ("supported", "contradicted"):
        return ""
    return "images" if finding.needed is None else number_of(finding.needed, "seed")


def notes(judgements: Iterable[Judgement]) -> list[str]:
    """What stands beneath: how it was reckoned, then what each verdict has to say."""
    own = [
        f"{judgement.claim.id}{f' ({where.dataset})' if (where := judgement.where) else ''}: {'; '.join(judgement.notes)}."
        for judgement in judgements
        if judgement.notes
    ]
    return [*METHOD, *own]


def counted(judgements: Sequence[Judgement]) -> str:
    """`33 claims: 2 supported, 4 undecided, 27 not measured`; one that is judged on several data sets counts once."""
    best: dict[str, set[str]] = {}
    for judgement in judgements:
        best.setdefault(judgement.claim.id, set()).add(judgement.verdict)
    order = ("supported", "contradicted", "undecided", "not measured")
    several = sum(len(verdicts) > 1 for verdicts in best.values())
    numbers = [(sum(verdicts == {verdict} for verdicts in best.values()), verdict) for verdict in order]
    words = [f"{n} {verdict}" for n, verdict in [*numbers, (several, "otherwise from one data set to another")] if n]
    return f"{number_of(len(best), 'claim')}: {', '.join(words)}"


def by_paper(judgements: Iterable[Judgement]) -> Mapping[str, list[Judgement]]:
    """The judgements of each paper."""
    papers: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        papers.setdefault(judgement.claim.paper, []).append(judgement)
    return papers


def markdown(judgements: Sequence[Judgement], *, every: bool = False, power: bool = False) -> str:
    """A heading a paper, a grid, each claim in words, notes."""
    blocks = []
    for paper, own in by_paper(judgements).items():
        below = [*(item(claim, own) for claim in claims_of(own)), *(f"- {md.escape(text)}" for text in METHOD)]
        blocks.append("\n".join([f"### {paper}", "", *md.bars(rows(own, every=every, power=power)), "", *below, ""]))
    return "\n".join(blocks)


def item(claim: Claim, judgements: Iterable[Judgement]) -> str:
    """A claim in words, with its source and what its verdicts have to say, as an item of a list."""
    remarks = [
        f"On {judgement.where.dataset}: {'; '.join(judgement.notes)}."
        for judgement in judgements
        if judgement.claim.id == claim.id and judgement.where is not None and judgement.notes
    ]
    texts = [f"{claim.sentence} ({claim.source}).", *remarks]
    return f"- **{claim.id}**: {md.escape(' '.join(texts))}"


def claims_of(judgements: Iterable[Judgement]) -> list[Claim]:
    """Each claim once."""
    return list({judgement.claim.id: judgement.claim for judgement in judgements}.values())


def latex(judgements: Sequence[Judgement], *, every: bool = False, power: bool = False) -> str:
    """A `table` environment a paper; needs booktabs and graphicx."""
    blocks = [tex.NEEDS]
    for paper, own in by_paper(judgements).items():
        below = [*(f"{claim.id}: {claim.sentence}" for claim in claims_of(own)), *notes(own)]
        blocks.append(tex.listing(rows(own, every=every, power=power), [f"Claims of {paper}"], below))
    return "".join(blocks)


def tidy(judgements: Iterable[Judgement]) -> list[dict[str, Any]]:
    """One plain dict a comparison, numbers unrounded; a claim of which nothing is measured has one without numbers."""
    return [facts(judgement, finding) for judgement in judgements for finding in judgement.findings or [None]]


def facts(judgement: Judgement, finding: Finding | None) -> dict[str, Any]:
    """A comparison with the claim that it is of."""
    where, claim, effect = judgement.where, judgement.claim, finding.effect if finding else None
    low, high = (effect.interval if effect else None) or (None, None)
    seeds_low, seeds_high = (effect.over_seeds if effect else None) or (None, None)
    return {
        "paper": claim.paper, "claim": claim.id, "sentence": claim.sentence, "source": claim.source, "about": claim.about,
        "verdict": judgement.verdict, "elsewhere": judgement.elsewhere,
        **(asdict(where) if where else dict.fromkeys(("dataset", "arch", "method"))),
        **{name: getattr(finding, name, None) for name in ("role", "first", "second", "measures", "unit", "direction")},
        "threshold": " to ".join(f"{t:g}" for t in finding.thresholds) if finding else None,
        "comparison": finding.verdict if finding else None, "difference": effect.difference if effect else None,
        "low": low, "high": high, "seeds_low": seeds_low, "seeds_high": seeds_high,
        "seeds": len(finding.seeds) if finding else 0, "images": effect.images if effect else 0,
        "p": finding.p if finding else None, "p_holm": finding.p_holm if finding else None,
        "seeds_needed": finding.needed if finding else None, "notes": "; ".join(judgement.notes),
    }  # fmt: skip


def as_json(judgements: Iterable[Judgement]) -> str:
    """The comparisons as a JSON list."""
    return json.dumps(tidy(judgements)) + "\n"


def csv(judgements: Iterable[Judgement]) -> str:
    """The comparisons as CSV, which `pandas.read_csv` reads as it stands."""
    return as_csv(tidy(judgements))


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV."""
    import pandas as pd

    return str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n", float_format="%.10g"))
