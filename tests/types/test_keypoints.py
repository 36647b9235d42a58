"""Objects of joints: placed, written and read, and rows of all columns."""

import json

import torch

from zorki.types import Keypoints, Placement


def made() -> Keypoints:
    points = torch.tensor([[[10.0, 20.0], [30.0, 40.0]], [[1.0, 2.0], [0.0, 0.0]]])
    return Keypoints(
        points,
        torch.tensor([[2, 1], [2, 0]]),
        xyxy=torch.tensor([[5.0, 5.0, 50.0, 50.0], [0.0, 0.0, 4.0, 4.0]]),
        labels=torch.tensor([0, 1]),
        areas=torch.tensor([900.0, 16.0]),
    )


def test_json_and_back_without_objects_too():
    for some in (made(), made()[:0]):
        again = Keypoints.from_json(json.loads(json.dumps(some.to_json())))
        assert again.to_json() == some.to_json()
        assert again.visibility.dtype == torch.int64


def test_points_and_boxes_are_placed_and_areas_left_behind():
    placed = made().place(Placement(100, 100, 0.5, 3.0, 7.0, 60, 60, stretch=2.0))
    assert placed.points[0].tolist() == [[13, 17], [33, 27]]
    assert placed.xyxy[0].tolist() == [8, 9.5, 53, 32]
    assert placed.areas is None


def test_flags_and_regions():
    one = made()
    assert one.labeled.tolist() == [[True, True], [True, False]]
    assert one.visible.tolist() == [[True, False], [True, False]]
    assert one.regions().xyxy is one.xyxy
    assert Keypoints(one.points, one.visibility).regions() is None
