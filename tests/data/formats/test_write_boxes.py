import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data import formats
from zorki.data.annotations.boxes.build import ReadOptions, build
from zorki.data.annotations.drafts.boxes import file_names
from zorki.data.annotations.records import ImageRecord, ObjectRecord, Records
from zorki.data.annotations.subset import subset_boxes
from zorki.data.formats.readers import read_boxes
from zorki.data.formats.writers import write_boxes
from zorki.errors import DataError, ZorkiError

WRITERS = formats.writable("boxes")


@pytest.fixture
def data(tmp_path):
    """Six images, two of one name, in splits; odd numbers, a crowd, a difficult box, outlines, and background."""
    root = tmp_path / "data"
    generator = np.random.default_rng(0)
    images = []
    for number, name in enumerate(("a/1.jpg", "a/2.png", "b/1.jpg", "b/3.jpg", "4.jpg", "b/5 é.jpg")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (333, 217), (40 * number,) * 3).save(root / name)
        corners = np.sort(generator.uniform(0, 217, (3 if number != 4 else 0, 2, 2)), 1).reshape(-1, 4)
        objects = [ObjectRecord(("cat", "dog", "a b")[place], tuple(box)) for place, box in enumerate(corners.tolist())]
        images.append(ImageRecord(name, root, objects, 217, 333, root / name, image_id=100 - number))
    images[0].objects[0].crowd = True
    images[0].objects[0].segments = {"counts": [0, 9, 72252], "size": [217, 333]}
    images[1].objects[1].difficult = True
    images[1].objects[1].segments = [[1.0, 2.0, 3.5, 4.0, 5.0, 6.0]]
    images[2].objects[0].xyxy = (0.0, 0.0, 333.4, 217.0)  # beyond the edge by less than a pixel
    given = {"train": [0, 1, 4], "val": [2], "test": [3, 5]}
    records = Records(root, "made", "", images, [root], given, ["cat", "dog", "a b"], {"cat": 3, "dog": 9, "a b": 4})
    return build(records, ReadOptions(need_segments=True))


def content(data):
    """Every box by image and class, with its flags, sorted; and the splits by the images' pixels."""
    boxes, splits = [], {}
    for split, indices in data.splits.items():
        for index in indices:
            target = data.target(index)
            key = round(int(data[index].image[0, 0, 0]) / 40)
            splits.setdefault(split, []).append(key)
            crowd = [False] * len(target) if target.crowd is None else target.crowd.tolist()
            difficult = [False] * len(target) if target.difficult is None else target.difficult.tolist()
            names = [data.class_names[label] for label in target.labels.tolist()]
            boxes += zip([key] * len(target), names, crowd, difficult, target.xyxy.tolist(), strict=True)
    return sorted(boxes), {split: sorted(keys) for split, keys in splits.items()}


def same(a, b, flags=True):
    (boxes, splits), (others, other_splits) = a, b
    assert splits == other_splits
    assert [box[: 4 if flags else 2] for box in boxes] == [box[: 4 if flags else 2] for box in others]
    assert np.array([box[4] for box in boxes]) == pytest.approx(np.array([box[4] for box in others]), abs=1e-3)


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
def test_there_and_back_without_loss(data, tmp_path, first, second):
    if {first, second} & {"yolo", "labelme", "via", "label_studio", "cvat"}:  # which know no crowds
        data.crowd = None
    if {first, second} & {"yolo", "via", "label_studio", "cvat"}:
        data.difficult = None
    if "yolo" in (first, second):  # which takes no share above 1
        data.xyxy = np.minimum(data.xyxy, 333)
    wanted = content(data)
    write_boxes(data, tmp_path / "first", first)
    once = read_boxes(tmp_path / "first", need_segments=True)
    assert (once.format, [str(defect) for defect in once.defects if not defect.note]) == (first, [])
    same(content(once), wanted)
    write_boxes(once, tmp_path / "second", second)
    twice = read_boxes(tmp_path / "second")
    assert (twice.format, [defect for defect in twice.defects if not defect.note]) == (second, [])
    same(content(twice), wanted)


