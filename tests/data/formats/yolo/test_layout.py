"""Ultralytics' data.yaml as it comes: paths of other computers, lists, files of lists, names of all kinds."""

import pytest
from PIL import Image

from zorki.data.annotations.outside import outside_allowed
from zorki.data.formats.readers import read_boxes, read_instances
from zorki.errors import DataError


def make(folder, split, count=2, labels="0 0.5 0.5 0.2 0.4\n"):
    for number in range(count):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 50)).save(folder / f"images/{split}/{split}{number}.jpg")
        (folder / f"labels/{split}/{split}{number}.txt").write_text(labels)


@pytest.mark.parametrize(("place", "path"), [
    ("coco8.yaml", "/home/me/datasets/coco8"),  # of another computer
    ("coco8.yaml", "../datasets/coco8"),  # as Ultralytics' own file says, which lies elsewhere there
    ("data/coco8.yaml", "coco8"),  # relative to the folder above the file's
    ("cfg/coco8.yaml", "../coco8"),
])  # fmt: skip
def test_where_path_leads(tmp_path, place, path):
    data = tmp_path / "coco8"
    make(data, "train2017")
    make(data, "val2017")
    file = (data if "/home" in path or "datasets" in path else tmp_path) / place
    file.parent.mkdir(exist_ok=True)
    file.write_text(
        f"path: {path}  # dataset root dir\ntrain: images/train2017  # 4 images\nval: images/val2017\n"
        "test:  # optional\n"
        "names:\n  0: cat\n  1: dog\ndownload: https://ultralytics.com/assets/coco8.zip\n"
    )
    if place.startswith("cfg"):
        with pytest.raises(DataError, match=r"'\.\./coco8/images/train2017' first, and were not followed"):
            read_boxes(file)
    with outside_allowed(place.startswith("cfg")):
        found = read_boxes(file)
    assert (found.class_names, {split: len(own) for split, own in found.splits.items()}) == (
        ["cat", "dog"], {"train": 2, "val": 2},
    )  # fmt: skip
    assert found.target(0).xyxy.tolist() == [[40, 15, 60, 35]]


def test_roboflows_paths_lead_one_folder_too_high(tmp_path):
    for split in ("train", "valid", "test"):
        for kind in ("images", "labels"):
            (tmp_path / split / kind).mkdir(parents=True)
        Image.new("RGB", (100, 50)).save(tmp_path / split / "images/a.jpg")
        (tmp_path / split / "labels/a.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['cat', 'dog']\n\n"
        "roboflow:\n  workspace: w\n  project: p\n  version: 1\n  license: CC BY 4.0\n"
    )
    data = read_boxes(tmp_path)
    assert (data.class_names, {split: len(own) for split, own in data.splits.items()}) == (
        ["cat", "dog"], {"train": 1, "val": 1, "test": 1},
    )  # fmt: skip
    assert data.target(0).labels.tolist() == [1]


def test_lists_of_folders_and_files_of_lists(tmp_path):
    make(tmp_path, "a")
    make(tmp_path, "b")
    make(tmp_path, "c")
    (tmp_path / "val.txt").write_text("./images/c/c0.jpg\n./images/c/c1.jpg\n")
    (tmp_path / "data.yaml").write_text("train: [images/a, images/b]\nval: val.txt\nnames: [cat]\n")
    assert {split: len(own) for split, own in read_boxes(tmp_path).splits.items()} == {"train": 4, "val": 2}


def test_one_folder_for_both_splits(tmp_path):
    make(tmp_path, "train2017", 8)
    text = "train: images/train2017\nval: images/train2017\nnames: {0: cell}\n"
    (tmp_path / "data.yaml").write_text(text)
    data = read_boxes(tmp_path)
    assert data.splits == {"train": list(range(8)), "val": list(range(8))}
    (defect,) = data.defects
    assert defect.note
    assert "8 images (" in defect.reason
    assert "in train and in val" in defect.reason


def test_a_number_of_classes_without_names(tmp_path):
    make(tmp_path, "train")
    (tmp_path / "data.yaml").write_text("train: images/train\nnc: 3\n")
    assert read_boxes(tmp_path).class_names == ["0", "1", "2"]


def test_the_box_of_a_pose_is_its_first_four_numbers(tmp_path):
    make(tmp_path, "train", labels="0 0.5 0.5 0.2 0.4 0.1 0.1 2 0.9 0.9 2\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [person]\nkpt_shape: [2, 3]\n")
    assert read_boxes(tmp_path).target(0).xyxy.tolist() == [[40, 15, 60, 35]]
    with pytest.raises(DataError, match="none with a usable mask"):
        read_instances(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [person]\nkpt_shape: 17\n")
    with pytest.raises(DataError, match=r"kpt_shape is 17; expected \[points, 2\]"):
        read_boxes(tmp_path / "data.yaml")


def test_label_studios_names_of_labels(tmp_path):
    make(tmp_path, "train", 1)
    (tmp_path / "images/train/train0.jpg").rename(tmp_path / "images/train/a b.jpg")
    (tmp_path / "labels/train/train0.txt").rename(tmp_path / "labels/train/a%20b.txt")
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "notes.json").write_text('{"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2024}}')
    data = read_boxes(tmp_path)
    assert (data.format, data.names, len(data.target(0))) == ("yolo", ["images/train/a b.jpg"], 1)
