"""Label Studio's JSON: regions in percent, turned ones, brushes, choices; written and read back."""

import json
from itertools import count
from math import sqrt

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.formats.detect import detect
from zorki.data.formats.label_studio.brush import brush_of, pixels_of_brush
from zorki.data.formats.label_studio.export_file import path_of
from zorki.data.formats.readers import read_boxes, read_instances, read_labels
from zorki.errors import DataError

WIDTH, HEIGHT = 200, 100
COUNT = count()


def region(kind, value, name="cat", **more):
    """A result as Label Studio writes one; `value` in percent."""
    return {
        "id": f"r{next(COUNT)}", "type": f"{kind}labels", "from_name": "label", "to_name": "image",
        "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0,
        "value": {**value, f"{kind}labels": [name]}, **more,
    }  # fmt: skip


def task(number, image, results, **more):
    return {"id": number, "data": {"image": image}, "annotations": [{"id": number, "result": results, **more}]}


def save(folder, tasks, *images):
    for name in images:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(folder / name)
    (folder / "project-1.json").write_text(json.dumps(tasks))


BOX = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}


def test_rectangles_ellipses_and_polygons_in_percent(tmp_path):
    ring = [[10, 20], [40, 20], [40, 60]]
    results = [
        region("rectangle", BOX),
        region("polygon", {"points": ring, "closed": True}, "dog"),
        region("ellipse", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 30, "rotation": 0}, "dog"),
    ]
    save(tmp_path, [task(1, "/data/upload/1/0a1b2c3d-a.jpg", results), task(2, "b.jpg", [])], "images/a.jpg", "b.jpg")
    assert str(detect(tmp_path).match("boxes")) == "label_studio: it holds Label Studio's JSON: project-1.json"
    data = read_boxes(tmp_path, need_segments=True)
    assert (data.names, data.class_names) == (["images/a.jpg", "b.jpg"], ["cat", "dog"])
    assert data.target(0).xyxy.tolist() == [[20, 20, 80, 60], [20, 20, 80, 60], [80, 20, 120, 80]]
    assert len(data.target(1)) == 0  # an annotation without a region: background
    masks = read_instances(tmp_path).target(0).masks
    assert masks[0].sum() == 60 * 40
    assert masks[1].sum() == pytest.approx(60 * 40 / 2, rel=0.05)
    assert masks[2].sum() == pytest.approx(np.pi * 20 * 30, rel=0.05)


def test_a_rectangle_turns_about_its_first_corner_clockwise(tmp_path):
    square = {"x": 50, "y": 10, "width": 20, "height": 40, "rotation": 45}  # 40 x 40 pixels at (100, 10)
    save(tmp_path, [task(1, "a.jpg", [region("rectangle", square)])], "a.jpg")
    data = read_boxes(tmp_path)
    half = 40 / sqrt(2)
    torch.testing.assert_close(data.target(0).xyxy, torch.tensor([[100 - half, 10, 100 + half, 10 + 2 * half]]))
    assert any("1 rectangle is turned" in defect.reason and defect.note for defect in data.defects)
    assert read_instances(tmp_path).target(0).masks[0].sum() == pytest.approx(1600, rel=0.03)


def test_plain_shapes_beside_labels_of_one_id(tmp_path):
    shape = region("rectangle", BOX) | {"id": "x", "type": "rectangle", "value": BOX}
    label = region("rectangle", BOX) | {"id": "x", "type": "labels", "value": {**BOX, "labels": ["cow"]}}
    save(tmp_path, [task(1, "a.jpg", [shape, label])], "a.jpg")
    data = read_boxes(tmp_path)
    assert (data.class_names, data.target(0).xyxy.tolist()) == (["cow"], [[20, 20, 80, 60]])


def test_brushes(tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:30, 20:90] = True
    mask[15:20, 40:50] = False
    results = [region("brush", {"format": "rle", "rle": brush_of(mask)})]
    save(tmp_path, [task(1, "a.jpg", results)], "a.jpg")
    data = read_instances(tmp_path)
    assert torch.equal(data.target(0).masks[0], torch.from_numpy(mask))
    assert data.boxes(0).xyxy.tolist() == [[20, 10, 90, 30]]


