"""Pairs for Siamese trackers: where the object lies in them."""

from __future__ import annotations

import pytest
import torch

from zorki.data.preprocess.saved import preprocess_from_json
from zorki.data.preprocess.tracking.pairs import ExemplarSearchPairs
from zorki.errors import RecipeError
from zorki.types import Boxes, TrackedBoxes


def pair(seed=0):
    frames = torch.randint(0, 256, (2, 3, 90, 120), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    xyxy = torch.tensor([[30.0, 20.0, 50.0, 60.0], [42.0, 26.0, 64.0, 62.0]])
    return frames, TrackedBoxes(torch.arange(2), torch.zeros(2, dtype=torch.int64), xyxy)


def test_the_object_is_in_the_middle_of_both():
    frames, target = pair()
    made, (placement,) = ExemplarSearchPairs(63, 31).in_regions([frames], [target.regions()])
    assert made.exemplars.shape == (1, 3, 31, 31)
    assert made.shape == (1, 3, 63, 63)
    placed = target.place(placement).xyxy[1]
    assert ((placed[:2] + placed[2:]) / 2).tolist() == pytest.approx([31.5, 31.5], abs=1e-4)


def test_chance_moves_the_search_and_the_placement_follows():
    frames, target = pair()
    preprocess = ExemplarSearchPairs(63, 31, shift=16, stretch=0.1)
    generators = [torch.Generator().manual_seed(5)]
    _, (placement,) = preprocess.in_regions([frames], [target.regions()], generators)
    placed = target.place(placement).xyxy[1]
    middle = (placed[:2] + placed[2:]) / 2
    assert 1.0 < float((middle - 31.5).abs().max()) <= 16.0
    still, (plain,) = preprocess.in_regions([frames], [target.regions()])
    assert torch.equal(still.exemplars, preprocess.in_regions([frames], [target.regions()], generators)[0].exemplars)
    assert plain.scale != placement.scale


def test_saved_and_made_again():
    preprocess = ExemplarSearchPairs(127, 63, shift=8, stretch=0.05)
    assert preprocess_from_json(preprocess.to_json()) == preprocess
    assert preprocess.whole() is preprocess


def test_what_cannot_be():
    with pytest.raises(RecipeError, match="expected fewer than the search's 63"):
        ExemplarSearchPairs(63, 63)
    with pytest.raises(RecipeError, match=r"expected a shift of 0\.\.31"):
        ExemplarSearchPairs(63, 31, shift=40)
    frames, target = pair()
    one = Boxes(target.xyxy[:1], target.identities[:1])
    with pytest.raises(RecipeError, match="expected pairs of frames"):
        ExemplarSearchPairs(63, 31).in_regions([frames], [one])
