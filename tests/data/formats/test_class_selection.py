"""One selection of classes, read from labels, boxes, instances and masks alike."""

import gzip
import json

import numpy as np
import pytest
from PIL import Image

from zorki.class_selection import ClassSelection
from zorki.data.formats.readers import read_boxes, read_instances, read_labels, read_masks
from zorki.errors import DataError

SELECTION = ClassSelection.parse("car=vehicle,truck=vehicle,cat=-")


@pytest.fixture
def coco(tmp_path):
    """Three images: a car and a cat, a truck, a cat alone."""
    rows = [(1, 1, "car"), (2, 1, "cat"), (3, 2, "truck"), (4, 3, "cat")]
    ids = {"cat": 3, "truck": 5, "car": 9}
    for number in (1, 2, 3):
        Image.new("RGB", (20, 10)).save(tmp_path / f"{number}.png")
    (tmp_path / "instances.json").write_text(json.dumps({
        "images": [{"id": n, "file_name": f"{n}.png", "height": 10, "width": 20} for n in (1, 2, 3)],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": [
            {"id": n, "image_id": image, "category_id": ids[name], "bbox": [n, 1, 4, 5], "iscrowd": 0,
             "segmentation": [[n, 1, n + 4, 1, n + 4, 6, n, 6]]}
            for n, image, name in rows
        ],
    }))  # fmt: skip
    return tmp_path


def test_boxes_and_instances(coco):
    for read in (read_boxes, read_instances):
        data = read(coco, selection=SELECTION)
        assert data.class_names == ["vehicle"]
        assert data.category_ids == [5]
        targets = [data.boxes(index) if read is read_instances else data.target(index) for index in range(3)]
        assert [target.xyxy[:, 0].tolist() for target in targets] == [[1], [3], []]  # the last is background
        (note,) = [defect for defect in data.defects if "the selection leaves out" in defect.reason]
        assert note.note
        assert "2 objects are" in note.reason
    data = read_boxes(coco, selection=ClassSelection.parse(only="cat"))
    assert (data.class_names, [len(data.target(index)) for index in range(3)]) == (["cat"], [1, 0, 1])


def test_a_run_reads_its_classes_by_its_selection(coco):
    data = read_boxes(coco, class_names=["dog", "vehicle"], selection=ClassSelection.parse("bus=vehicle,car=vehicle"))
    assert [data.target(index).labels.tolist() for index in range(3)] == [[1], [], []]  # cats and trucks are told
    assert sum("is not among dog, vehicle" in defect.reason for defect in data.defects) == 2
    with pytest.raises(DataError, match="class_map names 'bus'"):
        read_boxes(coco, selection=ClassSelection.parse("bus=vehicle"))


def test_objects_as_classes_of_pixels(coco):
    data = read_masks(coco, selection=SELECTION)
    assert data.class_names == ["background", "vehicle"]
    assert [int((data.target(index).classes == 1).sum()) for index in range(3)] == [20, 20, 0]


def test_labels_of_folders_and_tables(tmp_path):
    for name in ("car/1", "truck/2", "cat/3", "dog/4"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "all.csv").write_text("path,label,split\ncar/1.png,car,train\ncat/3.png,cat,train\ndog/4.png,dog,val\n")
    data = read_labels(tmp_path, "class_folders", selection=SELECTION)
    assert data.class_names == ["vehicle", "dog"]
    assert {path: data.labels[place] for place, path in enumerate(data.names)} == {
        "car/1.png": 0, "dog/4.png": 1, "truck/2.png": 0,
    }  # fmt: skip
    data = read_labels(tmp_path / "all.csv", selection=ClassSelection.parse("cat=-"))
    assert (data.class_names, data.names, data.splits) == (
        ["car", "dog"], ["car/1.png", "dog/4.png"], {"train": [0], "val": [1]},
    )  # fmt: skip
    assert any("1 image is of classes that the selection leaves out" in defect.reason for defect in data.defects)
    with pytest.raises(DataError, match=r"only_classes names 'dgo', .* Did you mean dog\?"):
        read_labels(tmp_path, "class_folders", selection=ClassSelection.parse(only="dgo"))


def test_digits(tmp_path):
    pixels = bytes(range(4))
    parts = {"images-idx3": b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (4, 1, 1)) + pixels,
             "labels-idx1": b"\0\0\x08\x01" + (4).to_bytes(4, "big") + bytes([0, 1, 2, 1])}  # fmt: skip
    for name, data in parts.items():
        (tmp_path / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(data))
    data = read_labels(tmp_path, selection=ClassSelection.parse("0=-,2=two"))
    assert (data.class_names[:3], data.labels) == (["1", "two", "3"], [0, 1, 0])
    assert [int(data[index].image[0, 0, 0]) for index in range(3)] == [1, 2, 3]
    assert data.path(0).name == "1"


def test_masks(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        Image.new("RGB", (4, 1)).save(tmp_path / f"images/{number}.png")
        Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8)).save(tmp_path / f"masks/{number}.png")
    (tmp_path / "classes.txt").write_text("road\ncar\ntruck\ncat\n")
    data = read_masks(tmp_path, selection=SELECTION)
    assert (data.class_names, data.target(0).classes.tolist()) == (["road", "vehicle"], [[0, 1, 1, 255]])
    assert data.counts.tolist() == [[1, 2], [1, 2]]
    again = read_masks(tmp_path, class_names=["vehicle", "road"], selection=SELECTION)
    assert again.target(0).classes.tolist() == [[1, 0, 0, 255]]
