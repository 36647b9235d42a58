import numpy as np
import torch
from scipy.ndimage import binary_dilation

from zorki.ops.region_growing import dilate, flood, offsets_from_outside, without_small


def mapped(*rows):
    return torch.tensor([[int(letter) for letter in row] for row in rows], dtype=torch.int32)


def test_flooding_meets_halfway():
    seeds = mapped("1000002", "0000000", "0000000")
    where = torch.ones_like(seeds).bool()
    where[2, 3] = False
    # The column in the middle is three steps from either; to whom it goes is chance.
    found = flood(seeds, where)
    assert found[:, :3].unique().tolist() == [1]
    assert found[:, 4:].unique().tolist() == [2]
    assert found[2, 3] == 0


def test_flooding_goes_through_what_is_allowed_alone():
    seeds = mapped("10000", "00000", "20000")
    where = mapped("10111", "10101", "11011").bool()
    where[1, 0] = False
    found = flood(seeds, where)
    assert found.tolist() == mapped("10000", "00000", "22000").tolist(), "no seed reaches the arch"


def steps_to(seed, where):
    """A slow twin: in how many steps over edges each pixel is reached, one ring after the other."""
    reached, steps = seed & where, np.full(where.shape, 1 << 20)
    count = 0
    while reached.any() and (steps > (1 << 19))[reached].any():
        steps[reached & (steps > (1 << 19))] = count
        reached, count = binary_dilation(reached) & where, count + 1
    return steps


def test_flooding_gives_pixels_to_the_seed_with_the_fewest_steps():
    random = np.random.default_rng(0)
    for _ in range(10):
        where = random.random((24, 30)) < 0.75
        seeds = np.zeros(where.shape, np.int32)
        places = random.permutation(np.flatnonzero(where))[:5]
        seeds.flat[places] = np.arange(1, 6)
        found = flood(torch.from_numpy(seeds), torch.from_numpy(where)).numpy()
        steps = np.stack([steps_to(seeds == number, where) for number in range(1, 6)])
        known = steps.min(0) < (1 << 19)
        assert ((found > 0) == known).all()
        assert (np.take_along_axis(steps, found[None] - 1, 0)[0][known] == steps.min(0)[known]).all()


def test_flooding_without_seeds_and_without_ground():
    nothing, everywhere = mapped("000", "000"), torch.ones(2, 3).bool()
    assert not flood(nothing, everywhere).any()
    assert not flood(mapped("100", "000"), ~everywhere).any()
    assert (flood(mapped("500", "000"), everywhere) == 5).all()


def test_dilation_stops_at_its_reach_and_between_pieces():
    found = dilate(mapped("1000002"), 2)
    assert found.tolist() == mapped("1110222").tolist()
    assert dilate(mapped("1000002"), 9)[0, :3].tolist() == [1, 1, 1]
    assert dilate(mapped("0000", "0100", "0000"), 1).tolist() == mapped("1110", "1110", "1110").tolist()
    assert dilate(mapped("010"), 0).tolist() == [[0, 1, 0]]


def test_small_pieces_go():
    assert without_small(mapped("1122", "0022", "3000"), 2).tolist() == mapped("1122", "0022", "0000").tolist()


def test_offsets_point_away_from_the_nearest_pixel_of_another_piece():
    numbers = mapped("0000000", "0111220", "0111220", "0111220", "0000000")
    down, right = offsets_from_outside(numbers)
    assert (down[2, 2].item(), right[2, 2].item()) in [(2, 0), (-2, 0), (0, 2), (0, -2)]
    assert (down[2, 1].item(), right[2, 1].item()) == (0, 1)
    assert (down[2, 3].item(), right[2, 3].item()) == (0, -1), "the neighbor is outside, too"
    assert (down[2, 4].item(), right[2, 4].item()) == (0, 1)
    assert not down[numbers == 0].any()
    assert not right[numbers == 0].any()


def test_offsets_are_those_of_a_slow_twin():
    random = np.random.default_rng(0)
    numbers = np.kron(random.integers(0, 4, (4, 5)), np.ones((4, 4), int)).astype(np.int32)
    offsets = offsets_from_outside(torch.from_numpy(numbers)).numpy()
    padded = np.pad(numbers, 1, constant_values=-1)
    for row in range(numbers.shape[0]):
        for column in range(numbers.shape[1]):
            if numbers[row, column] == 0:
                continue
            others = np.argwhere(padded != numbers[row, column]) - 1
            nearest = np.sqrt(((others - (row, column)) ** 2).sum(1)).min()
            down, right = offsets[:, row, column]
            assert np.hypot(down, right) == np.float32(nearest)
            assert padded[row - int(down) + 1, column - int(right) + 1] != numbers[row, column]


def test_one_object_may_fill_the_image():
    offsets = offsets_from_outside(torch.ones(3, 3, dtype=torch.int32))
    assert offsets.norm(dim=0).tolist() == [[1, 1, 1], [1, 2, 1], [1, 1, 1]]
