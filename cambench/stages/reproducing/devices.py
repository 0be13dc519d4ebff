"""How fast a device is at convolutions, where nothing was measured on it: its peak, and the share of it that is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from cambench.lookup import canonical, find
from cambench.stages import workplace
from cambench.store.provenance import device_name

FLOAT32, BF16 = "float32", "bf16"


@dataclass(frozen=True)
class Device:
    """A device. peak: precision -> floating point operations a second, of dense products. share: of it, in convolutions.

    float32 is as PyTorch runs convolutions by default: in TF32 on NVIDIA's tensor cores. threads: whether both are of one
    thread of a processor. reason: where the share is from.
    """

    title: str
    peak: Mapping[str, float]
    share: Mapping[str, float]
    reason: str
    threads: bool = False

    def rate(self, precision: str) -> tuple[float, str]:
        """Operations a second in a precision, and how that is said."""
        count = torch.get_num_threads() if self.threads else 1
        peak, share = count * self.peak[precision], self.share[precision]
        threads = f", {count} thread{'s' if count > 1 else ''}" if self.threads else ""
        reached = f"{peak * share / 1e12:.3g} TFLOP/s, {100 * share:g} % of the peak of {self.title}{threads}"
        return peak * share, f"FLOPs at {reached} ({self.reason})"


def both(float32: float, bf16: float) -> Mapping[str, float]:
    """One number for each precision."""
    return {FLOAT32: float32, BF16: bf16}


DEVICES = {
    "h100": Device("an NVIDIA H100", both(495e12, 989e12), both(0.08, 0.08), "our assumption: it waits for memory"),
    "a100": Device(
        "an NVIDIA A100", both(156e12, 312e12), both(0.15, 0.2), "NVIDIA's ResNet-50: 938 and 2,470 images/s in training"
    ),
    "rtx4090": Device("an NVIDIA RTX 4090", both(82.6e12, 165e12), both(0.2, 0.2), "our assumption"),
    "cpu": Device("a processor", both(1e11, 1e11), both(0.5, 0.5), "nominal: AVX2 at 3 GHz", threads=True),
}
"""Name -> device, as `reproduce --dry-run --as NAME` takes it. Peaks are NVIDIA's, dense, of the SXM cards."""
OTHERS = {
    "cuda": Device("a card", both(5e13, 1e14), both(0.2, 0.2), "nominal"),
}


@dataclass(frozen=True)
class Chosen:
    """The device for which is estimated. word: what the name has in it that its runs and records give."""

    device: Device
    word: str

    def is_it(self, name: str | None) -> bool:
        """Whether a run or a record with this device's name was made on it."""
        return name is not None and self.word in plain(name)


def plain(name: str) -> str:
    """A device's name in lower case, without blanks: `NVIDIA GeForce RTX 4090` is `nvidiageforcertx4090`."""
    return name.lower().replace(" ", "")


def chosen(asked: str | None, wanted: str) -> Chosen:
    """The device that is asked for by its name (--as), which need not be here; else the one that is here.

    wanted: `--device`. Raises: UsageError naming the devices that are known, or for one that is not here.
    """
    if asked is not None:
        return Chosen(find(asked, DEVICES, "device"), canonical(asked))
    here = workplace.device(wanted)
    name, kind = device_name(here), here.partition(":")[0]
    known = next((device for word, device in DEVICES.items() if word in plain(name)), None)
    return Chosen(known or OTHERS.get(kind) or DEVICES["cpu"], plain(name))
