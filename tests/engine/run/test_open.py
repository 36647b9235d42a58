"""What a run knows of its classes and of its network, whichever version wrote it."""

import json

import pytest

from zorki import registry
from zorki.data.preprocess.letterbox import Letterbox
from zorki.engine.data_source import data_of_run
from zorki.engine.run.build import build_trained
from zorki.engine.run.folder import (
    RESULTS,
    class_info_json,
    class_info_of,
    read_about,
    read_results,
    recipe_of,
)
from zorki.errors import RecipeError, WeightsError
from zorki.recipe import Recipe
from zorki.types import ClassInfo


@pytest.mark.parametrize(
    ("results", "threshold", "split"),
    [
        ({"test": 0.9, "val": 0.35}, 0.35, "val"),
        ({"test": 0.9, "val": None}, 0.5, "val"),
        ({"test": 0.9}, 0.9, "test"),
        ({}, None, None),
    ],
)
def test_runs_of_older_versions_take_the_threshold_from_their_results(tmp_path, results, threshold, split):
    about = {"class_names": ["cat", "dog"], "data_facts": {"category_ids": [17, 18]}}
    page = {name: {"figures": {"best_threshold": best}} for name, best in results.items()}
    (tmp_path / RESULTS).write_text(json.dumps(page))
    info = class_info_of(about, registry.tasks()["detection"], tmp_path)
    assert info == ClassInfo(("cat", "dog"), (), (17, 18), None, threshold, split)
    today = {"class_names": ["cat", "dog"], "class_info": json.loads(json.dumps(class_info_json(info)))}
    assert class_info_of(today, registry.tasks()["detection"], tmp_path / "elsewhere") == info


def test_runs_of_older_versions_keep_colors_and_drop_numbers_that_do_not_fit(tmp_path):
    about = {"class_names": ["ground", "cat"], "data_facts": {"palette": [[0, 0, 0], [128, 0, 0]]}}
    info = class_info_of(about, registry.tasks()["semantic_segmentation"], tmp_path)
    assert info == ClassInfo(("ground", "cat"), background=(0,), palette=((0, 0, 0), (128, 0, 0)), ignore=255)
    before = {name: value for name, value in class_info_json(info).items() if name != "ignore"}
    today = {"class_names": ["ground", "cat"], "class_info": json.loads(json.dumps(before))}
    assert class_info_of(today, registry.tasks()["semantic_segmentation"], tmp_path) == info
    about = {"class_names": ["cat", "dog"], "data_facts": {"category_ids": [1, 2, 3]}}
    assert class_info_of(about, registry.tasks()["detection"], tmp_path).category_ids is None
    assert class_info_of({"class_names": ["a"]}, registry.tasks()["classification"], tmp_path) == ClassInfo(("a",))


def test_options_change_of_a_run_what_they_are_about_and_nothing_else():
    """The run was trained when the builder's own size was another one, with a canvas that builders no longer make."""
    saved = {"kind": "Letterbox", "size": 96, "stride": 32, "dark_ground": True}
    recipe = Recipe(options={"width": "4"})
    as_trained = Letterbox(96, 32, dark_ground=True)
    model = build_trained("unet", 2, recipe, saved)
    assert model.preprocess == as_trained
    assert model.preprocess.size != build_trained("unet", 2, recipe, None).preprocess.size == 256
    assert build_trained("unet", 2, recipe, saved, {"upsampling": "bilinear"}).preprocess == as_trained
    larger = build_trained("unet", 2, recipe, saved, {"size": "128"}).preprocess
    assert larger == Letterbox(128, 32, dark_ground=True)


