from collections.abc import Sequence

import numpy as np
import pytest
import torch

from zorki.errors import DataError
from zorki.tasks.semantic_segmentation.statistics import balance_weights, count_pixels
from zorki.types import Mask

MASKS = [
    Mask(torch.tensor([[0, 0, 1, 255]])),
    Mask(torch.tensor([[0, 0, 0, 0]], dtype=torch.uint8)),
    Mask(torch.tensor([[9, 9], [9, 2]]), ignore=9),
]


class SomeBroken(Sequence):
    """Masks of which the second cannot be read."""

    def __len__(self):
        return len(MASKS)

    def __getitem__(self, place):
        if place == 1:
            raise DataError("broken")
        return MASKS[place]


def test_pixels_are_counted_by_class_and_the_unjudged_apart():
    assert count_pixels(MASKS, 3).tolist() == [[2, 1, 0, 1], [4, 0, 0, 0], [0, 0, 1, 3]]
    assert count_pixels(SomeBroken(), 3)[1].tolist() == [0, 0, 0, 0]
    assert count_pixels([], 3).shape == (0, 4)


def test_every_class_is_drawn_as_often():
    counts = np.array([[8, 2, 0], [10, 0, 0], [5, 0, 5], [0, 0, 0]])
    weights = balance_weights(counts)
    # Class 0 has shares .8, 1 and .5 of 2.3; class 1 is in the first alone, class 2 in the third.
    assert weights.tolist() == pytest.approx([0.8 / 2.3 + 1, 1 / 2.3, 0.5 / 2.3 + 1, 0])
    assert float(weights.sum()) == pytest.approx(3)
