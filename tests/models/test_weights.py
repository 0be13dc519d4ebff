"""Weights: every form a file may have, and one sentence for every way in which it does not fit."""

from __future__ import annotations

import datetime
import logging
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cambench.models import build
from cambench.models.weights import read_weights
from cambench.store.checkpoints import load_checkpoint
from cambench.vocabulary import CambenchError, UsageError


@pytest.fixture
def state() -> dict[str, Tensor]:
    return dict(build("resnet8", 5, seed=9).state_dict())


def saved(path: Path, held: object) -> Path:
    torch.save(held, path)
    return path


def loaded_equals(path: Path, state: dict[str, Tensor]) -> bool:
    model = build("resnet8", 5, weights=path, seed=0).state_dict()
    return all(torch.equal(model[k], state[k]) for k in state if not k.endswith("num_batches_tracked"))


@pytest.mark.parametrize("key", [None, "model", "state_dict", "network", "net", "model_state_dict", "ema", "ema_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod.", "model.", "net.backbone."])
def test_every_form_loads(tmp_path: Path, state: dict[str, Tensor], key: str | None, prefix: str) -> None:
    named = {prefix + k: v for k, v in state.items()}
    beside = {"epoch": 3, "optimizer": {"lr": 0.1}, "best_acc1": torch.tensor(0.5)}
    assert loaded_equals(saved(tmp_path / "w.pt", named if key is None else {key: named, **beside}), state)


def test_numbers_beside_bare_weights_are_left_out_but_nothing_else(tmp_path: Path, state: dict[str, Tensor]) -> None:
    beside = {"epoch": 3, "arch": "resnet8", "optimizer": {"state": {0: torch.ones(2)}}, "n_averaged": torch.tensor(4)}
    assert loaded_equals(saved(tmp_path / "w.pt", {**state, **beside}), state)
    with pytest.raises(UsageError, match="expected a state dict"):
        read_weights(saved(tmp_path / "w.pt", {**state, "trunk": {"conv.weight": torch.ones(2)}}))


