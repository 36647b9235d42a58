"""Tables of joints: numbered and named columns, splits, what is not labeled."""

import pytest
import torch

from zorki.data.annotations.keypoints.skeletons import (
    COCO_NAMES,
    FACE_NAMES,
    FACE_PAIRS,
    MPII_NAMES,
    skeleton_of,
    unnamed_skeleton,
)
from zorki.data.formats.readers import read_keypoints
from zorki.data.images import write_image
from zorki.errors import DataError


def table(root, header, rows, name="points.csv"):
    root.mkdir(exist_ok=True)
    for row in rows:
        write_image(root / str(row[0]), torch.zeros((3, 40, 60), dtype=torch.uint8))
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (root / name).write_text("\n".join(lines) + "\n")
    return root


def test_numbered_columns_are_joints_without_names(tmp_path):
    root = table(tmp_path / "a", ",0,1,2,3,4,5", [("a.png", 5, 6, 30, 20, 12, 33), ("b.png", 1, 2, "", "", 9, 9)])
    found = read_keypoints(root)
    first, second = found.target(0), found.target(1)
    assert first.points.tolist() == [[[5, 6], [30, 20], [12, 33]]]
    assert first.xyxy.tolist() == [[0, 0, 60, 40]], "the image as a whole"
    assert second.visibility.tolist() == [[2, 0, 2]]
    assert found.skeleton.names == ("joint_1", "joint_2", "joint_3")
    assert (found.class_names, found.skeleton.flip_pairs) == (["object"], None)


def test_named_columns(tmp_path):
    header = "filename,nose_x,nose_y,left_eye_x,left_eye_y,right_eye_x,right_eye_y"
    found = read_keypoints(table(tmp_path / "a", header, [("a.png", 5, 6, 30, 20, -1, 33)]))
    assert found.skeleton.names == ("nose", "left_eye", "right_eye")
    assert found.skeleton.flip_pairs == ((1, 2),)
    assert found.target(0).visibility.tolist() == [[2, 2, 0]]
    by_axis = read_keypoints(table(tmp_path / "b", "filename,x0,y0,x1,y1", [("a.png", 5, 6, 30, 20)]))
    assert by_axis.target(0).points.tolist() == [[[5, 6], [30, 20]]]


def test_rows_that_tell_nothing_are_left_out_and_tables_must_agree(tmp_path):
    root = table(tmp_path / "a", ",0,1,2,3", [("a.png", 5, 6, 30, 20), ("b.png", 7, 8, 7, 8)], name="train_points.csv")
    found = read_keypoints(root)
    assert any("its joints span no box" in defect.reason and defect.line == 3 for defect in found.defects)
    table(root, ",0,1,2,3,4,5", [("c.png", 5, 6, 30, 20, 1, 1)], name="test_points.csv")
    with pytest.raises(DataError, match="read tables of one skeleton"):
        read_keypoints(root)


def test_known_sets_of_joints_have_pairs_limbs_and_sigmas():
    face = unnamed_skeleton(68)
    assert (face.names, face.flip_pairs) == (FACE_NAMES, FACE_PAIRS)
    assert len(FACE_PAIRS) == 29, "68 less 10 in the middle, in pairs"
    assert (face.names[36], face.names[45]) == ("right_eye_outer_corner", "left_eye_outer_corner")
    assert (0, 16) in FACE_PAIRS
    assert (45, 36) in FACE_PAIRS
    assert (48, 54) in FACE_PAIRS
    coco = skeleton_of(COCO_NAMES)
    assert (len(coco.flip_pairs), len(coco.limbs), coco.sigmas_reason) == (8, 19, "COCO's")
    mpii = skeleton_of(MPII_NAMES)
    assert (len(mpii.flip_pairs), len(mpii.limbs), mpii.sigmas) == (6, 15, (0.05,) * 16)
    assert skeleton_of(["left_a", "right_a", "left_b"]).flip_pairs is None, "left_b has no twin"
    assert unnamed_skeleton(17, coco.flip_pairs).names == COCO_NAMES
