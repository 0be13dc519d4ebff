"""Identities that were stored on one platform are the same on every other: numbers, keys, digests, files in this folder.

Where one of them changes, everything that anybody has stored is made again: change the fixture only on purpose.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cambench import seeds
from cambench.data import annotated, load
from cambench.stages.network import weights_hash
from cambench.store.keys import file_hash, job_key

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "identities.json").read_text(encoding="utf-8"))


def pictures(root: Path) -> str:
    """Two classes of PPM pictures, which are their bytes on every platform, and boxes; the spec of the folder."""
    for c, name in enumerate(("Ünïcødé 鳥", "ant")):
        folder = root / "mine" / name
        folder.mkdir(parents=True)
        for n in range(2):
            pixels = (np.arange(4 * 5 * 3) * (7 + c + 2 * n) % 256).astype(np.uint8)
            (folder / f"{n}.ppm").write_bytes(b"P6\n5 4\n255\n" + pixels.tobytes())
    lines = ["image,xmin,ymin,xmax,ymax", "ant/0.ppm,0,0.5,3,2", "ant/1.ppm,1,1,2,3"]
    (root / "mine" / "boxes.csv").write_bytes("\r\n".join(lines).encode())
    return f"folder:{root / 'mine'}"


def weights() -> dict[str, torch.Tensor]:
    """A state dict of several types and layouts."""
    table = torch.arange(24, dtype=torch.float32).view(2, 3, 2, 2) / 7
    return {
        "b.weight": table.contiguous(memory_format=torch.channels_last),
        "a": table.double(),
        "n": torch.tensor(3),
        "half": table.bfloat16(),
    }


@pytest.mark.parametrize("name", STORED["jobs"])
def test_keys_of_jobs(name: str) -> None:
    job = STORED["jobs"][name]
    assert job_key(job["job"]) == job["key"]


def test_digests_of_images_and_annotations(tmp_path: Path) -> None:
    dataset = load(pictures(tmp_path), "all", tmp_path)
    assert dataset.fingerprint == STORED["fingerprint"]
    assert annotated.digest(dataset, annotated.BOXES) == STORED["boxes"]
    assert file_hash(tmp_path / "mine" / "boxes.csv") == STORED["file"]


def test_hashes_of_weights() -> None:
    assert weights_hash(weights()) == STORED["weights"]


def test_seeds_and_their_draws() -> None:
    assert seeds.derive(3, "order", 7) == STORED["seed"]
    assert torch.randperm(8, generator=seeds.generator(3, "order", 7)).tolist() == STORED["order"]
