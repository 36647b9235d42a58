"""A task and a model for data of which nobody said with what to train."""

import json

import numpy
import pytest
from PIL import Image

from zorki import registry
from zorki.cli import main
from zorki.contracts.model_suggestion import ModelSuggestion
from zorki.engine.training.model_choice import choose_model, task_of
from zorki.engine.training.plan import new_plan
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe


def photo(path, height=8, width=8):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = numpy.random.default_rng(len(str(path))).integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def classes(tmp_path):
    for number in range(12):
        photo(tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png", 40, 30)
    return tmp_path / "photos"


def coco(root, **annotation):
    photo(root / "images" / "a.png")
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0, **annotation}
    images = [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}]
    content = {"images": images, "annotations": [one], "categories": [{"id": 1, "name": "cell"}]}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def test_folders_of_classes_are_classified_with_a_network_of_their_size(classes, tmp_path):
    words = []
    settings = {"epochs": 1, "workers": 0, "out": str(tmp_path / "runs")}
    plan = new_plan(None, str(classes), None, settings, None, words.append)
    assert plan.entry.name == "cifar_resnet20"
    told = next(line for line in words if line.startswith("chosen: model"))
    assert "classes of images" in told
    assert "images of about 40 pixels, on " in told
    assert plan.about["choices"][0]["name"] == "model"
    assert "zorki train cifar_resnet20" in plan.about["repeat"]


@pytest.mark.parametrize(
    ("settings", "count", "expected"),
    [
        ({"device": "cpu"}, 10, "cifar_resnet20"),
        ({"device": "cpu", "image_size": 224}, 10, "resnet18"),
        ({"device": "cpu", "image_size": 224}, 20_000, "resnet18"),
        ({"device": "cuda", "image_size": 224}, 20_000, "resnet50"),
        ({"device": "cuda:1", "image_size": 224}, 9_999, "resnet18"),
    ],
)
def test_the_network_grows_with_images_size_and_device(classes, settings, count, expected):
    task = registry.tasks()["classification"]
    dataset = task.data.read(classes)
    assert choose_model(task, dataset, [0] * count, Recipe.of(settings)).value == expected


def test_boxes_alone_are_detected_and_boxes_with_masks_are_asked_about(tmp_path):
    assert task_of(coco(tmp_path / "boxes")).name == "detection"
    both = coco(tmp_path / "both", segmentation=[[1, 1, 5, 1, 5, 5, 1, 5]])
    with pytest.raises(RecipeError) as error:
        task_of(both)
    for model in ("fcos_mobilenet_v3_large", "mask_rcnn_squeezenet_fpn"):
        assert f"\n  zorki train {model} {both}" in str(error.value)


def test_what_is_no_data_is_told_as_by_a_reader(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("nothing")
    with pytest.raises(DataError):
        task_of(tmp_path / "notes")
    with pytest.raises(RecipeError, match="name a model"):
        task_of([1, 2])


def test_every_suggestion_is_a_model_of_its_task_and_the_first_suits_all():
    for task in registry.tasks().values():
        for one in task.suggestions:
            assert registry.find(one.model).task is task
        if task.suggestions:
            assert task.suggestions[0] == ModelSuggestion(task.suggestions[0].model)


@pytest.mark.parametrize(("words", "told"), [(["lenet5"], "lenet5 is no folder"), ([], "expected data")])
def test_a_model_without_data_is_told(words, told, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", *words])
    assert end.value.code == 2
    assert told in capsys.readouterr().err
