from functools import partial

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations import listing as files
from zorki.data.annotations.outside import outside_allowed
from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes
from zorki.data.formats.yolo import read as yolo
from zorki.errors import DataError

read_yolo = partial(read_boxes, format="yolo")


def make_image(path, width=100, height=50):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def folder(tmp_path):
    for name in ("train/a.jpg", "train/b.jpg", "val/a.png"):
        make_image(tmp_path / "images" / name)
    write(tmp_path / "labels/train/a.txt", "1 0.5 0.5 0.2 0.4\n\n0 0.25 0.5 0.5 1\n")
    write(tmp_path / "labels/val/a.txt", "0 0.1 0.2 0.4 0.2 0.4 0.6\n")
    return tmp_path


SETTINGS = {
    "a list": "path: {root}\ntrain: images/train\nval: images/val\ntest:\nnc: 2\nnames: [cat, dog]\n",
    "a mapping, another computer": "train: ../data/images/train\nval: /x/images/val\nnames: {{0: cat, 1: dog}}\n",
    "lists of folders": "train: [images/train]\nval: [images/val]\nnames: [cat, dog]\n",
}


@pytest.mark.parametrize("text", SETTINGS.values(), ids=SETTINGS.keys())
def test_yaml(folder, text):
    write(folder / "data.yaml", text.format(root=folder))
    data = read_boxes(folder)
    assert (data.format, data.class_names) == ("yolo", ["cat", "dog"])
    assert data.names == ["images/train/a.jpg", "images/train/b.jpg", "images/val/a.png"]
    assert data.splits == {"train": [0, 1], "val": [2]}
    assert data.target(0).xyxy.numpy() == pytest.approx(np.array([[40, 15, 60, 35], [0, 0, 50, 50]]), abs=1e-4)
    assert data.target(0).labels.tolist() == [1, 0]
    assert data.target(2).xyxy.numpy() == pytest.approx(np.array([[10, 10, 40, 30]]), abs=1e-4)
    assert len(data.target(1)) == 0
    assert [defect.reason for defect in data.defects if "background" in defect.reason] == [
        "1 image has no file of labels, b.jpg first; taken as background; --unlabeled skip leaves such images out"
    ]
    assert read_yolo(folder / "data.yaml").names == data.names


def test_outlines_are_in_pixels(folder):
    write(folder / "data.yaml", "val: images/val\nnames: [cat]\n")
    assert read_boxes(folder, need_segments=True).segments == [[pytest.approx([10, 10, 40, 10, 40, 30])]]


def test_a_list_of_images(folder):
    write(folder / "lists/train.txt", "./images/train/a.jpg\nimages/gone.jpg\n")
    write(folder / "data.yaml", "train: lists/train.txt\nnames: [cat, dog]\n")
    data = read_yolo(folder)
    assert data.names == ["images/train/a.jpg"]
    assert "there is no image 'images/gone.jpg'; its 0 boxes left out" in str(data.defects)


def test_darknet(tmp_path):
    write(
        tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
    )
    write(tmp_path / "obj.names", "cat\ndog\n")
    write(tmp_path / "train.txt", "data/obj_train_data/1.jpg\n")
    make_image(tmp_path / "obj_train_data/1.jpg")
    write(tmp_path / "obj_train_data/1.txt", "1 0.5 0.5 1 1\n")
    data = read_yolo(tmp_path)
    assert data.class_names == ["cat", "dog"]
    assert data.splits["train"] + data.splits["val"] == [0]
    assert data.target(0).xyxy.tolist() == [[0, 0, 100, 50]]
    (told,) = [defect.reason for defect in data.defects if "valid" in defect.reason]
    assert told == "valid: there is no 'data/valid.txt'; left out"


def test_images_that_lie_elsewhere(tmp_path):
    base, images = tmp_path / "data", tmp_path / "images"
    write(base / "obj.data", "train = data/train.txt\nnames = data/obj.names\n")
    write(base / "obj.names", "cat\n")
    write(base / "train.txt", "data/obj_train_data/1.jpg\n")
    write(base / "obj_train_data/1.txt", "0 0.5 0.5 1 1\n")
    make_image(images / "1.jpg")
    assert read_yolo(base, images=images).target(0).xyxy.tolist() == [[0, 0, 100, 50]]
    with pytest.raises(DataError, match="boxes are given in shares of the images"):
        read_yolo(base, need_images=False)


def test_folders_alone(folder):
    data = read_yolo(folder)
    assert data.class_names == ["0", "1"]
    assert data.splits == {"train": [0, 1], "val": [2]}
    write(folder / "classes.txt", "cat\ndog\nbird\n")
    assert read_yolo(folder).class_names == ["cat", "dog", "bird"]


