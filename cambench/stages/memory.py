"""A device whose memory does not suffice for a batch is given half of it, and half of that, down to a single image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from cambench.stages.progress import say
from cambench.vocabulary import CambenchError, number_of


def shortage(error: torch.OutOfMemoryError) -> str:
    """What a device says of its memory, in short; what it kept of the failed attempt is given back."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return str(error).partition("\n")[0].partition(". GPU")[0][:120]


class Fitting:
    """A function of a batch's images (N,…), in as few pieces as the device's memory allows; each image's answer is its own.

    Arguments that are tensors or lists of N rows are cut with the images. The answer is a tensor of N rows, or a dataclass,
    mapping or list of them.
    """

    def __init__(self, function: Callable[..., Any], what: str) -> None:
        self.function, self.what = function, what
        self.most: int | None = None

    def __call__(self, images: Tensor, *arguments: Any, **keywords: Any) -> Any:
        """Raises: CambenchError where a single image does not fit."""
        n = len(images)
        while True:
            size = min(n, self.most or n)
            try:
                pieces = [self.piece(slice(i, i + size), n, (images, *arguments), keywords) for i in range(0, n, size)]
            except torch.OutOfMemoryError as e:
                reason = shortage(e)
            else:
                return joined(pieces)
            if size < 2:
                raise CambenchError(
                    f"{self.what}: the device's memory does not suffice for one image ({reason}); use --device cpu."
                )
            self.most = size // 2
            pass_of = number_of(self.most, "image")
            say(f"{self.what}: the device's memory does not suffice for {size} images ({reason}); going on with {pass_of}")

    def piece(self, rows: slice, n: int, arguments: Sequence[Any], keywords: dict[str, Any]) -> Any:
        """The answer for some of the rows."""
        if rows.start == 0 and rows.stop >= n:
            return self.function(*arguments, **keywords)

        def cut(value: Any) -> Any:
            of_rows = (isinstance(value, Tensor) and value.ndim > 0) or isinstance(value, list)
            return value[rows] if of_rows and len(value) == n else value

        return self.function(*map(cut, arguments), **{name: cut(value) for name, value in keywords.items()})


def joined(pieces: Sequence[Any]) -> Any:
    """The answers of consecutive rows as one."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    if is_dataclass(first):
        return type(first)(*(torch.cat([getattr(p, f.name) for p in pieces]) for f in fields(first)))  # type: ignore[misc]
    if isinstance(first, Mapping):
        return {name: torch.cat([p[name] for p in pieces]) for name in first}
    if isinstance(first, list):
        return [joined(of_one) for of_one in zip(*pieces, strict=True)]
    return torch.cat(list(pieces))
