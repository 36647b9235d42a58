"""Who is who from frame to frame, and that each object is filtered by itself."""

import torch

from zorki.tasks.pose.one_euro import OneEuro, step
from zorki.tasks.pose.smoothing import JointSmoother, OverlapIdentities
from zorki.types import Keypoints


def identities(tracker, boxes, seconds, labels=None):
    xyxy = torch.tensor(boxes).reshape(-1, 4)
    return tracker(xyxy, torch.tensor(labels or [0] * len(boxes), dtype=torch.int64), seconds).tolist()


LEFT, RIGHT = [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]


def moved(box, by):
    return [box[0] + by, box[1], box[2] + by, box[3]]


def test_objects_keep_their_identity_while_their_boxes_overlap():
    tracker = OverlapIdentities()
    assert identities(tracker, [LEFT, RIGHT], 0.0) == [0, 1]
    assert identities(tracker, [moved(RIGHT, -2), moved(LEFT, 2)], 0.1) == [1, 0], "whatever their order"
    assert identities(tracker, [moved(LEFT, 3), moved(RIGHT, 50)], 0.2) == [0, 2], "one came"
    assert identities(tracker, [], 0.3) == []
    assert identities(tracker, [moved(LEFT, 3)], 0.6) == [0], "out of sight for a moment"
    assert identities(tracker, [moved(LEFT, 3)], 1.2) == [3], "out of sight for long"


def test_another_class_is_another_object():
    tracker = OverlapIdentities()
    assert identities(tracker, [LEFT], 0.0, [0]) == [0]
    assert identities(tracker, [LEFT, LEFT], 0.1, [1, 0]) == [1, 0]


def objects(boxes, points, **more):
    joints = torch.tensor(points, dtype=torch.float32).reshape(len(boxes), -1, 2)
    return Keypoints(joints, torch.full(joints.shape[:2], 2), xyxy=torch.tensor(boxes), **more)


def test_each_object_is_filtered_by_itself():
    smoother = JointSmoother(OneEuro())
    first, second = [[1.0, 1.0], [9.0, 7.0]], [[21.0, 2.0], [27.0, 10.0]]
    smoother(objects([LEFT, RIGHT], [first, second]), 0.0)
    found = smoother(objects([RIGHT, LEFT], [[[22.0, 2.0], [28.0, 10.0]], first]), 0.04)
    assert found.identities.tolist() == [1, 0]
    begun = step(OneEuro(), None, torch.tensor(second), 0.0, 10.0)
    expected = step(OneEuro(), begun, torch.tensor([[22.0, 2.0], [28.0, 10.0]]), 0.04, 10.0)  # 6 wide and 8 high
    torch.testing.assert_close(found.points[0], expected.points)
    torch.testing.assert_close(found.points[1], torch.tensor(first))
    assert 21 < float(found.points[0, 0, 0]) < 22


def test_identities_of_a_tracker_are_taken():
    smoother = JointSmoother(OneEuro())
    seven = {"identities": torch.tensor([7])}
    smoother(objects([LEFT], [[[1.0, 1.0], [9.0, 7.0]]], **seven), 0.0)
    found = smoother(objects([RIGHT], [[[21.0, 1.0], [29.0, 7.0]]], **seven), 0.04)
    assert found.identities.tolist() == [7]
    assert float(found.points[0, 0, 0]) < 21, "the same object, far away"
    again = smoother(objects([LEFT], [[[1.0, 1.0], [9.0, 7.0]]], **seven), 9.0)
    assert again.points.tolist() == [[[1.0, 1.0], [9.0, 7.0]]], "after long it begins anew"


def test_no_object_and_no_box():
    smoother = JointSmoother(OneEuro())
    nothing = Keypoints(torch.zeros((0, 2, 2)), torch.zeros((0, 2), dtype=torch.int64))
    assert len(smoother(nothing, 0.0)) == 0
    bare = Keypoints(torch.tensor([[[1.0, 1.0], [9.0, 7.0]]]), torch.full((1, 2), 2))
    assert smoother(bare, 0.1).identities.tolist() == [0]
    assert smoother(bare, 0.2).identities.tolist() == [0]