def test_of_weights_and_their_average_the_weights_are_taken(
    tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cambench")
    average = {key: torch.zeros_like(tensor) for key, tensor in state.items()}
    assert loaded_equals(saved(tmp_path / "w.pt", {"ema": {"module": 3, "model": average}, "model": state}), state)
    assert "under model and ema; those under model are taken" in caplog.text


@pytest.mark.parametrize("key", ["model_ema", "state_dict_ema", "ema_model", "ema_state", "module_ema", "teacher"])
def test_other_weights_in_the_file_are_said_under_whatever_key(
    key: str, tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cambench")
    average = {f"module.{name}": torch.zeros_like(tensor) for name, tensor in state.items()}
    assert loaded_equals(saved(tmp_path / "w.pt", {key: average, "state_dict": state}), state)
    assert f"the file holds weights under state_dict and {key}; those under state_dict are taken" in caplog.text
    caplog.clear()
    beside = {"optimizer": {"state": {0: average}}, "rng": {"torch": torch.ones(9)}, "buffers": {}, "epoch": 3}
    assert loaded_equals(saved(tmp_path / "w.pt", {"state_dict": state, **beside}), state)
    assert "the file holds" not in caplog.text


def test_a_prefix_that_is_the_networks_own_stays(tmp_path: Path) -> None:
    from cambench.models.weights import load_weights

    own = torch.nn.ModuleDict({"model": torch.nn.ModuleDict({"backbone": torch.nn.Linear(3, 2)})})
    kept = {key: torch.full_like(tensor, 7) for key, tensor in own.state_dict().items()}
    for prefix in ("", "module.", "model."):
        own["model"]["backbone"].weight.data.zero_()
        path = saved(tmp_path / "w.pt", {prefix + key: tensor for key, tensor in kept.items()})
        load_weights(own, path, arch="own")
        assert bool((own["model"]["backbone"].weight == 7).all()), prefix


@pytest.mark.parametrize("arch", ["resnet8", "squeezenet1_0"])
def test_without_a_number_of_classes_the_files_counts(tmp_path: Path, arch: str) -> None:
    state = build(arch, 7, seed=9).state_dict()
    path = saved(tmp_path / "w.pt", {"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}})
    model = build(arch, weights=path).state_dict()
    assert all(torch.equal(model[key], tensor) for key, tensor in state.items())
    with pytest.raises(UsageError, match="class count"):
        build(arch, 8, weights=path)
    with pytest.raises(UsageError, match="do not fit resnet20"):
        build("resnet20", weights=path)


@pytest.mark.parametrize("projection", ["fc.", "fc.0."])
def test_moco_gives_its_query_encoder_and_a_new_head(
    tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture, projection: str
) -> None:
    caplog.set_level(logging.INFO, "cambench")
    trunk = {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}
    heads = {f"{projection}weight": torch.zeros(9, 64), f"{projection}bias": torch.zeros(9)}
    query = {f"module.encoder_q.{key}": tensor for key, tensor in {**trunk, **heads}.items()}
    twin = {f"module.encoder_k.{key}": torch.zeros_like(tensor) for key, tensor in trunk.items()}
    held = {"state_dict": {**query, **twin, "module.queue": torch.zeros(4, 4), "module.queue_ptr": torch.zeros(1)}}
    path = saved(tmp_path / "moco.pt", held)
    model = build("resnet8", 5, weights=path, head="replace").state_dict()
    assert all(torch.equal(model[key], tensor) for key, tensor in trunk.items() if not key.endswith("num_batches_tracked"))
    assert model["fc.weight"].shape == (5, 64) and bool(model["fc.weight"].any())
    assert "read without module.encoder_q." in caplog.text and "new head fc" in caplog.text
    with pytest.raises(UsageError, match="do not fit resnet8"):
        build("resnet8", 5, weights=path)


def test_a_refusal_is_one_whole_line_that_names_what_is_held(tmp_path: Path, state: dict[str, Tensor]) -> None:

    for held, name in (({"when": datetime.date(2020, 1, 1)}, "datetime.date"), (torch.nn.Linear(2, 2), "linear.Linear")):
        path = saved(tmp_path / "w.pt", held)
        for read in (read_weights, load_checkpoint):
            with pytest.raises(
                CambenchError, match=rf"holds \S*{name}, which is code .*save the state_dict alone"
            ) as caught:
                read(path)
            assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
            assert str(caught.value).endswith(".")


def test_old_files_without_batch_counters_load(tmp_path: Path, state: dict[str, Tensor]) -> None:
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    assert loaded_equals(saved(tmp_path / "w.pt", old), state)


def test_layers_with_versions_and_old_spellings_load(tmp_path: Path) -> None:
    for arch, old in (("mnasnet0_5", {}), ("densenet121", {"norm1.": "norm.1.", "conv2.": "conv.2."})):
        own = build(arch, 5, seed=1).state_dict()
        renamed = {}
        for key, value in own.items():
            for new, was in old.items():
                key = key.replace(new, was) if "denselayer" in key else key
            renamed[key] = value
        model = build(arch, 5, weights=saved(tmp_path / f"{arch}.pt", renamed), seed=2).state_dict()
        assert all(torch.equal(model[k], own[k]) for k in own)


def test_auxiliary_heads_in_a_file_are_left_out(tmp_path: Path) -> None:
    own = build("googlenet", 5, seed=1).state_dict()
    path = saved(tmp_path / "w.pt", {**own, "aux1.fc1.weight": torch.zeros(2, 2)})
    assert torch.equal(build("googlenet", 5, weights=path).state_dict()["fc.weight"], own["fc.weight"])


def test_another_architecture_is_one_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt", build("resnet20", 5).state_dict())
    with pytest.raises(UsageError, match=r"do not fit resnet8 .*unexpected: layer1\.1\.conv1\.weight, .* and \d+ more\.$"):
        build("resnet8", 5, weights=path)
    path = saved(tmp_path / "v.pt", build("vgg11", 5).state_dict())
    with pytest.raises(UsageError, match=r"missing: conv1\.weight, .*unexpected: features"):
        build("resnet8", 5, weights=path, head="replace")


def test_another_surgery_names_the_shapes(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt", build("resnet18", 5).state_dict())
    text = r"shapes: conv1\.weight expected \(64, 3, 3, 3\), got \(64, 3, 7, 7\)\.$"
    with pytest.raises(UsageError, match=text):
        build("resnet18", 5, surgery=("small-stem",), weights=path)


def test_another_class_count_is_an_error_unless_a_new_head_is_asked_for(
    tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(tmp_path / "w.pt", state)
    with pytest.raises(UsageError, match=r"shapes: fc\.weight expected \(8, 64\), got \(5, 64\), fc\.bias"):
        build("resnet8", 8, weights=path)
    with caplog.at_level(logging.INFO, "cambench"):
        model = build("resnet8", 8, weights=path, head="replace", seed=3)
    fresh = build("resnet8", 8, seed=3)
    assert "new head fc" in caplog.text
    assert torch.equal(model.get_parameter("fc.weight"), fresh.get_parameter("fc.weight"))
    assert torch.equal(model.get_parameter("conv1.weight"), state["conv1.weight"])


def test_a_fitting_head_is_never_thrown_away(tmp_path: Path, state: dict[str, Tensor]) -> None:
    model = build("resnet8", 5, weights=saved(tmp_path / "w.pt", state), head="replace", seed=3)
    assert torch.equal(model.get_parameter("fc.weight"), state["fc.weight"])


def test_a_trunk_with_foreign_heads_needs_head_replace(
    tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    """SwAV's file: a projection head and prototypes, no classifier."""
    held = {f"module.{k}": v for k, v in state.items() if not k.startswith("fc.")} | {
        "module.prototypes.weight": torch.ones(2)
    }
    path = saved(tmp_path / "w.pt", held)
    with pytest.raises(UsageError, match=r"missing: fc\.weight, fc\.bias; unexpected: prototypes\.weight"):
        build("resnet8", 5, weights=path)
    with caplog.at_level(logging.INFO, "cambench"):
        model = build("resnet8", 5, weights=path, head="replace")
    assert "left out prototypes.weight" in caplog.text
    assert torch.equal(model.get_parameter("conv1.weight"), state["conv1.weight"])


def test_a_fine_tuned_swav_file_has_its_classifier_under_another_name(
    tmp_path: Path, state: dict[str, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    named = {f"module.{k.replace('fc.', 'projection_head.')}": v for k, v in state.items()}
    with caplog.at_level(logging.INFO, "cambench"):
        assert loaded_equals(saved(tmp_path / "w.pt", {"state_dict": named, "epoch": 20}), state)
    assert "w.pt: its projection_head is the classifier fc" in caplog.text


def test_swavs_padded_stem_is_the_ordinary_one() -> None:
    """A pixel of zeros, then padding 2, is padding 3."""
    stem = build("resnet50", seed=1).get_submodule("conv1")
    image = torch.randn(1, 3, 33, 40)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    theirs = torch.nn.functional.conv2d(padded, stem.weight, stride=2, padding=2)
    torch.testing.assert_close(theirs, stem(image))


JUNK = {
    "empty": b"",
    "text": b"hello world\n" * 9,
    "zip": b"PK\x03\x04" + b"0" * 99,
    "gif": b"GIF89a....",
    "json": b'{"a": 1}',
}


@pytest.mark.parametrize("name", JUNK)
def test_a_file_that_is_no_weights_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(JUNK[name])
    with pytest.raises(UsageError, match=f"{re.escape(str(path))}: expected a file of tensors") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_damaged_at_any_place_is_a_usage_error(tmp_path: Path, state: dict[str, Tensor]) -> None:
    whole = saved(tmp_path / "w.pt", state).read_bytes()
    for length in range(1, len(whole) - 200, len(whole) // 60):
        (tmp_path / "cut.pt").write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read_weights(tmp_path / "cut.pt")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.mkdir, ("never",)


def test_a_file_with_code_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="expected a file of tensors"):
        read_weights(saved(tmp_path / "w.pt", {"state_dict": Evil()}))
    assert not (tmp_path / "never").exists()


def test_missing_file_and_wrong_contents(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_weights(tmp_path / "absent.pt")
    with pytest.raises(UsageError, match="got a dictionary of epoch, lr"):
        read_weights(saved(tmp_path / "w.pt", {"epoch": 1, "lr": 0.1}))
    with pytest.raises(UsageError, match="got list"):
        read_weights(saved(tmp_path / "l.pt", [torch.ones(1)]))


def test_torchvision_weights_come_from_the_cache_or_ask_for_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UsageError, match=r"resnet18: .*resnet18-f37072fd\.pth.*--download, or put the file there"):
        build("resnet18", 1000, weights="pretrained")
    own = build("resnet18", seed=1).state_dict()
    (tmp_path / "checkpoints").mkdir()
    saved(tmp_path / "checkpoints" / "resnet18-f37072fd.pth", own)
    model = build("resnet18", 1000, weights="pretrained")
    assert torch.equal(model.get_parameter("fc.weight"), own["fc.weight"])
    with pytest.raises(UsageError, match="expected weights for 7 classes, got 1000"):
        build("resnet18", 7, weights="pretrained")
    cut = build("torchvision:resnet18", 7, weights="pretrained", head="replace", surgery=("small-stem",)).state_dict()
    assert (cut["fc.weight"].shape, cut["conv1.weight"].shape) == ((7, 512), (64, 3, 3, 3))
    assert torch.equal(cut["layer4.1.conv2.weight"], own["layer4.1.conv2.weight"])


def test_no_torchvision_weights_for_our_own_and_no_network_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="resnet8: torchvision has no weights"):
        build("resnet8", 10, weights="pretrained", download=True)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(CambenchError, match="fetching https://.* failed: Name or service not known; pass --weights FILE"):
        build("resnet18", 1000, weights="pretrained", download=True)
