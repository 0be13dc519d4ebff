"""What a bird may look like: seven parts, the 312 attributes of CUB-200-2011, and how a look becomes attributes.

A species is seven looks, one a part. Every attribute that a look sets belongs to that part's own groups, so two species
differ in the attributes of exactly those parts in which their looks differ. A new kind of look adds a dataclass here, its
shape in shapes.py and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

COLORS: dict[str, tuple[int, int, int]] = {
    "blue": (38, 92, 205),
    "brown": (104, 66, 38),
    "iridescent": (20, 120, 130),
    "purple": (122, 50, 165),
    "rufous": (180, 82, 36),
    "grey": (132, 136, 144),
    "yellow": (248, 214, 40),
    "olive": (118, 124, 46),
    "green": (46, 152, 72),
    "pink": (242, 138, 172),
    "orange": (244, 132, 24),
    "black": (34, 33, 40),
    "white": (244, 244, 240),
    "red": (208, 34, 40),
    "buff": (224, 192, 142),
}
"""Colour names of CUB-200-2011 in its order -> the RGB that is painted."""

_SCHEMA = """
bill_shape: curved_(up_or_down) dagger hooked needle hooked_seabird spatulate all-purpose cone specialized
wing_color: COLOR
upperparts_color: COLOR
underparts_color: COLOR
breast_pattern: PATTERN
back_color: COLOR
tail_shape: forked_tail rounded_tail notched_tail fan-shaped_tail pointed_tail squared_tail
upper_tail_color: COLOR
head_pattern: spotted malar crested masked unique_pattern eyebrow eyering plain eyeline striped capped
breast_color: COLOR
throat_color: COLOR
eye_color: blue brown purple rufous grey yellow olive green pink orange black white red buff
bill_length: about_the_same_as_head longer_than_head shorter_than_head
forehead_color: COLOR
under_tail_color: COLOR
nape_color: COLOR
belly_color: COLOR
wing_shape: rounded-wings pointed-wings broad-wings tapered-wings long-wings
size: large_(16_-_32_in) small_(5_-_9_in) very_large_(32_-_72_in) medium_(9_-_16_in) very_small_(3_-_5_in)
shape: upright-perching_water-like chicken-like-marsh long-legged-like duck-like owl-like gull-like hummingbird-like
    pigeon-like tree-clinging-like hawk-like sandpiper-like upland-ground-like swallow-like perching-like
back_pattern: PATTERN
tail_pattern: PATTERN
belly_pattern: PATTERN
primary_color: COLOR
leg_color: COLOR
bill_color: COLOR
crown_color: COLOR
wing_pattern: PATTERN
"""


def _groups() -> dict[str, tuple[str, ...]]:
    """The schema as group -> values; COLOR and PATTERN stand for the lists that most groups share."""
    shared = {"COLOR": " ".join(COLORS), "PATTERN": "solid spotted striped multi-colored"}
    lines = (line.partition(": ") for line in _SCHEMA.replace("\n    ", " ").strip().splitlines())
    return {group: tuple(shared.get(values, values).split()) for group, _, values in lines}


GROUPS = _groups()
"""The attribute groups of CUB-200-2011 with their values, both in the official order: 28 groups, 312 attributes."""

NAMES: tuple[str, ...] = tuple(f"has_{group}::{value}" for group, values in GROUPS.items() for value in values)


@dataclass(frozen=True)
class Plumage:
    """One region of feathers: its colour, and a pattern painted in the colour `mark`."""

    color: str
    pattern: str = "solid"
    mark: str = ""


@dataclass(frozen=True)
class Head:
    """Crown (with forehead and nape), face (with throat), bill and eye; `mark` is the colour of the head pattern."""

    crown: str
    face: str
    bill_shape: str
    bill: str
    pattern: str = "plain"
    mark: str = ""


@dataclass(frozen=True)
class Tail:
    """A tail is plumage with a shape."""

    shape: str
    color: str
    pattern: str = "solid"
    mark: str = ""


@dataclass(frozen=True)
class Leg:
    """Both legs and feet; `long` ones also set `has_shape::long-legged-like`, which the paper's rule counts to the leg."""

    color: str
    long: bool = False


Look = Head | Leg | Plumage | Tail


@dataclass(frozen=True)
class Species:
    """A class: its genus and name, and one look for each of the seven parts (CALM protocol §2.1)."""

    name: str
    head: Head
    back: Plumage
    belly: Plumage
    breast: Plumage
    tail: Tail
    leg: Leg
    wing: Plumage


PARTS: tuple[str, ...] = tuple(f.name for f in fields(Species))[1:]


def _head(head: Head) -> Iterator[str]:
    yield from (f"{place}_color::{head.crown}" for place in ("crown", "forehead", "nape"))
    yield f"throat_color::{head.face}"
    yield "eye_color::black"
    yield f"bill_color::{head.bill}"
    yield f"bill_shape::{head.bill_shape}"
    yield f"bill_length::{'about_the_same_as' if head.bill_shape in ('dagger', 'needle') else 'shorter_than'}_head"
    yield f"head_pattern::{head.pattern}"


def _plumage(part: str, look: Plumage | Tail) -> Iterator[str]:
    for place in ("upper_tail", "under_tail") if part == "tail" else (part,):
        yield from (f"{place}_color::{color}" for color in (look.color, look.mark) if color)
    yield f"{part}_pattern::{look.pattern}"
    if isinstance(look, Tail):
        yield f"tail_shape::{look.shape}_tail"


def attributes(species: Species) -> frozenset[str]:
    """The attributes that a species has, by their official names; it has none of the others."""
    names = [*_head(species.head), f"leg_color::{species.leg.color}", "wing_shape::tapered-wings", "size::small_(5_-_9_in)"]
    for part in ("back", "belly", "breast", "tail", "wing"):
        names += _plumage(part, getattr(species, part))
    names.append(f"shape::{'long-legged-like' if species.leg.long else 'perching-like'}")
    names += [f"upperparts_color::{species.back.color}", f"underparts_color::{species.belly.color}"]
    names.append(f"primary_color::{species.wing.color}")
    return frozenset(f"has_{name}" for name in names)
