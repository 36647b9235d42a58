"""Joints follow their image: mirrored, turned, moved out of sight."""

from pathlib import Path

import pytest
import torch

from zorki.data.transforms.augment import Augment
from zorki.errors import RecipeError
from zorki.tasks.pose.augment import augment_keypoints
from zorki.types import Keypoints, Sample


def marked() -> Sample[Keypoints]:
    """A bright pixel at each joint: joint 0 is a nose, 1 and 2 are the left and the right eye."""
    image = torch.zeros((3, 40, 60), dtype=torch.uint8)
    places = [(20, 10), (30, 25), (12, 31)]
    for joint, (x, y) in enumerate(places):
        image[joint, y, x] = 255
    points = torch.tensor([[(x + 0.5, y + 0.5) for x, y in places]])
    target = Keypoints(points, torch.tensor([[2, 2, 1]]), xyxy=torch.tensor([[8.0, 6.0, 40.0, 36.0]]))
    return Sample(image, target, Path("a.png"))


def test_a_mirrored_image_shows_the_right_eye_where_the_left_was() -> None:
    sample = augment_keypoints(marked(), Augment(hflip=1.0), torch.Generator(), ((1, 2),))
    points = sample.target.points[0]
    for joint, channel in ((0, 0), (1, 2), (2, 1)):
        x, y = points[joint].long().tolist()
        assert int(sample.image[channel, y, x]) == 255
    assert sample.target.visibility.tolist() == [[2, 1, 2]], "flags go along"
    assert sample.target.xyxy.tolist() == [[20, 6, 52, 36]]


def test_without_pairs_nothing_is_mirrored() -> None:
    with pytest.raises(RecipeError, match="left and right twins is not known"):
        augment_keypoints(marked(), Augment(hflip=1.0), torch.Generator(), None)
    assert augment_keypoints(marked(), Augment(), torch.Generator(), None).target.visibility.tolist() == [[2, 2, 1]]


def test_turned_joints_lie_on_their_pixels() -> None:
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        sample = augment_keypoints(marked(), Augment(rotate=30, translate=0.2), generator, ((1, 2),))
        for joint, flag in enumerate(sample.target.visibility[0].tolist()):
            x, y = sample.target.points[0, joint].tolist()
            if flag and 2 < x < 58 and 2 < y < 38:
                near = sample.image[joint, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2]
                assert int(near.max()) > 40


def test_joints_out_of_sight_are_not_labeled_and_objects_out_of_sight_are_gone() -> None:
    seen, gone = set(), set()
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        sample = augment_keypoints(marked(), Augment(translate=0.9), generator, None)
        gone.add(len(sample.target))
        for point, flag in zip(sample.target.points.reshape(-1, 2), sample.target.visibility.reshape(-1), strict=True):
            inside = bool((point >= 0).all()) and bool((point <= torch.tensor([60.0, 40.0])).all())
            assert inside == bool(flag)
            seen.add(inside)
    assert seen == {True, False}
    assert gone == {0, 1}
