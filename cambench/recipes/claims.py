"""Claims: `claims/<paper>.toml`, what a paper says about its tables, as measurements whose difference decides it.

A claim is a conjunction of parts. A part sets one measurement against another, or against a number, on any data set and
network on which both are measured. What the claim says once (`a`, `b`, `direction`, …) holds for each of its parts that
does not say otherwise; selections are joined as in tables.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from cambench.lookup import canonical, nearest
from cambench.recipes import toml
from cambench.recipes.experiments import experiments
from cambench.recipes.load import explain
from cambench.recipes.stand_in import STAYING
from cambench.recipes.strict import Strict
from cambench.recipes.tables import Select
from cambench.vocabulary import UsageError

Direction = Literal["up", "down", "equal"]
Quantity = Literal["metric", "epoch-seconds", "curve-deviation", "failed"]
"""`metric`: a record's value. Of a training: `epoch-seconds`; `curve-deviation`, the mean over epochs of how far its
validation accuracy is from the mean of the method's seeds, in points; `failed`, 1 where it diverged or ended at chance."""
ASKED = ("explainer", "target", "metric", "variant")
"""What of a selection one network can be asked in several ways; the rest says which network."""
MOVED = ("dataset", "arch", "layer")
"""What of a selection is nothing to a claim, which is judged wherever it is measured."""


class Pair(Strict):
    """Two measurements whose difference is set against another difference."""

    a: Select
    b: Select


