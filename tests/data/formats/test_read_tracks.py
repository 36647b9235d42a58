"""Sequences in the layouts of five benchmarks."""

from __future__ import annotations

import pytest
import torch

from zorki.data.formats.readers import read_tracks
from zorki.data.images import write_image
from zorki.errors import DataError


def images(folder, count, size=(24, 32), suffix="jpg", digits=4):
    for number in range(1, count + 1):
        write_image(folder / f"{number:0{digits}d}.{suffix}", torch.full((3, *size), 10 * number, dtype=torch.uint8))


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")


def rows(dataset, index=0):
    target = dataset.target(index)
    return target.frames.tolist(), target.xyxy.tolist()


def test_otb_counts_pixels_from_1_and_parts_numbers_as_it_likes(tmp_path):
    images(tmp_path / "Car" / "img", 3)
    lines(tmp_path / "Car" / "groundtruth_rect.txt", "1,2,10,5", "2\t3\t10\t5", "0 0 0 0")
    found = read_tracks(tmp_path)
    assert found.format == "otb"
    assert found.splits == {"test": [0]}
    assert rows(found) == ([0, 1], [[0.0, 1.0, 10.0, 6.0], [1.0, 2.0, 11.0, 7.0]])
    sample = found[0]
    assert sample.image.shape == (3, 3, 24, 32)
    assert int(sample.image[2].float().mean()) in (29, 30, 31)
    assert found.name(0) == "Car"


def test_otb_with_two_objects_and_with_a_late_first_frame(tmp_path):
    images(tmp_path / "Jogging" / "img", 2)
    for number in (1, 2):
        lines(tmp_path / "Jogging" / f"groundtruth_rect.{number}.txt", f"{number},1,5,5", "1,1,5,5")
    images(tmp_path / "BlurCar3" / "img", 4)
    lines(tmp_path / "BlurCar3" / "groundtruth_rect.txt", "1,1,5,5", "2,2,5,5")
    found = read_tracks(tmp_path)
    assert [found.name(index) for index in range(3)] == ["BlurCar3", "Jogging-1", "Jogging-2"]
    assert found[0].image.paths[0].name == "0003.jpg"


def test_a_folder_named_train_tells_the_split(tmp_path):
    for split in ("train", "val"):
        images(tmp_path / split / "a" / "img", 2)
        lines(tmp_path / split / "a" / "groundtruth_rect.txt", "1,1,5,5", "1,1,5,5")
    assert read_tracks(tmp_path).splits == {"train": [0], "val": [1]}


def test_lasot_leaves_hidden_frames_out(tmp_path):
    folder = tmp_path / "car" / "car-2"
    images(folder / "img", 3, digits=8)
    lines(folder / "groundtruth.txt", "1,1,5,5", "2,2,5,5", "3,3,5,5")
    lines(folder / "full_occlusion.txt", "0,1,0")
    lines(folder / "out_of_view.txt", "0,0,0")
    lines(tmp_path / "testing_set.txt", "car-2")
    found = read_tracks(tmp_path)
    assert (found.format, found.splits) == ("lasot", {"test": [0]})
    assert rows(found)[0] == [0, 2]


def test_got10k_with_absence_and_with_one_line(tmp_path):
    folder = tmp_path / "train" / "GOT-10k_Train_000001"
    images(folder, 3, digits=8)
    lines(folder / "groundtruth.txt", "1.5,1,5,5", "2,2,5,5", "3,3,5,5")
    lines(folder / "absence.label", "0", "1", "0")
    lines(folder / "cover.label", "8", "8", "0")
    test = tmp_path / "test" / "GOT-10k_Test_000001"
    images(test, 3, digits=8)
    lines(test / "groundtruth.txt", "1,1,5,5")
    found = read_tracks(tmp_path)
    assert found.format == "got10k"
    only, annotated = 0, 1
    assert found.splits["test"] == [only]
    assert rows(found, annotated) == ([0], [[1.5, 1.0, 6.5, 6.0]])
    assert rows(found, only)[0] == [0]
    assert len(found[only].image) == 3


def test_vot_s_polygons_become_boxes_of_their_area(tmp_path):
    images(tmp_path / "ball" / "color", 2, digits=8)
    # A square of side sqrt(50) on its corner, around (10, 10).
    lines(tmp_path / "ball" / "groundtruth.txt", "10,5,15,10,10,15,5,10", "4,4,4,10,10,10,10,4")
    found = read_tracks(tmp_path)
    assert found.format == "vot"
    half = 50**0.5 / 2
    assert rows(found)[1][0] == pytest.approx([10 - half, 10 - half, 10 + half, 10 + half])
    assert rows(found)[1][1] == pytest.approx([4.0, 4.0, 10.0, 10.0])


def test_mot_has_a_track_for_each_object_that_counts(tmp_path):
    folder = tmp_path / "train" / "MOT17-02"
    images(folder / "img1", 4, digits=6)
    lines(
        folder / "gt" / "gt.txt",
        "1,7,1,1,5,5,1,1,1.0", "3,7,2,1,5,5,1,1,1.0", "2,9,1,1,5,5,1,1,1", "3,9,4,4,5,5,1,1,1", "1,4,1,1,5,5,0,1,1",
    )  # fmt: skip
    found = read_tracks(tmp_path)
    assert (found.format, [found.name(index) for index in range(len(found))]) == ("mot", ["MOT17-02-7", "MOT17-02-9"])
    assert rows(found, 0) == ([0, 2], [[0.0, 0.0, 5.0, 5.0], [1.0, 0.0, 6.0, 5.0]])
    assert found[1].image.paths[0].name == "000002.jpg"


def test_what_is_wrong_is_told_with_its_line(tmp_path):
    images(tmp_path / "Car" / "img", 2)
    lines(tmp_path / "Car" / "groundtruth_rect.txt", "1,2,10,5", "1,2,10")
    with pytest.raises(DataError, match=r"groundtruth_rect.txt:2: expected 4 numbers, such as x,y,width,height"):
        read_tracks(tmp_path)
    lines(tmp_path / "Car" / "groundtruth_rect.txt", "1,2,0,5", "1,2,10,5")
    with pytest.raises(DataError, match="has no box in its first frame"):
        read_tracks(tmp_path)


def test_more_images_than_boxes_are_told(tmp_path):
    images(tmp_path / "Car" / "img", 3)
    lines(tmp_path / "Car" / "groundtruth_rect.txt", "1,2,10,5", "1,2,10,5")
    found = read_tracks(tmp_path)
    assert len(found[0].image) == 2
    assert "2 boxes and 3 images: the first 2 are taken" in str(found.defects[0])
