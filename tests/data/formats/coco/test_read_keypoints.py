"""COCO's JSON of keypoints: skeletons, flags, what is odd is counted, different skeletons are refused."""

import json

import pytest
import torch

from zorki.class_selection import ClassSelection
from zorki.data.formats.readers import read_boxes, read_keypoints
from zorki.data.images import write_image
from zorki.errors import DataError

PERSON = {"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"], "skeleton": [[1, 2], [1, 3]]}


def dataset(root, annotations, categories=(PERSON,), name="instances_train.json", images=2):
    root.mkdir(exist_ok=True)
    rows = []
    for number in range(1, images + 1):
        write_image(root / f"{number}.png", torch.zeros((3, 40, 60), dtype=torch.uint8))
        rows.append({"id": number, "file_name": f"{number}.png", "height": 40, "width": 60})
    text = json.dumps({"images": rows, "annotations": annotations, "categories": list(categories)})
    (root / name).write_text(text)
    return root


def one(identity, image, joints, box=(5, 5, 30, 30), **more):
    values = {"id": identity, "image_id": image, "category_id": 1, "iscrowd": 0, "keypoints": joints, **more}
    return values | ({} if box is None else {"bbox": list(box)})


def reasons(found):
    return " | ".join(defect.reason for defect in found.defects)


def test_joints_flags_limbs_and_pairs(tmp_path):
    rows = [one(7, 1, [10, 11, 2, 20, 21, 1, 0, 0, 0], area=300), one(8, 2, [1, 2, 2, 3, 4, 2, 5, 6, 2])]
    found = read_keypoints(dataset(tmp_path / "a", rows))
    target = found.target(0)
    assert target.points.tolist() == [[[10, 11], [20, 21], [0, 0]]]
    assert target.visibility.tolist() == [[2, 1, 0]]
    assert target.xyxy.tolist() == [[5, 5, 35, 35]]
    assert target.areas.tolist() == [300]
    skeleton = found.class_info().skeleton
    assert (skeleton.names, skeleton.limbs, skeleton.flip_pairs) == (
        ("nose", "left_eye", "right_eye"),
        ((0, 1), (0, 2)),
        ((1, 2),),
    )
    assert skeleton.sigmas == (0.026, 0.025, 0.025)
    assert found.may_be_mirrored
    assert len(read_boxes(tmp_path / "a").target(0)) == 1, "detection reads the boxes of the same file"


def test_what_is_odd_is_counted(tmp_path):
    rows = [one(1, 1, [0, 0, 2, 99, 20, 2, 5, 5, 3]), one(2, 2, [10, 10, 2, 0, 0, 0, 0, 0, 0])]
    found = read_keypoints(dataset(tmp_path / "a", rows))
    told = reasons(found)
    assert "1 labeled joints lie outside of their image; they are kept as they are; the first: " in told
    assert "1 joints are flagged as labeled and lie at (0, 0)" in told
    assert "1 joints have a flag other than" in told
    assert found.target(0).visibility.tolist() == [[0, 2, 2]]
    never = read_keypoints(dataset(tmp_path / "b", [one(1, 1, [9, 9, 2, 8, 8, 2, 0, 0, 0])]))
    assert "of 3 joints, right_eye are labeled in no object" in reasons(never)


def test_objects_without_boxes_are_their_image_or_where_their_joints_are(tmp_path):
    joints = [10, 11, 2, 20, 31, 2, 0, 0, 0]
    rows = [one(1, 1, joints, box=None), one(2, 2, joints, box=None), one(3, 2, [v + 5 for v in joints], box=None)]
    found = read_keypoints(dataset(tmp_path / "a", rows))
    assert found.target(0).xyxy.tolist() == [[0, 0, 60, 40]]
    assert found.target(1).xyxy.tolist()[0] == [10, 11, 20, 31]


def test_objects_of_classes_without_joints_are_left_out_and_different_skeletons_refused(tmp_path):
    car = {"id": 2, "name": "car"}
    rows = [one(1, 1, [9, 9, 2, 8, 8, 2, 7, 7, 2]), {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1, 1, 9, 9]}]
    found = read_keypoints(dataset(tmp_path / "a", rows, [PERSON, car]))
    assert found.class_names == ["person"]
    assert "1 objects are of classes without joints" in reasons(found)
    hand = {"id": 2, "name": "hand", "keypoints": ["thumb", "palm"]}
    rows[1] |= {"keypoints": [9, 9, 2, 3, 3, 2]}
    both = dataset(tmp_path / "b", rows, [PERSON, hand])
    with pytest.raises(DataError, match=r"person: 3 joints.*hand: 2 joints.*--only-classes person"):
        read_keypoints(both)
    chosen = read_keypoints(both, selection=ClassSelection.parse(None, "hand"))
    assert chosen.skeleton.names == ("thumb", "palm")
    assert chosen.skeleton.flip_pairs is None
    assert not chosen.may_be_mirrored, "no name tells which are twins"
    with pytest.raises(DataError, match="no object in the data has joints"):
        read_keypoints(dataset(tmp_path / "c", [{**rows[0], "keypoints": None}], [PERSON]))


def test_a_skeleton_that_differs_between_files_is_refused(tmp_path):
    rows = [one(1, 1, [9, 9, 2, 8, 8, 2, 7, 7, 2])]
    root = dataset(tmp_path / "a", rows, name="instances_train.json")
    other = PERSON | {"keypoints": ["nose", "tail", "ear"]}
    dataset(root, rows, [other], name="instances_val.json")
    with pytest.raises(DataError, match=r"'person' has 3 joints .nose, tail, ear.* in another file"):
        read_keypoints(root)


def test_broken_joints_cost_their_object_alone(tmp_path):
    rows = [one(1, 1, [9, 9, 2, 8]), one(2, 1, [9, 9, 2]), one(3, 2, [9, 9, 2, 8, 8, 2, 7, 7, 2])]
    found = read_keypoints(dataset(tmp_path / "a", rows))
    assert [len(found.target(index)) for index in range(2)] == [0, 1]
    assert "annotation 1 has keypoints that are not a list" in reasons(found)
    assert "the object has 1 joints, and its skeleton 3" in reasons(found)
    strange = PERSON | {"skeleton": [[1, 9]]}
    with pytest.raises(DataError, match=r"expected pairs of joints 1..3, and one is \[1, 9\]"):
        read_keypoints(dataset(tmp_path / "b", rows, [strange]))
