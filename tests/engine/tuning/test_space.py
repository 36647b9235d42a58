"""What --over says, and what is no range of a setting."""

import pytest

from zorki.engine.tuning.space import USUAL, Choices, Numbers, parse_space, settings_of
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.registry import task
from zorki.settings import names

KIND = task("classification").settings or Recipe


def test_ranges_are_read():
    found = parse_space("lr=log:1e-5:1e-1,hflip=0:0.5,epochs=3:9,optimizer=sgd|adamw,options.width=1:4", KIND)
    assert found == {
        "lr": Numbers(1e-5, 1e-1, True, False),
        "hflip": Numbers(0, 0.5, False, False),
        "epochs": Numbers(3, 9, False, True),
        "optimizer": Choices(("sgd", "adamw")),
        "options.width": Numbers(1, 4, False, True),
    }
    assert str(found["lr"]) == "log:1e-05:0.1"
    assert str(found["optimizer"]) == "sgd|adamw"


def test_usual_ranges_suit_the_setting():
    found = parse_space("weight_decay, mixup, scheduler, hflip, nesterov, label-smoothing", KIND)
    assert found["weight_decay"] == Numbers(1e-6, 0.1, True, False)
    assert found["scheduler"].values == ("constant", "multistep", "cosine", "one-cycle", "plateau")
    assert found["hflip"] == Numbers(0, 1, False, False)
    assert found["nesterov"].values == (True, False)
    assert parse_space("lr", KIND, "adamw")["lr"].high == 0.1
    assert parse_space("learning_rate", KIND, "sgd")["lr"].high == 1


def test_every_usual_range_is_of_a_setting_and_within_it():
    for name in USUAL:
        kind = KIND if name in names(KIND) else Recipe
        assert name in names(kind), name
        parse_space(name, kind)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to search"),
        ("learnin_rate", "did you mean|no setting"),
        ("seed", "no part of a recipe"),
        ("lr,lr=0.1:1", "twice"),
        ("lr=log:0:1", "LOW above 0"),
        ("lr=1:0.1", "LOW below HIGH"),
        ("lr=low:high", "LOW:HIGH"),
        ("hflip=0:2", "at most 1"),
        ("optimizer=sgd|adan", "expected one of"),
        ("optimizer=sgd", "two values or more"),
        ("class_map", "no usual range"),
        ("options.width", "say its range"),
    ],
)
def test_what_is_no_range_is_told(text, message):
    with pytest.raises(RecipeError, match=message):
        parse_space(text, KIND)


def test_drawn_values_join_the_fixed_ones():
    fixed = {"epochs": 5, "options": {"depth": "2"}}
    assert settings_of({"lr": 0.1, "options.width": 3}, fixed) == {
        "epochs": 5, "lr": 0.1, "options": {"depth": "2", "width": "3"},
    }  # fmt: skip
    assert settings_of({}, {"epochs": 5}) == {"epochs": 5}


def test_values_held():
    assert Numbers(0, 1, False, False).holds(1)
    assert not Numbers(0, 1, False, False).holds(None)
    assert not Numbers(0.1, 1, True, False).holds(0.0)
    assert Choices(("a", "b")).holds("a")
