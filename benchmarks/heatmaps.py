"""(d) The heatmap file: bytes a 7×7 map, and the time to write 2,000 of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np

from benchmarks.pairs import interleave
from benchmarks.settings import CLASSES, Settings
from cambench.store.heatmaps import pack, write_heatmaps
from cambench.store.parts import Arrays

MAPS = 2000


def arrays() -> Arrays:
    """What `cambench explain` hands over for 2,000 images."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((MAPS, CLASSES), dtype=np.float32)
    return {
        **pack(rng.standard_normal((MAPS, 7, 7), dtype=np.float32)),
        "target": rng.integers(0, CLASSES, MAPS, dtype=np.int32),
        "prediction": logits.argmax(1).astype(np.int32),
        "logits": logits,
        "id": np.array([f"val/n{i // 50:08d}/image_{i:06d}.jpg".encode() for i in range(MAPS)]),
    }


def run(settings: Settings) -> None:
    """Print size and time; the logits are written, and left out of the size."""
    data = {name: [array] for name, array in arrays().items()}.__getitem__
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maps.h5"
        times = interleave({"write": lambda: write_heatmaps(path, {"job": "benchmark"}, {}, data)}, settings.rounds)["write"]
        with h5py.File(path) as f:
            logits = f["logits"].id.get_storage_size()
        each = (path.stat().st_size - logits) / MAPS
    print(f"\n(d) {MAPS} maps of 7x7: {each:.1f} bytes a map without logits (target <= 220)")
    print(f"    written in {times.seconds:.4f} s, fsync included (target <= 0.05)")
