import json
import pickle

import pytest
import torch

from zorki.contracts import Preprocess
from zorki.data.preprocess import proposal_cache as proposals
from zorki.data.preprocess.letterbox_with_proposals import LetterboxWithProposals
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.errors import RecipeError
from zorki.types import ImagesWithProposals


@pytest.fixture(autouse=True)
def found(monkeypatch, tmp_path):
    """What a search finds, in pixels of the searched image."""
    boxes = [[0, 0, 32, 16], [4, 4, 8, 12], [10, 2, 26, 14], [1, 1, 20, 9]]
    monkeypatch.setattr(proposals, "selective_search", lambda image, mode, seed: torch.tensor(boxes, dtype=torch.int16))
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))
    return boxes


def make_image(height, width, seed=0):
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_regions_lie_in_pixels_of_the_network():
    inputs, (placement,) = LetterboxWithProposals(64, stride=32, search_size=32, min_side=0)([_unmirrored(16, 32)])
    # The image of 16 x 32 is twice as large in the network.
    assert isinstance(inputs, ImagesWithProposals)
    assert inputs.images.shape == (1, 3, 32, 64)
    assert placement.scale == 2
    wanted = [[0, 0, 64, 32], [8, 8, 16, 24], [20, 4, 52, 28], [2, 2, 40, 18]]
    assert inputs.regions[0].tolist() == wanted


def _unmirrored(height, width):
    """An image that is searched itself, and not its mirror image."""
    search = proposals.ProposalSearch("fast", 32)
    return next(image for seed in range(99) if not search._place(image := make_image(height, width, seed))[1])


def test_regions_follow_the_letterbox():
    images = [_unmirrored(16, 32), make_image(32, 32, 1)]
    inputs, placements = LetterboxWithProposals(32, stride=32, search_size=32, min_side=0)(images)
    assert inputs.images.shape == (2, 3, 32, 32)
    assert placements[0].top == 8
    assert inputs.regions[0][0].tolist() == [0, 8, 32, 24]
    # Every box of every image is what its placement makes of the box in the original.
    boxes = torch.tensor([[0, 0, 32, 16], [4, 4, 8, 12]]) + torch.tensor([0, 8, 0, 8])
    assert torch.equal(inputs.regions[0][:2], boxes.float())


def test_narrow_regions_and_those_behind_the_best_are_left_out():
    image = _unmirrored(16, 32)
    inputs, _ = LetterboxWithProposals(32, search_size=32, min_side=8)([image])
    assert inputs.regions[0].shape == (3, 4), "the box of 4 x 8 is narrow"
    inputs, _ = LetterboxWithProposals(32, search_size=32, proposals=2, min_side=8)([image])
    assert inputs.regions[0].shape == (2, 4)
    inputs, _ = LetterboxWithProposals(32, search_size=32, min_side=99)([image])
    assert inputs.regions[0].shape == (0, 4)


def test_no_image_makes_an_empty_batch():
    inputs, placements = LetterboxWithProposals(32)([])
    assert len(inputs.images) == len(inputs.regions) == len(placements) == 0


def test_it_prepares_what_it_will_ask_for():
    preprocess, said = LetterboxWithProposals(32), []
    assert preprocess.precompute(lambda index: make_image(16, 32, index), 3, workers=0, say=said.append) == 3
    assert all(preprocess.search.is_cached(make_image(16, 32, index)) for index in range(3))


def test_it_is_a_value_that_travels():
    preprocess = LetterboxWithProposals(320, proposals=500, mode="quality", search_size=400, min_side=12.5)
    assert isinstance(preprocess, Preprocess)
    assert pickle.loads(pickle.dumps(preprocess)) == preprocess
    assert preprocess_from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess
    assert preprocess.whole() == preprocess


@pytest.mark.parametrize("fields", [{"size": 0}, {"size": 9, "proposals": 0}, {"size": 40_000}])
def test_impossible_settings_are_refused(fields):
    with pytest.raises(RecipeError, match="LetterboxWithProposals: "):
        LetterboxWithProposals(**fields)
