import math

import pytest
import torch

from zorki.data.transforms.augment import Augment
from zorki.data.transforms.elastic import displacement_field, draw_displacements
from zorki.errors import RecipeError


def cubic(x, a=-0.75):
    """Keys (1981), eq. 4, with the free parameter `a` that images are mostly resized with."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


@pytest.mark.parametrize(("height", "width"), [(7, 12), (3, 3), (2, 9)])
def test_fields_equal_their_slow_twin(height, width):
    grid = draw_displacements(10.0, torch.Generator().manual_seed(0))
    field = displacement_field(grid, height, width)
    for i in range(height):
        for j in range(width):
            y, x = 2 * i / (height - 1), 2 * j / (width - 1)
            expected = [0.0, 0.0]
            for row in range(math.floor(y) - 1, math.floor(y) + 3):
                for column in range(math.floor(x) - 1, math.floor(x) + 3):
                    weight = cubic(y - row) * cubic(x - column)
                    for axis in (0, 1):  # points beyond the grid are those at its edge
                        point = grid[axis, min(max(row, 0), 2), min(max(column, 0), 2)].item()
                        expected[axis] += weight * point
            assert field[:, i, j].tolist() == pytest.approx(expected, abs=1e-4)


def test_grids_have_their_deviation_and_fields_go_through_them():
    chance = torch.Generator().manual_seed(0)
    grids = torch.stack([draw_displacements(10.0, chance) for _ in range(400)])
    assert grids.std().item() == pytest.approx(10, rel=0.05)
    assert grids.mean().item() == pytest.approx(0, abs=0.5)
    field = displacement_field(grids[0], 101, 61)
    assert torch.allclose(field[:, ::50, ::30], grids[0], atol=1e-4)


def test_a_twentieth_of_the_side_does_not_fold():
    """Points keep their order: what a pixel more to the right shows lies more to the right."""
    chance = torch.Generator().manual_seed(0)
    for _ in range(300):
        across, down = displacement_field(draw_displacements(100 / 20, chance), 100, 130)
        assert (across.diff(dim=1) > -1).all()
        assert (down.diff(dim=0) > -1).all()


def test_images_of_one_pixel_are_bent_too():
    assert displacement_field(torch.ones(2, 3, 3), 1, 1).shape == (2, 1, 1)
    assert torch.isfinite(displacement_field(torch.ones(2, 3, 3), 1, 4)).all()


def test_bending_is_smooth_and_about_as_strong_as_asked_for():
    """A ramp of gray tells where every pixel came from."""
    ramp = torch.arange(200, dtype=torch.uint8).expand(3, 200, 200)
    augment, generator = Augment(elastic=6.0), torch.Generator().manual_seed(0)
    moved = []
    for _ in range(60):
        bent = augment(ramp, generator)[0, 40:160, 40:160].float() - torch.arange(40, 160)
        assert bent.diff(dim=0).abs().max() <= 1.01
        moved.append(bent)
    # Between the points of the grid displacements are means of their neighbors, and smaller.
    assert 3 < torch.stack(moved).std() < 6


def test_strengths_below_nothing_are_refused():
    with pytest.raises(RecipeError, match="elastic"):
        Augment(elastic=-1.0)
