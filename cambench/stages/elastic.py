"""Several processes of one command on this machine, by torch's own elastic launcher; and a command's place among them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cambench import processes
from cambench.stages import progress, workplace
from cambench.vocabulary import CambenchError, UsageError


def together(place: workplace.Place) -> workplace.Place:
    """The place of one of the job's processes, once all have met; that of a process that is alone stays as it is.

    The loader's workers of a machine are shared out; process 0 alone speaks.
    """
    device = processes.join(place.device)
    if processes.rank():
        progress.console.quiet = True
        logging.getLogger("cambench").setLevel(logging.ERROR)
    workers = place.workers // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if processes.count() > 1 else place.workers
    return replace(place, device=device, workers=workers)


def launch(devices: int, device: str, arguments: Sequence[str]) -> int:
    """Run `cambench` with these arguments in so many processes, one a GPU where there are any. -> the exit code.

    Raises: CambenchError naming a process that was killed; any other error was said by the process that met it.
    UsageError for more processes than GPUs.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    check(devices, device)
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # what it says of a failure takes forty lines
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
    here: dict[str, Any] = {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": str(os.getpid())}
    config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=devices, max_restarts=0, **here)
    try:
        elastic_launch(config, sys.executable)("-m", "cambench", *arguments)
    except ChildFailedError as e:
        return outcome({rank: failure.exitcode for rank, failure in e.failures.items()}, devices)
    except SignalException as e:
        if e.sigval == signal.SIGINT:
            raise KeyboardInterrupt from e
        return 128 + e.sigval
    return 0


def check(devices: int, device: str) -> None:
    """Raises: UsageError for a device that is one, or more processes than GPUs."""
    import torch

    if device not in ("auto", "cuda", "cpu"):
        raise UsageError(f"--device {device} with --devices {devices}: expected auto, cuda or cpu; leave one of them out.")
    gpus = torch.cuda.device_count()
    if (device == "cuda" or (device == "auto" and gpus)) and devices > gpus:
        mend = "start more machines by torchrun" if gpus else "say --device cpu"
        raise UsageError(f"--devices {devices}: expected at most {gpus}, the GPUs here; {mend}.")


def outcome(codes: dict[int, int], devices: int) -> int:
    """The exit code of a job some of whose processes failed. codes: process -> its own, −n of one that signal n ended.

    Raises: CambenchError where none of them could say why.
    """
    explained = [code for code in codes.values() if code > 0 and code != processes.LostError.exit_code]
    if explained:
        return explained[0]
    killed = [(code == -signal.SIGTERM, rank, signal.Signals(-code).name) for rank, code in codes.items() if code < 0]
    if killed:  # the launcher ends the others by SIGTERM
        _, rank, name = min(killed)
        end = f"ended by {name}"
    else:
        rank, end = min(codes), "lost the others"
    raise CambenchError(
        f"process {rank} of {devices}: {end}; what is finished is kept, and the same command goes on from there."
    )
