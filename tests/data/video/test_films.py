"""Films of every layout show the same frames at the same times."""

import pickle

import pytest
import torch

from zorki.data.images import write_image
from zorki.data.video import films
from zorki.data.video.films import FRAME_RATE, FrameFolder, HeldFilm, Strip, check_film, is_strip, open_film
from zorki.errors import DataError


def frames(count=6, side=12):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


def as_folder(path, images):
    path.mkdir()
    for number, image in enumerate(images, 8):  # 10 comes after 9
        write_image(path / f"{number}.png", image)
    return path


def as_strip(path, images, axis):
    write_image(path, torch.cat(list(images), axis))
    return path


@pytest.fixture(params=["folder", "strip", "tall", "held"])
def film(request, tmp_path):
    images = frames()
    if request.param == "held":
        return HeldFilm(images)
    if request.param == "folder":
        return open_film(as_folder(tmp_path / "film", images))
    return open_film(as_strip(tmp_path / "film.png", images, 2 if request.param == "strip" else 1))


def test_every_layout_shows_the_same(film):
    images = frames()
    assert (len(film), film.shape, film.size, film.rate) == (6, (6, 3, 12, 12), (12, 12), FRAME_RATE)
    assert film.duration == pytest.approx(6 / 25)
    assert torch.equal(torch.stack(list(film)), images)
    assert torch.equal(film.at([0.05, 0.0, 9.0, -1.0, 0.05]), images[[1, 0, 5, 0, 1]])
    assert pickle.loads(pickle.dumps(film)).fingerprint == film.fingerprint
    with pytest.raises(IndexError):
        film[6]


def test_parts_of_folders_and_strips(tmp_path):
    images = frames(10)
    for film in (
        open_film(as_folder(tmp_path / "film", images), 0.08, 0.2),
        open_film(as_strip(tmp_path / "film.png", images, 2), 0.08, 0.2),
    ):
        assert torch.equal(torch.stack(list(film)), images[2:5])
        assert film.fingerprint != open_film(film.path).fingerprint
    with pytest.raises(DataError, match=r"begins at 3 s, and the film ends at 0.40 s"):
        len(FrameFolder(tmp_path / "film", start=3.0))


def test_what_is_wrong_is_told(tmp_path):
    folder = as_folder(tmp_path / "film", frames(3))
    write_image(folder / "11.png", torch.zeros((3, 5, 5), dtype=torch.uint8))
    with pytest.raises(DataError, match=r"11.png: the frame has 5 x 5 pixels, and others of the film have 12 x 12"):
        FrameFolder(folder).at([0.0, 1.0])
    write_image(tmp_path / "photo.png", torch.zeros((3, 30, 40), dtype=torch.uint8))
    assert not is_strip(tmp_path / "photo.png")
    with pytest.raises(DataError, match=r"40 x 30 pixels are no strip of frames"):
        len(Strip(tmp_path / "photo.png"))
    assert check_film(folder) is None
    (tmp_path / "empty").mkdir()
    assert check_film(tmp_path / "empty") == "the folder holds no image"
    (tmp_path / "a.mp4").write_text("no video")
    assert "no video that can be read" in check_film(tmp_path / "a.mp4")


def test_a_strip_is_measured_once_however_often_it_is_asked(tmp_path, monkeypatch):
    path = tmp_path / "strip.png"
    write_image(path, torch.zeros((3, 8, 64), dtype=torch.uint8))
    film = Strip(path)
    assert (film.size, len(film)) == ((8, 8), 8)
    monkeypatch.setattr(films, "image_size", None)
    assert (film.size, film.duration) == ((8, 8), 8 / film.rate)
    monkeypatch.undo()
    write_image(path, torch.zeros((3, 8, 80), dtype=torch.uint8))
    assert len(film) == 10, "a file that changed is measured anew"