def test_text_files_beside_images(tmp_path):
    make_image(tmp_path / "1.jpg")
    write(tmp_path / "1.txt", "0 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "notes.txt", "1 2 3")
    data = read_yolo(tmp_path)
    assert data.target(0).xyxy.tolist() == [[25, 12.5, 75, 37.5]]


def test_bad_lines_are_told(folder):
    lines = ("0 0.5 0.5 0.2 0.4", "2 0.5 0.5 0.2 0.4", "cat 0.5 0.5 1 1", "0 0.5 0.5", "0 50 25 20 20", "0 0.5 0.5 0 1",
             "0 0.5 x 1 1", "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7", "0 0.9 0.5 0.4 0.4", "-1 0.5 0.5 1 1")  # fmt: skip
    write(folder / "labels/train/a.txt", "\n".join(lines))
    write(folder / "data.yaml", "train: images/train\nnc: 3\nnames: [cat, dog]\n")
    data = read_yolo(folder)
    assert data.target(0).xyxy.numpy() == pytest.approx(np.array([[40, 15, 60, 35], [70, 15, 100, 35]]), abs=1e-4)
    told = {defect.line: defect.reason for defect in data.defects if defect.path.name == "a.txt"}
    assert told == {
        2: "class 2 has no name; the 2 names run to 1; the line was left out",
        3: "expected the number of a class first, and got 'cat'; the line was left out",
        4: "expected a class and four numbers, and got 3 words; the line was left out",
        5: "expected shares of the image, 0 to 1, and got 50: pixels are no shares; the line was left out",
        6: "the box (50, 0, 50, 50) has no area; it was left out",
        7: "the box (0, nan, 100, nan) has a value that is no number; it was left out",
        8: "expected pairs of x and y after the class, and got 7 numbers; the line was left out",
        9: "the box (70, 15, 110, 35) leaves the image of 100 x 50; it was cut off at the edge",
        10: "expected the number of a class first, and got '-1'; the line was left out",
    }
    assert data.defects[0].reason == "nc is 3, and there are 2 names; the names were taken"


def test_labels_without_a_image_and_broken_images(folder):
    write(folder / "labels/train/ghost.txt", "0 0.5 0.5 1 1\n")
    (folder / "images/train/b.jpg").write_bytes(b"no image")
    data = read_yolo(folder)
    assert data.names == ["images/train/a.jpg", "images/val/a.png"]
    assert [str(defect.path.name) for defect in data.defects if "no image" in defect.reason] == ["ghost.txt", "b.jpg"]


def test_broken_settings(folder):
    write(folder / "data.yaml", "train: images/train\nnames: [cat\n")
    with pytest.raises(DataError, match=r"data\.yaml:3: the YAML is broken at column 1"):
        read_yolo(folder)
    assert "the YAML is broken" in yolo.probe(folder).reason
    write(folder / "data.yaml", "train: images/train\nnames: {a: cat}\n")
    with pytest.raises(DataError, match="expected numbers of classes before their names"):
        read_yolo(folder)


def test_names_are_text_and_none_is_null(folder):
    write(folder / "data.yaml", "train: images/train\nval: images/val\nnames: [no, on]\n")
    assert read_yolo(folder).class_names == ["no", "on"]
    write(folder / "data.yaml", "train: images/train\nnc: 2\nnames: {0: 1.10, 1: Yes}\n")
    assert read_yolo(folder).class_names == ["1.10", "Yes"]
    for names in ("[cat, null]", "{0: cat, 1: ~}", "{0: cat, null: dog}", "{0: cat, [1]: dog}"):
        write(folder / "data.yaml", f"train: images/train\nnames: {names}\n")
        with pytest.raises(DataError, match=r"data\.yaml.*(names: expected|YAML)"):
            read_yolo(folder)
        assert not yolo.probe(folder).fits
        assert "data.yaml" in str(detect(folder).error())


def test_classes_of_one_name_are_one_class_and_told(folder):
    write(folder / "data.yaml", "train: images/train\nval: images/val\nnames: [cat, cat]\n")
    data = read_yolo(folder)
    assert data.class_names == ["cat"]
    assert data.labels.tolist() == [0, 0, 0]
    assert ("classes 0, 1 are all named 'cat'; they were made one class", True) in [
        (defect.reason, defect.note) for defect in data.defects
    ]


@pytest.mark.parametrize("outline", ["nan 0.2 0.4 0.2 0.4 0.6", "0.4 0.2 nan 0.2 0.4 0.6", "0.4 0.2 0.3 0.2 0.4 inf"])
def test_an_outline_with_a_value_that_is_no_number(folder, outline):
    write(folder / "data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n")
    write(folder / "labels/val/a.txt", f"0 {outline}\n")
    data = read_yolo(folder)
    assert len(data.target(2)) == 0
    assert any(defect.path.name == "a.txt" and defect.line == 1 for defect in data.defects)


def test_folders_above_the_settings_are_no_source(folder):
    inner = folder / "inner"
    inner.mkdir()
    for name in ("images", "labels"):
        (folder / name).rename(inner / name)
    for source in ("/", "..", "../.."):
        write(inner / "data.yaml", f"train: images/train\nval: {source}\nnames: [cat, dog]\n")
        with outside_allowed(True):
            data = read_yolo(inner)
        assert data.names == ["images/train/a.jpg", "images/train/b.jpg"]
        (told,) = [defect.reason for defect in data.defects if "above the folder" in defect.reason]
        assert told.startswith(f"val: {source!r} is ")
        data = read_yolo(inner)
        assert data.names == ["images/train/a.jpg", "images/train/b.jpg"]
        assert [defect.reason for defect in data.defects if f"{source!r} first, and were not followed" in defect.reason]


def test_a_link_that_cannot_be_followed_is_no_folder(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    write(tmp_path / "a.txt", "")
    assert files.subfolders(tmp_path) == []
    assert files.loose_files(tmp_path) == ["a.txt"]
    assert list(files.walk_files(tmp_path)) == ["a.txt", "loop"]


def test_broken_settings_of_something_else(folder):
    write(folder / "aaa.yaml", "train: {\n")
    write(folder / "data.yaml", "train: images/train\nnames: [cat, dog]\n")
    assert read_yolo(folder).class_names == ["cat", "dog"]


def test_refusals(tmp_path):
    write(tmp_path / "notes.txt", "hello\n")
    write(tmp_path / "config.yaml", "train: yes\n")
    assert yolo.probe(tmp_path).reason == "no text file in it begins with a class and four numbers between 0 and 1"
    assert yolo.probe(tmp_path / "notes.txt").reason == "it is a file, and no YAML or .data file with names"
