"""Which images have one object, and which show each class once at most."""

from __future__ import annotations

import torch

from zorki.data.annotations.boxes.object_counts import count_objects, fits
from zorki.types import Boxes


def made(*labels, **columns):
    return Boxes(
        torch.tensor([[0.0, 0.0, 2.0, 2.0]] * len(labels)).reshape(-1, 4), torch.tensor(labels).long(), **columns
    )


def test_images_are_counted_by_their_objects():
    counts = count_objects([made(0), made(1), made(0, 1), made(0, 0), made()], 2)
    assert (counts.images, counts.one, counts.every, counts.each, counts.none) == (5, 2, 1, 3, 1)
    assert counts.kind == "one"
    assert str(counts) == "2 of 5 images have exactly one object"


def test_parts_are_told_by_images_that_show_all_of_them_and_may_be_hidden():
    counts = count_objects([made(0, 1, 2), made(2, 0, 1), made(1, 2), made(0), made(0, 0)], 3)
    assert counts.kind == "each"
    assert counts.fitting == 4
    assert str(counts) == "4 of 5 images have one object of each class at most"


def test_one_class_is_never_parts():
    assert count_objects([made(0, 0), made(0)], 1).kind == "one"


def test_a_crowd_is_many_objects():
    crowd = made(0, crowd=torch.tensor([True]))
    assert not fits(crowd, "one")
    assert not fits(crowd, "each")
    assert fits(made(0, crowd=torch.tensor([False])), "one")
