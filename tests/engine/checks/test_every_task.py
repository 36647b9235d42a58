"""A planned training of every task is checked without a crash, and clean data and networks give no finding."""

import numpy as np
import pytest
from PIL import Image
from tiny_backbone import tiny_squeezenet

from zorki import registry
from zorki.engine.checks import check_training
from zorki.engine.checks.catalog import choose
from zorki.engine.checks.check_plan import check_plan
from zorki.engine.checks.page import write_check
from zorki.engine.checks.painted import draws
from zorki.engine.checks.report import CheckReport, Inspection
from zorki.engine.training.plan import draft_plan

SETTINGS = {"batch_size": 8, "epochs": 1, "workers": 0, "precision": "32", "device": "cpu"}
OBJECTS = {"image_size": 64, "random_crop": 1.0}
TASKS = {
    "classification": ("lenet5", "scenes:60@32", {}),
    "detection": ("fcos_squeezenet", "scenes:24@64", OBJECTS | {"options": {"channels": 32, "depth": 1}}),
    "semantic_segmentation": ("unet_squeezenet", "scenes:24@64", OBJECTS),
    "instance_segmentation": ("border_unet_squeezenet", "scenes:24@64", OBJECTS),
    "localization": ("localizer_squeezenet1_1", "scenes:40@64", OBJECTS),
    "pose": ("deep_pose_squeezenet", "scenes:24@64", {"image_size": 48, "options": {"stages": 1}}),
    "retrieval": ("supcon_squeezenet", "scenes:120@32", {"image_size": 32}),
    "pretraining": ("simclr_squeezenet", "scenes:60@32", {"image_size": 32}),
    "tracking": ("siamfc_squeezenet", "scenes:12@64", {}),
    "video_classification": (
        "c3d_small", "scenes:36@16", {"image_size": 16, "clip_frames": 4, "clip_stride": 3, "clips": 2},
    ),
    "style_transfer": ("fast_style_squeezenet", "scenes:30@48", {"image_size": 48, "batch_size": 2}),
}  # fmt: skip


def test_every_task_is_there():
    assert set(TASKS) == set(registry.tasks())


@pytest.mark.parametrize("task", TASKS)
def test_a_training_of_each_task_is_checked_and_found_clean(task, tmp_path, monkeypatch):
    # Few steps and draws: whether a fault is found by more of them is seen elsewhere.
    monkeypatch.setattr(check_training, "STEPS", 2)
    monkeypatch.setattr(check_training, "LEAST_STEPS", 2)
    monkeypatch.setattr(check_training, "_learns", lambda trace: True)
    monkeypatch.setattr(draws, "DRAWS", 5)
    if task != "style_transfer":  # which looks into layers by name
        tiny_squeezenet(monkeypatch)
    model, data, settings = TASKS[task]
    if task == "style_transfer":
        style = tmp_path / "style.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)).save(style)
        settings = {**settings, "style": str(style)}
    plan = draft_plan(model, data, None, SETTINGS | settings, None, lambda line: None)
    inspection = Inspection(choose(None, "ZD006,ZD007"), CheckReport("x"), 60.0)  # so few samples are of few classes
    sections = check_plan(inspection, plan)
    report = inspection.finish()
    assert [str(one) for one in report.findings if one.severity != "note"] == []
    assert sorted([*report.checked, *report.unchecked]) == sorted(inspection.chosen)
    assert {"ZM002", "ZM004", "ZM006", "ZM010", "ZM012"} <= set(report.checked)
    assert write_check(tmp_path, report, plan.task, plan.dataset, sections).stat().st_size > 1000


def test_films_of_files_are_checked(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (16, 96, 3), np.uint8)
    for number in range(24):
        strip = tmp_path / f"{'wave' if number % 2 else 'bend'}/{number}.png"
        strip.parent.mkdir(exist_ok=True)
        Image.fromarray(frames + np.uint8(number)).save(strip)
    settings = SETTINGS | TASKS["video_classification"][2]
    plan = draft_plan("c3d_small", str(tmp_path), None, settings, None, lambda line: None)
    inspection = Inspection(choose("ZA", None), CheckReport("x"), 60.0)
    check_plan(inspection, plan)
    report = inspection.finish()
    assert report.findings == []
    assert {"ZA003", "ZA005"} <= set(report.checked)


def test_batches_are_not_halved_until_nothing_is_to_be_learned(monkeypatch):
    """Of four images of one class triplets have no loss, and no weight a gradient: no fault of the network."""
    tiny_squeezenet(monkeypatch)
    monkeypatch.setattr(check_training, "STEPS", 1)  # never enough: batches are halved as often as they can be
    settings = SETTINGS | {"image_size": 32, "batch_size": 16}
    plan = draft_plan("triplet_squeezenet", "scenes:120@32", None, settings, None, lambda line: None)
    inspection = Inspection(choose("ZM004,ZM006", None), CheckReport("x"), 60.0)
    check_plan(inspection, plan)
    report = inspection.finish()
    assert report.findings == []
    assert any("learning one batch" in one for one in report.left_out)


def test_classes_that_are_new_on_purpose_are_no_finding():
    model, data, settings = TASKS["retrieval"]
    plan = draft_plan(model, data, None, SETTINGS | settings, None, lambda line: None)
    assert plan.task.data.open_set
    inspection = Inspection(choose("ZD006,ZD007", None), CheckReport("x"), 60.0)
    check_plan(inspection, plan)
    assert inspection.finish().unchecked == ["ZD006", "ZD007"]
