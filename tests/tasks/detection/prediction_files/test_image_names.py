import pytest

from zorki.tasks.detection.prediction_files.image_names import ELSEWHERE, UNKNOWN, ImageNames


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("/data/yolo/images/train/0.jpg", 0),  # as `zorki predict` writes it
        ("/data/yolo/images/val/0.jpg", ELSEWHERE),
        ("C:\\yolo\\images\\train\\0.png", 0),
        ("train/0", 0),
        ("0.jpg", 0),  # the split was said, and only one image of it is meant
        ("/elsewhere/0.jpg", 0),
        ("0", 0),
        ("/elsewhere/1.jpg", 1),
        ("1", 1),
        ("images/val/7.jpg", ELSEWHERE),
        ("9.jpg", UNKNOWN),
    ],
)
def test_the_longest_end_of_a_path_decides(name, place):
    """The same file name stands in train and in val, as it often does in YOLO's folders."""
    names = ImageNames(["images/train/0.jpg", "images/train/1.jpg"], ["images/val/0.jpg", "images/val/7.jpg"])
    assert names.find(name, None) == place
    assert names.find(None, name) == place


def test_a_whole_name_is_not_drowned_by_short_forms():
    names = ImageNames(["x.jpg", "b/x.jpg", "/r/s/t/u/v/w/y.jpg", "/r/s/z/u/v/w/y.jpg"])
    assert [names.find(name, None) for name in ("x.jpg", "/data/x.jpg", "/data/b/x.jpg")] == [0, 0, 1]
    assert [names.find(f"/r/s/{part}/u/v/w/y.jpg", None) for part in "tz"] == [2, 3]
    assert names.find("u/v/w/y.jpg", None) == UNKNOWN


def test_stems_are_numbers_only_where_the_data_have_none():
    names = ["a/12.jpg", "b/cat.jpg"]
    assert ImageNames(names).find(None, 12) == 0
    assert ImageNames(names, ids=[70, 9]).find(None, 12) == UNKNOWN
    assert [ImageNames(names, ids=[70, 12]).find(None, number) for number in (70, 12)] == [0, 1]
    assert ImageNames(names, ids=[70, 12]).find(None, "70") == 0, "a number may be text"
    # A strange file 12.jpg was predicted as image_id 12: that is no word about the image with the number 12.
    assert ImageNames(["x.jpg", "cat.jpg"], ids=[70, 12]).find("c/12.jpg", 12) == UNKNOWN
    assert ImageNames(["x.jpg", "000012.jpg"], ids=[70, 12]).find("c/12.jpg", 12) == 1


def test_numbers_that_start_anew_in_each_split_mean_nobody():
    """Roboflow's COCO files count from 0 in train, valid and test."""
    names = ImageNames(["train/a.jpg", "valid/b.jpg"], ["test/c.jpg"], ids=[0, 0, 1])
    assert [names.find(None, number) for number in (0, 1, 2)] == [UNKNOWN, ELSEWHERE, UNKNOWN]
    assert names.find("b.jpg", 0) == 1
    alone = ImageNames(["train/a.jpg"], ["valid/b.jpg"], ids=[0, 0])
    assert alone.find(None, 0) == 0, "of the split that is evaluated, it means one"
