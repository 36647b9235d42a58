"""Folders of bare images: what is found, in which splits, and what is refused."""

import pytest
import torch

from zorki.data.annotations.unlabeled.dataset import WithoutAnnotations, read_unlabeled
from zorki.data.images import write_image
from zorki.data.scenes.dataset import SceneClassification
from zorki.errors import DataError
from zorki.types import Unlabeled


def put(folder, *names):
    for name in names:
        write_image(folder / name, torch.zeros((3, 5, 6), dtype=torch.uint8))


def test_all_images_below_a_folder_are_read(tmp_path):
    put(tmp_path, *(f"deep/{number}.png" for number in range(30)), "top.jpg")
    (tmp_path / "notes.txt").write_text("no image")
    dataset = read_unlabeled(tmp_path)
    assert len(dataset) == 31
    assert sorted(index for own in dataset.splits.values() for index in own) == list(range(31))
    assert set(dataset.splits) == {"train", "val", "test"}
    sample = dataset[0]
    assert sample.image.shape == (3, 5, 6)
    assert sample.target == dataset.target(0) == Unlabeled()
    assert dataset.arrays(0).image.shape == (3, 5, 6)


def test_folders_that_are_called_so_are_splits(tmp_path):
    put(tmp_path, "train/a.png", "train/b.png", "valid/c.png")
    assert read_unlabeled(tmp_path).splits == {"train": [0, 1], "val": [2]}


def test_of_a_few_images_none_is_held_out_where_all_would_be(tmp_path):
    names = [f"{number}.png" for number in range(200)]
    put(tmp_path / "many", *names)
    held_out = [names[index] for index in read_unlabeled(tmp_path / "many").splits["test"]]
    put(tmp_path / "few", held_out[0])
    assert read_unlabeled(tmp_path / "few").splits == {"train": [0]}


def test_a_single_image_is_a_dataset(tmp_path):
    put(tmp_path, "a.png", "b.png")
    assert [read_unlabeled(tmp_path / "a.png").path(0).name] == ["a.png"]


def test_broken_images_are_found_by_a_look(tmp_path):
    put(tmp_path, "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    dataset = read_unlabeled(tmp_path)
    assert [dataset.check(index) is None for index in range(2)] == [True, False]


@pytest.mark.parametrize(("name", "words"), [("none", "there is no such file or folder"), ("", "no image in this")])
def test_what_holds_no_image_is_refused(tmp_path, name, words):
    with pytest.raises(DataError, match=words):
        read_unlabeled(tmp_path / name)


def test_annotations_are_left_behind():
    scenes = SceneClassification(30, size=(16, 16))
    bare = WithoutAnnotations(scenes)
    assert len(bare) == 30
    assert bare.splits == scenes.splits
    assert torch.equal(bare[3].image, scenes[3].image)
    assert bare[3].target == bare.target(3) == Unlabeled()
    assert bare.class_names == ["image"]
