"""Formats of tools with which shapes are drawn: CVAT, labelme, VIA."""

import base64
import io
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from zorki.class_selection import ClassSelection
from zorki.data.formats.cvat import read as cvat
from zorki.data.formats.labelme import read as labelme
from zorki.data.formats.readers import read_boxes
from zorki.data.formats.via import read as via
from zorki.data.formats.writers import write_boxes
from zorki.errors import DataError

read_cvat = partial(read_boxes, format="cvat")
read_labelme = partial(read_boxes, format="labelme")
read_via = partial(read_boxes, format="via")


def make_image(path, width=64, height=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


CVAT = """<?xml version="1.0"?>
<annotations>
  <meta><task><labels><label><name>dog</name></label><label><name>cat</name></label></labels></task></meta>
  <image id="0" name="a.jpg" width="64" height="48">
    <box label="cat" xtl="1.5" ytl="2" xbr="10" ybr="20" occluded="0"></box>
    <!-- <box label="cat"/> -->
    <polygon label="dog" points="1.00,2.00;9.00,3.00;5.00,30.00"/>
    <box label="dog" xtl="10" ytl="10" xbr="30" ybr="14" rotation="90"/>
    <ellipse label="dog" cx="20" cy="20" rx="5" ry="3"/>
    <mask label="dog" left="2" top="3" width="4" height="5" rle="1, 19"/>
    <polyline label="dog" points="1,2;3,4"/>
    <box label="dog" xtl="5" ytl="5" xbr="5" ybr="9"/>
  </image>
  <image id="1" name="b.jpg" width="64" height="48"/>
</annotations>
"""


@pytest.fixture
def drawn_in_cvat(tmp_path):
    for name in "ab":
        make_image(tmp_path / f"images/{name}.jpg")
    (tmp_path / "annotations.xml").write_text(CVAT)
    return tmp_path


def test_cvat(drawn_in_cvat):
    data = read_boxes(drawn_in_cvat, need_segments=True)
    assert (data.format, data.class_names, len(data)) == ("cvat", ["dog", "cat"], 2)
    assert data.target(0).xyxy.numpy() == pytest.approx(
        np.array([[1.5, 2, 10, 20], [1, 2, 9, 30], [18, 2, 22, 22], [15, 17, 25, 23], [2, 3, 6, 8]]), abs=1e-4
    )
    assert data.target(0).labels.tolist() == [1, 0, 0, 0, 0]
    assert data.segments[1] == [[1, 2, 9, 3, 5, 30]]
    told = [(defect.line, defect.reason) for defect in data.defects if defect.line]
    assert told == [
        (11, "a.jpg: a polyline of 'dog' is no box; left out"),
        (12, "a.jpg: the box (5, 5, 5, 9) has no area; it was left out"),
    ]
    assert len(read_cvat(drawn_in_cvat / "annotations.xml", need_images=False)) == 2


def test_cvats_subsets_and_videos(drawn_in_cvat):
    path = drawn_in_cvat / "annotations.xml"
    text = CVAT.replace('name="a.jpg"', 'name="a.jpg" subset="Train"').replace(
        'name="b.jpg"', 'name="b.jpg" subset="test"'
    )
    path.write_text(text)
    splits = read_cvat(drawn_in_cvat).splits
    assert (splits["train"] + splits["val"], splits["test"]) == ([0], [1])
    path.write_text('<annotations><track label="cat"><box/></track></annotations>')
    with pytest.raises(DataError, match="tracks of a video; export it as images"):
        read_cvat(drawn_in_cvat)


def shape(label, points, kind="rectangle", **more):
    return {"label": label, "points": points, "shape_type": kind, **more}


def write_labelme(path, name, shapes, data=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "version": "5.0",
        "shapes": shapes,
        "imagePath": name,
        "imageData": data,
        "imageHeight": 48,
        "imageWidth": 64,
    }
    path.write_text(json.dumps(values, indent=2))


def test_labelme(tmp_path):
    make_image(tmp_path / "a.jpg")
    write_labelme(tmp_path / "a.json", "..\\photos\\a.jpg", [
        shape("cat", [[30, 40], [10, 20]]),
        shape("dog", [[1, 2], [9, 3], [5, 30]], "polygon", difficult=True),
        shape("dog", [[20, 20], [23, 24]], "circle"),
        shape("dog", [[20, 20]], "point"),
        shape("dog", [[1, 2], [3, 4]], "polygon"),
        shape("", [[1, 2], [3, 4]]),
        shape("cat", [[1, 2], 3]),
    ])  # fmt: skip
    data = read_boxes(tmp_path)
    assert (data.format, data.class_names, data.names) == ("labelme", ["cat", "dog"], ["a.jpg"])
    assert data.target(0).xyxy.tolist() == [[10, 20, 30, 40], [1, 2, 9, 30], [15, 15, 25, 25]]
    assert data.target(0).difficult.tolist() == [False, True, False]
    lines = (tmp_path / "a.json").read_text().splitlines()
    told = {defect.reason: defect.line for defect in data.defects if defect.line}
    assert list(told) == [
        "a point of 'dog' is no box; left out",
        "a polygon of 'dog' has 2 points; expected at least 3; left out",
        "a shape has no label; left out",
        "a rectangle of 'cat' has points that are no pairs of x and y; left out",
        "the box (30, 40, 10, 20) is inverted; its corners were exchanged",
    ]
    assert '"label": ""' in lines[told["a shape has no label; left out"] - 1]


def test_labelmes_embedded_images_and_splits(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (0, 200, 0)).save(buffer, "PNG")
    inside = base64.b64encode(buffer.getvalue()).decode()
    write_labelme(tmp_path / "train/a.json", "a.png", [shape("cat", [[1, 2], [3, 4]])], inside)
    write_labelme(tmp_path / "val/a.json", "a.png", [shape("cat", [[5, 6], [7, 8]])], inside[:40])
    data = read_labelme(tmp_path)
    assert data.splits == {"train": [0], "val": [1]}
    assert data[0].image[:, 0, 0].tolist() == [0, 200, 0]
    assert data[0].image.shape == (3, 48, 64)
    assert data.check(0) is None
    assert "no image of a known kind" in data.check(1).reason or "cannot be decoded" in data.check(1).reason
    with pytest.raises(DataError, match=r"val/a\.json"):
        data[1]


def test_labelmes_broken_file(tmp_path):
    (tmp_path / "a.json").write_text('{"shapes": [],\n"imagePath": "a.jpg"')
    with pytest.raises(DataError, match=r"a\.json:2: the JSON is broken at column 21"):
        read_labelme(tmp_path)


def region(attributes, **shape):
    return {"shape_attributes": shape, "region_attributes": attributes}


RECT = {"name": "rect", "x": 1, "y": 2, "width": 10, "height": 20}


@pytest.fixture
def drawn_in_via(tmp_path):
    for name in "ab":
        make_image(tmp_path / f"{name}.jpg")
    return tmp_path


def entries(*regions):
    return {
        "a.jpg123": {"filename": "a.jpg", "size": 123, "regions": list(regions), "file_attributes": {}},
        "b.jpg45": {"filename": "b.jpg", "size": 45, "regions": [], "file_attributes": {}},
    }


def test_via(drawn_in_via):
    xs, ys = [1, 9, 5], [2, 3, 30]
    values = entries(
        region({"class": "cat"}, **RECT),
        region({"class": "dog"}, name="polygon", all_points_x=xs, all_points_y=ys),
        region({"class": "dog"}, name="circle", cx=20, cy=20, r=5),
        region({"class": {"dog": True, "cat": False}}, name="ellipse", cx=20, cy=20, rx=3, ry=5),
        region({"class": "dog"}, name="point", cx=1, cy=2),
        region({}, **RECT),
        region({"class": "dog"}, name="rect", x=50, y=40, width=30),
        region({"class": "dog"}, name="rect", x=50, y=40, width=30, height=4),
    )
    wanted = [[1, 2, 11, 22], [1, 2, 9, 30], [15, 15, 25, 25], [17, 15, 23, 25], [50, 40, 64, 44]]
    for version in (values, {"_via_settings": {}, "_via_img_metadata": values}):
        (drawn_in_via / "via.json").write_text(json.dumps(version, indent=1))
        data = read_boxes(drawn_in_via)
        assert (data.format, data.class_names, data.names) == ("via", ["cat", "dog"], ["a.jpg", "b.jpg"])
        assert data.target(0).xyxy.tolist() == wanted
        reasons = [defect.reason for defect in data.defects if defect.line]
        assert reasons == [
            "a.jpg: a point of 'dog' is no box; left out",
            "a.jpg: a region has no single class in its attribute 'class'; left out",
            "a.jpg: the box (50, 40, 80, nan) has a value that is no number; it was left out",
            "a.jpg: the box (50, 40, 80, 44) leaves the image of 64 x 48; it was cut off at the edge",
        ]


def test_vias_first_version_without_attributes(drawn_in_via):
    values = entries()
    values["a.jpg123"]["regions"] = {"0": region({}, **RECT)}
    (drawn_in_via / "via_region_data.json").write_text(json.dumps(values))
    data = read_via(drawn_in_via)
    assert data.class_names == ["object"]
    assert "no region has an attribute" in data.defects[0].reason


def test_vias_folders_of_splits(tmp_path):
    for split in ("train", "val"):
        make_image(tmp_path / split / "a.jpg")
        values = {"a.jpg1": {"filename": "a.jpg", "regions": [region({"kind": "cat"}, **RECT)]}}
        (tmp_path / split / "via_region_data.json").write_text(json.dumps(values))
    data = read_via(tmp_path)
    assert {split: [data.names[i] for i in indices] for split, indices in data.splits.items()} == {
        "train": ["train/a.jpg"], "val": ["val/a.jpg"],
    }  # fmt: skip


def test_refusals(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    assert cvat.probe(tmp_path).reason == "no XML file in it begins with <annotations> and holds <image>"
    assert labelme.probe(tmp_path).reason == "no JSON file in it or below it has shapes and imagePath"
    assert via.probe(tmp_path).reason == "no JSON file in it, or in a folder of it, has shape_attributes and regions"
    for module in (cvat, labelme, via):
        with pytest.raises(DataError, match="expected"):
            module.read(tmp_path)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_outlines_with_a_value_that_is_no_number_are_left_out(drawn_in_via, drawn_in_cvat, tmp_path, place):
    """Wherever it stands: least and greatest would keep or lose it by its place."""
    points = [[1, 2], [9, 3], [5, 30]]
    points[place][0] = float("nan")
    values = entries(
        region({"class": "cat"}, **RECT),
        region({"class": "cat"}, name="polygon", all_points_x=[x for x, _ in points], all_points_y=[2, 3, 30]),
    )
    for folder in ("via", "labelme"):
        for name in "ab":
            make_image(tmp_path / folder / f"{name}.jpg")
    (tmp_path / "via/via.json").write_text(json.dumps(values, indent=1))
    write_labelme(
        tmp_path / "labelme/a.json", "a.jpg", [shape("cat", [[1, 2], [11, 22]]), shape("cat", points, "polygon")]
    )
    text = CVAT.replace("1.00,2.00;9.00,3.00;5.00,30.00", ";".join(f"{x},{y}" for x, y in points))
    (drawn_in_cvat / "annotations.xml").write_text(text)
    for data in (read_via(tmp_path / "via"), read_labelme(tmp_path / "labelme")):
        assert data.target(0).xyxy.tolist() == [[1, 2, 11, 22]]
        assert any("a value that is no number; it was left out" in defect.reason for defect in data.defects)
    assert any("a value that is no number" in defect.reason for defect in read_cvat(drawn_in_cvat).defects)


def test_names_that_are_too_long_for_a_file_are_of_no_image(tmp_path):
    long = "x" * 400 + ".jpg"
    for name in "ab":
        make_image(tmp_path / name / "1.jpg")
    for number, name in enumerate(("1.jpg", long)):
        write_labelme(tmp_path / f"a/of_{number}.json", name, [shape("cat", [[1, 2], [11, 22]])])
    values = {name: {"filename": name, "regions": [region({"class": "cat"}, **RECT)]} for name in ("1.jpg", long)}
    (tmp_path / "b/via.json").write_text(json.dumps(values))
    for data in (read_labelme(tmp_path / "a"), read_via(tmp_path / "b")):
        assert len(data) == 1
        assert any("there is no image 'xxx" in defect.reason for defect in data.defects)


def labelme_file(folder, *shapes):
    make_image(folder / "a.png", 100, 80)
    content = {"imagePath": "a.png", "imageData": None, "imageHeight": 80, "imageWidth": 100, "shapes": list(shapes)}
    (folder / "a.json").write_text(json.dumps(content))
    return folder


def test_labelmes_turned_rectangles_and_words_that_are_no_classes(tmp_path):
    corners = [[30, 10], [50, 30], [30, 50], [10, 30]]
    words = [shape(word, corners, "polygon") for word in ("__ignore__", "_background_")]
    data = read_boxes(labelme_file(tmp_path, shape("cat", corners, "oriented_rectangle"), *words), need_segments=True)
    assert (data.class_names, data.target(0).xyxy.tolist()) == (["cat"], [[10, 10, 50, 50]])
    assert data.segments == [[[30, 10, 50, 30, 30, 50, 10, 30]]]
    assert sum("which is no class; left out" in defect.reason for defect in data.defects) == 2


def test_the_area_beside_a_polygon_is_the_polygons(tmp_path):
    """A diamond fills half of its box, and by that it counts as small or large."""
    data = read_boxes(
        labelme_file(tmp_path, shape("cat", [[30, 10], [50, 30], [30, 50], [10, 30]], "polygon")), need_segments=True
    )
    write_boxes(data, tmp_path / "out", "coco")
    rows = [json.loads(file.read_text())["annotations"] for file in (tmp_path / "out/annotations").glob("*.json")]
    assert [row["area"] for own in rows for row in own] == [pytest.approx(800, rel=0.05)]


def test_cvats_boxes_of_a_group_stay_objects(tmp_path):
    make_image(tmp_path / "c.png", 200, 100)
    box = '<box label="{}" xtl="{}" ytl="10" xbr="{}" ybr="60" group_id="1"/>'
    ring = '<polygon label="hat" points="{0},10;{1},10;{1},20" group_id="2"/>'
    shapes = box.format("man", 20, 80) + box.format("man", 100, 160) + ring.format(5, 9) + ring.format(20, 30)
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><image name="c.png" width="200" height="100">{shapes}</image></annotations>'
    )
    assert read_boxes(tmp_path).target(0).xyxy.tolist() == [[20, 10, 80, 60], [100, 10, 160, 60], [5, 10, 30, 20]]


def via_file(folder, *attributes):
    make_image(folder / "a.png", 100, 80)
    box = {"name": "rect", "x": 10, "y": 10, "width": 20, "height": 20}
    regions = [{"shape_attributes": box, "region_attributes": one} for one in attributes]
    (folder / "via.json").write_text(json.dumps({"a.png1": {"filename": "a.png", "size": 1, "regions": regions}}))
    return folder


def test_vias_attributes_are_listed_and_chosen(tmp_path):
    via_file(tmp_path, {"Class": "cat", "color": "red"}, {"class": "dog", "color": "blue", "pose": "up"})
    data = read_boxes(tmp_path)
    assert data.class_names == ["cat", "dog"]
    listed = "regions have several attributes: class (2 regions), color (2 regions), pose (1 regions); class was taken"
    assert any(listed in defect.reason for defect in data.defects)
    chosen = read_boxes(tmp_path, selection=ClassSelection.parse(attribute="Color"))
    assert chosen.class_names == ["blue", "red"]
    with pytest.raises(DataError, match=r"no region has the attribute 'colour'; .* Did you mean color\?"):
        read_boxes(tmp_path, selection=ClassSelection.parse(attribute="colour"))


def test_formats_without_attributes_refuse_one(tmp_path):
    labelme_file(tmp_path, shape("cat", [[30, 10], [50, 30]]))
    with pytest.raises(DataError, match="--class-attribute color: labelme has no attributes of regions"):
        read_boxes(tmp_path, selection=ClassSelection.parse(attribute="color"))
