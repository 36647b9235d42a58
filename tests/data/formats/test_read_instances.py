"""Masks of objects as tools write them: COCO, YOLO, CVAT, labelme, VIA."""

import base64
import io
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.formats.readers import read_boxes, read_instances
from zorki.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own

SQUARE = [1, 1, 5, 1, 5, 5, 1, 5]
HIGH, WIDE = 48, 64


def make_image(path, width=WIDE, height=HIGH):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def told(data):
    return [(defect.line, defect.reason) for defect in data.defects if not defect.note]


def filled(*boxes):
    """A mask of rectangles, left, top, right, bottom."""
    mask = torch.zeros(HIGH, WIDE, dtype=torch.bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def write_coco(folder, annotations, categories=None, **more):
    make_image(folder / "images/1.jpg", **more)
    values = {
        "images": [{"id": 10, "file_name": "1.jpg", "width": WIDE, "height": HIGH}],
        "annotations": [
            {"id": number, "image_id": 10, "category_id": 3, "bbox": [1, 1, 30, 30], **one}
            for number, one in enumerate(annotations, 1)
        ],
        "categories": categories or [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(values, indent=1))
    return path


def test_cocos_polygons_and_run_lengths_as_pycocotools_has_them(tmp_path):
    reference = pytest.importorskip("pycocotools.coco")
    generator = np.random.default_rng(0)
    noise = np.asfortranarray(generator.random((HIGH, WIDE)) < 0.4)
    packed = reference.maskUtils.encode(noise.astype(np.uint8, order="F"))["counts"].decode()
    shapes = [
        [generator.uniform(0, 48, 12).tolist()],
        [generator.uniform(0, 48, 8).tolist(), generator.uniform(0, 48, 8).tolist()],
        {"size": [HIGH, WIDE], "counts": [50, 9, HIGH * WIDE - 59]},
        {"size": [HIGH, WIDE], "counts": packed},
    ]
    path = write_coco(
        tmp_path, [{"segmentation": one, "iscrowd": int(isinstance(one, dict)), "area": 7} for one in shapes]
    )
    data = read_instances(tmp_path)
    truth = reference.COCO(str(path))
    wanted = np.stack([truth.annToMask(one) for one in truth.loadAnns([1, 2, 3, 4])]).astype(bool)
    target = data.target(0)
    assert np.array_equal(target.masks.numpy(), wanted)
    assert (data.format, data.class_names, data.category_ids, data.image_ids) == ("coco", ["cat", "dog"], [3, 7], [10])
    assert (target.labels.tolist(), target.crowd.tolist()) == ([0] * 4, [False, False, True, True])
    for mask, box in zip(target.masks, target.xyxy.tolist(), strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert torch.equal(data.boxes(0).xyxy, target.xyxy)
    runs = [one | {"counts": one["counts"]} for one in data.run_lengths(0)]
    assert np.array_equal(reference.maskUtils.decode(runs).transpose(2, 0, 1), wanted)
    assert torch.equal(data[0].target.masks, target.masks)
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again.target(0).masks, target.masks)
    assert again.mark(0) == data.mark(0)
    assert len(data.counts) < 4 * HIGH * WIDE / 2


def test_the_mark_of_a_image_changes_with_its_masks(tmp_path):
    write_coco(tmp_path, [{"segmentation": [SQUARE]}])
    before = read_instances(tmp_path).mark(0)
    write_coco(tmp_path, [{"segmentation": [[1, 1, 5, 1, 5, 5, 2, 5, 2, 4, 1, 4]]}])
    data = read_instances(tmp_path)
    assert data.boxes(0).xyxy.tolist() == [[1, 1, 5, 5]]
    assert data.mark(0) != before


def test_cocos_broken_outlines_are_told(tmp_path):
    path = write_coco(tmp_path, [
        {"segmentation": [SQUARE]},
        {"segmentation": [[1, 1, 5, 5]]},
        {"segmentation": [SQUARE, [1, 1, 5, 5]], "category_id": 7},
        {"segmentation": {"size": [HIGH, WIDE], "counts": [50, 9]}},
        {"segmentation": {"size": [WIDE, HIGH], "counts": [50, 9, HIGH * WIDE - 59]}},
        {"segmentation": {"size": [HIGH, WIDE], "counts": [HIGH * WIDE]}},
        {"segmentation": []},
        {"segmentation": [[200, 200, 205, 200, 205, 210]]},
    ])  # fmt: skip
    data = read_instances(tmp_path)
    lines = path.read_text().splitlines()
    empty = "its mask is empty: the outline covers the center of no pixel; the object was left out"
    assert [reason for _, reason in told(data)] == [
        "1.jpg: annotation 2: a polygon has 2 points; expected three or more; the object was left out",
        "1.jpg: annotation 3: a polygon has 2 points; expected three or more; the other parts were taken",
        "1.jpg: annotation 4: its run lengths are of 59 pixels, and an image of 64 x 48 has 3072; the object was left "
        "out",
        "1.jpg: annotation 5: its run lengths are of an image of 48 x 64, and its image is 64 x 48; the object was "
        "left out",
        f"1.jpg: annotation 6: {empty}",
        "1.jpg: annotation 7: it has no outline; the object was left out",
        f"1.jpg: annotation 8: {empty}",
    ]
    for line, reason in told(data):
        assert f'"id": {reason.split("annotation ")[1][0]}' in lines[line - 1]
    assert {defect.path for defect in data.defects if not defect.note} == {path}
    assert data.target(0).labels.tolist() == [0, 1]
    assert torch.equal(data.target(0).masks[0], data.target(0).masks[1])
    assert any("category ids run from 3 to 7, and 3 between are of none" in defect.reason for defect in data.defects)


def test_a_image_that_was_scaled_since_is_told(tmp_path):
    write_coco(tmp_path, [{"segmentation": [SQUARE]}], width=32, height=24)
    data = read_instances(tmp_path)
    assert "the image is 32 x 24 pixels, and its boxes were drawn on 64 x 48" in data.check(0).reason
    with pytest.raises(DataError, match="drawn on 64 x 48"):
        data[0]


def test_boxes_alone_are_no_masks(tmp_path):
    write_coco(tmp_path, [{}, {"segmentation": []}])
    with pytest.raises(DataError, match=r"no mask in the data.*\(2 boxes without, which detection can learn"):
        read_instances(tmp_path)


def test_a_lone_flat_polygon_is_taken(tmp_path):
    write_coco(tmp_path, [{"segmentation": SQUARE}])
    assert torch.equal(read_instances(tmp_path).target(0).masks[0], filled((1, 1, 5, 5)))


@pytest.fixture
def yolo(tmp_path):
    for split in ("train", "val"):
        make_image(tmp_path / f"images/{split}/1.jpg")
        (tmp_path / f"labels/{split}").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return tmp_path


def shares(polygon):
    return " ".join(f"{value / (HIGH if place % 2 else WIDE):.6f}" for place, value in enumerate(polygon))


def test_yolos_polygons(yolo):
    train = yolo / "labels/train/1.txt"
    train.write_text(f"1 {shares(SQUARE)}\n0 0.5 0.5 0.25 0.25\n0 {shares([2, 2, 2.2, 2, 2.2, 2.2])}\n")
    (yolo / "labels/val/1.txt").write_text("")
    data = read_instances(yolo)
    assert (data.format, data.class_names, len(data)) == ("yolo", ["cat", "dog"], 2)
    assert torch.equal(data.target(0).masks, filled((1, 1, 5, 5))[None])
    assert data.target(0).labels.tolist() == [1]
    assert data.target(1).masks.shape == (0, HIGH, WIDE)
    assert [(defect.path, defect.line) for defect in data.defects if not defect.note] == [(train, 2), (train, 3)]
    assert [reason for _, reason in told(data)] == [
        "it has no outline; the object was left out",
        "its mask is empty: the outline covers the center of no pixel; the object was left out",
    ]


CVAT = """<?xml version="1.0"?>
<annotations>
  <image id="0" name="a.jpg" width="64" height="48">
    <box label="cat" xtl="1" ytl="2" xbr="10" ybr="20"></box>
    <polygon label="dog" points="1,1;5,1;5,5;1,5" group_id="1"/>
    <polygon label="dog" points="2,2;4,2;4,4;2,4" group_id="1"/>
    <box label="dog" xtl="10" ytl="10" xbr="30" ybr="14" rotation="90"/>
    <ellipse label="cat" cx="20" cy="20" rx="5" ry="3"/>
    <mask label="dog" left="2" top="3" width="4" height="2" rle="1, 2, 2, 3"/>
    <mask label="dog" left="2" top="3" width="4" height="2" rle="1, 2"/>
  </image>
</annotations>
"""


def test_cvat(tmp_path):
    make_image(tmp_path / "a.jpg")
    (tmp_path / "annotations.xml").write_text(CVAT)
    data = read_instances(tmp_path)
    target = data.target(0)
    assert [data.class_names[label] for label in target.labels] == ["cat", "dog", "dog", "cat", "dog"]
    assert torch.equal(target.masks[0], filled((1, 2, 10, 20)))
    assert torch.equal(target.masks[1], filled((1, 1, 5, 5)) ^ filled((2, 2, 4, 4)))
    assert torch.equal(target.masks[2], filled((18, 2, 22, 22)))
    assert target.xyxy[3].tolist() == [15, 17, 25, 23]
    assert torch.equal(target.masks[4], filled((3, 3, 5, 4), (3, 4, 6, 5)))
    assert told(data) == [
        (10, "a.jpg: its run lengths are of 3 pixels, and its box of 4 x 2 has 8; the object was left out")
    ]


def write_labelme(path, name, shapes):
    values = {"shapes": shapes, "imagePath": name, "imageData": None, "imageHeight": HIGH, "imageWidth": WIDE}
    path.write_text(json.dumps(values, indent=1))


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def corners(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def test_labelme(tmp_path):
    make_image(tmp_path / "a.jpg")
    write_labelme(tmp_path / "a.json", "a.jpg", [
        shape("cat", corners(1, 1, 9, 9), group_id=4),
        shape("cat", corners(3, 3, 6, 6), group_id=4),
        shape("cat", corners(20, 1, 25, 9), group_id=4),
        shape("dog", [[30, 40], [10, 20]], "rectangle"),
        shape("dog", [[20, 20], [23, 24]], "circle"),
        shape("dog", [[2, 3], [4, 4]], "mask", mask=png([[1, 0, 1], [0, 1, 1]])),
        shape("dog", [[2, 3], [4, 4]], "mask", mask="no png"),
        shape("dog", [[1, 2], [3, 4]]),
    ])  # fmt: skip
    data = read_instances(tmp_path)
    target = data.target(0)
    assert (data.format, [data.class_names[label] for label in target.labels]) == (
        "labelme", ["cat", "dog", "dog", "dog"],
    )  # fmt: skip
    assert torch.equal(target.masks[0], filled((1, 1, 9, 9), (20, 1, 25, 9)) ^ filled((3, 3, 6, 6)))
    assert torch.equal(target.masks[1], filled((10, 20, 30, 40)))
    assert target.xyxy[2].tolist() == [15, 15, 25, 25]
    assert torch.equal(target.masks[3], filled((2, 3, 3, 4), (4, 3, 5, 5), (3, 4, 4, 5)))
    reasons = [reason for _, reason in told(data)]
    assert reasons[0] == "a polygon of 'dog' has 2 points; expected at least 3; left out"
    assert "the PNG of a mask cannot be read" in reasons[2]
    # Boxes are those of whole objects too.
    assert read_boxes(tmp_path).target(0).xyxy[0].tolist() == [1, 1, 25, 9]


def test_via(tmp_path):
    make_image(tmp_path / "a.jpg")
    regions = [
        {"name": "rect", "x": 1, "y": 2, "width": 10, "height": 20},
        {"name": "polygon", "all_points_x": [1, 5, 5, 1], "all_points_y": [1, 1, 5, 5]},
        {"name": "circle", "cx": 20, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 30, "cy": 20, "rx": 8, "ry": 2, "theta": np.pi / 2},
        {"name": "polygon", "all_points_x": [1, 5], "all_points_y": [1, 1]},
    ]
    entries = [{"shape_attributes": one, "region_attributes": {"class": "cat"}} for one in regions]
    (tmp_path / "via.json").write_text(json.dumps({"a.jpg1": {"filename": "a.jpg", "regions": entries}}, indent=1))
    data = read_instances(tmp_path)
    target = data.target(0)
    assert data.format == "via"
    assert torch.equal(target.masks[0], filled((1, 2, 11, 22)))
    assert torch.equal(target.masks[1], filled((1, 1, 5, 5)))
    assert target.xyxy[2].tolist() == [15, 15, 25, 25]
    assert abs(int(target.masks[2].sum()) - np.pi * 25) < 4
    assert target.xyxy[3].tolist() == [28, 12, 32, 28]
    assert len(told(data)) == 1


def test_boxes_with_outlines_drop_those_that_are_broken(tmp_path):
    """What is converted or evaluated takes outlines along; a run of the wrong length would be evaluated unseen."""
    write_coco(tmp_path, [{"segmentation": [SQUARE]}, {"segmentation": {"size": [HIGH, WIDE], "counts": [50, 9]}}])
    data = read_boxes(tmp_path, need_segments=True)
    assert (len(data.target(0)), data.segments) == (2, [[SQUARE], None])
    assert "its run lengths are of 59 pixels" in told(data)[0][1]
    assert told(data)[0][1].endswith("its outline was left out")


def test_drawn_outlines_are_run_lengths_beside_boxes(tmp_path):
    make_image(tmp_path / "a.jpg")
    write_labelme(tmp_path / "a.json", "a.jpg", [
        shape("cat", corners(1, 1, 9, 9), group_id=4),
        shape("cat", corners(3, 3, 6, 6), group_id=4),
        shape("cat", [[2, 3], [4, 4]], "mask", mask="no png"),
    ])  # fmt: skip
    data = read_boxes(tmp_path, need_segments=True)
    from hotcoco.mask import decode

    found = decode({"size": data.segments[0]["size"], "counts": data.segments[0]["counts"].encode()}).astype(bool)
    assert np.array_equal(found, (filled((1, 1, 9, 9)) ^ filled((3, 3, 6, 6))).numpy())
    assert data.segments[1] is None
    assert "the PNG of a mask cannot be read" in told(data)[-1][1]
