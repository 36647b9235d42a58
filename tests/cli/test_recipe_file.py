import json

import pytest

from zorki.cli.flags.recipe import read_recipe


@pytest.mark.parametrize(
    ("explicit", "left"),
    [({}, {"epochs": 3}), ({"epochs": 3}, {"epochs": 3}), ({"size": 304}, {"epochs": 3, "image_size": 304})],
    ids=str,
)
@pytest.mark.parametrize("key", ["explicit", "said"])  # the second in runs of older versions
def test_a_size_that_was_not_set_is_none(tmp_path, key, explicit, left):
    """Earlier versions wrote what the first training image measured into the recipe.yaml of a run."""
    path = tmp_path / "recipe.yaml"
    path.write_text("epochs: 3\nsize: 304\n")
    assert read_recipe(path) == {"epochs": 3, "image_size": 304}, "a recipe by itself holds what was typed"
    (tmp_path / "run.json").write_text(json.dumps({key: explicit}))
    assert read_recipe(path) == left
