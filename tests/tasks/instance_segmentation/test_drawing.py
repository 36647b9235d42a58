"""Masks on images: each object its own color, and right, wrong and missed told apart without colors too."""

import numpy as np
import torch
from made_masks import instances

from zorki.draw.palette import color, mark_color
from zorki.tasks.detection.drawing import MISSED_COLOR
from zorki.tasks.instance_segmentation.presentation import InstancePresentation
from zorki.types import ClassInfo

LOOK = InstancePresentation()
CELLS = ClassInfo(("cell",))
BLACK = np.zeros((3, 112, 448), np.uint8)


def squares(*spans, labels=None, scores=None, **columns):
    """Squares of 40 rows from the 20th on, [left, right) each."""
    masks = []
    for left, right in spans:
        mask = torch.zeros((112, 448), dtype=torch.bool)
        mask[20:60, left:right] = True
        masks.append(mask.numpy())
    return instances(masks, labels or [0] * len(spans), scores, size=(112, 448), **columns)


def at(image, row, column):
    return tuple(image[:, row, column].tolist())


def half(ink):
    return tuple(part * 128 >> 8 for part in ink)


def test_every_object_has_a_color_of_its_own_and_an_outline():
    answer = squares((50, 90), (90, 130), (300, 340), scores=[0.9, 0.8, 0.2])
    drawn = LOOK.draw(BLACK, answer, CELLS)
    assert drawn.shape == BLACK.shape
    assert (at(drawn, 20, 60), at(drawn, 40, 70)) == (color(0), half(color(0)))
    assert (at(drawn, 20, 100), at(drawn, 40, 110)) == (color(1), half(color(1)))
    assert (at(drawn, 40, 89), at(drawn, 40, 90)) == (color(0), color(1)), "neighbors are told apart"
    assert int(drawn[:, :, 200:].sum()) == 0, "what scores too little is not shown"
    small = LOOK.draw(BLACK[:, :, :50], instances([], [], size=(112, 50)), CELLS)
    assert small.shape == (3, 784, 350), "enlarged"


def test_the_better_one_is_on_top_and_crowds_are_gray():
    answer = squares((50, 90), (70, 130), scores=[0.6, 0.9])
    drawn = LOOK.draw(BLACK, answer, CELLS)
    assert at(drawn, 40, 80) == half(color(1))
    crowd = squares((50, 90), crowd=torch.tensor([True]))
    gray = at(LOOK.draw(BLACK, crowd, CELLS), 40, 70)
    assert gray == tuple(part * 192 >> 8 for part in mark_color(None))


def test_with_several_classes_boxes_say_which():
    drawn = LOOK.draw(BLACK, squares((50, 90), labels=[1], scores=[0.9]), ClassInfo(("cat", "dog")))
    assert at(drawn, 59, 60) == color(1), "the box is in the color of the class"
    assert at(drawn, 40, 70) == half(color(0)), "the mask in that of the object"


def test_thumbnails_tell_found_wrong_and_missed_apart():
    ground_truth = squares((40, 120), (240, 320), crowd=torch.tensor([False, False]))
    answer = squares((40, 120), (360, 440), scores=[0.9, 0.8])
    drawn = LOOK.thumbnail(BLACK, answer, CELLS, ground_truth)
    assert drawn.shape == (3, 56, 224)
    assert at(drawn, 20, 40) == half(mark_color(True))
    wrong = np.unique(drawn[:, 12:28, 182:218].reshape(3, -1).T, axis=0).tolist()
    assert list(half(mark_color(False))) in wrong
    assert [255, 255, 255] in wrong, "hatched"
    assert at(drawn, 20, 120) == MISSED_COLOR
    assert at(drawn, 20, 140) == (0, 0, 0), "of what is missed there is an outline alone"
    alone = LOOK.thumbnail(BLACK, answer, CELLS)
    assert at(alone, 20, 40) == half(color(0))
    assert np.array_equal(LOOK.thumbnail(BLACK, answer.numpy(), CELLS), alone)
    excused = LOOK.thumbnail(BLACK, answer[:1], CELLS, squares((40, 120), crowd=torch.tensor([True])))
    assert at(excused, 20, 40) == tuple(part * 192 >> 8 for part in mark_color(None))
