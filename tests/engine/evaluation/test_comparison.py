"""A simpler model beside a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from zorki import registry
from zorki.engine.evaluation.comparison import comparisons
from zorki.engine.run.open import TrainedModel
from zorki.recipe import Recipe
from zorki.types import ClassInfo
from zorki.weights import save_weights


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Weights of a classifier of another number of classes than the scenes have."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("start") / "squeezenet.safetensors"
    save_weights(path, registry.build("squeezenet1_1", 4, {"image_size": 32}), {})
    return path


def opened(weights):
    task = registry.tasks()["localization"]
    dataset = task.data.read(Path("scenes:10@32"))
    model = registry.build("localizer_squeezenet1_1", 10, {"image_size": 32})
    recipe = Recipe(weights=None if weights is None else str(weights))
    info = ClassInfo(tuple(dataset.class_names), objects="one")
    return TrainedModel(Path("run"), "localizer_squeezenet1_1", task, info, recipe, {}, model), dataset


def test_the_classifier_that_a_localizer_began_with_tells_boxes_and_no_classes_that_it_does_not_know(start):
    run, dataset = opened(start)
    found = comparisons(run, dataset, [0, 1, 2], "cpu")
    assert set(found) == {"cam_squeezenet1_1"}
    assert set(found["cam_squeezenet1_1"]) == {"mean_iou", "iou_above_50", "gt_known_loc", "max_box_acc_v2"}


def test_without_weights_or_without_a_comparison_there_is_none(start):
    run, dataset = opened(None)
    assert comparisons(run, dataset, [0], "cpu") == {}
    gone, _ = opened("nowhere.pth")
    assert comparisons(gone, dataset, [0], "cpu") == {}
    classifier = dataclasses.replace(run, model=registry.build("squeezenet1_1", 2, {"image_size": 32}))
    assert comparisons(classifier, dataset, [0], "cpu") == {}
