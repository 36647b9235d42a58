"""Joints that do not follow their image, and twins that keep their names in its mirror, are named."""

import dataclasses

import pytest
from tiny_backbone import tiny_squeezenet

from zorki.engine.checks.catalog import choose
from zorki.engine.checks.painted.joints import check_painted_joints
from zorki.engine.checks.report import CheckReport, Inspection
from zorki.engine.training.plan import draft_plan
from zorki.tasks.pose import augment
from zorki.tasks.pose.data import PoseData
from zorki.tasks.pose.task import Pose

SETTINGS = {
    "batch_size": 8, "epochs": 1, "workers": 0, "device": "cpu", "image_size": 48, "hflip": 0.5,
    "options": {"stages": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def plan():
    with pytest.MonkeyPatch.context() as patch:
        tiny_squeezenet(patch)
        return draft_plan("deep_pose_squeezenet", "scenes:40@64", None, SETTINGS, None, lambda line: None)


def found(plan):
    inspection = Inspection(choose("ZA002,ZA004", None), CheckReport("x"), 60.0)
    check_painted_joints(inspection, plan)
    report = inspection.finish()
    return {one.id for one in report.findings}, report.facts


def with_data(plan, data):
    class Faulty(Pose):
        pass

    Faulty.data = data()
    return dataclasses.replace(plan, entry=dataclasses.replace(plan.entry, task=Faulty()))


def test_joints_that_follow_are_clean(plan):
    ids, facts = found(plan)
    assert ids == set()
    right, compared = facts["joints in their targets' places"].split()[0:3:2]
    assert right == compared
    assert int(compared) >= 12


def test_joints_that_follow_turns_and_crops_are_clean(plan):
    recipe = dataclasses.replace(plan.recipe, rotate=30.0, scale_jitter=0.2, translate=0.1)
    assert found(dataclasses.replace(plan, recipe=recipe))[0] == set()


def test_joints_that_are_left_where_they_were_are_named(plan):
    class LeftBehind(PoseData):
        def augment(self, sample, recipe, info, generator):
            return dataclasses.replace(super().augment(sample, recipe, info, generator), target=sample.target)

    assert "ZA004" in found(with_data(plan, LeftBehind))[0]


def test_left_joints_that_stay_left_in_a_mirror_are_named(plan, monkeypatch):
    monkeypatch.setattr(augment, "_mirrored", lambda target, pairs: target)
    assert found(plan)[0] == {"ZA002"}
