"""Several processes at one job: which of them this is, and what they tell one another (torch.distributed).

Where there is one process alone, every function here gives back what it was given, and torch is not asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cambench.vocabulary import CambenchError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Thing = TypeVar("Thing")
AGENT = "TORCHELASTIC_RUN_ID"
"""Set where a launcher of torch watches over the processes, and says which of them was ended."""
PATIENCE = timedelta(days=7)
"""How long a process waits for another, which may be at what it does alone; one that ended is noticed at once."""
SLURM = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_STEP_NUM_TASKS", "LOCAL_RANK": "SLURM_LOCALID"}
"""torch's names -> srun's."""


class LostError(CambenchError):
    """Another process of the job ended, so that this one cannot go on."""

    exit_code = 75


def environment() -> dict[str, str]:
    """torch's variables of the job: of torchrun, else of an srun of several tasks. Raises: UsageError as `first_of`."""
    if "WORLD_SIZE" in os.environ:
        return dict(os.environ)
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return {}
    given = {name: os.environ[theirs] for name, theirs in SLURM.items()}
    given["LOCAL_WORLD_SIZE"] = str(tasks_of(os.environ["SLURM_STEP_TASKS_PER_NODE"])[int(os.environ["SLURM_NODEID"])])
    if "MASTER_ADDR" not in os.environ:
        given["MASTER_ADDR"] = first_of(os.environ["SLURM_STEP_NODELIST"])
    if "MASTER_PORT" not in os.environ:
        given["MASTER_PORT"] = str(20000 + int(os.environ["SLURM_JOB_ID"]) % 20000)
    return {**os.environ, **given}


def tasks_of(written: str) -> list[int]:
    """How many tasks each machine has, as Slurm writes it: `2(x3),1` -> 2, 2, 2, 1."""
    return [int(n) for n, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", written) for _ in range(int(times or 1))]


def first_of(nodes: str) -> str:
    """The first of Slurm's nodes, `gpu[03-04]`. Raises: UsageError where scontrol is not there or does not say."""
    command = ["scontrol", "show", "hostnames", nodes]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
    except (OSError, IndexError, subprocess.CalledProcessError) as e:
        raise UsageError(f"srun: expected scontrol to name the first of {nodes}, got {e}; set MASTER_ADDR to it.") from e


def started() -> bool:
    """Whether this process was started as one of several."""
    return int(environment().get("WORLD_SIZE", "1")) > 1


def join(device: str) -> str:
    """Meet the other processes of the job, if there are any. -> this one's device.

    On CUDA each process of a machine takes the device of its number there, or the only one that Slurm lets it see.
    Raises: UsageError where there are too few.
    """
    if not started():
        return device
    import torch
    from torch import distributed

    os.environ.update(environment())
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cuda", "cpu"):
        raise UsageError(f"--device {device}: expected cuda or cpu with several processes, each with a device of its own.")
    if device == "cuda":
        local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if gpus == 1 and local < int(os.environ.get("SLURM_GPUS_ON_NODE", "0")) and AGENT not in os.environ:  # its own
            local = 0
        if local >= gpus:
            raise UsageError(f"processes: expected at most {gpus} on this machine, one a GPU, got {local + 1}; start fewer.")
        torch.cuda.set_device(local)
        device = f"cuda:{local}"
    if not distributed.is_initialized():
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device != "cpu" else "gloo", timeout=PATIENCE)
    return device


def leave() -> None:
    """Part from the other processes."""
    if several():
        from torch import distributed

        distributed.destroy_process_group()


def several() -> bool:
    """Whether several processes have met."""
    if "torch" not in sys.modules:
        return False
    from torch import distributed

    return distributed.is_available() and distributed.is_initialized()


def count() -> int:
    """How many processes there are."""
    if not several():
        return 1
    from torch import distributed

    return distributed.get_world_size()


def rank() -> int:
    """The number of this process, from 0. Number 0 alone writes and speaks."""
    if not several():
        return 0
    from torch import distributed

    return distributed.get_rank()


def speaks(error: BaseException) -> bool:
    """Whether this process is to say why the job ended: the first that comes to it, if it knows more than a lost peer."""
    if not several():
        return True
    from torch import distributed

    if isinstance(error, LostError) and AGENT in os.environ:
        return False
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        soon = timedelta(seconds=5)
        store = distributed.TCPStore(address, port, None, False, soon, False)  # type: ignore[attr-defined]
        return int(store.add("cambench/failed", 1)) == 1
    except RuntimeError:  # who kept the store is gone
        return True


