"""Two processes at one job, forked from this one, that meet through gloo."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from forked import started

from cambench import processes


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def member(rank: int, n: int, port: int, act: Callable[..., Any], answer: Path, given: tuple[Any, ...]) -> None:
    """One of the processes: it joins, acts, and keeps what came of it."""
    torch.set_num_threads(1)
    own = {"RANK": rank, "WORLD_SIZE": n, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": n, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in own.items()} | {"MASTER_ADDR": "127.0.0.1"})
    processes.join("cpu")
    torch.save(act(*given), answer / f"{rank}.pt")
    processes.leave()


def together(folder: Path, act: Callable[..., Any], *given: Any, n: int = 2) -> list[Any]:
    """What a function returns in each of n processes."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    members = [started(member, r, n, port, act, folder, given) for r in range(n)]
    for process in members:
        process.join(300)
    assert [process.exitcode for process in members] == [0] * n
    return [torch.load(folder / f"{r}.pt", weights_only=False) for r in range(n)]
