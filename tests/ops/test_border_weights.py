import math

import numpy as np
import pytest
import torch

from zorki.ops.border_weights import border_weights
from zorki.ops.components import connected_components


def slow_weights(cells, weight, deviation):
    """Every pixel between cells against every pixel of every cell, from eq. 2."""
    height, width = cells.shape
    numbers = sorted({int(number) for number in cells.flatten()} - {0})
    weights = torch.ones(height, width)
    for i in range(height):
        for j in range(width):
            if cells[i, j] == 0 and len(numbers) > 1:
                nearest = sorted(
                    min(math.hypot(i - y, j - x) for y, x in (cells == number).nonzero().tolist()) for number in numbers
                )
                weights[i, j] += weight * math.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * deviation**2))
    return weights


def scattered(height, width, count, seed):
    """Cells of two rectangles each, with gaps of all widths."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.zeros(height, width, dtype=torch.int64)
    for number in [*range(1, count + 1)] * 2:
        y, x, h, w = (torch.rand(4, generator=generator) * torch.tensor([height - 1, width - 1, 4, 4])).ceil().tolist()
        cells[int(y) : int(y + h), int(x) : int(x + w)] = number
    return cells


@pytest.mark.parametrize(("count", "deviation"), [(2, 5.0), (5, 1.0), (5, 0.5), (12, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_weights_equal_their_slow_twin(count, deviation, seed):
    cells = scattered(14, 23, count, seed)
    found = border_weights(cells, weight=10.0, deviation=deviation)
    assert torch.allclose(found, slow_weights(cells, 10.0, deviation), atol=1e-5)


def test_weights_by_hand():
    # Between two cells at columns 0 and 4 distances always sum to 4; beside the last one they are 1 and 5.
    cells = torch.tensor([[1, 0, 0, 0, 2, 0]])
    gap, beside = 10 * math.exp(-16 / 50), 10 * math.exp(-36 / 50)
    assert border_weights(cells)[0].tolist() == pytest.approx([1, 1 + gap, 1 + gap, 1 + gap, 1, 1 + beside])
    base = torch.tensor([[2.0, 3, 3, 3, 2, 3]])
    found = border_weights(cells, base=base, weight=1.0, deviation=2.0)
    assert found[0, 1].item() == pytest.approx(3 + math.exp(-16 / 8))
    assert found[0, 0].item() == 2
    assert base[0, 1] == 3, "what was given is not changed"


def test_many_cells_equal_a_transform_for_each():
    from scipy import ndimage

    cells = scattered(160, 200, 60, 7)
    distances = np.stack([ndimage.distance_transform_edt(cells.numpy() != number) for number in range(1, 61)])
    first, second = torch.from_numpy(np.sort(distances, 0)[:2]).float()
    expected = 1 + 10 * torch.exp(-((first + second) ** 2) / 50) * (cells == 0)
    assert torch.allclose(border_weights(cells), expected, atol=1e-5)


@pytest.mark.parametrize("cells", [torch.zeros(4, 5, dtype=torch.int64), torch.ones(4, 5, dtype=torch.int64)])
def test_without_two_cells_there_is_no_gap(cells):
    assert (border_weights(cells, base=0.5) == 0.5).all()
    one = torch.zeros(4, 5, dtype=torch.int64)
    one[1, 2] = 7
    assert (border_weights(one) == 1).all()


def test_names_of_cells_do_not_matter():
    cells = scattered(20, 30, 4, 1)
    named = torch.tensor([0, 3_000_000_000, 5, 70_000, 9])[cells]
    assert torch.equal(border_weights(named), border_weights(cells))
    few = torch.tensor([0, 30, 5, 70, 9])[cells].to(torch.uint8)
    assert torch.equal(border_weights(few), border_weights(cells))


def test_components_by_hand():
    classes = torch.tensor([
        [1, 1, 0, 2, 1],
        [0, 0, 1, 2, 1],
        [1, 255, 1, 2, 2],
    ])  # fmt: skip
    # Corners do not join, classes do not mix; class 1 first, and from top to bottom.
    assert connected_components(classes).tolist() == [
        [1, 1, 0, 5, 2],
        [0, 0, 3, 5, 2],
        [4, 0, 3, 5, 5],
    ]
    assert connected_components(classes, background=1, ignore=2).tolist()[0] == [0, 0, 1, 0, 0]


def test_a_map_without_objects_has_no_components():
    assert connected_components(torch.zeros(3, 4, dtype=torch.uint8)).max() == 0