def test_coco_keeps_all(data, tmp_path):
    assert write_boxes(data, tmp_path / "out", "coco") == []
    again = read_boxes(tmp_path / "out", need_segments=True)
    assert again.class_names == ["cat", "a b", "dog"]  # by id
    assert again.category_ids == [3, 4, 9]
    assert sorted(again.image_ids) == [95, 96, 97, 98, 99, 100]
    assert data.areas is None  # those of the outlines are written then, and of the boxes without one that has pixels
    sides = data.xyxy[:, 2:] - data.xyxy[:, :2]
    boxes = [not isinstance(segments, dict) for segments in data.segments]
    assert again.areas.sum() == pytest.approx(sides.prod(1)[boxes].sum() + 9, rel=1e-6)
    outlines = [segments for segments in again.segments if segments]
    assert {"counts": [0, 9, 72252], "size": [217, 333]} in outlines
    assert [[1.0, 2.0, 3.5, 4.0, 5.0, 6.0]] in outlines
    val = json.loads((tmp_path / "out/annotations/instances_val.json").read_text())
    assert val["images"] == [{"id": 98, "file_name": "b_1.jpg", "height": 217, "width": 333}]
    assert val["annotations"][0]["bbox"] == [0, 0, 333.4, 217]


def test_what_is_lost_is_told(data, tmp_path):
    assert write_boxes(data, tmp_path / "voc", "voc") == [
        "voc knows no crowd boxes: 1 are marked difficult, and <crowd> for zorki's reader",
        "voc has no ids of images, boxes and classes: they are not kept",
        "voc has no place for outlines: the boxes alone are kept",
        "voc has no order of classes: they are read back sorted by name",
    ]
    assert write_boxes(data, tmp_path / "yolo", "yolo")[:2] == [
        "yolo knows no crowd boxes: 1 are written as ordinary ones",
        "yolo knows no difficult boxes: 1 are written as ordinary ones",
    ]
    data.class_names.append("none")
    data.category_ids.append(12)
    assert write_boxes(data, tmp_path / "labelme", "labelme") == [
        "labelme knows no crowd boxes: 1 are written as ordinary ones",
        "labelme has no ids of images, boxes and classes: they are not kept",
        "labelme's boxes have no outlines, which --task instance_segmentation writes: the boxes alone are kept",
        "labelme has no list of classes: 1 without a box are not kept (none)",
        "labelme has no order of classes: they are read back sorted by name",
    ]
    assert write_boxes(data, tmp_path / "via", "via")[:2] == [
        "via knows no crowd boxes: 1 are written as ordinary ones",
        "via knows no difficult boxes: 1 are written as ordinary ones",
    ]
    data.splits = {"train": [0, 1], "val": [1, 2]}
    assert write_boxes(data, tmp_path / "coco", "coco") == [
        "3 images are in no split, and coco has no place for them: left out",
        "1 images are in several splits: each was written into the first",
    ]
    assert len(read_boxes(tmp_path / "coco")) == 3


def test_files_of_drawing_tools_are_as_the_tools_write_them(data, tmp_path):
    write_boxes(data, tmp_path / "labelme", "labelme")
    assert (tmp_path / "labelme/val/b_1.jpg").is_file()
    one = json.loads((tmp_path / "labelme/val/b_1.json").read_text())
    assert {key: one[key] for key in one if key not in ("shapes", "version")} == {
        "flags": {}, "imagePath": "b_1.jpg", "imageData": None, "imageHeight": 217, "imageWidth": 333,
    }  # fmt: skip
    assert one["shapes"][0] == {
        "label": "cat", "points": [[0, 0], [333.4, 217]], "group_id": None, "shape_type": "rectangle", "flags": {},
    }  # fmt: skip
    assert json.loads((tmp_path / "labelme/train/4.json").read_text())["shapes"] == []  # background
    write_boxes(data, tmp_path / "via", "via")
    size = (tmp_path / "via/val/b_1.jpg").stat().st_size  # by which VIA knows an image again
    val = json.loads((tmp_path / "via/val/via_region_data.json").read_text())
    assert list(val) == [f"b_1.jpg{size}"]
    assert (val[f"b_1.jpg{size}"]["filename"], val[f"b_1.jpg{size}"]["size"]) == ("b_1.jpg", size)
    assert val[f"b_1.jpg{size}"]["regions"][0] == {
        "shape_attributes": {"name": "rect", "x": 0, "y": 0, "width": 333.4, "height": 217},
        "region_attributes": {"class": "cat"},
    }


