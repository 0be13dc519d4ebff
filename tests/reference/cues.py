"""Slow twins of the cues: loops over attributes, pairs and pixels, as CALM protocol §2.1 words them."""

from __future__ import annotations

GROUPS = {
    "head": [
        "bill_shape", "bill_length", "bill_color", "head_pattern", "throat_color", "eye_color", "forehead_color",
        "nape_color", "crown_color",
    ],
    "back": ["back_color", "back_pattern"],
    "belly": ["belly_color", "belly_pattern"],
    "breast": ["breast_color", "breast_pattern"],
    "tail": ["tail_shape", "upper_tail_color", "under_tail_color", "tail_pattern"],
    "leg": ["leg_color"],
    "wing": ["wing_color", "wing_shape", "wing_pattern"],
}  # fmt: skip
"""Part -> attribute groups: the table of CALM protocol §2.1.2."""


def part_of(attribute: str) -> str | None:
    """By the table, not by words."""
    if attribute == "has_shape::long-legged-like":
        return "leg"
    group = attribute[len("has_") :].split("::")[0]
    return next((part for part, groups in GROUPS.items() if group in groups), None)


def pairs(attributes, names: list[str]) -> list[tuple[int, int, set[str]]]:
    """(a, b, parts) of every pair a < b that differs in 1, 2 or 3 parts."""
    found = []
    for a in range(len(attributes)):
        for b in range(a + 1, len(attributes)):
            differ = {
                part_of(name)
                for name, x, y in zip(names, attributes[a], attributes[b], strict=True)
                if (x >= 50) != (y >= 50)
            } - {None}
            if 1 <= len(differ) <= 3:
                found.append((a, b, differ))
    return found


def nearest(points: list[tuple[int, int, int]], side: int) -> list[list[int]]:
    """Rows of parts."""
    return [
        [min(enumerate(points), key=lambda p: ((p[1][1] - x) ** 2 + (p[1][2] - y) ** 2, p[0]))[1][0] for x in range(side)]
        for y in range(side)
    ]
