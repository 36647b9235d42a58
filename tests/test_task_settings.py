"""What one task knows and others do not: one table, one refusal, and recipes of older versions."""

import dataclasses

import pytest

from zorki import registry
from zorki.errors import RecipeError
from zorki.recipe import Recipe
from zorki.task_settings import all_fields, recipe_for, task_settings

KINDS = {kind.task: kind for kind in task_settings()}


def test_every_task_names_its_own_kind():
    assert {name: task.settings for name, task in registry.tasks().items()} == KINDS


def test_what_several_tasks_have_is_one_setting():
    for name, kinds in all_fields().items():
        told = [{**kind.__dataclass_fields__[name].metadata, "group": ""} for kind in kinds]
        assert all(one == told[0] for one in told), name
        assert len({kind.__dataclass_fields__[name].default for kind in kinds if name != "options"}) <= 1, name


LABELED = "classification and of localization and of semantic_segmentation and of video_classification"


@pytest.mark.parametrize(
    ("task", "setting", "others"),
    [
        ("classification", {"mosaic": 0.5}, "detection"),
        ("classification", {"loss": "ce"}, "instance_segmentation and of semantic_segmentation"),
        ("classification", {"border_weight": 10.0}, "instance_segmentation and of semantic_segmentation"),
        (
            "detection",
            {"class_weights": True},
            LABELED,
        ),
        (
            "detection",
            {"smoothing": 0.1},
            LABELED,
        ),
        ("detection", {"cutmix": 1.0}, "classification"),
        ("detection", {"loss": "ce,dice"}, "instance_segmentation and of semantic_segmentation"),
        (
            "detection",
            {"elastic": 5.0},
            "classification and of instance_segmentation and of retrieval and of semantic_segmentation",
        ),
        ("detection", {"reduced_jpeg": True}, "classification"),
        ("semantic_segmentation", {"mixup": 0.2}, "classification and of detection"),
        ("semantic_segmentation", {"cutmix": 1.0}, "classification"),
        ("semantic_segmentation", {"mosaic": 0.5}, "detection"),
        (
            "instance_segmentation",
            {"class_weights": True},
            LABELED,
        ),
        ("instance_segmentation", {"mosaic": 0.5}, "detection"),
    ],
    ids=str,
)
def test_settings_of_other_tasks_are_refused_in_one_sentence(task, setting, others):
    with pytest.raises(RecipeError, match=f"{task} has no such setting: it is one of {others}; leave it out$"):
        recipe_for(KINDS[task], task, setting)


def test_defaults_of_other_tasks_are_passed_over_as_older_recipes_have_them():
    old = {"mosaic": 0.0, "loss": None, "elastic": "off", "class_weights": False, "rate": 0.1}
    assert recipe_for(KINDS["detection"], "detection", old).explicit_values() == {"lr": 0.1}
    assert recipe_for(Recipe, "another", old).explicit_values() == {"lr": 0.1}
    own = recipe_for(KINDS["detection"], "detection", {"mosaic": 0.5})
    assert KINDS["detection"](**{f.name: getattr(own, f.name) for f in dataclasses.fields(own)}) == own


def test_mixup_and_cutmix_exclude_each_other():
    with pytest.raises(RecipeError, match="mixup and cutmix are both above 0"):
        recipe_for(KINDS["classification"], "classification", {"mixup": 0.2, "cutmix": 1})
