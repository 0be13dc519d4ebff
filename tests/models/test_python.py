"""`python:pkg.mod:function`: what is called and how, and the sentence for everything that can be missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cambench.models import build
from cambench.models.habits import CHANCE, LOG_PROBABILITIES, ONE_LOGIT, ONE_PROBABILITY, PROBABILITIES, first_pass, habits
from cambench.vocabulary import UsageError

SOURCE = """
import torch
def plain(): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 4))
def asks(num_classes=9): return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, num_classes))
def nothing(): pass
def fails(): raise ZeroDivisionError("inside\\nand more")
def wants(cfg, size, num_classes=2): return plain()
def scripted(): return torch.jit.script(torch.nn.Linear(3, 2))
def wide():
    torch.manual_seed(7)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.Linear(5, 4))
def pointwise(): return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Conv2d(3, 4, 1))
class Unordered(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.classifier, self.late = torch.nn.Linear(3, 4), torch.nn.Linear(3, 3)
    def forward(self, x): return self.classifier(x.mean((2, 3)))
class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.fc = torch.nn.Parameter(torch.ones(3)), torch.nn.Linear(3, 4)
    def forward(self, x): return self.fc(x.mean((2, 3)) * self.scale)
number = 3
class Form(torch.nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.fc = torch.nn.Linear(12, 4)
    def forward(self, x):
        y = self.fc(x.flatten(1))
        return self.form(y)
class Held:
    def __init__(self, logits): self.logits = logits
identity, functional = (lambda y: y), torch.nn.functional
def form(): return Form(identity)
def tuple_(): return Form(lambda y: (y, y[:1]))
def dict_(): return Form(lambda y: {"loss": 0, "logits": y})
def out_(): return Form(lambda y: {"out": y, "aux": None})
def object_(): return Form(Held)
def map_(): return Form(lambda y: y[:, :, None, None])
def one(): return Form(lambda y: y[:, :1])
def sigmoid(): return Form(lambda y: y[:, :1].sigmoid())
def small(): return Form(lambda y: 0.5 + y[:, :1] / 100)
def silent(): return Form(lambda y: 0 * y[:, :1])
def other(): return Form(lambda y: {"scores": y})
def soft(): return Form(lambda y: y.softmax(1))
def logsoft(): return Form(lambda y: y.log_softmax(1))
def chance(): return Form(lambda y: functional.dropout(y, training=True))
def parallel(): return torch.nn.DataParallel(torch.compile(form(), backend="eager"))
def compiled(): return torch.compile(form(), backend="eager")
def half(): return form().half()
def double(): return form().double()
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynets.py").write_text(SOURCE)
    (tmp_path / "needs.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "half.py").write_text("def f(:\n")
    (tmp_path / "old.py").write_text("from torch import not_a_name_of_torch\n")
    yield
    for name in ("mynets", "needs", "half", "old"):
        sys.modules.pop(name, None)


def classes(spec: str, **options: object) -> int:
    return int(build(spec, **options)(torch.ones(1, 3, 2, 2)).shape[1])  # type: ignore[arg-type]


def test_the_function_is_found_in_the_current_directory_and_called() -> None:
    assert classes("python:mynets:plain") == 4
    assert classes("python:mynets:asks") == 9
    assert classes("python:mynets:asks", num_classes=6) == 6
    assert classes("python:mynets:plain", num_classes=6) == 6, "a new last layer"
    assert classes("python:mynets:plain", num_classes=6, head="replace") == 6


def test_a_new_last_layer_follows_the_seed_and_the_weights_of_a_run_fit_it(tmp_path: Path) -> None:
    own = build("python:mynets:wide").state_dict()
    model = build("python:mynets:wide", 6, seed=1)
    first, again, other = (build("python:mynets:wide", 6, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(first["2.weight"], again["2.weight"]) and not torch.equal(first["2.weight"], other["2.weight"])
    assert torch.equal(first["1.weight"], own["1.weight"]), "the rest is the network's own"
    torch.save({"model": first}, tmp_path / "last.pt")
    loaded = build("python:mynets:wide", 6, weights=tmp_path / "last.pt", seed=5)
    assert torch.equal(loaded.state_dict()["2.weight"], first["2.weight"])
    assert model(torch.ones(1, 3, 2, 2)).shape == (1, 6)


def test_a_1x1_convolution_is_replaced_and_what_is_no_classifier_is_an_error() -> None:
    assert build("python:mynets:pointwise", 6)(torch.ones(1, 3, 2, 2)).shape == (1, 6)
    with pytest.raises(
        UsageError, match=r"expected 6 outputs after a new layer late, got \(4,\).* let the function take num_"
    ):
        build("python:mynets:Unordered", 6)


def test_random_weights_in_place_of_its_own() -> None:
    own, first, again = (build("python:mynets:wide", 6, seed=1, anew=a).state_dict() for a in (False, True, True))
    assert not torch.equal(own["1.weight"], first["1.weight"]) and torch.equal(first["1.weight"], again["1.weight"])
    with pytest.raises(UsageError, match=r"model.init = scratch cannot redraw it \(Scaled\) .* no reset_parameters"):
        build("python:mynets:Scaled", anew=True)


def test_weights_from_a_file_and_the_seed_reach_it(tmp_path: Path) -> None:
    first = build("python:mynets:plain", seed=3).state_dict()
    assert torch.equal(first["1.weight"], build("python:mynets:plain", seed=3).state_dict()["1.weight"])
    torch.save(first, tmp_path / "w.pt")
    again = build("python:mynets:plain", weights=tmp_path / "w.pt", seed=8).state_dict()
    assert torch.equal(first["1.weight"], again["1.weight"])


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("python:mynets", "expected python:MODULE:FUNCTION"),
        ("python::f", "expected python:MODULE:FUNCTION"),
        ("python:mynetz:plain", "no module 'mynetz' in .* or among what is installed"),
        ("python:mynets.deep:plain", "no module 'mynets.deep'|mynets.deep needs 'mynets.deep'"),
        ("python:needs:f", "needs needs 'not_installed_anywhere', which is not installed"),
        ("python:half:f", "importing half failed: .*invalid syntax"),
        ("python:old:f", "importing old failed: cannot import name 'not_a_name_of_torch'"),
        ("python:mynets:plane", "mynets has no 'plane': .*Did you mean plain"),
        ("python:mynets:number", "expected a function, got int"),
        ("python:mynets:nothing", "to return a torch.nn.Module, got NoneType"),
        ("python:mynets:fails", "the function raised ZeroDivisionError: inside"),
        ("python:mynets:wants", "without arguments .*, got one that wants cfg, size; write one"),
        ("python:mynets:scripted", "expected a network in Python, got a scripted one"),
    ],
)
def test_one_sentence_for_what_is_missing(spec: str, text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        build(spec)
    assert "\n" not in str(caught.value)
    if "import" in text or "module" in text:
        assert caught.value.__cause__ is not None


def test_outputs_of_every_form_become_logits() -> None:
    image = torch.ones(2, 3, 2, 2)
    expected = build("python:mynets:form")(image)
    assert expected.shape == (2, 4)
    for form in ("tuple", "dict", "out", "object", "map"):
        torch.testing.assert_close(build(f"python:mynets:{form}_")(image), expected, rtol=0, atol=0)
    z = build("python:mynets:one")(image)
    torch.testing.assert_close(z, torch.stack([torch.zeros(2), expected[:, 0]], 1))
    torch.testing.assert_close(z.softmax(1)[:, 1], expected[:, 0].sigmoid())
    with pytest.raises(UsageError, match="got a dictionary of scores; return a tensor") as caught:
        build("python:mynets:other")(image)
    assert "\n" not in str(caught.value)


def test_wrappers_come_off_and_weights_become_float32(caplog: pytest.LogCaptureFixture) -> None:
    keys = list(build("python:mynets:form").state_dict())
    for name in ("parallel", "compiled"):
        network = build(f"python:mynets:{name}")
        assert list(network.state_dict()) == keys and type(network).__name__ == "Form"
    assert not caplog.records
    for name in ("half", "double"):
        caplog.clear()
        network = build(f"python:mynets:{name}")
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert "it runs in float32" in caplog.text


def test_softmax_chance_and_one_logit_are_noticed() -> None:
    names = ("form", "soft", "logsoft", "chance", "one", "sigmoid", "small", "silent")
    notes = {name: habits(build(f"python:mynets:{name}"), 2) for name in names}
    assert notes == {
        "form": [],
        "soft": [PROBABILITIES],
        "logsoft": [LOG_PROBABILITIES],
        "chance": [CHANCE],
        "one": [ONE_LOGIT],
        "sigmoid": [ONE_LOGIT, ONE_PROBABILITY],
        "small": [ONE_LOGIT],
        "silent": [ONE_LOGIT],
    }


def test_an_input_that_the_network_cannot_take_is_one_line() -> None:
    network = build("python:mynets:plain")
    with (
        pytest.raises(UsageError, match=r"plain: expected .* 3×5×5, but .*RuntimeError: .*input.size=N") as e,
        first_pass("plain", 5),
    ):
        network(torch.ones(1, 3, 5, 5))
    assert "\n" not in str(e.value)


def test_no_torchvision_weights_for_it() -> None:
    with pytest.raises(UsageError, match="has no weights for it"):
        build("python:mynets:plain", weights="pretrained", download=True)
