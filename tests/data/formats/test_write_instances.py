import json

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data import formats
from zorki.data.formats.readers import read_instances
from zorki.data.formats.writers import write_instances
from zorki.data.scenes.instances import SceneInstances
from zorki.errors import DataError
from zorki.types import Instances

WRITERS = formats.writable("instances")


OVERLAP = "1 images have objects that overlap, where a map has one number for a pixel: the later on top"


def rings(height=40, width=50):
    """A ring with an island in it and a part beside, a thin line, and a square that overlaps the ring."""
    masks = torch.zeros(3, height, width, dtype=torch.bool)
    masks[0, 5:30, 5:30] = True
    masks[0, 10:25, 10:25] = False
    masks[0, 15:18, 15:20] = True
    masks[0, 2:4, 40:50] = True
    masks[1, 35, 0:50] = True
    masks[2, 0:8, 0:8] = True
    xyxy = torch.tensor([[5.0, 2, 50, 30], [0, 35, 50, 36], [0, 0, 8, 8]])
    return Instances(xyxy, torch.tensor([1, 0, 1]), masks)


class DrawnObjects(SceneInstances):
    """Scenes, whose first image of train is `rings`, with a crowd."""

    def __init__(self, crowd=False):
        super().__init__(10, size=(40, 50))
        self.crowd = crowd

    def target(self, index):
        found = rings() if index == 0 else super().target(index)
        if self.crowd:
            found.crowd = torch.arange(len(found)) == 1
            found.difficult = torch.arange(len(found)) == 2
        return found


