import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder, BoxLinearCoder

from zorki.ops.box_coder import LARGEST_LOG, decode_offsets, decode_sides, encode_offsets, encode_sides

WEIGHTS = [(1, 1, 1, 1), (10, 10, 5, 5)]


def boxes(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 200
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 90 + 1], 1)


def test_offsets_by_hand():
    anchor, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 10, 25, 20]])
    # The center moves from (5, 10) to (15, 15); twice as wide, half as high.
    assert encode_offsets(anchor, box)[0].tolist() == pytest.approx([1, 0.25, math.log(2), -math.log(2)])
    weighted = encode_offsets(anchor, box, (10, 10, 5, 5))[0].tolist()
    assert weighted == pytest.approx([10, 2.5, 5 * math.log(2), -5 * math.log(2)])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_offsets_decode_to_the_box(weights):
    anchors, wanted = boxes(100), boxes(100, seed=1)
    back = decode_offsets(anchors, encode_offsets(anchors, wanted, weights), weights)
    assert torch.allclose(back, wanted, atol=1e-3)
    assert torch.allclose(decode_offsets(anchors, torch.zeros(100, 4)), anchors, atol=1e-4)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_offsets_are_torchvisions(weights):
    anchors, wanted, coder = boxes(50), boxes(50, seed=1), BoxCoder(weights)
    assert torch.allclose(encode_offsets(anchors, wanted, weights), coder.encode_single(wanted, anchors), atol=1e-4)
    offsets = torch.randn(50, 4, generator=torch.Generator().manual_seed(2)) * 3
    theirs = coder.decode_single(offsets, anchors).flatten(1)
    torch.testing.assert_close(decode_offsets(anchors, offsets, weights), theirs, atol=1e-3, rtol=1e-5)


def test_offsets_do_not_overflow():
    decoded = decode_offsets(torch.tensor([[0.0, 0, 16, 16]]), torch.tensor([[0.0, 0, 1e4, 1e4]]))
    assert decoded[0].tolist() == pytest.approx([8 - 500, 8 - 500, 8 + 500, 8 + 500], rel=1e-4)
    assert math.log(62.5) == LARGEST_LOG


def test_offsets_broadcast_over_images():
    anchors, offsets = boxes(6), torch.randn(3, 6, 4)
    together = decode_offsets(anchors, offsets)
    assert together.shape == (3, 6, 4)
    assert torch.equal(together[1], decode_offsets(anchors, offsets[1]))


def test_sides_by_hand_and_back():
    points, box = torch.tensor([[4.0, 5], [0, 0]]), torch.tensor([[1.0, 2, 9, 6], [1, 2, 9, 6]])
    sides = encode_sides(points, box)
    assert sides.tolist() == [[3, 3, 5, 1], [-1, -2, 9, 6]]
    assert torch.equal(decode_sides(points, sides), box)


def test_sides_are_torchvisions_in_units_of_the_stride():
    generator = torch.Generator().manual_seed(0)
    points, wanted = torch.rand(40, 2, generator=generator) * 200, boxes(40)
    cells = torch.cat([points - 8, points + 8], 1)
    theirs = BoxLinearCoder(normalize_by_size=True).encode(cells, wanted)
    torch.testing.assert_close(encode_sides(points, wanted) / 16, theirs, atol=1e-4, rtol=1e-5)
