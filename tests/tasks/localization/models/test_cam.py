"""Boxes of class activation maps."""

from __future__ import annotations

import pytest
import torch

from zorki import registry
from zorki.errors import RecipeError
from zorki.tasks.localization.models.cam import CamOutputs, cam_box
from zorki.types import Boxes, Placement


def test_the_box_is_around_the_largest_piece_above_a_fifth_of_the_maximum():
    activation = torch.zeros(6, 8)
    activation[1:3, 2:6] = 0.5
    activation[5, 7] = 2.0  # the maximum, a piece of its own, and smaller
    activation[3, 2] = 0.39  # below
    assert cam_box(activation, (6, 8), 0.2).tolist() == [2.0, 1.0, 6.0, 3.0]
    assert cam_box(activation, (6, 8), 0.19).tolist() == [2.0, 1.0, 6.0, 4.0]
    assert cam_box(activation, (6, 8), 0.9).tolist() == [7.0, 5.0, 8.0, 6.0]


def test_a_map_without_evidence_is_the_whole_image():
    assert cam_box(torch.full((2, 2), -1.0), (6, 8), 0.2).tolist() == [0.0, 0.0, 8.0, 6.0]


def test_each_guess_has_the_box_of_its_own_map():
    model = registry.build("cam_squeezenet1_1", 2, {"image_size": 64})
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0, :2], maps[0, 1, 2:] = 1.0, 1.0
    found = CamOutputs(torch.tensor([[0.0, 3.0]]), maps, (4, 4))
    (boxes,) = model.decode(found, [Placement(8, 8, 0.5, input_height=4, input_width=4)])
    assert boxes.labels.tolist() == [1, 0]
    assert boxes.xyxy.tolist() == [[0.0, 4.0, 8.0, 8.0], [0.0, 0.0, 8.0, 4.0]]


def test_boxes_are_not_looked_at_in_training_and_parts_are_refused():
    model = registry.build("cam_squeezenet1_1", 2, {"image_size": 64})
    found = CamOutputs(torch.randn(1, 2), torch.zeros(1, 2, 4, 4), (4, 4))
    one, other = (Boxes(torch.tensor([[0.0, 0.0, side, side]]), torch.tensor([1])) for side in (3.0, 4.0))
    assert model.loss(found, [one]) == model.loss(found, [other])
    with pytest.raises(RecipeError, match="one object"):
        model.loss(found, [Boxes(one.xyxy.repeat(2, 1), torch.tensor([0, 1]))])


def test_networks_without_a_global_average_are_refused():
    with torch.device("meta"), pytest.raises(RecipeError, match="class activation maps"):
        registry.build("cam_vgg11", 2)
