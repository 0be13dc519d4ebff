"""A method's page: its settings as `--set` takes them, where each is from, and what holds on single data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambench.recipes import load
from cambench.recipes.method import Method
from cambench.stages.housekeeping import page
from cambench.vocabulary import UsageError


def test_the_page_of_a_metric_with_options_names_the_tables_that_show_it_so() -> None:
    plain, other = (page.page("metrics", name)["tables"] for name in ("ch", "ch-224"))
    assert other == ["cgc/4"] and {"cgc/1", "cgc/4"} <= set(plain)


@pytest.mark.parametrize("name", load.METHODS)
def test_every_setting_can_be_set_as_it_stands(name: str) -> None:
    facts = page.page("methods", name)
    settings, arch = facts["settings"], facts["arch"]
    resolved = load.load(name, "elsewhere", arch)
    tables = {table: type(getattr(resolved, table)).model_fields for table in load.TABLES if table != "objective_settings"}
    every = {f"{table}.{key}" for table, keys in tables.items() for key in keys}
    assert {key for text in settings if not (key := text.partition("=")[0]).startswith("objective_settings.")} == every
    again = load.load(name, "elsewhere", arch, list(settings))
    assert again.model_copy(update={"sources": resolved.sources}) == resolved and all(settings.values())


def test_what_holds_on_a_data_set_stands_with_its_source() -> None:
    facts = page.page("methods", "cgc")
    assert "objective_settings.weight=0.5" in facts["settings"]
    assert (
        facts["instead"]["cgc 2: dataset cub, cub-50, cars"]
        == "objective_settings.weight=0.25 (paper: CUB-200 and Cars-196)"
    )
    assert "optimizer.lr=1e-5..1 log" in facts["ranges"]
    text = page.lines(facts)
    assert text[0].startswith("cgc: ") and any(line.startswith("  optimizer.lr=0.1 ") and "paper" in line for line in text)


def test_settings_of_an_objective_that_the_method_has_not_are_left_out() -> None:
    for name in load.METHODS:
        facts = page.page("methods", name)
        own = {text.partition("=")[0] for text in facts["settings"]}
        said = {part.split("=")[0] for words in facts["instead"].values() for part in words.replace("; ", ", ").split(", ")}
        assert {key for key in said if key.startswith("objective_settings.")} <= own, name


def test_a_name_that_is_no_method_and_a_kind_without_pages() -> None:
    with pytest.raises(UsageError, match="cgc"):
        page.page("methods", "cgd")
    with pytest.raises(UsageError, match="ls targets logit: expected metrics, explainers or methods before a name"):
        page.page("targets", "logit")


def test_settings_of_a_base_with_another_objective_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'extends = "cgc"\nsummary = "s"\nsource = "s"\nobjective = "ce"\narch = "resnet8"\n'
    (tmp_path / "plain-cgc.toml").write_text(text)
    monkeypatch.setitem(load.METHODS.built_in, "plain-cgc", Method(tmp_path / "plain-cgc.toml", name="plain-cgc"))
    facts = page.page("methods", "plain-cgc")
    shown = [*facts["settings"], *facts["instead"].values()]
    assert not any("objective_settings" in words for words in shown) and "train.epochs=90" in facts["settings"]
