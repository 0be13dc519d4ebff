"""Where a number comes from: versions of everything that computed it, the code's commit, the device."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("cambench", "torch", "torchvision", "numpy", "scipy", "h5py", "pandas", "pillow")


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of the packages that compute, and the git commit of a source checkout ("+changes" if edited)."""
    packages = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed as a package"
    commit = git_commit(Path(__file__).parents[2])
    return {**packages, "commit": commit} if commit else packages


def git_commit(folder: Path) -> str | None:
    """The commit of a source checkout; None for an installed package or where git is missing."""
    if not (folder / ".git").exists():
        return None
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip()[:12] + ("+changes" if dirty.stdout.strip() else "")


def device_name(device: str) -> str:
    """A person's name for a torch device: the card's, or the processor's."""
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"cpu ({platform.processor() or platform.machine()}, {torch.get_num_threads()} threads)"
