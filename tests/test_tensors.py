"""Files that torch.save did not write: whatever their bytes, one sentence says what they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cambench.models.weights import read_weights
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import CambenchError, UsageError


@pytest.mark.parametrize("tail", [b"", b"ate limit exceeded", b"\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"K\x03\x04"])
def test_no_bytes_are_more_than_one_sentence(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "w.pt"
    for first in range(256):
        path.write_bytes(bytes([first]) + tail)
        with pytest.raises(UsageError, match="expected a file of tensors by torch.save, got a") as refused:
            read_weights(path)
        with pytest.raises(CambenchError, match="expected a checkpoint, got a"):
            load_checkpoint(path)
        assert "\n" not in str(refused.value)


def test_a_file_of_words_is_said_to_be_no_weights(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_text("Gatekeeper: access denied")
    with pytest.raises(UsageError, match="got a file that is not torch.save's.$"):
        read_weights(tmp_path / "w.pt")
    with pytest.raises(UsageError, match="expected a state dict, .*; got an empty dictionary.$"):
        torch.save({}, tmp_path / "w.pt")
        read_weights(tmp_path / "w.pt")
