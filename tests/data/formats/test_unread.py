"""What is known and not read is named, with what to do instead; Roboflow's other exports are read as they come."""

import json

import pytest
from PIL import Image

from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes, read_labels, read_masks
from zorki.errors import DataError


@pytest.mark.parametrize(("name", "text", "message"), [
    ("train/cells.tfrecord", "x", "cells.tfrecord: TFRecord files are known and not read"),
    ("a.parquet", "x", "Parquet files are known"),
    ("via.csv", "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n",
     "VIA's CSV is known and not read"),
    ("via3.json", json.dumps({"file": {"1": {"fid": "1"}}, "metadata": {"a": {"vid": "1", "xy": [2, 1]}}}),
     "VIA 3's projects are known"),
    ("min.json", json.dumps([{"image": "1.jpg", "annotator": 1, "label": [{"x": 1, "original_width": 3}]}]),
     "JSON-MIN is known and not read"),
    ("train/_classes.csv", "filename, cat, dog\n1.jpg, 1, 1\n", "several labels an image"),
])  # fmt: skip
def test_named(tmp_path, name, text, message):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        detect(tmp_path).match("boxes")
    assert message in str(caught.value)
    assert "tried\n  coco: " in str(caught.value)


def photos(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 50)).save(root / name)


def test_roboflows_table_of_boxes_for_each_split(tmp_path):
    photos(tmp_path, "train/1.jpg", "valid/2.jpg")
    for split, name in (("train", "1.jpg"), ("valid", "2.jpg")):
        header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        (tmp_path / split / "_annotations.csv").write_text(f"{header}{name},100,50,cat,10,10,30,40\n")
    data = read_boxes(tmp_path)
    assert (data.format, data.splits) == ("csv", {"train": [0], "val": [1]})
    assert data.target(1).xyxy.tolist() == [[10, 10, 30, 40]]


def test_roboflows_xml_beside_the_images_of_each_split(tmp_path):
    photos(tmp_path, "train/1.jpg", "valid/1.jpg")
    for split in ("train", "valid"):
        (tmp_path / split / "1.xml").write_text(
            "<annotation><folder></folder><filename>1.jpg</filename><path>1.jpg</path><size><width>100</width>"
            "<height>50</height><depth>3</depth></size><object><name>cat</name><bndbox><xmin>10</xmin><xmax>30</xmax>"
            "<ymin>10</ymin><ymax>40</ymax></bndbox></object></annotation>"
        )
    data = read_boxes(tmp_path)
    assert (data.format, data.splits, len(data.target(0))) == ("voc", {"train": [0], "val": [1]}, 1)


def test_roboflows_heading_is_no_class(tmp_path):
    photos(tmp_path, "train/1.jpg")
    (tmp_path / "train/_annotations.coco.json").write_text(json.dumps({
        "categories": [{"id": 0, "name": "pets", "supercategory": "none"},
                       {"id": 1, "name": "cat", "supercategory": "pets"}],
        "images": [{"id": 0, "license": 1, "file_name": "1.jpg", "height": 50, "width": 100}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": [10, 10, 20, 30], "area": 600,
                         "segmentation": [], "iscrowd": 0}],
    }))  # fmt: skip
    assert read_boxes(tmp_path).class_names == ["cat"]


def test_roboflows_folders_and_masks(tmp_path):
    photos(tmp_path / "folders", "train/cat/1.jpg", "valid/cat/2.jpg", "train/dog/3.jpg", "test/dog/4.jpg")
    assert {split: len(own) for split, own in read_labels(tmp_path / "folders").splits.items()} == {
        "train": 2, "val": 1, "test": 1,
    }  # fmt: skip
    photos(tmp_path / "masks", "train/1.jpg", "train/2.jpg")
    for name in ("1_mask.png", "2_mask.png"):
        mask = Image.new("L", (100, 50))
        mask.paste(1, (0, 0, 50, 50))
        mask.save(tmp_path / "masks/train" / name)
    (tmp_path / "masks/train/_classes.csv").write_text("Pixel Value, Class\n0, background\n1, cat\n")
    data = read_masks(tmp_path / "masks")
    assert (data.class_names, data.target(0).classes[0, :2].tolist()) == (["background", "cat"], [1, 1])
