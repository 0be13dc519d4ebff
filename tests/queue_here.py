"""A Slurm of one node on this machine, of Debian's packages, for one test: its own key, ports and folders."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pair import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")
WHERE = f"/usr/sbin:{os.environ.get('PATH', '')}"
CONF = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
KillWait=5
SchedulerParameters=sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def lacking() -> str:
    """Which of its programs is not installed; empty where all are."""
    return next((name for name in PROGRAMS if shutil.which(name, path=WHERE) is None), "")


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """A queue that takes jobs, and the environment in which Slurm's commands ask it; its programs end with the block."""
    host, user = socket.gethostname().partition(".")[0], pwd.getpwuid(os.getuid()).pw_name
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key, conf = folder / "munge.key", folder / "slurm.conf"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    folder.chmod(0o755)
    facts = {"host": host, "user": user, "folder": folder, "ports": (free_port(), free_port()), "cpus": os.cpu_count()}
    conf.write_text(CONF.format(**facts))
    environment = {"SLURM_CONF": str(conf), "PATH": WHERE}
    munge = [f"--socket={folder}/munge.socket", f"--key-file={key}", f"--pid-file={folder}/munge.pid", "--force"]
    seeds = [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed", "--foreground"]
    with ExitStack() as running:
        for command in (["munged", *munge, *seeds], ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            with (folder / f"{command[0]}.out").open("w") as log:
                program = shutil.which(command[0], path=WHERE) or command[0]
                process = subprocess.Popen(
                    [program, *command[1:]], stdout=log, stderr=log, env={**os.environ, **environment}
                )
            running.callback(process.wait)
            running.callback(process.terminate)
            time.sleep(1)
        wait_until_idle(environment)
        yield environment


def wait_until_idle(environment: dict[str, str]) -> None:
    """Until the node takes jobs; a minute at most."""
    for _ in range(120):
        command = ["sinfo", "--noheader", "--format=%T"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
        if answer.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    raise TimeoutError(f"slurm: expected an idle node, got {answer.stdout or answer.stderr}")
