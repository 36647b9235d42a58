"""A run reads its data by the selection it was trained with: evaluated, and opened."""

import pytest
from PIL import Image

import zorki
from zorki.errors import DataError
from zorki.recipe import Recipe


def test_a_run_is_evaluated_with_its_selection(tmp_path):
    for split in ("train", "val"):
        for place, name in enumerate(("car", "truck", "cat", "dog")):
            for number in range(3):
                path = tmp_path / "data" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (60 * place, 20 * number, 0)).save(path)
    words = {"epochs": 1, "out": str(tmp_path / "runs"), "device": "cpu", "workers": 0, "quiet": True}
    run = zorki.train(
        "lenet5", tmp_path / "data", class_map={"car": "vehicle", "truck": "vehicle", "cat": None}, **words
    )
    assert run.class_names == ["dog", "vehicle"] or run.class_names == ["vehicle", "dog"]
    assert run.recipe.selection.names == (("car", "vehicle"), ("truck", "vehicle"), ("cat", None))
    again = zorki.evaluate(run.folder, split="val")
    results = again if isinstance(again, list) else [again]
    assert results[0].count == 9  # three of each class that is left
    with pytest.raises(DataError, match=r"class_map names .cra., .* Did you mean .*car"):
        zorki.train("lenet5", tmp_path / "data", class_map="cra=vehicle", **words)


def test_fields_of_recipes_are_text_in_files_and_values_in_python():
    recipe = Recipe(class_map={"a": "b"}, only_classes=["b", "c"])
    assert Recipe.of(recipe.to_json()) == recipe
    assert Recipe(class_map="a=b", only_classes="b,c").selection == recipe.selection
