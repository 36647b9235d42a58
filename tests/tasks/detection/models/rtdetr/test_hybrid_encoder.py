import math

import torch

from zorki.tasks.detection.models.rtdetr.hybrid_encoder import cross_stage_encoder, map_positions


def test_as_many_maps_come_out_of_one_width():
    encoder = cross_stage_encoder((8, 12, 16), 32, 2, 64, expansion=0.5).eval()
    with torch.no_grad():
        maps = encoder([torch.randn(2, 8, 12, 16), torch.randn(2, 12, 6, 8), torch.randn(2, 16, 3, 4)])
    assert [tuple(one.shape) for one in maps] == [(2, 32, 12, 16), (2, 32, 6, 8), (2, 32, 3, 4)]


def test_every_map_reaches_every_other():
    torch.manual_seed(0)
    encoder = cross_stage_encoder((4, 4, 4), 32, 2, 64).eval()
    features = [torch.randn(1, 4, side, side) for side in (8, 4, 2)]
    with torch.no_grad():
        before = encoder(features)
        for place in range(3):
            after = encoder([one + (index == place) for index, one in enumerate(features)])
            assert all(not torch.allclose(a, b) for a, b in zip(before, after, strict=True))


def test_maps_that_are_no_halves_of_each_other_are_fused_all_the_same():
    encoder = cross_stage_encoder((4, 4), 32, 1, 64).eval()
    with torch.no_grad():
        maps = encoder([torch.randn(1, 4, 11, 11), torch.randn(1, 4, 5, 5)])
    assert [one.shape[-1] for one in maps] == [11, 5]


def test_positions_are_sines_and_cosines_of_row_and_column():
    positions = map_positions(2, 3, 8, torch.device("cpu"))[0]
    row, column = 1, 2
    right = [f(place * rate) for place in (row, column) for f in (math.sin, math.cos) for rate in (1, 0.01)]
    torch.testing.assert_close(positions[row * 3 + column], torch.tensor(right))
