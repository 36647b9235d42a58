"""A simpler model beside a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from zorki import registry
from zorki.contracts import MetricResult, Results
from zorki.engine.evaluation.comparison import compare_simpler
from zorki.engine.run.open import TrainedModel
from zorki.recipe import Recipe
from zorki.types import Boxes, ClassInfo
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


def compared(run, dataset, indices=(0,)):
    result = Results(split="test", count=len(indices), metrics=MetricResult(count=len(indices)), losses={})
    compare_simpler(result, run, dataset, list(indices), "cpu")
    return result


def test_the_classifier_that_a_localizer_began_with_tells_boxes_and_no_classes_that_it_does_not_know(start):
    run, dataset = opened(start)
    result = compared(run, dataset, (0, 1, 2))
    assert result.comparison_missing == ""
    found = result.comparisons
    assert set(found) == {"cam_squeezenet1_1"}
    assert set(found["cam_squeezenet1_1"]) == {"mean_iou", "iou_above_50", "gt_known_loc", "max_box_acc_v2"}


def test_labels_of_other_classes_are_none_of_the_objects(start):
    run, _ = opened(start)
    boxes = Boxes(torch.tensor([[0.0, 0.0, 4.0, 4.0], [4.0, 4.0, 8.0, 8.0]]), torch.tensor([3, 1]), torch.ones(2))
    target = Boxes(torch.tensor([[4.0, 4.0, 8.0, 8.0]]), torch.tensor([1]))
    metric = run.task.evaluation.metric(run.info)
    metric.update([run.task.evaluation.unnamed(boxes)], [target])
    assert metric.compute().gt_known_loc == 0.0  # the best guess, not the one of the same number


def test_a_row_that_is_missing_is_told_with_its_reason_and_the_way_to_it(start, tmp_path, monkeypatch):
    run, dataset = opened(None)
    result = compared(run, dataset)
    assert result.comparisons == {}
    assert "cam_squeezenet1_1 has no row: the run began without weights" in result.comparison_missing
    assert "zorki train cam_squeezenet1_1 DATA" in result.comparison_missing
    gone, _ = opened("nowhere.pth")
    gone.about["data"] = "my photos"
    assert "nowhere.pth, are not on this machine" in compared(gone, dataset).comparison_missing
    assert "cam_squeezenet1_1 'my photos'" in compared(gone, dataset).comparison_missing
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path))
    assert "imagenet, are not on this machine" in compared(opened("imagenet")[0], dataset).comparison_missing


def test_a_run_without_a_simpler_model_has_neither_row_nor_line(start):
    run, dataset = opened(start)
    classifier = dataclasses.replace(run, model=registry.build("squeezenet1_1", 2, {"image_size": 32}))
    result = compared(classifier, dataset)
    assert (result.comparisons, result.comparison_missing) == ({}, "")


def test_a_cascade_is_held_against_its_first_stages():
    task = registry.tasks()["pose"]
    dataset = task.data.read(Path("scenes:10@32"))
    model = registry.build("deep_pose_squeezenet", 4, {"image_size": 32, "stages": 3, "patch_size": 8}).eval()
    run = TrainedModel(Path("run"), "deep_pose_squeezenet", task, dataset.class_info(), Recipe(), {}, model)
    assert compared(run, dataset).comparisons == {}, "the later stages have not begun"
    sample = dataset[0]
    for stage in (2, 3):
        inputs, _ = model.preprocess.in_regions([sample.image], [sample.target.regions()])
        model.begin_stage(stage, [(inputs, [sample.target])])
    found = compared(run, dataset, (0, 1)).comparisons
    assert list(found) == ["stage 1", "stage 2"]
    assert found["stage 1"]["nme_box_side"] != found["stage 2"]["nme_box_side"]