def test_run_lengths_by_hand():
    """Two pixels of RGBA, white and empty: 8 values; first four times 255, then four times 0 as they are."""
    bits = (
        format(8, "032b") + format(7, "05b") + "".join(format(width - 1, "04b") for width in (3, 4, 8, 16))
        + "1" + "00" + "011" + "11111111"  # repeated: 3 bits of count, 4 - 1, the value
        + "0" + "01" + "0011" + "00000000" * 4  # as they are: 4 bits of count
    )  # fmt: skip
    bits += "0" * (-len(bits) % 8)
    code = [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]
    assert pixels_of_brush(code, 1, 2).tolist() == [[True, False]]
    with pytest.raises(ValueError, match="are of 2 pixels, and its image has 6"):
        pixels_of_brush(code, 2, 3)
    with pytest.raises(ValueError, match="break off"):
        pixels_of_brush(code[:-3], 1, 2)
    with pytest.raises(ValueError, match="no list of bytes"):
        pixels_of_brush([300], 1, 2)


def test_any_mask_packs_and_comes_back():
    generator = np.random.default_rng(0)
    for height, width in ((1, 1), (7, 13), (300, 260)):
        for share in (0, 0.02, 0.5, 1):
            mask = generator.random((height, width)) < share
            assert np.array_equal(pixels_of_brush(brush_of(mask), height, width), mask)


def test_choices_are_classes_of_images(tmp_path):
    def chosen(*names, control="kind"):
        value = {"choices": list(names)}
        return {"id": "c", "type": "choices", "from_name": control, "to_name": "image", "value": value}

    tasks = [
        task(1, "a.jpg", [chosen("dog")]),
        task(2, "b.jpg", [chosen("cat"), chosen("sharp", control="quality")]),
        task(3, "c.jpg", [chosen("cat", "dog")]),
        task(4, "d.jpg", []),
        task(5, "gone.jpg", [chosen("cat")]),
    ]
    save(tmp_path, tasks, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    data = read_labels(tmp_path)
    assert (data.format, data.names, data.class_names) == ("label_studio", ["a.jpg", "b.jpg"], ["cat", "dog"])
    assert [data.target(index).index for index in range(2)] == [1, 0]
    assert [defect.reason for defect in data.defects if not defect.note] == [
        "c.jpg: has several choices (cat, dog); left out",
        "d.jpg: has no choice; left out",
        "there is no image 'gone.jpg'; left out",
    ]
    assert any("several controls offer choices: kind (4 images), quality (1 images)" in d.reason for d in data.defects)
    with pytest.raises(DataError, match="read as label_studio: classes of images; boxes are needed"):
        read_boxes(tmp_path)


def test_what_cannot_be_read_is_told(tmp_path):
    results = [
        region("rectangle", BOX),
        region("rectangle", BOX, image_rotation=90),
        region("keypoint", {"x": 1, "y": 1, "width": 1}),
        region("rectangle", BOX) | {"value": BOX},
        region("rectangle", BOX) | {"original_width": None},
        region("brush", {"format": "rle", "rle": [1, 2]}),
        region("polygon", {"points": [[1, 2]]}),
    ]
    tasks = [
        task(1, "a.jpg", results),
        {"id": 2, "data": {"image": "b.jpg"}, "annotations": []},
        task(3, "c.jpg", [region("rectangle", BOX)], was_cancelled=True),
        {"id": 4, "data": {"text": "x"}, "annotations": []},
        {"id": 5, "data": {"image": "d.jpg"}, "annotations": [
            {"result": []}, {"result": [region("rectangle", BOX)], "ground_truth": True}]},
    ]  # fmt: skip
    save(tmp_path, tasks, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    data = read_boxes(tmp_path)
    assert [len(data.target(index)) for index in range(len(data))] == [1, 1]
    assert [defect.reason for defect in data.defects if "a.jpg" in defect.reason] == [
        "a.jpg: a rectangle of 'cat' was drawn on the image rotated by 90 degrees; left out",
        "a.jpg: a keypoint of 'cat' is no box; left out",
        "a.jpg: a rectangle is without a class; left out",
        "a.jpg: a rectangle of 'cat' does not tell the size of its image; left out",
        "a.jpg: a brush of 'cat': its run lengths break off; left out",
        "a.jpg: a polygon of 'cat' has fewer than three points; left out",
    ]
    reasons = [defect.reason for defect in data.defects]
    assert "task 4 names no image; left out" in reasons
    assert "2 images (b.jpg, ...) have no annotation, or only skipped ones; left out" in reasons
    assert "1 image (d.jpg) has several annotations; the ground truth among them was taken, else the first" in reasons


@pytest.mark.parametrize(("address", "path"), [
    ("/data/local-files/?d=photos/a%20b.jpg", "photos/a b.jpg"),
    ("s3://bucket/x/1.jpg", "x/1.jpg"),
    ("https://host/x/1.jpg?token=2", "x/1.jpg"),
    ("/data/upload/1/ab.jpg", "/data/upload/1/ab.jpg"),
    (r"C:\photos\1.jpg", r"C:\photos\1.jpg"),
])  # fmt: skip
def test_addresses(address, path):
    assert path_of(address) == path
