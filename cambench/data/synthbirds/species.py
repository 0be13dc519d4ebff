"""The species: sixteen genera of four, so that every set of four or more classes holds pairs 1, 2 and 3 parts apart.

A genus is {base, base + one change, base + two changes, base + all three}: its six pairs differ in 1, 1, 2, 2, 3 and 3
parts. Which parts change rotates from genus to genus. Looks do not depend on the seed: class 7 is the same in every set.
"""

from __future__ import annotations

from typing import Any

from cambench.data.synthbirds.attributes import PARTS, Head, Leg, Look, Plumage, Species, Tail

GENERA = """
Finch: red buff cone grey | brown | white | buff
      | notched brown | black | brown striped white
    Gold_winged: wing yellow striped black
    White_tailed: tail fan-shaped white + Red_breasted: breast red
Warbler: black yellow needle black capped | olive | yellow | yellow striped black
      | squared olive | orange | grey striped white
    Blue_capped: head blue white cone orange capped
    Red_bellied: belly red + Black_backed: back black
Jay: blue white dagger black crested | blue | grey | white
      | rounded blue striped black | black | blue striped white
    Orange_tailed: tail forked orange
    Purple_winged: wing purple spotted white + Red_legged: leg red
Thrush: rufous white all-purpose brown eyering white | rufous | white | white spotted black
      | squared rufous | pink | rufous
    Orange_breasted: breast orange
    Masked: head black white hooked yellow masked black + Barred: belly grey striped black
Bunting: blue blue cone grey | green | orange | red
      | notched purple | brown | green
    Speckled: belly white spotted black
    Yellow_backed: back yellow + Band_tailed: tail pointed black striped white
Magpie: black black dagger black | black | white | black
      | pointed black | black | blue multi-colored white
    Streak_backed: back white striped black
    Yellow_legged: leg yellow + Red_winged: wing red multi-colored black
Sandpiper: brown white needle orange eyebrow white | brown spotted buff | white | buff striped brown
      | squared grey | yellow long | brown spotted white
    Short_legged: leg red
    Ruddy_faced: head black orange dagger red capped + Black_breasted: breast black
Cardinal: red red cone orange crested | red | red | red
      | rounded red | brown | red
    Black_winged: wing black striped white
    White_bellied: belly white + Grey_backed: back grey
Kingfisher: iridescent white dagger black capped | iridescent | orange | orange
      | squared iridescent | red | blue spotted white
    Flame_crested: head orange black dagger red crested
    Fan_tailed: tail fan-shaped white striped black + Pale_legged: leg white
Oriole: black black dagger grey | yellow | yellow | orange
      | rounded black | grey | black multi-colored white
    Red_tipped: tail notched yellow multi-colored red
    Spot_breasted: breast white spotted black + Green_winged: wing green
Sparrow: brown grey cone black eyeline black | brown striped black | buff | grey
      | notched brown | pink | rufous striped white
    Collared: breast yellow multi-colored black
    Green_backed: back green + White_crowned: head white black hooked yellow capped
Tanager: green green hooked white | purple | blue | blue
      | forked black | grey | iridescent multi-colored orange
    Yellow_bellied: belly yellow
    Stilt: leg orange long + Red_tailed: tail rounded red
Wagtail: grey white needle black masked black | grey | white | white multi-colored black
      | pointed black | black | black striped white
    Rufous_backed: back rufous
    Pale_winged: wing white spotted black + Rosy: belly pink
Robin: black orange all-purpose yellow | grey | white | orange
      | rounded grey | black | grey
    Long_legged: leg white long
    Purple_breasted: breast purple + Spoon_billed: head yellow yellow spatulate black
Weaver: yellow black cone black | olive spotted black | buff striped rufous | yellow
      | fan-shaped olive | pink | yellow spotted black
    Blue_winged: wing blue
    Dark_legged: leg black + Red_backed: back red
Waxwing: pink pink hooked black masked black | buff | pink | pink
      | squared grey multi-colored yellow | brown | brown multi-colored yellow
    Green_crested: head green white curved_(up_or_down) red crested
    Fork_tailed: tail forked iridescent + Dark_bellied: belly black
"""
"""Four lines a genus. The first two are the base: head | back | belly | breast | tail | leg | wing, where a head is crown,
face, bill shape, bill [, pattern [, its colour]], a tail is shape and plumage, a leg is colour [long], and plumage is
colour [, pattern, its colour]. Then the one change, and the two that come together, each `word: part look`."""


def _look(part: str, text: str) -> Look:
    words = text.split()
    match part:
        case "head":
            return Head(*words)
        case "tail":
            return Tail(words[0], *words[1:])
        case "leg":
            return Leg(words[0], long="long" in words[1:])
        case _:
            return Plumage(*words)


def _changes(text: str) -> dict[str, dict[str, Any]]:
    """Word -> {part: look} of a line of changes."""
    changes = {}
    for change in text.split(" + "):
        word, part, look = change.replace(":", "").split(maxsplit=2)
        changes[word] = {part: _look(part, look)}
    return changes


def _genus(base: str, one: str, two: str) -> tuple[Species, ...]:
    """The four species of a genus, from its base and its two lines of changes."""
    name, _, looks = base.partition(": ")
    common: dict[str, Any] = {p: _look(p, text) for p, text in zip(PARTS, looks.split(" | "), strict=True)}
    first, others = _changes(one), _changes(two)
    every = []
    for changes in ({}, first, others, first | others):
        new = common.copy()
        for look in changes.values():
            new |= look
        every.append(Species("_".join([*(changes or ["Common"]), name]), **new))
    return tuple(every)


_LINES = [line.strip() for line in GENERA.strip().splitlines()]
LIMIT = len(_LINES)


def species(count: int) -> tuple[Species, ...]:
    """The first `count` species, at most `LIMIT`; a larger set begins with the smaller one."""
    quads = (_LINES[i : i + 4] for i in range(0, len(_LINES), 4))
    every = [s for base, rest, one, two in quads for s in _genus(f"{base} {rest}", one, two)]
    return tuple(every[:count])
