import numpy as np

from zorki.data.annotations.boxes.clean import clean
from zorki.data.annotations.find_images import ImageFinder
from zorki.data.annotations.split_words import by_split, split_in

INF, NAN = float("inf"), float("nan")


def test_every_kind_of_box():
    boxes = np.array([
        [1, 2, 3, 4], [3, 4, 1, 2], [1, 4, 3, 4], [-20, 0, 0, 10], [-20, 0, 10, 10], [-1, 0, 10, 41], [NAN, 0, 1, 1],
        [0, 0, INF, 1], [90, 30, 200, 200], [200, 0, 100, 10],
    ])  # fmt: skip
    fixed, keep, reasons = clean(boxes, np.array([[40, 100]] * len(boxes)))
    assert fixed[keep].tolist() == [
        [1, 2, 3, 4], [1, 2, 3, 4], [0, 0, 10, 10], [-1, 0, 10, 41], [90, 30, 100, 40],
    ]  # fmt: skip
    assert {row: reason.rsplit(") ", 1)[1] for row, reason in reasons.items()} == {
        1: "is inverted; its corners were exchanged",
        2: "has no area; it was left out",
        3: "lies outside of the image of 100 x 40; it was left out",
        4: "leaves the image of 100 x 40; it was cut off at the edge",
        6: "has a value that is no number; it was left out",
        7: "has a value that is no number; it was left out",
        8: "leaves the image of 100 x 40; it was cut off at the edge",
        9: "lies outside of the image of 100 x 40; it was left out",
    }


def test_images_of_unknown_size_have_no_edge():
    boxes = np.array([[-5.0, 0, 1e6, 10], [1, 1, 1, 1]])
    fixed, keep, reasons = clean(boxes, np.zeros((2, 2), int))
    assert fixed[keep].tolist() == [[-5, 0, 1e6, 10]]
    assert list(reasons) == [1]


def test_no_boxes():
    fixed, keep, reasons = clean(np.zeros((0, 4)), np.zeros((0, 2), int))
    assert (len(fixed), len(keep), reasons) == (0, 0, {})


def test_words_for_splits_in_names():
    names = (
        "instances_train2017",
        "valid",
        "raccoon_labels",
        "test-annotations-bbox",
        "trainval",
        "train_val",
        "Training",
    )
    assert [split_in(name) for name in names] == ["train", "val", None, "test", "trainval", None, "train"]


def test_which_of_several_files(tmp_path):
    a, b, c, d = (tmp_path / name for name in "abcd")
    assert by_split({a: None}) == ({a: None}, [], None)
    assert by_split({a: "trainval", b: "test"}) == ({a: "train", b: "test"}, [], None)
    assert by_split({a: "trainval", b: "train", c: "val", d: None}) == ({b: "train", c: "val"}, [a, d], None)
    assert "a, b" in (by_split({a: "train", b: "train"})[2] or "")
    assert "a, b" in (by_split({a: None, b: None})[2] or "")


def test_images_are_found_by_any_part_of_their_path(tmp_path):
    for name in ("train/x/1.jpg", "train/y/1.jpg", "val/2.JPG", "val/3.png", "deep/er/4.v2.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    finder = ImageFinder([tmp_path / "gone", tmp_path])

    def find(name, near=None):
        path = finder.find(name, near)
        return None if path is None else path.relative_to(tmp_path).as_posix()

    assert find("train/x/1.jpg") == "train/x/1.jpg"
    assert find("C:\\data\\train\\y\\1.jpg") == "train/y/1.jpg"
    assert find("1.jpg") is None  # which?
    assert find("1.jpg", tmp_path / "train/y") == "train/y/1.jpg"
    assert find("images/2.jpg") == "val/2.JPG"
    assert find("2") == "val/2.JPG"
    assert find("3.jpg") == "val/3.png"
    assert find("4.v2") == "deep/er/4.v2.jpg"
    assert find("") is None
    assert find("5.jpg") is None
