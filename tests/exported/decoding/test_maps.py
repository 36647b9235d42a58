"""Maps and masks of exported files, beside what torch makes of the same outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from zorki.exported.decoding import decoder
from zorki.exported.decoding.box_masks import decode_box_masks, paste_masks
from zorki.exported.decoding.class_maps import decode_class_maps, restore_maps
from zorki.exported.decoding.embeddings import decode_embeddings
from zorki.tasks.instance_segmentation.models.mask_rcnn import mask_head
from zorki.tasks.semantic_segmentation.networks import segmenter
from zorki.types import Placement

RANDOM = np.random.default_rng(0)
PLACEMENTS = [
    Placement(20, 30, input_height=24, input_width=32),  # as it is, in the corner
    Placement(48, 64, 0.5, input_height=24, input_width=32),  # of whole pixels
    Placement(30, 64, 0.5, 0, 4.5, 24, 32),  # between the rows
    Placement(13, 50, 0.9, -6.5, 4, 24, 32),  # cropped
    Placement(5, 7, 3.2, 2, 3, 24, 32, 1.1),  # stretched, and reduced
]


@pytest.mark.parametrize("placement", PLACEMENTS, ids=str)
def test_maps_come_back_onto_their_images_as_in_torch(placement):
    maps = RANDOM.normal(size=(4, 24, 32)).astype(np.float32)
    expected = segmenter.restore_maps(torch.from_numpy(maps), placement).numpy()
    found = restore_maps(maps, placement)
    assert found.shape == expected.shape == (4, placement.height, placement.width)
    assert np.abs(found - expected).max() < 1e-4
    (mask,) = decode_class_maps({"logits": maps[None]}, [placement])
    agree = mask.classes == expected.argmax(0)
    assert agree.mean() > 0.999


def test_masks_are_pasted_as_in_torch():
    """Boxes inside of the image, beyond its edges, thin ones and one of no area."""
    shares = RANDOM.random((6, 28, 28)).astype(np.float32)
    xyxy = np.array(
        [[3.2, 4.7, 20.1, 25], [-9, -5, 12, 60], [30, 3, 55.5, 9], [5, 5, 5.4, 30], [0, 0, 40, 32], [7, 7, 7, 7]],
        np.float32,
    )
    expected = mask_head.paste_masks(torch.from_numpy(shares), torch.from_numpy(xyxy), 32, 40).numpy()
    found = paste_masks(shares, xyxy, 32, 40)
    assert expected.any((1, 2))[:5].all()
    assert (found != expected).sum() <= 2  # at the threshold itself


def test_objects_are_the_boxes_that_count_with_their_masks():
    outputs = {
        "xyxy": np.array([[[4, 4, 12, 12], [0, 0, 0, 0]]], np.float32),
        "scores": np.array([[0.9, 0]], np.float32),
        "labels": np.array([[2, -1]]),
        "count": np.array([1]),
        "masks": np.ones((1, 2, 28, 28), np.float32),
    }
    (found,) = decode_box_masks(outputs, [Placement(8, 10, 2, 0, 0, 16, 20)])
    assert found.xyxy.tolist() == [[2, 2, 6, 6]]
    assert found.labels.tolist() == [2]
    assert found.masks.shape == (1, 8, 10)
    assert found.masks[0, 2:6, 2:6].all()
    assert found.masks.sum() <= 36  # torchvision's rule counts the last pixel in, on either side


def test_embeddings_are_the_vectors():
    vectors = np.eye(3, dtype=np.float32)
    found = decode_embeddings({"embedding": vectors}, [Placement(1, 1)] * 3)
    assert np.array_equal([one.vector for one in found], vectors)


def test_the_box_of_a_map_goes_around_its_largest_piece():
    maps = np.zeros((1, 2, 6, 8), np.float32)
    maps[0, 0, 1:3, 1:7] = 0.5  # the largest piece
    maps[0, 0, 5, 7] = 1
    outputs = {"maps": maps, "labels": np.array([[1, 0]]), "scores": np.array([[0.7, 0.3]], np.float32)}
    (found,) = decoder({"kind": "cam", "threshold": 0.4}, Path("model.onnx"))(
        outputs, [Placement(12, 16, 0.5, 0, 0, 6, 8)]
    )
    assert found.xyxy.tolist() == [[2, 2, 14, 6], [0, 0, 16, 12]]  # a map of nothing is the whole image
    assert found.labels.tolist() == [1, 0]
    assert np.allclose(found.scores, [0.7, 0.3])
