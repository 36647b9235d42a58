import json

from zorki.types import ClassInfo, Skeleton


def test_json_and_back():
    info = ClassInfo(("a", "b"), (1,), (3, 5), ((0, 0, 0), (9, 8, 7)), 0.25, "val", 255)
    assert ClassInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert hash(info)
    assert len(info) == 2


def test_what_is_not_known_is_left_out_and_strange_fields_are_passed_over():
    assert ClassInfo(("a",)).to_json() == {"names": ("a",)}
    assert ClassInfo.from_json({"names": ["a"], "of_a_later_version": 1}) == ClassInfo(("a",))
    assert ClassInfo.from_json(ClassInfo(("a",), score_threshold=0.0).to_json()).score_threshold == 0.0


def test_a_skeleton_is_saved_with_it_and_counts_the_outputs():
    bones = Skeleton(("nose", "left_eye", "right_eye"), ((0, 1),), ((1, 2),), (0.1, 0.2, 0.3), "by hand")
    info = ClassInfo(("cat",), skeleton=bones)
    assert ClassInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert (info.output_count, ClassInfo(("a", "b")).output_count) == (3, 2)
    unsaid = ClassInfo(("cat",), skeleton=Skeleton(("a", "b")))
    assert ClassInfo.from_json(unsaid.to_json()).skeleton.flip_pairs is None
    assert bones.place("Left Eye") == 1
    assert bones.place("tail", "nose") == 0
    assert bones.place("tail") is None