def test_data_without_splits_lie_in_one_folder(data, tmp_path):
    data.splits = {"all": list(range(6))}
    for to in ("labelme", "via"):
        write_boxes(data, tmp_path / to, to)
        assert (tmp_path / to / "4.jpg").is_file()
        assert len(read_boxes(tmp_path / to)) == 6


def test_a_share_above_one_is_cut_off(data, tmp_path):
    write_boxes(data, tmp_path / "out", "yolo")
    first = (tmp_path / "out/labels/val/b_1.txt").read_text().splitlines()[0]
    assert first == "0 0.5 0.5 1 1"
    assert (tmp_path / "out/labels/train/4.txt").read_text() == ""  # background


@pytest.mark.parametrize("to", WRITERS)
def test_links_and_no_images(data, tmp_path, to):
    write_boxes(data, tmp_path / "linked", to, images="link")
    linked = read_boxes(tmp_path / "linked")
    assert all(linked.path(index).is_symlink() for index in range(len(linked)))
    same(content(linked), content(data), flags=False) if to != "yolo" else None
    write_boxes(data, tmp_path / "bare", to, images=None)
    assert {path.suffix for path in (tmp_path / "bare").rglob("*.*")} <= {".json", ".xml", ".txt", ".yaml"}
    if to != "yolo":
        assert len(read_boxes(tmp_path / "bare", need_images=False)) == 6


def test_nothing_is_overwritten_and_nothing_is_left_after_an_error(data, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write_boxes(data, out, "voc")  # an empty folder is no matter
    with pytest.raises(DataError, match="this is there already, and nothing is overwritten"):
        write_boxes(data, out, "voc")
    data.path(3).unlink()
    with pytest.raises(ZorkiError, match=r"other: could not be written"):
        write_boxes(data, tmp_path / "other", "coco")
    assert sorted(os.listdir(tmp_path)) == ["data", "out"]
    with pytest.raises(DataError, match="expected one of coco, voc, yolo"):
        write_boxes(data, tmp_path / "other", "csv")
    data.sizes[0] = 0
    with pytest.raises(DataError, match=r"a/1\.jpg: the size of the image is not known"):
        write_boxes(data, tmp_path / "other", "coco")


def test_names_are_unique_without_their_suffix_in_any_case(data):
    data.names = ["a/1.jpg", "a/A_1.jpg", "b/1.PNG", "x/1.jpg", "/abs/2.jpg", ".hidden.jpg"]
    assert file_names(data) == ["a_1_2.jpg", "A_1.jpg", "b_1.PNG", "x_1.jpg", "2.jpg", "_.hidden.jpg"]


def test_arrays_and_targets(data):
    assert data.offsets.tolist() == [0, 3, 6, 9, 12, 12, 15]
    assert (data.xyxy.dtype, data.labels.dtype) == (np.float32, np.int32)
    target = data.target(0)
    assert target.labels.dtype == torch.int64
    target.xyxy += 100
    assert data.target(0).xyxy.max() < 300  # what is done to a sample does not reach the data
    with pytest.raises(IndexError, match="index 6 of 6 images"):
        data.target(6)
    assert isinstance(data.path(0), Path)


def test_a_subset_keeps_what_belongs_to_its_images(data):
    part = subset_boxes(data, [5, 1])
    assert (part.names, part.sizes.tolist()) == (["b/5 é.jpg", "a/2.png"], [[217, 333]] * 2)
    assert part.splits == {"train": [1], "val": [], "test": [0]}
    assert part.target(1).xyxy.tolist() == data.target(1).xyxy.tolist()
    assert part.target(0).xyxy.tolist() == data.target(5).xyxy.tolist()
    assert part.target(1).difficult.tolist() == [False, True, False]
    assert (part.image_ids, part.segments[4]) == ([95, 99], [[1.0, 2.0, 3.5, 4.0, 5.0, 6.0]])
    assert len(subset_boxes(data, [4]).target(0)) == 0


def test_coco_numbers_boxes_from_1(data, tmp_path):
    """Tools that count from 0 lose a box in pycocotools: what finds the box 0 is a miss there."""
    data.annotation_ids = np.arange(len(data.xyxy), dtype=np.int64)
    lost = write_boxes(data, tmp_path / "out", "coco")
    assert lost == [
        "ids of boxes begin with 0, and pycocotools counts what finds box 0 as a miss: they are numbered anew from 1"
    ]
    assert sorted(read_boxes(tmp_path / "out").annotation_ids.tolist()) == list(range(1, len(data.xyxy) + 1))
