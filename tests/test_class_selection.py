"""Classes renamed, merged and left out, as typed and as values."""

import pytest

from zorki.class_selection import ClassSelection, class_order
from zorki.errors import DataError, RecipeError

FOUND = ["car", "cat", "truck", "dog"]


def test_rename_merge_and_leave_out_keep_the_order_of_the_data():
    selection = ClassSelection.parse("truck=vehicle, car=vehicle, cat=-")
    new = selection.new_names(FOUND, "data")
    assert new == {"car": "vehicle", "cat": None, "truck": "vehicle", "dog": "dog"}
    assert class_order(new) == ["vehicle", "dog"]


def test_a_subset_is_taken_after_renaming():
    selection = ClassSelection.parse({"car": "vehicle"}, ["dog", "vehicle"])
    assert class_order(selection.new_names(FOUND, "data")) == ["vehicle", "dog"]
    assert class_order(ClassSelection.parse(only="dog,car").new_names(FOUND, "data")) == ["car", "dog"]


def test_text_mapping_and_json_say_the_same():
    wanted = ClassSelection((("a, b", "x=y"), ("c", None)), ("x=y",))
    assert ClassSelection.parse({"a, b": "x=y", "c": None}, ["x=y"]) == wanted
    assert ClassSelection.parse('{"a, b": "x=y", "c": "-"}', '["x=y"]') == wanted
    assert not ClassSelection.parse()
    assert not ClassSelection.parse("", "")


@pytest.mark.parametrize(("words", "message"), [
    (("truk=vehicle",), r"data: class_map names 'truk', and the classes are car, cat, .* Did you mean truck\?"),
    (("car=vehicle", "car"), r"only_classes names 'car', and the classes are vehicle, cat, truck, dog\."),
    (("car=-,cat=-,truck=-,dog=-",), "no class is left of car, cat, truck, dog"),
])  # fmt: skip
def test_unknown_names_are_refused(words, message):
    selection = ClassSelection.parse(*words)
    with pytest.raises(DataError, match=message):
        selection.new_names(FOUND, "data")


def test_a_run_passes_over_what_other_data_lack():
    selection = ClassSelection.parse("car=vehicle,bus=vehicle,cat=-", "vehicle")
    assert selection.new_names(["cat", "car", "boat"], "data", strict=False) == {
        "cat": None, "car": "vehicle", "boat": None,
    }  # fmt: skip


@pytest.mark.parametrize("words", [
    ("car",), ("car=",), ("=x",), ("car=a,car=b",), ("{car}",), ('["car"]',), ('{"car": 3}',), (None, "[1"),
    (None, "[3]"),
])  # fmt: skip
def test_what_is_no_selection(words):
    with pytest.raises(RecipeError, match=r"class_map|only_classes"):
        ClassSelection.parse(*words)
