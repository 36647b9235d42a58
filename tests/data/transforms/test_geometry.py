"""Maps that move with their image; the images themselves are tested with the augmentations."""

import math

import pytest
import torch

from zorki.data.transforms.geometry import (
    Affine,
    cut_maps,
    cut_window,
    mirror,
    move,
    turn,
    warp_image,
    warp_maps,
    warp_weights,
)

MAPS = torch.arange(2 * 5 * 7).view(2, 5, 7)
ANY = turn(25, 1.3, 3, 2).then(move(0.8, -0.4)).then(mirror(7))
SHIFTS = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0))


def source_of(matrix, i, j, shifts):
    back = matrix.inverse()
    x, y = j + 0.5 + (shifts[0, i, j].item() if shifts is not None else 0), i + 0.5
    y += shifts[1, i, j].item() if shifts is not None else 0
    return back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f


@pytest.mark.parametrize("shifts", [None, SHIFTS], ids=["straight", "bent"])
@pytest.mark.parametrize("matrix", [ANY, move(0, 0), Affine(0.5, 0.1, 1, 0, 0.7, -1)], ids=["any", "same", "smaller"])
def test_maps_equal_their_slow_twin(matrix, shifts):
    found = warp_maps(MAPS, matrix, (6, 9), -1, shifts)
    for i in range(6):
        for j in range(9):
            x, y = source_of(matrix, i, j, shifts)
            row, column = math.floor(y), math.floor(x)
            inside = 0 <= row < 5 and 0 <= column < 7
            assert found[:, i, j].tolist() == (MAPS[:, row, column].tolist() if inside else [-1, -1])


@pytest.mark.parametrize("shifts", [None, SHIFTS], ids=["straight", "bent"])
def test_weights_equal_their_slow_twin(shifts):
    weights = torch.rand(1, 5, 7, generator=torch.Generator().manual_seed(1))
    found = warp_weights(weights, ANY, (6, 9), shifts)
    for i in range(6):
        for j in range(9):
            x, y = source_of(ANY, i, j, shifts)
            expected = 0.0
            if 0 <= x < 7 and 0 <= y < 5:
                for row in (math.floor(y - 0.5), math.floor(y - 0.5) + 1):
                    for column in (math.floor(x - 0.5), math.floor(x - 0.5) + 1):
                        share = (1 - abs(y - 0.5 - row)) * (1 - abs(x - 0.5 - column))
                        expected += share * weights[0, min(max(row, 0), 4), min(max(column, 0), 6)].item()
            assert found[0, i, j].item() == pytest.approx(expected, abs=1e-5)


def test_bent_images_show_what_is_so_far_away():
    image = torch.randint(0, 256, (3, 8, 10), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    shifts = torch.zeros(2, 8, 10)
    shifts[0] += 2  # each pixel shows what is two to the right
    shifts[1, 4:] -= 1  # and, in the lower half, one above
    bent = warp_image(image, move(0, 0), (8, 10), shifts)
    assert torch.equal(bent[:, :4, :8], image[:, :4, 2:])
    assert torch.equal(bent[:, 4:, :8], image[:, 3:7, 2:])
    assert bent[:, :, 8:].sum() == 0


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_quarter_turn_is_rot90(quarters):
    square = MAPS[:, :, :5]
    turned = warp_maps(square, turn(90 * quarters, 1, 2.5, 2.5), (5, 5), -1)
    assert torch.equal(turned, torch.rot90(square, quarters, (1, 2)))


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float32])
def test_all_kinds_of_numbers_pass(kind):
    maps = (MAPS % 2).to(kind)
    assert torch.equal(warp_maps(maps, mirror(7), (5, 7), 0), maps.flip(2))
    assert warp_maps(maps[:0], mirror(7), (4, 3), 0).shape == (0, 4, 3)


@pytest.mark.parametrize("top", [-9, -5, -2, 0, 1, 4, 5, 8])
@pytest.mark.parametrize("left", [-3, 0, 3, 7])
@pytest.mark.parametrize("size", [(5, 7), (2, 3), (9, 9)])
def test_windows_of_maps_equal_those_of_their_image(top, left, size):
    image = torch.randint(1, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(cut_maps(image, top, left, *size, 0), cut_window(image, top, left, *size))
    filled = cut_maps(image, top, left, *size, 255)
    assert torch.equal(torch.where(cut_window(image, top, left, *size) == 0, 255, filled), filled)
