import dataclasses

import pytest

from zorki.errors import RecipeError
from zorki.recipe import Recipe, describe


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
        ({"rate": float("nan")}, ["rate is nan"]),
        ({"rate": "fast"}, ["rate is 'fast'", "a number"]),
        ({"optimizer": "adamW"}, ["optimizer is 'adamW'", "sgd, adam, adamw, rmsprop", "Did you mean", "adamw?"]),
        ({"freeze": "head"}, ["freeze is 'head'", "-N"]),
        ({"mixup": 0.2, "cutmix": 1}, ["mixup and cutmix"]),
        ({"strict": "yes"}, ["strict is 'yes'", "true or false"]),
        ({"learning_rate": 1}, ["no field 'learning_rate'"]),
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
    recipe = Recipe(epochs=3, step_at=(0.3, 0.6), options={"dropout": "0.1"}, freeze="-2")
    assert Recipe.of(recipe.to_json()) == recipe
    assert recipe.said() == {"epochs": 3, "step_at": (0.3, 0.6), "options": {"dropout": "0.1"}, "freeze": "-2"}


def test_yaml_numbers_that_are_text_become_numbers():
    assert Recipe.of({"rate": "1e-3"}).rate == 1e-3