def same(data, index, wanted, class_names=None):
    target = data.target(index)
    assert torch.equal(target.masks, wanted.masks)
    if class_names is not None:
        names = [data.class_names[label] for label in target.labels.tolist()]
        assert names == [class_names[label] for label in wanted.labels.tolist()]
    for box, mask in zip(target.xyxy.tolist(), target.masks, strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("to", WRITERS)
def test_written_and_read_back(tmp_path, to):
    data = DrawnObjects()
    lost = write_instances(data, tmp_path / "out", to)
    again = read_instances(tmp_path / "out")
    assert (again.format, [str(defect) for defect in again.defects if not defect.note]) == (to, [])
    assert {name: len(own) for name, own in again.splits.items()} == {"train": 7, "val": 1, "test": 2}
    order = [index for split in again.splits for index in again.splits[split]]
    assert [again.path(index).stem[:6] for index in order] == [f"{index:06d}" for index in range(10)]
    for index, place in enumerate(order):
        wanted = data.target(index)
        if to in ("label_map_png", "voc"):  # the later on top
            wanted.masks = wanted.masks & ~(wanted.masks.flip(0).cumsum(0).flip(0) > 1)
        same(again, place, wanted, None if to in ("instance_png", "label_map_png") else data.class_names)
        assert torch.equal(again[place].image, data[index].image)
    if to in ("instance_png", "label_map_png"):
        assert lost[-1] == f"{to} knows no classes: 10 are written as one"
    elif to in ("labelme", "via", "label_studio"):
        assert again.class_names == sorted(data.class_names)
        assert lost[-1] == f"{to} has no order of classes: they are read back sorted by name"
    else:
        assert again.class_names == data.class_names
        assert lost == ([OVERLAP] if to == "voc" else [])


def test_coco_keeps_crowds_ids_and_difficult_objects(tmp_path):
    write_instances(DrawnObjects(crowd=True), tmp_path / "first", "coco")
    first = read_instances(tmp_path / "first")
    path = tmp_path / "first/annotations/instances_train.json"
    values = json.loads(path.read_text())
    assert [one["iscrowd"] for one in values["annotations"][:3]] == [0, 1, 0]
    assert values["annotations"][1]["bbox"] == [0, 35, 50, 1]
    assert values["annotations"][1]["area"] == 50
    values["images"] = [one | {"id": one["id"] + 500} for one in values["images"]]
    values["annotations"] = [
        one | {"image_id": one["image_id"] + 500, "category_id": one["category_id"] + 30, "area": 6.5}
        for one in values["annotations"]
    ]
    values["categories"] = [one | {"id": one["id"] + 30} for one in values["categories"]]
    path.write_text(json.dumps(values))
    for split in ("val", "test"):
        (tmp_path / f"first/annotations/instances_{split}.json").unlink()
    first = read_instances(tmp_path / "first")
    assert write_instances(first, tmp_path / "second", "coco", images="link") == []
    second = read_instances(tmp_path / "second")
    assert second.path(0).is_symlink()
    assert (sorted(second.image_ids), second.category_ids) == (list(range(501, 508)), list(range(31, 41)))
    for index in range(len(first)):
        place = second.image_ids.index(first.image_ids[index])
        same(second, place, first.target(index), first.class_names)
        assert torch.equal(second.target(place).crowd, first.target(index).crowd)
        assert set(second.target(place).areas.tolist()) <= {6.5}  # as COCO's outlines have them: not their pixels
        assert torch.equal(second.target(place).difficult, first.target(index).difficult)


@pytest.mark.parametrize("to", ["yolo", "via", "label_map_png", "instance_png"])
def test_what_a_format_cannot_say_is_told(tmp_path, to):
    lost = write_instances(DrawnObjects(crowd=True), tmp_path / "out", to, images=None)
    assert f"{to} knows no crowd objects" in " ".join(lost)
    assert f"{to} knows no difficult objects" in " ".join(lost)
    assert not list((tmp_path / "out").rglob("*000001.*g")) or to == "label_map_png"


def test_what_labelme_keeps_and_loses(tmp_path):
    lost = write_instances(DrawnObjects(crowd=True), tmp_path / "out", "labelme")
    assert lost[0] == (
        "labelme knows no holes: 3 are polygons with the group_id of the one around, holes for zorki's reader"
    )
    assert "labelme knows no crowd objects" in lost[1]
    assert "difficult" not in " ".join(lost)
    (path,) = (tmp_path / "out").rglob("000000.json")
    shapes = json.loads(path.read_text())["shapes"]
    assert [shape["group_id"] for shape in shapes] == [1, 1, 1, 1, None, None]
    assert shapes[4]["points"] == [[0, 35], [50, 35], [50, 36], [0, 36]]
    data = read_instances(tmp_path / "out")
    first = data.target(next(index for index in range(10) if data.path(index).stem == "000000"))
    assert first.difficult.tolist() == [False, False, True]


def test_classes_without_an_object_and_ids_are_lost_by_drawing_tools(tmp_path):
    masks = torch.ones(1, 16, 16, dtype=torch.bool)
    data = Few(Instances(torch.tensor([[0.0, 0, 16, 16]]), torch.tensor([0]), masks), (16, 16))
    data.class_names, data.image_ids = ["a", "b"], list(range(50, 60))
    for to in ("labelme", "via"):
        assert write_instances(data, tmp_path / to, to) == [
            f"{to} has no ids of images, objects and classes: they are not kept",
            f"{to} has no list of classes: 1 without an object are not kept (b)",
        ]


def test_maps_of_voc(tmp_path):
    """A crowd and a difficult object are 255 in both maps, and an object on top of them is itself."""
    masks = torch.zeros(4, 16, 16, dtype=torch.bool)
    masks[0, :3, :6], masks[1, 2:5, :3], masks[2, 5, :2], masks[3, 3, 1] = True, True, True, True
    found = Instances(torch.zeros(4, 4), torch.tensor([0, 2, 1, 1]), masks)
    found.crowd, found.difficult = torch.tensor([1, 0, 0, 0]).bool(), torch.tensor([0, 0, 1, 0]).bool()
    assert write_instances(Few(found, (16, 16)), tmp_path / "out", "voc") == [
        "10 images have objects that overlap, where a map has one number for a pixel: the later on top",
        "voc knows no crowd objects: the pixels of 10 are 255, which is ignored",
        "voc knows no difficult objects: the pixels of 10 are 255, which is ignored",
    ]
    maps = {}
    for folder in ("SegmentationObject", "SegmentationClass"):
        with Image.open(tmp_path / "out" / folder / "000000.png") as image:
            assert image.mode == "P"
            maps[folder] = np.asarray(image)[:6, :6].tolist()
    x = 255
    rows = [[x] * 6, [x] * 6, [1, 1, 1, x, x, x], [1, 2, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0], [x, x, 0, 0, 0, 0]]
    assert maps["SegmentationObject"] == rows
    assert maps["SegmentationClass"] == [[{0: 0, x: x, 1: 3, 2: 2}[value] for value in row] for row in rows]
    data = read_instances(tmp_path / "out")
    assert data.format == "voc"
    assert data.target(0).masks.sum((1, 2)).tolist() == [8, 1]


def test_what_maps_of_voc_cannot_hold(tmp_path):
    masks = torch.eye(256, dtype=torch.bool).reshape(256, 16, 16)
    found = Instances(torch.zeros(256, 4), torch.zeros(256).long(), masks)
    data = Few(found, (16, 16))
    with pytest.raises(DataError, match=r"000000\.png: it has 256 objects, and voc numbers 254"):
        write_instances(data, tmp_path / "out", "voc")
    data.class_names = ["__background__"]
    with pytest.raises(DataError, match="'__background__', which voc has around all objects"):
        write_instances(data, tmp_path / "out", "voc")
    data.class_names = [str(number) for number in range(255)]
    with pytest.raises(DataError, match="255 classes, and voc tells 254 apart"):
        write_instances(data, tmp_path / "out", "voc")
    assert not list(tmp_path.iterdir())


class Few(SceneInstances):
    """Ten images of the same objects."""

    def __init__(self, found, size):
        super().__init__(10, size=size)
        self.found = found

    def target(self, index):
        return self.found


def test_overlaps_and_hidden_and_empty_objects_of_maps_are_told(tmp_path):
    masks = torch.zeros(3, 20, 20, dtype=torch.bool)
    masks[0, 2:5, 2:5] = True
    masks[1, 0:9, 0:9] = True
    found = Instances(torch.tensor([[2.0, 2, 5, 5], [0, 0, 9, 9], [0, 0, 0, 0]]), torch.zeros(3).long(), masks)
    lost = write_instances(Few(found, (20, 20)), tmp_path / "out", "label_map_png")
    assert lost == [
        "10 images have objects that overlap, where a map has one number for a pixel: the later on top",
        "10 objects lie wholly under others: lost",
        "label_map_png knows no classes: 10 are written as one",
        "10 objects have no pixel: left out",
    ]
    assert torch.equal(read_instances(tmp_path / "out").target(0).masks, masks[1:2])


def test_maps_number_more_than_255_objects(tmp_path):
    masks = torch.eye(400, dtype=torch.bool).reshape(400, 20, 20)
    places = torch.arange(400)
    corners = torch.stack([places % 20, places // 20], 1).float()
    found = Instances(torch.cat([corners, corners + 1], 1), torch.zeros(400).long(), masks)
    write_instances(Few(found, (20, 20)), tmp_path / "out", "label_map_png")
    data = read_instances(tmp_path / "out")
    assert torch.equal(data.target(3).masks, masks)
    with Image.open(next((tmp_path / "out").rglob("labels/*.png"))) as image:
        assert (image.mode, int(np.asarray(image).max())) == ("I;16", 400)


@pytest.mark.parametrize("to", ["yolo", "labelme", "via"])
def test_a_polygon_of_any_mask_fills_it_again(tmp_path, to):
    """Noise: parts, holes, islands and corners that touch, in an image whose shares are no round numbers."""
    masks = torch.from_numpy(np.random.default_rng(0).random((4, 37, 53)) < 0.5)
    found = Instances(torch.tensor([[0.0, 0, 53, 37]] * 4), torch.arange(4), masks)
    write_instances(Few(found, (37, 53)), tmp_path / "out", to)
    data = read_instances(tmp_path / "out")
    assert torch.equal(data.target(0).masks, masks)
    names = [data.class_names[label] for label in data.target(0).labels.tolist()]
    assert names == Few(found, (37, 53)).class_names[:4]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x").touch()
    with pytest.raises(DataError, match="this is there already"):
        write_instances(DrawnObjects(), tmp_path / "out", "coco")
    with pytest.raises(
        DataError, match=r"expected one of coco, voc, yolo, cvat, labelme, via, .*instance_png, label_map"
    ):
        write_instances(DrawnObjects(), tmp_path / "new", "createml")