def test_networks_whose_parts_hang_on_the_size_are_built_for_that_of_the_run():
    saved = {"kind": "ResizeCrop", "size": 64, "crop_share": 0.875}
    network = build_trained("vit_tiny_16", 2, Recipe(), saved)
    (positions,) = [value for name, value in network.named_parameters() if name.endswith("positions")]
    assert positions.shape[1] == 1 + (64 // 16) ** 2


def test_a_size_that_nobody_said_is_none():
    """Earlier versions wrote the width of the first training image into the recipe."""
    recipe = {"size": 304, "optimiser": "adamw", "normalise": "mean", "gone": 1}
    read = recipe_of({"task": "classification", "recipe": recipe, "explicit": {"epochs": 1}})
    assert (read.image_size, read.optimizer, read.normalize) == (None, "adamw", "mean")
    assert recipe_of({"task": "classification", "recipe": recipe, "explicit": {"size": 304}}).image_size == 304
    assert recipe_of({"task": "classification", "recipe": recipe}).image_size == 304, "of a version that did not tell"


ABOUT_OF_A_RUN = {"model": "lenet5", "task": "classification", "class_names": ["a", "b"], "recipe": {}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": [1]}, r"recipe is \[1\]; expected an object"),
        ({"model": None}, "model is None; expected text"),
        ({"class_names": "ab"}, "class_names is 'ab'; expected a list"),
        ({"class_names": [1, 2]}, r"class_names are \[1, 2\]; expected one name or more"),
        ({"class_names": []}, r"class_names are \[\]; expected one name or more"),
        ({"choices": [1]}, r"choices are \[1\]; expected objects with a name"),
        ({"plugins": {"a": 1}}, "plugins is .*; expected a list"),
        ({"plugins": [1]}, r"plugins are \[1\]; expected paths"),
        ({"explicit": 3}, "explicit is 3; expected an object"),
        ({"preprocess": "x"}, "preprocess is 'x'; expected an object"),
        ({"class_info": []}, r"class_info is \[\]; expected an object"),
        ({"class_info": {"score_threshold": "x"}}, "score_threshold of class_info is 'x', which no run writes"),
        ({"class_info": {"category_ids": [1]}}, r"category_ids of class_info is \[1\]"),
        ({"class_info": {"background": [7]}}, r"background of class_info is \[7\]"),
        ({"class_info": {"palette": [[1, 2], [3, 4, 999]]}}, "palette of class_info is"),
    ],
)
def test_a_run_of_a_wrong_shape_is_told_with_its_file(tmp_path, change, words):
    (tmp_path / "run.json").write_text(json.dumps(ABOUT_OF_A_RUN | change))
    with pytest.raises(WeightsError, match=rf"run\.json: {words}.*; was it edited"):
        read_about(tmp_path)


@pytest.mark.parametrize(("text", "words"), [
    ("[1, 2]", r"run\.json: holds \[1, 2\], and no object"),
    ("null", r"run\.json: holds None"),
    ("{}", r"run\.json: lacks \['class_names', 'model', 'recipe', 'task'\]"),
    ('{"a":\n1,}', r"run\.json:2: the JSON is broken"),
])  # fmt: skip
def test_a_run_that_is_no_json_of_a_run(tmp_path, text, words):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(WeightsError, match=words):
        read_about(tmp_path)


@pytest.mark.parametrize("text", ["[]", '{"val": 1}', '{"val": {"metrics": 3}}', '{"val": {"figures": []}}', "{"])
def test_results_of_a_wrong_shape_are_told_with_their_file(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(WeightsError, match=r"results\.json(:1)?: (expected metrics by split|the JSON is broken)"):
        read_results(tmp_path)


def test_runs_of_older_versions_call_explicit_settings_said(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(ABOUT_OF_A_RUN | {"said": {"size": 304}}))
    about = read_about(tmp_path)
    assert "said" not in about
    assert about["explicit"] == {"image_size": 304}


def test_runs_of_older_versions_follow_paths_as_they_did():
    assert recipe_of(ABOUT_OF_A_RUN).allow_outside
    assert not recipe_of(ABOUT_OF_A_RUN | {"recipe": Recipe().to_json()}).allow_outside


def test_a_run_that_lacks_its_data_says_so_where_they_are_needed(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(ABOUT_OF_A_RUN))
    about = read_about(tmp_path)
    assert (about["data"], about["parameters"], about["environment"]) == (None, 0, {})
    assert "explicit" not in about  # which would mean that nothing was set
    with pytest.raises(RecipeError, match="does not tell which data it was trained on: name them"):
        data_of_run(about, ["a", "b"])
    assert data_of_run(about, ["a", "b"], "photos") == ("photos", ["a", "b"])


def test_a_name_that_was_one_of_any_backbone_opens_as_what_it_was():
    """Earlier versions had no preset of that name, and did not tell the arguments of the builder."""
    about = {"model": "fcos_mobilenet_v3_small", "task": "detection", "recipe": {"options": {"channels": "64"}}}
    assert recipe_of(about).options == {"channels": "64", "separable": False, "frozen_norms": True}
    assert recipe_of({**about, "builder": {}}).options == {"channels": "64"}
    assert recipe_of({**about, "model": "gone"}).options == {"channels": "64"}
