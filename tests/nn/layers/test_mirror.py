import numpy as np
import pytest
import torch

from zorki.nn.layers.mirror import mirror


def test_edges_are_mirrored_about_their_pixels():
    row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3).expand(1, 1, 2, 3)
    assert mirror(row, 2, 1, 0, 0)[0, 0, 0].tolist() == [3, 2, 1, 2, 3, 2]


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (4, 1), (1, 1), (2, 3), (9, 2)])
@pytest.mark.parametrize("sides", [(0, 0, 0, 0), (1, 1, 1, 1), (3, 0, 0, 5), (13, 4, 2, 21), (6, 6, 6, 6)])
def test_as_numpy_continues_however_far(size, sides):
    left, right, top, bottom = sides
    maps = torch.arange(2.0 * size[0] * size[1]).view(1, 2, *size)
    wanted = np.pad(maps[0].numpy(), ((0, 0), (top, bottom), (left, right)), mode="reflect")
    assert np.array_equal(mirror(maps, *sides)[0].numpy(), wanted)
