"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cambench.stages.listing import Plain

EVERY = 15.0
console = Plain(stderr=True)


class Bar:
    """A running count of images with a line of values; `advance` is called once a batch."""

    def __init__(self, title: str, total: int, progress: Progress | None) -> None:
        self.title, self.total, self.done = title, total, 0
        self.progress = progress
        self.task = progress.add_task(title, total=total, values="") if progress else None
        self.began = self.printed = time.monotonic()

    def due(self) -> bool:
        """True when the values are worth reading off the device again (twice a second on a terminal)."""
        return time.monotonic() - self.printed > (0.5 if self.progress else EVERY)

    def advance(self, n: int, values: str = "") -> None:
        """Count n more images. `values` (loss, accuracy …) replaces the line shown."""
        self.done += n
        if self.progress is not None and self.task is not None:
            self.progress.advance(self.task, n)
        if self.due():
            self.say(values)

    def say(self, values: str) -> None:
        """Show the values, the speed and the time left."""
        now = time.monotonic()
        self.printed, rate = now, self.done / max(now - self.began, 1e-9)
        text = f"{values}  {rate:.0f} images/s".strip()
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, values=text)
        else:
            left = (self.total - self.done) / max(rate, 1e-9)
            say(f"{self.title}: {self.done}/{self.total}  {text}  {left:.0f} s left")


@contextmanager
def bar(title: str, total: int) -> Iterator[Bar]:
    """A progress bar for one pass over `total` images."""
    if not console.is_terminal:
        yield Bar(title, total, None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[values]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        yield Bar(title, total, progress)


def say(text: str) -> None:
    """One line on stderr."""
    console.print(text, soft_wrap=True)
