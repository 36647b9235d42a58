"""Scenes of one object."""

from __future__ import annotations

import torch

from zorki.data.annotations.boxes.object_counts import count_objects
from zorki.data.scenes.one_object import SceneLocalization, parse


def test_each_image_has_one_object_whose_box_is_its_own_at_every_call():
    scenes = SceneLocalization(40, size=(32, 32))
    targets = [scenes.target(index) for index in range(40)]
    assert count_objects(targets, 10).one == 40
    assert len({int(target.labels[0]) for target in targets}) > 5
    assert torch.equal(SceneLocalization(40, size=(32, 32))[7].target.xyxy, targets[7].xyxy)
    assert targets[0].identities is None


def test_the_name_says_how_many_and_how_large():
    scenes = parse("scenes:20@32x48")
    assert scenes is not None
    assert scenes[0].image.shape == (3, 32, 48)
    assert parse("photos") is None
