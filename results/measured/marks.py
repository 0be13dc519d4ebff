"""A page of this folder, and the marks between which a script writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

END = "<!-- written by hand -->"


@dataclass(frozen=True)
class Page:
    """A page and the script that writes between its marks."""

    path: Path
    script: str

    @property
    def begin(self) -> str:
        """The first mark."""
        return f"<!-- written by {self.script} -->"

    @property
    def between(self) -> str:
        """What stands between the marks."""
        return self.path.read_text(encoding="utf-8").partition(self.begin)[2].partition(END)[0]

    def rewrite(self, text: str) -> None:
        """Put a text between the marks; what is written by hand stays."""
        before, _, rest = self.path.read_text(encoding="utf-8").partition(self.begin)
        made = f"{before}{self.begin}\n\n{text.strip()}\n\n{END}{rest.partition(END)[2]}"
        self.path.write_text(made, encoding="utf-8")
