"""Resizing in numpy is that of torch, to the bit; preprocessing of arrays is that of tensors."""

import numpy as np
import pytest
import torch

from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.pad import Pad
from zorki.data.preprocess.resize import Resize
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.resize_image import STRIP, resize_image
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.data.preprocess.shortest_edge import ShortestEdge

RANDOM = np.random.default_rng(0)


def noise(height, width):
    return RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8).transpose(2, 0, 1)


@pytest.mark.parametrize(
    "sizes", [(48, 64, 24, 32), (30, 41, 77, 20), (13, 7, 50, 3), (1, 90, 1, 12), (9, 9, 9, 9), (300, 500, 7, 9)]
)
def test_arrays_are_resized_as_tensors(sizes):
    height, width, *new = sizes
    image = noise(height, width)
    expected = resize_image(torch.from_numpy(image), *new)
    assert np.array_equal(resize_image(image, *new), expected.numpy())


def test_large_images_are_resized_strip_by_strip(monkeypatch):
    image = noise(40, 30)
    expected = resize_image(image, 11, 8)
    assert image.size < STRIP
    monkeypatch.setattr("zorki.data.preprocess.resize_image.STRIP", 90)
    assert np.array_equal(resize_image(image, 11, 8), expected)


@pytest.mark.parametrize(
    "preprocess",
    [
        ResizeCrop(16, 0.875),
        Pad(20),
        Letterbox(32, 8),
        Letterbox(32, 8, autocontrast=True, dark_ground=True, padded=True),
        ShortestEdge(16, 40, 8),
        ShortestEdge(16, 40, 8, padded=True, enlarge=False),
        Resize(18),
    ],
    ids=str,
)
def test_preprocessing_of_arrays_is_that_of_tensors(preprocess):
    images = [noise(20, 30), noise(41, 13), noise(16, 16)]
    tensors, placements = preprocess([torch.from_numpy(image) for image in images])
    arrays, own = preprocess(images)
    assert own == placements
    if getattr(preprocess, "padded", False):
        assert np.array_equal(arrays.valid, tensors.valid.numpy())
        arrays, tensors = arrays.images, tensors.images
    assert isinstance(arrays, np.ndarray)
    assert arrays.flags.c_contiguous
    assert np.array_equal(arrays, tensors.numpy())
    assert preprocess_from_json(preprocess.to_json()) == preprocess
    joined, placed = preprocess.join([preprocess(images[:1]), preprocess(images[1:])])
    whole = preprocess(images)
    assert placed == whole[1]
    parts = (joined.images, whole[0].images) if getattr(preprocess, "padded", False) else (joined, whole[0])
    assert np.array_equal(*parts)