@contextmanager
def talking() -> Iterator[None]:
    """Raises: LostError where another process ended in the middle of it."""
    try:
        yield
    except RuntimeError as e:
        raise LostError(
            f"process {rank()} of {count()}: lost another process ({str(e).splitlines()[0][:120]}); what is finished is "
            "kept, and the same command goes on from there."
        ) from e


@contextmanager
def as_one() -> Iterator[None]:
    """A block that ends in all processes once it has in each, and fails in all of them where it fails in one.

    Raises: the CambenchError of the first that failed.
    """
    error: CambenchError | None = None
    try:
        yield
    except CambenchError as e:
        error = e
    if count() > 1 and not isinstance(error, LostError):
        from torch import distributed

        errors: list[CambenchError | None] = [None] * count()
        with talking():
            distributed.all_gather_object(errors, error)
        error = error or next((e for e in errors if e is not None), None)
    if error is not None:
        raise error


@contextmanager
def in_turn() -> Iterator[None]:
    """Process 0 first, then all others: what it fetches or makes, they find. Raises: as `as_one`."""
    with as_one():
        if rank():
            agreed(None)
        try:
            yield
        finally:
            if not rank():
                agreed(None)


def dealt(things: Sequence[Thing]) -> Sequence[Thing]:
    """Of things in a row this process's, dealt out one by one."""
    return things[rank() :: count()]


def slice_of(n: int) -> range:
    """Which of n things in a row are this process's."""
    return range(n * rank() // count(), n * (rank() + 1) // count())


def joined(x: Tensor) -> Tensor:
    """The rows of all processes, without a graph: x (n,…), any n in each -> (Σ n,…)."""
    if count() == 1:
        return x
    import torch

    return torch.cat(exchanged(x.detach(), numbers_of(len(x), x.device)))


def numbers_of(n: int, device: torch.device) -> list[int]:
    """The number n of every process. device: that on which they exchange tensors."""
    import torch

    return [int(number) for number in exchanged(torch.tensor([n], device=device), [1] * count())]


def exchanged(x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """x (n,…) of every process, whose n are known. Padded on the way: gloo and NCCL send equal lengths alone."""
    import torch
    from torch import distributed

    padded = x.new_zeros((max(sizes), *x.shape[1:]))
    padded[: len(x)] = x
    everyone = [torch.empty_like(padded) for _ in sizes]
    with talking():
        distributed.all_gather(everyone, padded)
    return [rows[:n] for rows, n in zip(everyone, sizes, strict=True)]


def flat(tensors: Sequence[Tensor]) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Tensors of one type and device with all their numbers in a row."""
    import torch

    for kind in dict.fromkeys((t.dtype, t.device) for t in tensors):
        alike = [t for t in tensors if (t.dtype, t.device) == kind]
        yield alike, torch.cat([t.detach().flatten() for t in alike])


def spread(alike: Sequence[Tensor], numbers: Tensor) -> None:
    """Put numbers in a row back into their tensors."""
    import torch

    for tensor, values in zip(alike, torch.split(numbers, [t.numel() for t in alike]), strict=True):
        tensor.detach().copy_(values.view(tensor.shape))


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over the processes, in one message a type."""
    if count() == 1:
        return
    from torch import distributed

    for alike, numbers in flat(tensors):
        with talking():
            distributed.all_reduce(numbers)
        spread(alike, numbers)


def follow(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by that of process 0."""
    if count() == 1:
        return
    from torch import distributed

    for alike, numbers in flat(tensors):
        with talking():
            distributed.broadcast(numbers, 0)
        spread(alike, numbers)


def agreed(fact: Any) -> Any:
    """What process 0 has for a fact, of any type that can be pickled; of the others only None is asked."""
    if count() == 1:
        return fact
    from torch import distributed

    facts = [fact]
    with talking():
        distributed.broadcast_object_list(facts, 0)
    return facts[0]


def summed(*values: float) -> tuple[float, ...]:
    """Each number summed over the processes, in double precision."""
    if count() == 1:
        return values
    import torch

    total = torch.tensor(values, dtype=torch.float64)
    add_up([total])
    return tuple(total.tolist())
