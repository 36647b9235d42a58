import json

import pytest
import torch
from PIL import Image

from zorki.data.annotations.masks.from_instances import MasksFromInstances
from zorki.data.formats.readers import read_masks
from zorki.errors import DataError
from zorki.tasks.semantic_segmentation.data import SegmentationData

read = SegmentationData().read

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "background"}, {"id": 3, "name": "dog"}]


def square(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "images/1.png")
    shapes = [
        (1, {"segmentation": [square(0, 0, 4, 4)]}),
        (3, {"segmentation": [square(2, 2, 6, 6)]}),
        (1, {"segmentation": {"size": [6, 8], "counts": [12, 30, 6]}, "iscrowd": 1}),  # columns 2 to 6
        (3, {"segmentation": [square(6, 0, 8, 1)], "ignore": 1}),
        (2, {"segmentation": [square(0, 0, 1, 1)]}),
    ]
    annotations = [
        {"id": number, "image_id": 1, "category_id": category, "bbox": [0, 0, 8, 6], **one}
        for number, (category, one) in enumerate(shapes, 1)
    ]
    images = [{"id": 1, "file_name": "1.png", "width": 8, "height": 6}]
    values = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    (tmp_path / "instances.json").write_text(json.dumps(values))
    return tmp_path


def test_objects_become_classes(folder):
    data = read_masks(folder)
    assert data.class_names == ["background", "cat", "dog"]
    v = 255
    assert data.target(0).classes.tolist() == [
        [0, 1, 1, 1, v, v, v, v],
        [1, 1, 1, 1, v, v, v, 0],
        [1, 1, 2, 2, 2, 2, v, 0],
        [1, 1, 2, 2, 2, 2, v, 0],
        [0, 0, 2, 2, 2, 2, v, 0],
        [0, 0, 2, 2, 2, 2, v, 0],
    ]
    sample = data[0]
    assert torch.equal(sample.target.classes, data.target(0).classes)
    assert (sample.image.shape, sample.path, data.path(0)) == ((3, 6, 8), data.objects.path(0), data.objects.path(0))
    assert (len(data), data.format, data.splits, data.check(0)) == (1, "coco", data.objects.splits, None)
    assert data.mark(0) == data.objects.mark(0)


def test_the_classes_of_a_run(folder):
    data = read_masks(folder, class_names=["background", "dog", "bird"])
    assert data.class_names == ["background", "dog", "bird"]
    assert sorted(data.target(0).classes.unique().tolist()) == [0, 1, 255]
    with pytest.raises(DataError, match="which the classes of the run do not begin with: sky, dog"):
        read_masks(folder, class_names=["sky", "dog"])


def test_the_task_reads_outlines_where_there_are_no_maps_of_classes(folder):
    for format in (None, "coco"):
        data = read(folder, format=format)
        assert isinstance(data, MasksFromInstances)
    (folder / "masks").mkdir()
    Image.new("L", (8, 6), 1).save(folder / "masks/1.png")
    assert read(folder).format == "mask_folders"
    assert read(folder, format="coco").format == "coco"
    with pytest.raises(DataError, match=r"expected one of coco, .*voc, .*mask_folders"):
        read(folder, format="idx")


def test_more_classes_than_a_map_holds(folder):
    path = folder / "instances.json"
    values = json.loads(path.read_text())
    values["categories"] = [{"id": number, "name": f"class {number}"} for number in range(1, 256)]
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="256 classes with the background"):
        read_masks(folder)
