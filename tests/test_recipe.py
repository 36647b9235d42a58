import dataclasses

import pytest

from zorki.errors import RecipeError
from zorki.recipe import Recipe, describe
from zorki.settings import names, takes_off


def test_every_field_has_help_and_a_group():
    for f in dataclasses.fields(Recipe):
        facts = describe(f.name)
        assert facts["help"].endswith("."), f.name
        assert facts["group"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rotate": 190}, ["rotate is 190", "at most 180", "degrees"]),
        ({"epochs": 0}, ["epochs is 0", "at least 1"]),
        ({"epochs": 2.5}, ["epochs is 2.5", "whole number"]),
        ({"epochs": True}, ["whole number"]),
        ({"lr": float("nan")}, ["lr is nan"]),
        ({"rate": "fast"}, ["lr is 'fast'", "a number"]),
        ({"optimizer": "adamW"}, ["optimizer is 'adamW'", "sgd, adam, adamw, rmsprop", "Did you mean", "adamw?"]),
        ({"freeze": "head"}, ["freeze is 'head'", "-N"]),
        ({"strict": "yes"}, ["strict is 'yes'", "true or false"]),
        ({"weight": 1}, ["no setting 'weight'", "weights"]),
        ({"learnin_rate": 1}, ["no setting 'learnin_rate'", "Did you mean lr?"]),
        ({"rate": 1, "lr": 1}, ["rate and lr are one setting, lr"]),
        ({"optimizer": "off"}, ["optimizer is 'off'"]),
        ({"epoch": 1}, ["Did you mean epochs?"]),
        ({"seed": None}, ["seed is None"]),
        ({"options": "x"}, ["options"]),
    ],
)
def test_bad_settings_say_what_was_expected(settings, words):
    with pytest.raises(RecipeError) as caught:
        Recipe.of(settings)
    for word in words:
        assert word in str(caught.value)


def test_json_and_back():
    recipe = Recipe(epochs=3, milestones=(0.3, 0.6), options={"dropout": "0.1"}, freeze="-2")
    assert Recipe.of(recipe.to_json()) == recipe
    assert recipe.explicit_values() == {
        "epochs": 3,
        "milestones": (0.3, 0.6),
        "options": {"dropout": "0.1"},
        "freeze": "-2",
    }


def test_yaml_numbers_that_are_text_become_numbers():
    assert Recipe.of({"lr": "1e-3"}).lr == 1e-3


OLD = {  # recipe.yaml of the first version
    "size": 48, "balanced": True, "backbone_rate": 0.1, "batch_size": 4, "optimizer": "adamw", "rate": 0.01,
    "schedule": "steps", "warmup": 1.0, "step_at": [0.5], "clip": 1.0, "accumulate": 2, "average": 0.99,
    "normalize": "mean", "flip": 0.5, "flip_vertical": 0.25, "crop": 0.5, "rescale": 0.1, "shift": 0.2, "obstruct": 0.3,
}  # fmt: skip


def test_recipes_of_older_versions_mean_what_they_meant():
    recipe = Recipe.of(OLD)
    assert (recipe.image_size, recipe.class_balanced, recipe.backbone_lr_scale, recipe.lr) == (48, True, 0.1, 0.01)
    assert (recipe.scheduler, recipe.warmup_epochs, recipe.milestones) == ("multistep", 1.0, (0.5,))
    assert (recipe.clip_grad, recipe.grad_accum, recipe.ema, recipe.normalize) == (1.0, 2, 0.99, "mean")
    assert (recipe.hflip, recipe.vflip, recipe.random_crop) == (0.5, 0.25, 0.5)
    assert (recipe.scale_jitter, recipe.translate, recipe.cutout) == (0.1, 0.2, 0.3)


def test_names_of_other_tools_and_of_british_hands():
    recipe = Recipe.of({"imgsz": 64, "lr0": 0.1, "batch": 8, "optimiser": "adam", "normalise": "mean", "fliplr": 0.5})
    assert (recipe.image_size, recipe.lr, recipe.batch_size, recipe.optimizer) == (64, 0.1, 8, "adam")
    assert (recipe.normalize, recipe.hflip) == ("mean", 0.5)
    assert Recipe.of({"batch-size": 8}).batch_size == 8
    assert Recipe.of({"scheduler": "onecycle", "precision": "fp16"}).to_json()["precision"] == "16"


def test_no_alias_is_the_name_of_another_field():
    known = names(Recipe)
    for f in dataclasses.fields(Recipe):
        assert known[f.name] == f.name
        assert all(known[alias] == f.name for alias in f.metadata["aliases"])


@pytest.mark.parametrize("word", ["off", "OFF", False])
def test_every_augmentation_takes_off(word):
    """False is what YAML reads a bare `off` as."""
    fields = [f for f in dataclasses.fields(Recipe) if f.metadata["group"] == "Augmentation" and f.name != "normalize"]
    assert len(fields) >= 13
    recipe = Recipe.of({f.name: word for f in fields})
    off = {"random_crop": 1.0, "transforms": None}
    assert {f.name: getattr(recipe, f.name) for f in fields} == {f.name: off.get(f.name, 0.0) for f in fields}


def test_off_is_each_settings_own_nothing():
    taking = {f.name: "off" for f in dataclasses.fields(Recipe) if takes_off(f)}
    recipe = Recipe.of(taking)
    assert (recipe.clip_grad, recipe.ema, recipe.patience, recipe.freeze, recipe.grad_accum) == (
        0,
        None,
        None,
        "nothing",
        1,
    )
    assert (recipe.scheduler, recipe.dropout, recipe.precision) == ("constant", 0.0, "32")
