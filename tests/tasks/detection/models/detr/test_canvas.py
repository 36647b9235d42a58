import math

import pytest
import torch

from zorki.data.preprocess.letterbox import Letterbox
from zorki.data.preprocess.shortest_edge import ShortestEdge
from zorki.tasks.detection.models.detr.canvas import lines_of, shrink_lines, sine_positions


def make_image(height, width, seed=0):
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.mark.parametrize("preprocess", [Letterbox(64, 16, padded=True), ShortestEdge(32, 64, 16, padded=True)])
def test_frames_are_where_images_were_placed(preprocess):
    inputs, placements = preprocess([make_image(40, 100), make_image(90, 50), make_image(64, 64)])
    rows, columns = lines_of(inputs.valid, *inputs.shape[2:])
    outside = ~(rows[:, :, None] & columns[:, None])
    canvas = torch.tensor(preprocess.canvas, dtype=torch.uint8)
    assert bool((inputs.images.permute(0, 2, 3, 1)[outside] == canvas).all()), "what is not image is canvas"
    for frame, where in zip(inputs.valid, placements, strict=True):
        width, height = where.width * where.scale, where.height * where.scale
        target_boxes = torch.tensor([where.left, where.top, where.left + width, where.top + height])
        assert (frame - target_boxes).abs().max() <= 1


@pytest.mark.parametrize(("length", "size"), [(8, 2), (7, 3), (10, 4), (5, 5), (96, 5)])
def test_a_line_of_a_map_counts_where_any_of_its_pixels_does(length, size):
    for first in range(length):
        for last in range(first, length):
            lines = torch.zeros(1, length, dtype=torch.bool)
            lines[0, first : last + 1] = True
            target_boxes = [
                any(first <= pixel <= last for pixel in range(i * length // size, -(-(i + 1) * length // size)))
                for i in range(size)
            ]
            assert shrink_lines(lines, size)[0].tolist() == target_boxes


def test_positions_by_the_formula():
    rows, columns = torch.tensor([[True, True, False]]), torch.tensor([[False, True, True, True]])
    found = sine_positions(rows, columns, 8).view(3, 4, 8)
    for i in range(2):
        for j in range(1, 4):
            target_boxes = []
            for place in (2 * math.pi * (i + 1) / 2, 2 * math.pi * j / 3):
                for k in range(2):
                    angle = place / 10000 ** (2 * k / 4)
                    target_boxes += [math.sin(angle), math.cos(angle)]
            assert found[i, j].tolist() == pytest.approx(target_boxes, abs=1e-5)


def test_positions_do_not_depend_on_the_canvas_around():
    whole = torch.ones(1, 4, dtype=torch.bool)
    placed = torch.tensor([[False, True, True, True, True, False]])
    alone = sine_positions(whole, whole, 16).view(4, 4, 16)
    inside = sine_positions(placed, placed, 16).view(6, 6, 16)[1:5, 1:5]
    torch.testing.assert_close(alone, inside)


def test_a_width_of_odd_halves_is_refused():
    whole = torch.ones(1, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="multiple of 4, not 6"):
        sine_positions(whole, whole, 6)
