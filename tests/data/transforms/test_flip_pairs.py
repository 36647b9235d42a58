"""Which names a mirrored image exchanges."""

from __future__ import annotations

import pytest

from zorki.data.transforms.flip_pairs import (
    describe_pairs,
    flip_pairs,
    mirrored_order,
    one_sided,
    parse_flip_pairs,
    swapped_by_flip,
)
from zorki.errors import RecipeError

COCO = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_eye", "right_eye"),
        ("Left Ear", "Right Ear"),
        ("LEFT-EAR", "RIGHT-EAR"),
        ("eye_left", "eye_right"),
        ("leftEye", "rightEye"),
        ("lefteye", "righteye"),
        ("EyeLeft", "EyeRight"),
        ("eyeleft", "eyeright"),
        ("l_eye", "r_eye"),
        ("L_eye", "R_eye"),
        ("eye_L", "eye_R"),
        ("hand.L", "hand.R"),
        ("lShoulder", "rShoulder"),
        ("LShoulder", "RShoulder"),
        ("L Wrist", "R Wrist"),
        ("L", "R"),
        ("left hand left finger", "right hand right finger"),
        ("left bank of the right arm", "right bank of the right arm"),
        ("oreille_gauche", "oreille_droite"),
        ("Left_ear", "right_ear"),  # by different people
        ("left_eye_1", "right_eye_1"),
    ],
)
def test_names_of_two_sides_are_a_pair_in_either_order_and_the_left_one_comes_first(left, right):
    assert flip_pairs(("nose", left, right)) == ((1, 2),)
    assert flip_pairs((right, "nose", left)) == ((2, 0),)


@pytest.mark.parametrize(
    "names",
    [
        ("bright", "upright", "night"),
        ("left_eye", "nose"),
        ("red", "led"),
        ("copyright", "fright"),
        ("light", "right"),
        ("cat", "dog"),
        ("left_eye", "left_ear"),
        (),
    ],
)
def test_names_without_a_counterpart_are_no_pair(names):
    assert flip_pairs(names) == ()
    assert swapped_by_flip(names) is None


def test_the_eight_pairs_of_a_person_are_found():
    pairs = flip_pairs(tuple(COCO.split()))
    assert pairs == tuple((place, place + 1) for place in range(1, 17, 2))


def test_mirroring_twice_changes_nothing():
    order = swapped_by_flip(COCO.split())
    assert order is not None
    assert order == mirrored_order(17, flip_pairs(tuple(COCO.split())))
    assert tuple(order[place] for place in order) == tuple(range(17))


def test_pairs_are_told_and_so_is_a_side_without_the_other():
    names = ["left_eye", "right_eye", "left_ear", "nose"]
    pairs = flip_pairs(tuple(names))
    assert describe_pairs(names, pairs) == "left_eye and right_eye"
    assert one_sided(names, pairs) == ["left_ear"]


def test_pairs_may_be_typed():
    names = ["a", "b", "c", "d"]
    assert parse_flip_pairs("d=b, a=c", names) == ((0, 2), (3, 1))
    assert parse_flip_pairs({"a": "b"}, names) == ((0, 1),)
    assert parse_flip_pairs("", names) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [("a", "LEFT=RIGHT"), ("a=", "LEFT=RIGHT"), ("a=e", "'e'"), ("a=b,c=a", "twice"), ("a=a", "twice")],
)
def test_pairs_that_are_none_are_refused(text, told):
    with pytest.raises(RecipeError, match=told):
        parse_flip_pairs(text, ["a", "b", "c"])
