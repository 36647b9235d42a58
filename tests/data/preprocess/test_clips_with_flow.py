"""Optical flow: what moves so far, stored once, mirrored with its film."""

import numpy as np
import pytest
import torch

from zorki.data.preprocess.clips import Clips
from zorki.data.preprocess.flow.clips_with_flow import ClipsWithFlow, mirrored
from zorki.data.preprocess.flow.dense_inverse_search import optical_flow, to_levels
from zorki.data.preprocess.resize_crop import ResizeCrop
from zorki.data.preprocess.saved import preprocess_from_json
from zorki.data.transforms.augment import Augment
from zorki.data.transforms.varied_film import VariedFilm
from zorki.data.video.films import HeldFilm
from zorki.errors import RecipeError

pytest.importorskip("cv2")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("ZORKI_CACHE", str(tmp_path))
    return tmp_path / "flow"


def moving(count=8, side=48, step=2):
    """A blurred pattern that goes `step` pixels to the right a frame."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand((1, 3, side // 6, side // 6), generator=generator)
    ground = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")[0]
    frames = [(ground.roll(step * number, 2) * 255).to(torch.uint8) for number in range(count)]
    return HeldFilm(torch.stack(frames))


def sampling(**values):
    return ClipsWithFlow(4, 1, ResizeCrop(48), limit=8.0, **values)


def test_flow_is_the_shift_in_pixels():
    (field,) = optical_flow(moving(2).frames)
    inner = field[:, 12:36, 12:36]
    assert np.median(inner[0]) == pytest.approx(2, abs=0.3)
    assert np.median(inner[1]) == pytest.approx(0, abs=0.3)
    assert to_levels(np.array([[[[-99.0]], [[0.0]]], [[[8.0]], [[-8.0]]]]), 8.0).ravel().tolist() == [0, 128, 255, 0]


def test_a_clip_is_its_middle_frame_and_its_flow(cache):
    film = moving()
    inputs, placements = sampling()([film, film], [torch.Generator().manual_seed(k) for k in range(2)])
    assert inputs.images.shape == (2, 1, 3, 48, 48)
    assert inputs.flow.shape == (2, 1, 6, 48, 48)
    assert len(placements) == 2
    assert len(list(cache.rglob("*.npy"))) == 1
    evaluated, _ = sampling(clips=3)([film])
    assert evaluated.flow.shape == (1, 3, 6, 48, 48)
    assert torch.equal(evaluated.images[0, 1], film.frames[2 + 2])


def test_stored_flow_is_that_of_the_frames_themselves():
    film, flow = moving(), sampling()
    stored = flow([film])[0].flow[0, 0]
    assert torch.equal(stored, torch.from_numpy(flow.store.of_frames(film.frames[2:6])).flatten(0, 1))


def test_mirrored_films_have_mirrored_flow():
    film, flow = moving(), sampling()
    augment = Augment(hflip=1.0)
    varied = VariedFilm(film, augment, augment.draw(48, 48, torch.Generator()), 0)
    plain = flow([film])[0].flow[0, 0].unflatten(0, (3, 2)).numpy()
    assert np.array_equal(flow([varied])[0].flow[0, 0].unflatten(0, (3, 2)).numpy(), mirrored(plain))
    assert np.array_equal(mirrored(mirrored(plain)), plain)
    cropped = Augment(random_crop=0.3)
    other = VariedFilm(film, cropped, cropped.draw(48, 48, torch.Generator().manual_seed(3)), 0)
    assert not other.keeps_places
    assert flow([other])[0].flow.shape == (1, 1, 6, 48, 48)


def test_what_does_not_move_has_no_flow():
    flow = sampling().reduced_inputs()["middle frame"]([moving()])[0].flow
    assert (flow.float() - 128).abs().max() <= 1


def test_it_is_worked_out_once_before_training(cache):
    said = []
    films = {0: moving(), 1: moving(step=3), 2: moving()}
    assert sampling().precompute(films.__getitem__, 3, workers=0, say=said.append) == 2
    assert said == [f"optical flow: worked out for 2 of 3 films in 0 s, kept in {cache}"]
    assert sampling().precompute(films.__getitem__, 3, workers=0, say=said.append) == 0


def test_sampling_is_saved():
    flow = sampling(rate=12.5, clips=2)
    assert preprocess_from_json(flow.to_json()) == flow
    plain = flow.pixels
    assert plain == Clips(4, 1, ResizeCrop(48), rate=12.5, clips=2)
    assert preprocess_from_json(plain.to_json()) == plain
    with pytest.raises(RecipeError, match="2 frames or more"):
        ClipsWithFlow(1, 1, ResizeCrop(48))
