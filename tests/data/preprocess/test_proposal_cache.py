"""Found once, kept on disk, mirrored without a search; the search is replaced by one that counts its calls."""

import os

import pytest
import torch

from zorki.data.loading import stored_work
from zorki.data.loading.stored_work import precompute_all
from zorki.data.preprocess import proposal_cache as proposals
from zorki.data.preprocess.proposal_cache import ProposalSearch, proposal_folder
from zorki.errors import DataError, ZorkiError

SEARCH = ProposalSearch("fast", 64)


@pytest.fixture(autouse=True)
def calls(monkeypatch, tmp_path):
    """What was searched: images, in order. Boxes depend on the pixels, so that a mirrored search would show."""
    seen = []

    def search(image, mode, seed):
        seen.append(image.clone())
        height, width = image.shape[1:]
        left = int(image[:, :, 0].sum()) % (width // 2)
        return torch.tensor([[left, 1, left + 9, 12], [0, 0, width, height]], dtype=torch.int16)

    monkeypatch.setattr(proposals, "selective_search", search)
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "cache"))
    return seen


def make_image(seed=0, height=40, width=64):
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def mirrored(xyxy, width):
    return torch.stack([width - xyxy[:, 2], xyxy[:, 1], width - xyxy[:, 0], xyxy[:, 3]], 1)


def test_a_image_is_searched_once(calls):
    first = SEARCH(make_image())
    again = SEARCH(make_image().clone(memory_format=torch.contiguous_format))
    laid_out_otherwise = SEARCH(make_image().permute(1, 2, 0).contiguous().permute(2, 0, 1))
    assert len(calls) == 1
    assert torch.equal(first, again)
    assert torch.equal(first, laid_out_otherwise)
    assert SEARCH.is_cached(make_image())
    assert not SEARCH.is_cached(make_image(1))


@pytest.mark.parametrize("seed", range(4))
def test_a_mirrored_image_finds_the_boxes_of_its_original(calls, seed):
    original, flipped = SEARCH(make_image(seed)), SEARCH(make_image(seed).flip(-1))
    assert len(calls) == 1
    assert torch.equal(flipped, mirrored(original, 64))


def test_either_of_a_pair_may_come_first(calls):
    other = ProposalSearch("fast", 32)
    for seed in range(4):
        forwards, backwards = SEARCH(make_image(seed)), other(make_image(seed).flip(-1))
        assert torch.equal(SEARCH(make_image(seed).flip(-1)), mirrored(forwards, 64))
        assert torch.equal(other(make_image(seed)), mirrored(backwards, 64))
    assert len(calls) == 8


def test_other_settings_are_other_searches(calls):
    for search in (SEARCH, ProposalSearch("quality", 64), ProposalSearch("fast", 32)):
        search(make_image())
    assert len(calls) == 3
    assert [tuple(image.shape[1:]) for image in calls] == [(40, 64), (40, 64), (20, 32)]


def test_boxes_come_in_pixels_of_the_image(calls):
    whole = ProposalSearch("fast", 32)(make_image(height=80, width=50))[1]
    assert tuple(calls[0].shape[1:]) == (32, 20)
    assert torch.equal(whole, torch.tensor([0.0, 0.0, 50.0, 80.0]))


def test_a_image_of_another_shape_but_the_same_bytes_is_another(calls):
    SEARCH(torch.zeros((3, 20, 40), dtype=torch.uint8))
    SEARCH(torch.zeros((3, 40, 20), dtype=torch.uint8))
    assert len(calls) == 2


def test_half_a_file_is_searched_anew(calls):
    wanted = SEARCH(make_image())
    (path,) = proposal_folder().rglob("*.npy")
    path.write_bytes(path.read_bytes()[:90])
    assert torch.equal(SEARCH(make_image()), wanted)
    path.write_bytes(b"")
    assert torch.equal(SEARCH(make_image()), wanted)
    assert len(calls) == 3
    assert [file.name for file in proposal_folder().rglob("*") if file.is_file()] == [path.name], "nothing is left over"


def test_a_folder_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path / "file"))
    with pytest.raises(ZorkiError, match="could not be written"):
        SEARCH(make_image())


@pytest.mark.parametrize("workers", [0, 2])
def test_all_images_are_searched_beforehand(workers, calls):
    said = []
    assert precompute_all(SEARCH, make_image, 5, workers=workers, say=said.append) == 5
    assert all(SEARCH.is_cached(make_image(index)) for index in range(5))
    assert len(said) == 1
    assert "searched 5 of 5 images" in said[0]
    assert precompute_all(SEARCH, make_image, 5, workers=workers, say=said.append) == 0
    assert len(said) == 1, "nothing to tell"


def test_the_order_of_the_processes_does_not_show():
    precompute_all(SEARCH, make_image, 6, workers=2, say=lambda text: None)
    together = [SEARCH(make_image(index)) for index in range(6)]
    os.environ["ZORKI_CACHE"] += "-other"
    precompute_all(SEARCH, make_image, 6, workers=0, say=lambda text: None)
    assert all(torch.equal(a, SEARCH(make_image(index))) for index, a in enumerate(together))


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_images_are_left_to_those_who_read_them(workers):
    def images(index):
        if index == 1:
            raise DataError("broken")
        return make_image(index)

    assert precompute_all(SEARCH, images, 3, workers=workers, say=lambda text: None) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_a_search_that_cannot_be_done_stops_with_its_own_words(monkeypatch, workers):
    def missing(image, mode, seed):
        raise ZorkiError("selective search needs OpenCV")

    monkeypatch.setattr(proposals, "selective_search", missing)
    with pytest.raises(ZorkiError, match=r"^selective search needs OpenCV$"):
        precompute_all(SEARCH, make_image, 4, workers=workers, say=lambda text: None)


def test_it_tells_how_far_it_is(monkeypatch):
    monkeypatch.setattr(stored_work, "_SECONDS_BETWEEN_LINES", -1.0)
    said = []
    precompute_all(SEARCH, make_image, 3, workers=0, say=said.append)
    assert [line.split(",")[0] for line in said[:3]] == [f"proposals: {n} of 3 images" for n in (1, 2, 3)]


def test_the_users_cache_is_used_where_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("ZORKI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert proposal_folder() == tmp_path / "zorki" / "proposals"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert proposal_folder() == tmp_path / "home" / ".cache" / "zorki" / "proposals"
