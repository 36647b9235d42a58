"""Frames of films as images: how many, of which moments, and in which splits."""

import pickle

import numpy as np
import pytest
from PIL import Image

from zorki.errors import DataError
from zorki.tasks.pretraining.data import PretrainingData
from zorki.tasks.pretraining.settings import PretrainingSettings
from zorki.types import Label, Unlabeled

read = PretrainingData().read


def arranged(root, rate):
    data = PretrainingData()
    return data.arrange(data.read(root), PretrainingSettings(video_rate=rate))


def write_strip(path, frames=50, side=8):
    """Frame k is of level k; 25 a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(np.repeat(np.arange(frames, dtype=np.uint8)[None], side, 0), side, 1)).save(path)


def write_film(path, frames=50, size=(16, 24)):
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for k in range(frames):
            image = np.full((*size, 3), 5 * k, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_frames_of_films_with_classes_have_their_label(tmp_path):
    for name in "ab":
        for number in range(6):
            write_strip(tmp_path / name / f"{number}.png")
    frames = pickle.loads(pickle.dumps(arranged(tmp_path, 2.0)))
    assert frames.format == "video_folders"
    assert len(frames) == 12 * 4
    assert {int(frames[k].image[0, 0, 0]) for k in range(4)} == {6, 18, 31, 43}
    assert frames.target(0) == Label(0)
    assert frames.target(47) == Label(1)
    assert len({frames.mark(k) for k in range(48)}) == 48
    sides = {k: split for split, own in frames.splits.items() for k in own}
    assert all(len({sides[4 * film + k] for k in range(4)}) == 1 for film in range(12))
    assert len(read(tmp_path)) == 24


def test_more_frames_than_a_film_has_are_not_made(tmp_path):
    write_strip(tmp_path / "a" / "1.png", frames=6)
    write_strip(tmp_path / "b" / "1.png", frames=6)
    frames = arranged(tmp_path, 1000.0)
    assert [int(frames[k].image[0, 0, 0]) for k in range(6)] == list(range(6))


def test_videos_beside_images_are_learned_from_without_labels(tmp_path):
    for number in range(10):
        write_film(tmp_path / "day" / f"{number}.avi")
        Image.new("RGB", (9, 9)).save(tmp_path / "day" / f"{number}.png")
    (tmp_path / "broken.mp4").write_text("hallo\n")
    frames = read(tmp_path)
    assert len(frames) == 10 + 20
    assert frames[0].image.shape == (3, 9, 9)
    assert frames[29].image.shape == (3, 16, 24)
    assert isinstance(frames.target(29), Unlabeled)
    assert sum(map(len, frames.splits.values())) == 30
    assert [defect.path.name for defect in frames.defects] == ["broken.mp4"]


def test_one_video_is_learned_from_as_a_whole(tmp_path):
    frames = read(write_film(tmp_path / "a.avi"))
    assert frames.splits == {"train": [0, 1]}
    assert "too few films" in frames.split_reason


def test_photos_in_folders_are_no_films(tmp_path):
    for number in range(4):
        for name in ("2020/lake", "2021/city"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (9, 9)).save(tmp_path / name / f"{number}.png")
    assert len(read(tmp_path)) == 8


def test_a_folder_without_anything_to_see_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(DataError, match="no image in this folder or below it"):
        read(tmp_path)
    with pytest.raises(DataError, match="expected a folder of images or videos, or a video"):
        read(tmp_path / "a.txt")
    (tmp_path / "a.mp4").write_text("hallo\n")
    with pytest.raises(DataError, match=r"nothing in it can be read: .*a\.mp4: no video"):
        read(tmp_path)
