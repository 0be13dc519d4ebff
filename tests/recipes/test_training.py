"""Training recipes: the constants of the papers, overrides, and errors that name the file, the key and the nearest key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cambench.objectives import make
from cambench.recipes import load as recipes
from cambench.recipes import presets
from cambench.stages.training.optimiser import learning_rate
from cambench.stages.training.own import load_recipe
from cambench.vocabulary import UsageError

DATASETS = (
    "imagenet",
    "imagenet-100",
    "cub",
    "cars",
    "aircraft",
    "flowers",
    "tiny-imagenet",
    "cifar100",
    "synthbirds",
    "folder",
)


@pytest.mark.parametrize("method", sorted(recipes.METHODS))
@pytest.mark.parametrize("dataset", DATASETS)
def test_every_constant_has_a_source_and_the_objective_takes_its_settings(method: str, dataset: str) -> None:
    recipe = recipes.load(method, dataset)
    for table in recipes.TABLES:
        entries = recipe.model_dump()[table]
        for name in entries:
            assert recipe.sources.get(f"{table}.{name}"), f"{method}: {table}.{name} has no source"
    make(recipe.objective, recipe.objective_settings)
    assert recipe.deviations == []


@pytest.mark.parametrize(
    ("dataset", "arch", "weight"),
    [
        ("imagenet", "resnet18", 1.0),
        ("imagenet", "resnet50", 0.5),
        ("cub", "resnet50", 0.25),
        ("cars", "resnet50", 0.25),
        ("aircraft", "resnet50", 0.5),
        ("flowers", "resnet50", 0.5),
    ],
)
def test_the_papers_weights_of_the_consistency_loss(dataset: str, arch: str, weight: float) -> None:
    recipe = recipes.load("cgc", dataset, arch)
    assert recipe.objective_settings["weight"] == weight
    assert recipe.objective_settings["temperature"] == 0.5
    assert recipes.load("cgc-no-negatives", dataset, arch).objective_settings["weight"] == weight


@pytest.mark.parametrize("shots", [1, 5, 10])
@pytest.mark.parametrize(("dataset", "weight"), [("cub", 0.8), ("cars", 0.8), ("flowers", 0.8), ("aircraft", 0.6)])
def test_the_papers_few_shot_settings(dataset: str, weight: float, shots: int) -> None:
    recipe = recipes.load("cgc", dataset, preset={"data.shots": shots})
    assert recipe.objective_settings["weight"] == weight
    assert (recipe.data.shots, recipe.data.pool) == (shots, "all")
    assert (recipe.model.init, recipe.train.epochs, recipe.train.batch_size) == ("imagenet", 90, 256)
    assert recipe.sources["objective_settings.weight"].startswith("paper: few-shot")
    assert not recipe.train.validate_epochs
    by_hand = recipes.load("cgc", dataset, overrides=[f"data.shots={shots}"])
    assert by_hand.deviations == [], "how many shots is a task, not a departure"
    assert by_hand.model_copy(update={"sources": recipe.sources}) == recipe


def test_one_percent_of_the_labels() -> None:
    ours, baseline = recipes.load("cgc-semi", "imagenet"), recipes.load("ce-semi", "imagenet")
    for recipe in (ours, baseline):
        optimizer, schedule = recipe.optimizer, recipe.schedule
        assert (recipe.arch, recipe.model.init, recipe.data.labelled) == ("resnet50", "swav", 0.01)
        assert (optimizer.lr, optimizer.groups["head"].lr, optimizer.momentum) == (0.02, 5.0, 0.9)
        assert optimizer.weight_decay == 0.0
        assert (schedule.name, schedule.milestones, schedule.gamma) == ("multistep", [12, 16], 0.2)
    assert (ours.train.epochs, ours.train.batch_size, ours.data.unlabelled) == (50, 128, True)
    assert (baseline.train.epochs, baseline.train.batch_size, baseline.data.unlabelled) == (20, 256, False)
    assert (ours.objective_settings["weight"], ours.objective_settings["temperature"]) == (0.25, 0.5)


def test_no_negatives_as_released() -> None:
    settings = recipes.load("cgc-no-negatives-released", "imagenet", "resnet18").objective_settings
    assert (settings["negatives"], settings["weight"], settings["heatmap_size"]) == ("released", 1000.0, 224)


def test_every_released_variant_has_heatmaps_of_224_px_and_the_others_those_of_the_input() -> None:
    released = {m for m in recipes.METHODS if m.startswith("cgc") and m.endswith("-released")}
    assert released and presets.presets()["flip-released"]["set"]["objective_settings.heatmap_size"] == 224
    for method in recipes.METHODS:
        recipe = recipes.load(method, "cub")
        size = recipe.objective_settings.get("heatmap_size")
        assert size == (224 if method in released else 0 if method.startswith("cgc") else None)
        written = recipe.model_dump()["objective_settings"]
        assert ("heatmap_size" in written) == (method in released), "a run from before the setting stays the same run"


def test_a_table_recipes_preset_is_no_deviation_and_gives_way_to_the_command_line() -> None:
    preset = {"objective_settings.weight": 2, "data.shots": 5}
    recipe = recipes.load("cgc", "cub", preset=preset)
    assert recipe.objective_settings["weight"] == 2.0 and isinstance(recipe.objective_settings["weight"], float)
    assert recipe.sources["objective_settings.weight"] == "table recipe" and recipe.deviations == []
    both = recipes.load("cgc", "cub", overrides=["objective_settings.weight=0.1"], preset=preset)
    assert both.deviations == ["objective_settings.weight = 0.1 instead of 2.0 (table recipe)"]
    with pytest.raises(UsageError, match=r"^table recipe: unknown key 'data.shot'. Did you mean data.shots"):
        recipes.load("cgc", "cub", preset={"data.shot": 5})


def test_the_printed_objective_is_one_preset() -> None:
    """CGC protocol §1.3, §1.4, §5.1, the column of the paper."""
    settings = recipes.load("cgc", "imagenet", overrides=presets.overrides("loss-printed")).objective_settings
    assert (settings["anchor"], settings["ce_views"], settings["reduction"], settings["group"]) == (
        "printed",
        "query",
        "sum",
        256,
    )
    assert recipes.load("cgc", "imagenet").train.batch_size == 256, "the group is the whole batch"


@pytest.mark.parametrize("name", sorted(presets.presets()))
def test_every_named_preset_is_a_valid_group_of_overrides(name: str) -> None:
    method = {"simclr": "supcon"}.get(name, "cgc")
    recipe = recipes.load(method, "cub", overrides=presets.overrides(name))
    make(recipe.objective, recipe.objective_settings)
    values = recipe.model_dump()
    for key, value in presets.presets()[name]["set"].items():
        table, _, entry = key.partition(".")
        stored = values[table][entry] if entry in values[table] else getattr(getattr(recipe, table), entry)
        assert stored == value
    assert presets.presets()[name]["source"] and len(recipe.deviations) == (
        0 if "few-shot" in name else len(presets.presets()[name]["set"])
    )


def test_an_unknown_preset_or_condition_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown preset 'finetune'. Did you mean finetune-lr"):
        presets.overrides("finetune")
    written = tmp_path / "training" / "cgc.toml"
    written.parent.mkdir()
    written.write_text('extends = "ce"\n[[when]]\ndatset = "cub"\nset = {}\nsource = "ours"\n')
    with pytest.raises(UsageError, match=r"training/cgc.toml, \[\[when\]\]: unknown key 'datset'. Did you mean dataset"):
        recipes.Method(written)


def test_the_papers_optimiser() -> None:
    recipe = recipes.load("ce", "imagenet")
    assert (recipe.train.epochs, recipe.train.batch_size) == (90, 256)
    assert (recipe.optimizer.lr, recipe.optimizer.momentum, recipe.optimizer.weight_decay) == (0.1, 0.9, 1e-4)
    assert (recipe.schedule.name, recipe.schedule.step, recipe.schedule.gamma) == ("step", 30, 0.1)


@pytest.mark.parametrize("dataset", ["cub", "cars", "aircraft", "flowers", "food-101"])
def test_wang_and_wangs_recipe(dataset: str) -> None:
    recipe = recipes.load("ce-augmented", dataset)
    assert (recipe.arch, recipe.model.init, recipe.model.layer) == ("vgg16_bn", "imagenet", "features.40")
    given, optimizer, schedule = recipe.input, recipe.optimizer, recipe.schedule
    assert (given.augment, given.size, given.scale, given.flip) == ("wang", 224, (0.7, 1.0), 0.5)
    assert given.ratio == pytest.approx((3 / 4, 4 / 3))
    assert (optimizer.name, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("sgd", 1e-3, 0.9, 5e-4)
    assert (recipe.train.epochs, recipe.train.batch_size, optimizer.nesterov) == (200, 128, False)
    rates = [learning_rate(schedule, 1e-3, step=step, steps=10, epochs=200) for step in range(2000)]
    assert set(rates) == {1e-3}, "the only milestone is the end"
    assert recipes.load("ce-augmented", dataset, "resnet50").model.layer == ""


@pytest.mark.parametrize(("dataset", "arch", "size"), [("synthbirds", "resnet8", 40), ("tiny-imagenet", "resnet18", 64)])
def test_small_images_keep_the_augmentation_and_their_own_network(dataset: str, arch: str, size: int) -> None:
    recipe = load_recipe("ce-augmented", dataset)
    assert (recipe.arch, recipe.input.augment, recipe.input.size, recipe.input.scale) == (arch, "wang", size, (0.7, 1.0))
    assert (recipe.model.init, recipe.schedule.name, recipe.optimizer.weight_decay) == ("scratch", "cosine", 5e-4)


@pytest.mark.parametrize("method", ["ce-adam", "ce-arch", "cfce", "rcfce"])
def test_two_families_take_fewer_epochs_and_leave_the_other_sets_alone(method: str) -> None:
    usual = {name: load_recipe(method, f"synthbirds{name}") for name in ("", "-multilabel", "-binary")}
    shapes = {name: (recipe.input.size, recipe.train.epochs) for name, recipe in usual.items()}
    longer = method == "rcfce"  # on the usual set alone: its rate is lower too
    assert shapes == {"": (32, 45 if longer else 30), "-multilabel": (32, 30), "-binary": (32, 10)}
    differing = {key for key, source in usual["-binary"].sources.items() if source != usual[""].sources[key]}
    assert differing == {"train.epochs", *(["optimizer.lr"] if longer else [])}


def test_the_other_methods_have_no_augmentation_and_a_resnet() -> None:
    for method in ("ce", "cgc", "cgc-semi"):
        recipe = recipes.load(method, "imagenet")
        assert (recipe.input.augment, recipe.arch) == ("", "resnet50")


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "resnet20"])
def test_cross_entropy_looks_at_whole_images_of_32_px(arch: str) -> None:
    recipe = recipes.load("ce", "cifar100", arch)
    assert (recipe.input.size, recipe.input.evaluation, recipe.input.augment) == (32, "resize", "")
    assert recipe.model.surgery == ([] if arch == "resnet20" else ["small-stem"]) and recipe.model.init == "scratch"


def test_an_override_is_taken_typed_and_said() -> None:
    recipe = recipes.load("ce", "imagenet", overrides=["optimizer.lr=1", "train.epochs=5", "model.surgery=['no-max-pool']"])
    assert recipe.optimizer.lr == 1.0
    assert recipe.model.surgery == ["no-max-pool"]
    assert recipe.deviations[0] == "optimizer.lr = 1.0 instead of 0.1 (paper)"
    assert recipe.sources["train.epochs"] == "command line"
    assert recipes.load("ce", "imagenet", overrides=["optimizer.lr=0.1"]).deviations == []


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("optimiser.lr=1", "Did you mean optimizer.lr"),
        ("optimizer.lr", "expected a.b=value"),
        ("=3", "--set =3: expected a.b=value"),
        ("optimizer.lr=fast", "optimizer.lr: input should be a valid number, got 'fast'"),
        ("optimizer.groups={head={lr=-1}}", "optimizer.groups.head.lr: input should be greater than or equal to 0"),
        ("data.labelled=0", "data.labelled: input should be greater than 0"),
        ("data.held_out=1", "data.held_out: input should be less than 1, got 1.0"),
        ("data.held_out=-0.2", "data.held_out: input should be greater than or equal to 0"),
        ("train.epochs=0", "train.epochs: input should be greater than or equal to 1, got 0"),
        ("schedule.name=exponential", "schedule.name"),
        ("schedule.gamma=7", "schedule.gamma: input should be less than or equal to 1, got 7.0"),
        ("input.scale=[0.8,0.2]", "input.scale: value error, expected 0 < least <= most <= 1, got [0.8, 0.2]"),
        ("input.scale=[0.5,2]", "input.scale: value error, expected 0 < least <= most <= 1"),
        ("input.ratio=[0,0]", "input.ratio: value error, expected 0 < least <= most, got [0, 0]"),
        ("input.normalisation={mean=[0,0,0],std=[1,0,1]}", "expected a deviation above 0 of each colour"),
        (
            "input.normalisation=imagnet",
            "unknown normalisation 'imagnet'. Did you mean imagenet or tiny-imagenet? Known: cifar100, imagenet, ",
        ),
    ],
)
def test_a_wrong_override_is_one_clear_error(override: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        recipes.load("ce", "imagenet", overrides=[override])


def test_unknown_methods_and_settings_are_named() -> None:
    with pytest.raises(UsageError, match="unknown method 'cgd'. Did you mean cgc"):
        recipes.load("cgd", "imagenet")
    with pytest.raises(UsageError, match="objective_settings of cgc: temperature"):
        make("cgc", {})
    with pytest.raises(UsageError, match="extra inputs are not permitted"):
        make("ce", {"temperature": 1.0})


def test_underscores_mean_the_same() -> None:
    assert recipes.load("cgc_no_negatives", "tiny_imagenet").method == "cgc-no-negatives"
    given = recipes.load("ce", "cub", overrides=["input.normalisation=Tiny_ImageNet"]).input
    assert given.normalisation == "tiny-imagenet" and given.model_dump()["normalisation"] == "tiny-imagenet"


@pytest.mark.parametrize("dataset", ["hard-imagenet", "pets", "pets-binary", "sbd"])
def test_contrastive_cams_recipe(dataset: str) -> None:
    """ContrastiveCAM protocol §1.3, §1.4."""
    plain, ours, kl = (recipes.load(m, dataset) for m in ("ce-adam", "cfce", "rcfce"))
    for recipe in (plain, ours, kl, *(recipes.load(m, dataset) for m in ("bce", "cfbce", "rcfbce"))):
        optimizer, schedule, given = recipe.optimizer, recipe.schedule, recipe.input
        assert (optimizer.name, optimizer.lr, optimizer.weight_decay, optimizer.groups) == ("adam", 5e-4, 1e-4, {})
        assert (schedule.name, schedule.warmup_epochs, schedule.floor) == ("cosine", 5, 0.0)
        assert (recipe.train.epochs, recipe.train.batch_size, recipe.arch) == (150, 768, "resnet50")
        assert (given.size, given.resize, given.scale, given.flip) == (224, 256, (0.08, 1.0), 0.5)
        assert (given.crop, given.evaluation) == ("random-resized-crop", "squash-center-crop")
        assert (recipe.model.init, recipe.model.frozen) == ("imagenet", False)
    assert plain.model.surgery == [] and plain.data.masks == ""
    assert ours.model.surgery == ["large-map", "no-head-bias", "bare-last-block"] and ours.data.masks == "segmentation"
    assert ours.objective_settings == {"kl": 0.0, "lambda2": 1000.0, "lambda3": 10.0, "grid": "max"}
    assert kl.objective_settings == {**ours.objective_settings, "kl": 50.0}
    assert recipes.load("rcfbce", dataset).objective_settings["kl"] == 50.0


def test_the_head_only_baselines_of_hard_imagenet() -> None:
    head, corm = (recipes.load(m, "hard-imagenet") for m in ("ce-head", "corm"))
    for recipe in (head, corm):
        assert recipe.model.frozen and recipe.model.surgery == [] and recipe.input.crop == "evaluation"
        assert (recipe.train.epochs, recipe.train.batch_size, recipe.optimizer.lr) == (15, 32, 5e-4)
        assert (recipe.schedule.name, recipe.schedule.milestones, recipe.schedule.warmup_epochs) == ("multistep", [], 0)
    assert corm.objective_settings == {"noise": 0.25, "probability": 0.5} and corm.data.masks == "segmentation"


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999"])
def test_no_number_of_a_recipe_is_endless(value: str) -> None:
    settings = recipes.load("excon", "cub").model_dump()
    keys = [f"{table}.{key}" for table in recipes.TABLES for key, held in settings[table].items() if isinstance(held, float)]
    assert {"schedule.gamma", "optimizer.lr"} <= set(keys)
    for key in keys:
        with pytest.raises(UsageError, match="finite number"):
            recipe = load_recipe("excon", "cub", None, [f"{key}={value}"], {})
            make(recipe.objective, recipe.objective_settings)
