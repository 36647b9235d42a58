"""Pairs of patches: where they lie, what is between them, and which neighbor they are said to be."""

import pytest
import torch

from zorki.data.preprocess.pretraining.patch_pairs import NEIGHBORS, RandomPatches
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.errors import RecipeError
from zorki.types import PatchPairs


def places(height=64, width=64):
    """An image whose red is the column and whose green is the row."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows, torch.zeros_like(rows)]).to(torch.uint8)


def chance(count):
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def test_the_second_patch_lies_where_it_is_said_to():
    preprocess = RandomPatches(64, patch=12, gap=6, jitter=2, one_color=0.0)
    pairs, placements = preprocess([places()] * 60, chance(60))
    assert isinstance(pairs, PatchPairs)
    assert pairs.images.shape == (60, 2, 3, 12, 12)
    assert len(placements) == 60
    assert set(pairs.neighbors.tolist()) == set(range(8))
    corners = pairs.images[:, :, :2, 0, 0].int()
    for pair, neighbor in zip(corners, pairs.neighbors.tolist(), strict=True):
        right, down = (pair[1] - pair[0]).tolist()
        expected = NEIGHBORS[neighbor]
        assert abs(down - 18 * expected[0]) <= 4, "moved by two pixels each"
        assert abs(right - 18 * expected[1]) <= 4
    assert len({tuple(corner) for corner in corners[:, 0].tolist()}) > 20, "the grid lies somewhere"


def test_one_color_is_kept_and_the_others_are_its_mean():
    image = torch.randint(0, 256, (3, 40, 40), generator=torch.Generator().manual_seed(0)).byte()
    pairs, _ = RandomPatches(40, 10, 3, 0, one_color=1.0)([image] * 12, chance(12))
    for pair in pairs.images:
        flat = [bool((patch.flatten() == patch.flatten()[0]).all()) for patch in pair[0]]
        kept = flat.index(False)
        assert sum(flat) == 2
        mean = float(pair[0, kept].float().mean())
        assert abs(float(pair[0, (kept + 1) % 3, 0, 0]) - mean) <= 0.5


def test_without_generators_it_is_the_image_as_a_whole():
    image = places(32, 48)
    inputs, _ = RandomPatches(32, 7, 3, 1)([image])
    assert inputs.shape == (1, 1, 3, 32, 32)
    assert torch.equal(inputs[0, 0], image[:, :, 8:40])


def test_it_is_saved_and_refuses_what_does_not_fit():
    preprocess = RandomPatches(64, 12, 6, 2)
    assert preprocess_from_json(preprocess.to_json()) == preprocess
    with pytest.raises(RecipeError, match="take 112 pixels, but the image has 64"):
        RandomPatches(64, 30, 10, 1)
