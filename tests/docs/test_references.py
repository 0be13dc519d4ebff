"""Every reference to a protocol names a heading of `docs/protocols/`, every section of one of the five papers is its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {page.read_text(encoding="utf-8").partition(" protocol")[0].removeprefix("# "): page
         for page in sorted((ROOT / "docs" / "protocols").glob("*.md"))}  # fmt: skip
"""Protocol, as code names it -> its page."""
PAPERS = {
    "CGC": "1 2 3 3.1 4 4.1 4.2 4.3 4.4 4.5 5 6",
    "CALM": "1 2 3 3.1 4 4.1 4.1.1 4.1.2 4.1.3 4.2 5 5.1 5.2 5.3 5.4 6",
    "ContrastiveCAM": "1 1.1 2 3 4 4.1 4.2 5 5.1 5.2 5.3 6",
    "ExCon": "1 2 3 3.1 3.2 3.3 3.4 4 4.1 4.2 4.3 4.3.1 4.3.2 4.4 5",
    "Wang & Wang 2022": "1 2 3 3.1 3.2 3.3 3.4 4 5 5.1 5.2 5.2.1 5.2.2 5.3 6",
}
"""Paper -> the numbers of its own sections."""
SECTION = r"§[0-9A-Z]+(?:\.\d+)*(?:–\d+(?:\.\d+)*)?"
CHAIN = rf"{SECTION}(?:(?:, | and | to ){SECTION})*"
REFERENCE = re.compile(rf"\b({'|'.join(PAGES)}) protocol,? ({CHAIN})")
WORK = re.compile(rf"{'|'.join(PAPERS)}|(?:19|20)\d\d|RISE|Hide-and-Seek")
CODE = ("cambench", "tests", "benchmarks", "examples", "results", "datasets")
TEXT = (".py", ".toml", ".csv", ".md", ".txt", ".tex", ".html")


def headings(page: str) -> set[str]:
    """The numbers of headings, of numbered items (`2.1.4`: item 4 of §2.1) and of rows of tables that begin with #."""
    numbers, section, counts = set(), "", False
    for line in page.splitlines():
        if heading := re.match(r"#{2,4} ([0-9A-Z]+(?:\.\d+)*)\.? ", line):
            section, counts = heading[1], False
            numbers.add(section)
        counts = counts or line.startswith("| # |")
        if item := re.match(r"(\d+)\. ", line) or (counts and re.match(r"\| (\d+) \|", line)):
            numbers.add(f"{section}.{item[1]}")
    return numbers


HEADINGS = {name: headings(page.read_text(encoding="utf-8")) for name, page in PAGES.items()}


def sections(chain: str) -> Iterator[str]:
    """`§1.1–1.4, §7.2` -> 1.1, 1.4, 7.2."""
    for section in re.findall(SECTION, chain):
        yield from section.removeprefix("§").split("–")


def unresolved(text: str) -> list[str]:
    """The references of a text that lead nowhere, as written."""
    text = re.sub(r"\s+(?:# )?", " ", text.replace("{WANG}", "Wang & Wang 2022"))
    wrong = re.findall(r"\b[Ss]pec(?:ification)?(?:'s)?,? \(?§\S*", text)
    for name, chain in REFERENCE.findall(text):
        wrong += [f"{name} protocol §{number}" for number in sections(chain) if number not in HEADINGS[name]]
    rest = REFERENCE.sub("", text)
    for chain in re.finditer(CHAIN, rest):
        before = rest[max(0, chain.start() - 90) : chain.start()]
        works = WORK.findall(before)
        own = PAPERS.get(works[-1]) if works else ""
        if own is not None:
            wrong += [f"{before[-30:]}§{number}" for number in sections(chain[0]) if number not in own.split()]
    return wrong


def files() -> list[Path]:
    every = (path for folder in CODE for path in sorted((ROOT / folder).rglob("*")) if path.suffix in TEXT)
    return [path for path in [*every, ROOT / "README.md", ROOT / "CONTRIBUTING.md"] if path.parent != Path(__file__).parent]


def test_every_reference_leads_to_a_heading() -> None:
    wrong = [f"{path.relative_to(ROOT)}: {one}" for path in files() for one in unresolved(path.read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)


def test_there_are_references_to_every_protocol_of_a_paper() -> None:
    named = {name for path in files() for name, _ in REFERENCE.findall(path.read_text(encoding="utf-8"))}
    assert named >= set(PAGES) - {"rivals"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_refers_to_its_own_headings(name: str) -> None:
    text = REFERENCE.sub("", re.sub(r"`[^`]*`", "", PAGES[name].read_text(encoding="utf-8")))
    own = re.sub(rf"{SECTION}\s+of\s+the\s+paper", "", text)
    assert not [number for number in sections(own) if number not in HEADINGS[name]]


@pytest.mark.parametrize(
    "text",
    [
        "as CGC protocol §9.9 has it",
        "CALM protocol §6.99",
        "CALM §1.5 (a protocol's section under the paper's name)",
        "authors' code (spec §1.1)",
        "the specification, §2.1",
        "ExCon protocol §1.2–1.9",
        "up-sampled between corners (§1.5)",
        "ExCon protocol\n    §1.2 and §8.8",
    ],
)
def test_a_wrong_reference_is_reported(text: str) -> None:
    assert unresolved(text)


@pytest.mark.parametrize(
    "text",
    [
        "CGC protocol §1.1–1.5",
        "CGC protocol §B",
        "CALM protocol §2.1.4, §6.6",
        "CALM eq. 2, §5.2 (CALM protocol §6.6)",
        "weighted-contrast protocol §6.1 to §6.5",
        "He et al. 2016 §4.2",
    ],
)
def test_a_right_reference_is_not(text: str) -> None:
    assert not unresolved(text)
