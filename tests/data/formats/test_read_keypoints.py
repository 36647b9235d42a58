"""Joints in the formats of others: YOLO, CVAT, MPII and Label Studio."""

import json

import pytest
import torch

from zorki.data.annotations.keypoints.skeletons import MPII_NAMES
from zorki.data.formats.readers import read_keypoints
from zorki.data.images import write_image
from zorki.errors import DataError


def image(path, height=40, width=80):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, torch.zeros((3, height, width), dtype=torch.uint8))


def reasons(found):
    return " | ".join(defect.reason for defect in found.defects)


# -- YOLO --


def yolo(root, lines, settings):
    image(root / "images/train/a.png")
    (root / "labels/train").mkdir(parents=True)
    (root / "labels/train/a.txt").write_text(lines)
    (root / "data.yaml").write_text(f"train: images/train\nnames: {{0: cat}}\n{settings}")
    return root


def test_yolo_with_three_values(tmp_path):
    lines = "0 0.5 0.5 0.5 0.5 0.25 0.5 2 0.5 0.75 1 0 0 0\n0 0.5 0.5 0.5 0.5 0.25\n"
    found = read_keypoints(yolo(tmp_path, lines, "kpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\n"))
    target = found.target(0)
    assert target.points.tolist() == [[[20, 20], [40, 30], [0, 0]]]
    assert target.visibility.tolist() == [[2, 1, 0]]
    assert target.xyxy.tolist() == [[20, 10, 60, 30]]
    assert (found.class_names, found.skeleton.flip_pairs) == (["cat"], ((1, 2),))
    assert "expected 13 numbers after the class, by kpt_shape, and got 5" in reasons(found)


def test_yolo_with_two_values_takes_the_corner_for_what_is_not_labeled(tmp_path):
    found = read_keypoints(
        yolo(tmp_path, "0 0.5 0.5 0.5 0.5 0.25 0.5 0 0\n", "kpt_shape: [2, 2]\nkpt_names: {0: [a, b]}\n")
    )
    assert found.target(0).visibility.tolist() == [[2, 0]]
    assert (found.skeleton.names, found.skeleton.flip_pairs) == (("a", "b"), None)


@pytest.mark.parametrize("indices", ["[1, 2, 0]", "[0, 1]", "[0, 1, 1]"])
def test_yolo_s_flip_idx_must_be_its_own_inverse(tmp_path, indices):
    root = yolo(tmp_path, "0 0.5 0.5 0.5 0.5 0.2 0.5 2 0.5 0.7 1 0 0 0\n", f"kpt_shape: [3, 3]\nflip_idx: {indices}\n")
    with pytest.raises(DataError, match="flip_idx is"):
        read_keypoints(root, "yolo")


# -- CVAT --

SKELETONS = """<annotations><meta><job><labels>
<label><name>dog</name><type>skeleton</type></label>
<label><name>nose</name><parent>dog</parent></label><label><name>left_ear</name><parent>dog</parent></label>
<label><name>right_ear</name><parent>dog</parent></label></labels></job></meta>
<image id="0" name="a.png" width="80" height="40">
<skeleton label="dog">
<points label="left_ear" outside="0" occluded="1" points="10,12"/>
<points label="nose" outside="0" occluded="0" points="20.5,30"/>
<points label="right_ear" outside="1" occluded="0" points="1,1"/>
</skeleton>
<skeleton label="dog"><points label="nose" outside="0" occluded="0" points="5,5"/></skeleton>
</image></annotations>"""


def test_cvat_s_skeletons(tmp_path):
    image(tmp_path / "a.png")
    (tmp_path / "annotations.xml").write_text(SKELETONS)
    found = read_keypoints(tmp_path)
    assert found.skeleton.names == ("nose", "left_ear", "right_ear")
    assert found.skeleton.flip_pairs == ((1, 2),)
    assert found.target(0).points.tolist() == [[[20.5, 30], [10, 12], [0, 0]]]
    assert found.target(0).visibility.tolist() == [[2, 1, 0]]
    assert any("spans no box" in defect.reason and defect.line == 11 for defect in found.defects)


def test_cvat_s_points_need_as_many_in_every_object(tmp_path):
    image(tmp_path / "a.png")
    page = '<annotations><image id="0" name="a.png" width="80" height="40">{}</image></annotations>'
    points = '<points label="leaf" points="1,2;30,20;4,9"/>'
    (tmp_path / "annotations.xml").write_text(page.format(points))
    found = read_keypoints(tmp_path)
    assert found.target(0).points.tolist() == [[[1, 2], [30, 20], [4, 9]]]
    assert found.skeleton.names == ("joint_1", "joint_2", "joint_3")
    (tmp_path / "annotations.xml").write_text(page.format(points + '<points label="leaf" points="1,2;3,4"/>'))
    with pytest.raises(DataError, match="hold 2 to 3 points; expected as many in every object"):
        read_keypoints(tmp_path)


# -- MPII --


def test_mpii_s_people(tmp_path):
    image(tmp_path / "a.png", 400, 400)
    joints = [[101 + 5 * place, 51 + 9 * place] for place in range(16)]
    joints[3] = [-1, -1]
    person = {"image": "a.png", "joints": joints, "joints_vis": [1] * 15 + [0], "center": [151, 151], "scale": 1.0}
    (tmp_path / "mpii.json").write_text(json.dumps([person, {**person, "joints": [[1]]}]))
    found = read_keypoints(tmp_path)
    target = found.target(0)
    assert found.skeleton.names == MPII_NAMES
    assert target.points[0, 0].tolist() == [100, 50]
    assert target.visibility[0, [0, 3, 15]].tolist() == [2, 0, 1]
    assert target.xyxy.tolist() == [[50, 50, 250, 250]]
    assert "person 2 of the list has no joints of two numbers each" in reasons(found)


# -- Label Studio --


def point(name, x, y, **more):
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
    head = {"type": "keypointlabels", "original_width": 80, "original_height": 40, "value": value}
    return head | {"id": f"{name}{x}"} | more


def test_label_studio_s_key_points_belong_to_their_parents(tmp_path):
    for name in ("a", "b"):
        image(tmp_path / f"{name}.png")
    box = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["dog"]}
    rectangle = point("x", 0, 0) | {"id": "r", "type": "rectanglelabels", "value": box}
    first = [rectangle, point("nose", 25, 50, parentID="r"), point("tail", 50, 25, parentID="r")]
    second = [point("nose", 10, 20), point("tail", 30, 60), point("nose", 40, 60)]
    tasks = [
        {"data": {"image": f"{name}.png"}, "annotations": [{"result": results}]}
        for name, results in (("a", first), ("b", second))
    ]
    tasks[0]["annotations"][0]["result"][1]["value"]["x"] = 25
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    found = read_keypoints(tmp_path)
    assert found.skeleton.names == ("nose", "tail")
    assert found.target(0).points.tolist() == [[[20, 20], [40, 10]]]
    assert found.target(0).xyxy.tolist() == [[8, 4, 48, 24]]
    assert found.class_names == ["dog", "object"]
    assert found.target(1).xyxy.tolist() == [[0, 0, 80, 40]]
    assert "a second 'nose' of one object" in reasons(found)
