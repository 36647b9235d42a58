"""Spatial pyramid pools against plain loops over cells."""

import math

import pytest
import torch

from zorki.tasks.detection.models.sppnet.spatial_pyramid_pooling import SpatialPyramidPool


def slow_twin(cells, levels):
    """The maximum of each bin of each grid over a map (C, H, W): section 2.2, bins from floor to ceil."""
    channels, height, width = cells.shape
    out = []
    for level in levels:
        for channel in range(channels):
            for row in range(level):
                for column in range(level):
                    top, bottom = math.floor(row * height / level), math.ceil((row + 1) * height / level)
                    left, right = math.floor(column * width / level), math.ceil((column + 1) * width / level)
                    out.append(cells[channel, top:bottom, left:right].max())
    return torch.stack(out)


@pytest.mark.parametrize("levels", [(1, 2, 3, 6), (1, 2, 4), (3, 2), (1,)])
def test_it_equals_plain_loops(levels):
    features = torch.randn((2, 3, 12, 16), generator=torch.Generator().manual_seed(0))
    cells = [(0, 0, 16, 12), (2, 1, 9, 8), (5, 5, 7, 11), (15, 11, 16, 12)]
    regions = torch.tensor(cells, dtype=torch.float32) * 8
    # The last cell of a region counts too, as RoI pooling rounds: a cell less makes the same window.
    regions[:, 2:] -= 8
    images = torch.tensor([0, 1, 1, 0])
    pooled = SpatialPyramidPool(levels)(features, 8, regions, images)
    for row, (left, top, right, bottom), image in zip(pooled, cells, images, strict=True):
        assert torch.equal(row, slow_twin(features[image, :, top:bottom, left:right], levels))


def test_the_papers_pyramid_has_fifty_bins():
    pool = SpatialPyramidPool()
    assert pool.bins == 50
    assert pool(torch.zeros((1, 7, 5, 5)), 16, torch.zeros((3, 4)), torch.zeros(3, dtype=torch.int64)).shape == (3, 350)


def test_no_region_gives_no_row():
    nothing = SpatialPyramidPool((1, 2))(torch.zeros((1, 7, 5, 5)), 16, torch.zeros((0, 4)), torch.zeros(0).long())
    assert nothing.shape == (0, 35)


def test_a_grid_without_bins_is_refused():
    with pytest.raises(ValueError, match="at least one bin"):
        SpatialPyramidPool((1, 0))
