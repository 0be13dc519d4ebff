"""Every relative link of the pages leads to a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

FOLDERS = ("docs", "datasets", "results/measured")
PAGES = [*sorted(ROOT.glob("*.md")), *(page for folder in FOLDERS for page in sorted((ROOT / folder).rglob("*.md")))]


def missing(page: Path, text: str) -> list[str]:
    """The links of a page's text that lead nowhere."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL))
    return [link for link in links if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    assert not missing(page, page.read_text(encoding="utf-8"))


def test_a_link_to_nowhere_is_found() -> None:
    assert missing(ROOT / "README.md", "[a](docs/running.md), [b](docs/walking.md#x)") == ["docs/walking.md"]
