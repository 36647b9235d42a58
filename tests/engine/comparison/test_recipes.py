"""Which runs are of one recipe, what differs between recipes, and what they are called."""

import dataclasses
import json

from zorki.engine.comparison.recipes import NOT_OF_A_RECIPE, differing, grouped, names_of, run_recipe, without_repeats
from zorki.recipe import Recipe


def run(folder, *, model="lenet5", data="/photos", chosen=None, **typed):
    """A run as its run.json tells it."""
    folder.mkdir(parents=True)
    recipe = {**Recipe.of(typed).to_json(), **(chosen or {})}
    choices = [{"name": name, "value": value, "why": "-"} for name, value in (chosen or {}).items()]
    about = {
        "model": model, "task": "classification", "class_names": ["a", "b"], "recipe": recipe, "data": data,
        "explicit": typed, "choices": choices,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(about))
    return run_recipe(folder)


def test_they_are_fields():
    assert set(NOT_OF_A_RECIPE) <= {field.name for field in dataclasses.fields(Recipe)}


def test_seeds_folders_and_machines_make_no_recipe(tmp_path):
    chosen = {"lr": 0.05}
    runs = [
        run(tmp_path / "a", chosen=chosen, seed=0, workers=0),
        run(tmp_path / "b", chosen=chosen, seed=1, name="b", threads=3, device="cpu"),
        run(tmp_path / "c", seed=0, lr=0.1),
        run(tmp_path / "d", seed=1, lr=0.1, out="elsewhere"),
    ]
    groups = grouped(runs)
    assert [[one.folder.name for one in group] for group in groups] == [["a", "b"], ["c", "d"]]
    assert [one.seed for one in runs] == [0, 1, 0, 1]
    (field,) = differing(runs[0], runs[2])
    assert (field.name, field.first, field.second, field.typed) == ("lr", 0.05, 0.1, True)
    assert str(field) == "lr 0.05 -> 0.1"
    assert names_of(groups) == ["lenet5 lr=0.05", "lenet5 lr=0.1"]


def test_runs_of_one_seed_count_once(tmp_path):
    runs = [run(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    kept, repeats = without_repeats(runs)
    assert [one.folder.name for one in kept] == ["a", "c"]
    (line,) = repeats
    assert f"{runs[1].folder} is left out: it has the recipe and the seed of {runs[0].folder}" in line


def test_what_follows_from_what_was_set_is_told_apart(tmp_path):
    first = run(tmp_path / "a", chosen={"lr": 0.05, "optimizer": "sgd"})
    second = run(tmp_path / "b", chosen={"lr": 0.001}, optimizer="adamw")
    assert [(field.name, field.typed) for field in differing(first, second)] == [("optimizer", True), ("lr", False)]
    assert names_of([[first], [second]]) == ["lenet5 optimizer=sgd", "lenet5 optimizer=adamw"]
    other = run(tmp_path / "c", model="resnet18", chosen={"lr": 0.05, "optimizer": "sgd"})
    assert [field.name for field in differing(first, other)] == ["model"]
    assert names_of([[first], [other]]) == ["lenet5", "resnet18"]


def test_epochs_that_a_time_allowed_are_no_difference(tmp_path):
    runs = [run(tmp_path / str(epochs), time="1m", chosen={"epochs": epochs}) for epochs in (7, 8)]
    assert len(grouped(runs)) == 1
    assert len(grouped([run(tmp_path / "x", epochs=7), run(tmp_path / "y", epochs=8)])) == 2


def test_names_of_recipes_that_are_alike_are_their_folders(tmp_path):
    first, second = run(tmp_path / "a", data="/one"), run(tmp_path / "b", data="/two")
    assert names_of([[first], [second]]) == ["lenet5 data=one", "lenet5 data=two"]
    assert names_of([[first], [first]]) == [str(first.folder)] * 2
