import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from zorki.ops.anchors import anchor_shapes, grid_points, place_anchors


def test_shapes_by_hand():
    shapes = anchor_shapes([2, 4], [0.25, 1, 4])
    assert shapes.tolist() == [[4, 1], [8, 2], [2, 2], [4, 4], [1, 4], [2, 8]]


def test_shapes_have_the_area_and_the_aspect_that_was_asked_for():
    sizes, aspects = [32.0, 40.3, 50.8], [0.5, 1.0, 2.0]
    width, height = anchor_shapes(sizes, aspects).unbind(1)
    assert torch.allclose(width * height, torch.tensor(sizes).square().repeat(3), rtol=1e-5)
    assert torch.allclose(height / width, torch.tensor(aspects).repeat_interleave(3), rtol=1e-5)


def test_points_by_hand():
    assert grid_points(2, 3, 8, 4).tolist() == [[2, 4], [6, 4], [10, 4], [2, 12], [6, 12], [10, 12]]
    assert grid_points(1, 2, 8, 8, offset=0).tolist() == [[0, 0], [8, 0]]
    assert grid_points(0, 3, 8, 8).shape == (0, 2)


def test_placed_by_hand():
    placed = place_anchors(torch.tensor([[10.0, 20], [30, 40]]), torch.tensor([[2.0, 4], [6, 2]]))
    assert placed.tolist() == [[9, 18, 11, 22], [7, 19, 13, 21], [29, 38, 31, 42], [27, 39, 33, 41]]


@pytest.mark.parametrize(("height", "width"), [(3, 5), (4, 4)])
def test_order_and_place_are_torchvisions(height, width):
    generator = AnchorGenerator(sizes=((16, 20, 24),), aspect_ratios=((0.25, 1.0, 4.0),))
    images = ImageList(torch.zeros(1, 3, height * 8, width * 8), [(height * 8, width * 8)])
    theirs = generator(images, [torch.zeros(1, 1, height, width)])[0]
    points = grid_points(height, width, 8, 8, offset=0)
    assert torch.equal(place_anchors(points, anchor_shapes([16, 20, 24], [0.25, 1, 4])), theirs)
