"""How many images are trained on and evaluated, where the recipe limits them."""

import json

import pytest

from zorki.engine.data_check import Survey
from zorki.engine.run.defaults import limit_val
from zorki.engine.training.plan import new_plan, resumed_plan
from zorki.engine.training.train import train
from zorki.errors import RecipeError
from zorki.recipe import Recipe

DATA = "scenes:200@32"
SETTINGS = {"epochs": 1, "batch_size": 4, "workers": 0, "normalize": "mean_std"}


@pytest.mark.parametrize(
    ("said", "held_out", "expected"),
    [
        ({"limit": 64}, {"val": 14_717, "test": 10}, 64),
        ({"limit": 64}, {"val": 64}, None),  # nothing is left out
        ({"limit": 64, "limit_val": "off"}, {"val": 14_717}, None),
        ({"limit": 64, "limit_val": 9}, {"val": 14_717}, None),
        ({}, {"val": 14_717}, None),
        ({"limit": 64}, {}, None),
    ],
)
def test_as_many_as_limit_where_nothing_else_is_said(said, held_out, expected):
    found = limit_val(Recipe.of(said), held_out)
    assert (None if found is None else found.value) == expected
    assert found is None or "14,717 of val" in found.why


def test_a_limited_survey_has_the_same_images_every_time_and_all_of_train():
    data_survey = Survey({"train": list(range(50)), "val": list(range(50, 80)), "test": [90, 91]}, [])
    cut = data_survey.limit(5)
    assert cut.splits == data_survey.limit(5).splits
    assert cut.splits["train"] == data_survey.splits["train"]
    assert cut.splits["test"] == [90, 91]
    assert len(cut.splits["val"]) == 5
    assert set(cut.splits["val"]) <= set(data_survey.splits["val"])
    assert cut.whole == {"val": 30}
    assert data_survey.limit(0).splits == data_survey.limit(None).splits == data_survey.splits


@pytest.mark.parametrize(("limit_val", "expected"), [(None, 6), ("off", None), (3, 3)])
def test_a_plan_and_the_plan_that_goes_on_evaluate_the_same(tmp_path, limit_val, expected):
    words = []
    settings = {**SETTINGS, "limit": 6, "limit_val": limit_val, "out": str(tmp_path)}
    plan = new_plan("lenet5", DATA, None, settings, None, words.append)
    whole = plan.about["counts"]
    for split in ("val", "test"):
        assert len(plan.data_survey.splits[split]) == (expected or whole[split])
    assert any("limit_val" in line for line in words) == (limit_val is None)
    again = resumed_plan(plan.folder, None, {}, words.append)
    assert again.data_survey.splits == plan.data_survey.splits
    assert again.train_indices == plan.train_indices


def test_results_tell_of_how_many_images_they_are(tmp_path, capsys):
    run = train("lenet5", DATA, limit=8, out=str(tmp_path), **SETTINGS)
    results = json.loads((run.folder / "results.json").read_text())
    counts = run.about["counts"]
    printed = capsys.readouterr().out
    for split in ("val", "test"):
        assert (results[split]["count"], results[split]["split_count"]) == (8, counts[split])
        assert f"on 8 images of {counts[split]}" in printed


def test_a_share_is_of_each_class_and_follows_from_the_seed(tmp_path):
    plans = [
        new_plan("lenet5", DATA, None, {**SETTINGS, "limit": "20%", "seed": seed, "out": str(tmp_path)}, None, str)
        for seed in (0, 0, 1)
    ]
    dataset, whole = plans[0].dataset, plans[0].data_survey.splits
    for label in range(len(dataset.class_names)):
        there = sum(dataset.target(index).index == label for index in whole["train"])
        taken = sum(dataset.target(index).index == label for index in plans[0].train_indices)
        assert taken == max(1, round(0.2 * there))
    assert plans[0].train_indices == plans[1].train_indices != plans[2].train_indices
    assert plans[0].recipe.limit_val is None, "what is held out is evaluated whole"
    assert resumed_plan(plans[2].folder, None, {}, str).train_indices == plans[2].train_indices


@pytest.mark.parametrize(("text", "value"), [("10%", 0.1), ("0.5%", 0.005), (500, 500), ("500", 500)])
def test_a_limit_is_a_count_or_a_share(text, value):
    limit = Recipe.of({"limit": text}).limit
    assert limit == value
    assert type(limit) is type(value)


@pytest.mark.parametrize("text", ["0", "0%", "100%", "2.5", "ten", "-3", True])
def test_other_limits_are_refused(text):
    with pytest.raises(RecipeError, match="expected a count of at least 1, or a share below 100%, such as 10%, or off"):
        Recipe.of({"limit": text})
