"""Marks as text, boxes that attributes turn, splits without annotations, and outlines that COCO's tools cannot read."""

import json

import numpy as np
import pytest
from PIL import Image

from zorki.data.formats.readers import read_boxes, read_instances
from zorki.data.formats.writers import write_boxes


def coco(path, annotations, images=(1, 2)):
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [{"id": k, "file_name": f"{path.stem}{k}.png", "height": 100, "width": 200} for k in images]
    for image in listed:
        Image.new("RGB", (200, 100)).save(path.parent / image["file_name"])
    rows = [
        {"id": k, "image_id": 1, "category_id": 1, "bbox": [60, 30, 40, 20]} | a for k, a in enumerate(annotations, 1)
    ]
    content = {"images": listed, "annotations": rows, "categories": [{"id": 1, "name": "cat"}]}
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(("word", "crowd"), [("0", False), ("false", False), ("", False), ("1", True), ("True", True)])
def test_marks_as_text(tmp_path, word, crowd):
    data = read_boxes(coco(tmp_path / "a.json", [{"iscrowd": word, "ignore": word}, {}]))
    assert (data.crowd is not None and bool(data.crowd[0])) == crowd
    assert (data.difficult is not None and bool(data.difficult[0])) == crowd


def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path):
    """CVAT's export keeps the box as it was before it was turned about its center."""
    turned = {"attributes": {"rotation": 90.0, "occluded": False}, "segmentation": []}
    outlined = {"attributes": {"rotation": 90.0}, "segmentation": [[60, 30, 100, 30, 100, 50]]}
    data = read_boxes(coco(tmp_path / "a.json", [turned, outlined, {"attributes": {"rotation": 0.0}}]))
    assert data.target(0).xyxy.numpy() == pytest.approx(
        np.array([[70, 20, 90, 60], [60, 30, 100, 50], [60, 30, 100, 50]]), abs=1e-4
    )
    assert [str(defect) for defect in data.defects if "turned by attributes.rotation" in defect.reason]
    masks = read_instances(tmp_path / "a.json")
    assert masks.target(0).masks[0].nonzero().amax(0).tolist() == [59, 89]


def test_a_split_without_any_annotation_is_not_evaluated(tmp_path):
    coco(tmp_path / "annotations/instances_test.json", [])
    coco(tmp_path / "annotations/instances_train.json", [{}])
    coco(tmp_path / "annotations/instances_val.json", [{}])
    data = read_boxes(tmp_path)
    assert (set(data.splits), len(data)) == ({"train", "val"}, 6)
    assert any("no annotation for any of its 2 images" in defect.reason for defect in data.defects)


def test_categories_beside_other_labels_are_no_coco(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.new("RGB", (20, 10)).save(tmp_path / "images/a.png")
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    notes = {"categories": [{"id": number, "name": f"class {number}"} for number in range(9000)], "images": 3}
    (tmp_path / "notes.json").write_text(json.dumps(notes))  # so long that its middle is not looked at
    assert read_boxes(tmp_path).format == "yolo"


def test_outlines_of_two_points_are_not_written(tmp_path):
    square = [60.0, 30.0, 80.0, 30.0, 80.0, 50.0, 60.0, 50.0]
    rows = [{"segmentation": [[60, 30, 80, 50]]}, {"segmentation": [square, [1, 2]], "area": 400}]
    data = read_boxes(coco(tmp_path / "a.json", rows), need_segments=True)
    lost = write_boxes(data, tmp_path / "out", "coco")
    files = sorted((tmp_path / "out/annotations").glob("*.json"))
    written = [row for file in files for row in json.loads(file.read_text())["annotations"]]
    assert [row["segmentation"] for row in written] == [[], [square]]
    assert any("2 boxes, 1 first, have outlines of less than three points" in one for one in lost)