class Part(Strict):
    """One comparison: a − b, over the seeds and images that both have.

    `direction`: `up` is a − b > expected + margin, `down` is a − b < expected − margin, `equal` is within margin of
    expected. A negative margin is what may be lost. Without `b` the value of a itself is set against `expected`.
    `relative`: (a/b − 1) in percent in place of a − b. `than`: the difference that is taken off a − b. `controls`: what may
    stand in b's place with the same outcome (the same training without the term that the claim is about). `floors`:
    explainers that a must beat, whatever b is.
    """

    select: Select = Select()
    a: Select
    b: Select | None = None
    direction: Direction
    expected: float = 0.0
    margin: float = 0.0
    relative: bool = False
    than: Pair | None = None
    quantity: Quantity = "metric"
    controls: list[Select] = []
    floors: list[str] = []

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.direction == "equal" and self.margin <= 0:
            raise ValueError("direction equal goes with a margin above 0")
        if self.b is None and (self.controls or self.relative or self.than):
            raise ValueError("controls, relative and than go with b")
        return self

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Where a difference begins to be as claimed; `equal` has two."""
        sides = {"up": (1,), "down": (-1,), "equal": (-1, 1)}[self.direction]
        return tuple(self.expected + side * self.margin for side in sides)


class Claim(Strict):
    """One claim. `about`: `training` needs several seeds, one network is enough for what is said of an `explanation`.

    `on`: the paper's own data sets, the first of which stands for all where something is to be run; on any other the
    verdict is one of elsewhere. `arch`: their network. `seeds`: how many trainings it takes. `cheaper`: metric -> the one
    that is measured in its place elsewhere. `bound`: it is about the paper's own data, of which no other says anything.
    """

    id: str
    sentence: str
    source: str
    about: Literal["training", "explanation"]
    on: list[str] = Field(min_length=1)
    arch: str
    seeds: int = Field(default=3, ge=1)
    select: Select = Select()
    cheaper: dict[str, str] = {}
    bound: bool = False
    parts: list[Part] = Field(min_length=1)
    paper: str = ""

    def joined(self, part: Part, side: Select) -> Select:
        """All that selects one side of a part. Raises: UsageError where it contradicts itself."""
        place = f"claim {self.id}"
        return self.select.union(part.select, place).union(side, place)

    def floor(self, part: Part, explainer: str) -> Select:
        """The side a with an explainer that looks at no class."""
        a = self.joined(part, part.a).model_dump(exclude_unset=True)
        return Select(**{**a, "explainer": explainer, "target": "logit"})

    def sides(self, part: Part) -> list[Select]:
        """Everything that a part compares: a, b, the controls, the floors."""
        other = [part.than.a, part.than.b] if part.than is not None else []
        given = [part.a, *([part.b] if part.b is not None else []), *other, *part.controls]
        return [*(self.joined(part, side) for side in given), *(self.floor(part, name) for name in part.floors)]


class ClaimFile(Strict):
    """The claims of one paper."""

    paper: str = Field(min_length=1)
    claims: list[Claim] = Field(min_length=1)


def papers() -> list[str]:
    """The papers of which there are claims."""
    return sorted(
        f.name[: -len(".toml")] for f in (files("cambench.recipes") / "claims").iterdir() if f.name.endswith(".toml")
    )


def load_claims(names: Sequence[str]) -> list[Claim]:
    """The claims that a person means: papers, ids of claims, files of one's own (PATH.toml); none: all of them.

    Raises: UsageError naming the nearest papers and claims; for two claims of one id.
    """
    every = [claim for paper in papers() for claim in of_paper(paper)]
    chosen: dict[str, Claim] = {}
    for name in names or papers():
        own = of_file(Path(name)) if name.endswith(".toml") else named(name, every)
        check_ids(name, own, chosen.values())
        chosen |= {claim.id: claim for claim in own}
    return list(chosen.values())


def check_ids(name: str, own: Iterable[Claim], before: Iterable[Claim]) -> None:
    """Raises: UsageError for a claim that has the id of another one before it."""
    known = {claim.id: claim for claim in before}
    if other := next((claim for claim in own if known.get(claim.id, claim) != claim), None):
        raise UsageError(f"{name}: expected claims of other ids than those before it, got {other.id} again; rename it.")


def named(name: str, every: Sequence[Claim]) -> list[Claim]:
    """The claims of a paper, or the one of this id."""
    own = [claim for claim in every if canonical(name) in (claim.paper, claim.id)]
    if not own:
        raise UsageError(nearest(name, [*experiments(), *papers(), *(claim.id for claim in every)], "claim"))
    return own


def of_paper(paper: str) -> list[Claim]:
    """The claims of one paper of the package."""
    text = (files("cambench.recipes") / "claims" / f"{paper}.toml").read_text(encoding="utf-8")
    return parse_claims(text, paper, f"claims/{paper}.toml")


def of_file(path: Path) -> list[Claim]:
    """The claims of a file of one's own, under the paper's name in it."""
    if not path.is_file():
        raise UsageError(f"claims {path}: expected a file, found none there.")
    return parse_claims(toml.text_of(path, str(path)), "", str(path))


def parse_claims(text: str, paper: str, place: str) -> list[Claim]:
    """The claims in a file's text; every side is put together once, so that a contradiction shows at once.

    paper: what they are listed under, "" for the name in the file.
    Raises: UsageError naming the file and what is wrong in it.
    """
    try:
        given = toml.contents(text, place)
        file = ClaimFile(**{**given, "claims": spread_all(given.get("claims", []))})
    except ValidationError as e:
        raise UsageError(explain(e, place)) from e
    ids = [claim.id for claim in file.claims]
    if twice := next((name for name in ids if ids.count(name) > 1), None):
        raise UsageError(f"{place}: expected every id once, got {twice} twice.")
    for claim in file.claims:
        for part in claim.parts:
            check(claim, part, f"{place}, {claim.id}")
    return [claim.model_copy(update={"paper": paper or file.paper}) for claim in file.claims]


def check(claim: Claim, part: Part, place: str) -> None:
    """Two sides that are compared select different records, in a claim about an explanation of the same network.

    Raises: UsageError where they do not; as `check_side`.
    """
    sides = claim.sides(part)
    for side in sides:
        check_side(side, place)
    networks = [facts(side, ASKED) for side in sides]
    other = next((network for network in networks if network != networks[0]), None)
    if claim.about == "explanation" and other is not None:
        key = next(key for key in (*networks[0], *other) if networks[0].get(key) != other.get(key))
        got = " and ".join(str(network.get(key, "none")) for network in (networks[0], other))
        raise UsageError(
            f"{place}: expected sides that differ in {', '.join(ASKED)} alone, since a claim about an explanation asks one "
            f'network, got {key} {got}; say about = "training".'
        )
    unasked = () if part.quantity == "metric" else ASKED
    for one, two in compared(claim, part):
        if facts(one, unasked) == facts(two, unasked):
            raise UsageError(f"{place}: expected two selections to compare, got the same on both sides: {words(one)}.")


def check_side(side: Select, place: str) -> None:
    """Every side selects a method and a metric, and nothing of where it is judged. Raises: UsageError for one that does."""
    if side.method is None or side.metric is None:
        raise UsageError(f"{place}: expected a method and a metric on every side, got {words(side)}.")
    named = [name for name in MOVED if getattr(side, name) is not None]
    if side.split not in (None, *STAYING):
        named.append("split")
    if named:
        raise UsageError(
            f"{place}: expected no {', '.join(MOVED)} in a selection, and as split {' or '.join(STAYING)} or none, since a "
            f"claim is judged wherever it is measured, got {named[0]} {getattr(side, named[0])}; leave it out."
        )


def compared(claim: Claim, part: Part) -> list[tuple[Select, Select]]:
    """The sides that are set against each other: a against b, the controls and the floors, and the pair of `than`."""
    a, others = claim.joined(part, part.a), [*([] if part.b is None else [part.b]), *part.controls]
    pairs = [(a, claim.joined(part, other)) for other in others] + [(a, claim.floor(part, name)) for name in part.floors]
    than = [] if part.than is None else [(claim.joined(part, part.than.a), claim.joined(part, part.than.b))]
    return pairs + than


def facts(side: Select, without: Sequence[str] = ()) -> dict[str, Any]:
    """What a selection says, settings by their keys and names as they are compared; an empty one says nothing."""
    said = side.model_dump(exclude={"settings", *without}) | side.settings
    texts = {key: canonical(value) if isinstance(value, str) else value for key, value in said.items()}
    return {key: value for key, value in texts.items() if value not in (None, "")}


def words(side: Select) -> str:
    """A selection as a person reads it: `method cgc, metric top1`."""
    return ", ".join(f"{key} {value}" for key, value in facts(side).items()) or "nothing"


def spread_all(claims: Any) -> Any:
    """Each claim as `spread` has it; what is no list of tables as it is, which pydantic then refuses."""
    return [spread(claim) for claim in claims] if tables(claims) else claims


def tables(value: Any) -> bool:
    """Whether a value of TOML is a list of tables."""
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def spread(claim: dict[str, Any]) -> dict[str, Any]:
    """A claim as written, with what it says once given to each of its parts; without parts it is one itself.

    A part with `each = { name = [value, …], … }` is one part for every combination of the values, which it selects.
    """
    shared = {key: value for key, value in claim.items() if key in Part.model_fields and key != "select"}
    own = {key: value for key, value in claim.items() if key not in shared and key != "parts"}
    written = claim.get("parts", [{}])
    if not tables(written):
        return claim
    parts = [{**shared, **part} for part in written]
    return {**own, "parts": [one for part in parts for one in combinations(part)]}


def combinations(part: dict[str, Any]) -> list[dict[str, Any]]:
    """One part for every combination of what `each` lists."""
    each = part.get("each", {})
    rest = {key: value for key, value in part.items() if key != "each"}
    chosen = isinstance(each, dict) and all(isinstance(values, list) for values in each.values())
    if not chosen or not isinstance(part.get("select", {}), dict):
        return [part]  # what pydantic then refuses
    every = [dict(zip(each, values, strict=True)) for values in itertools.product(*each.values())]
    return [{**rest, "select": {**part.get("select", {}), **values}} if values else rest for values in every]
