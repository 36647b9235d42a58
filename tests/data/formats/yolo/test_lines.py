"""What YOLO's lines hold beside boxes, images without a file of labels, and folders as people call them."""

import pytest
from PIL import Image

from zorki.class_selection import ClassSelection
from zorki.data.formats.readers import read_boxes, read_instances
from zorki.errors import RecipeError

BOX = "0 0.3 0.35 0.4 0.5"
TWO_VALUES = " 0.15 0.18 0.155 0.19 0.16 0.2"
THREE_VALUES = " 0.15 0.18 2 0.155 0.19 1 0 0 0"


def make(root, *labels, images="images", texts="labels", suffix=".txt"):
    """Images of 200 x 100 with these labels; None: an image without a file."""
    for folder in (images, texts):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(labels):
        Image.new("RGB", (200, 100)).save(root / f"{images}/p{number}.png")
        if text is not None:
            (root / f"{texts}/p{number}{suffix}").write_text(text + "\n")
    return root


def told(data, words):
    return [defect.reason for defect in data.defects if words in defect.reason]


@pytest.mark.parametrize(
    ("tail", "shape"), [(TWO_VALUES, "kpt_shape: [3, 2]\n"), (THREE_VALUES, "kpt_shape: [3, 3]\n"), (THREE_VALUES, "")]
)
def test_lines_of_pose_are_boxes_with_keypoints(tmp_path, tail, shape):
    make(tmp_path, BOX + tail, BOX + tail)
    (tmp_path / "data.yaml").write_text(f"train: images\nval: images\n{shape}names: [person]\n")
    data = read_boxes(tmp_path)
    assert data.target(0).xyxy.numpy().round(3).tolist() == [[20, 10, 100, 60]]
    assert told(data, "2 of 2 lines hold keypoints behind their box")


def test_what_could_be_keypoints_is_asked_for_and_read_as_an_outline(tmp_path):
    data = read_boxes(make(tmp_path, BOX + TWO_VALUES, BOX + TWO_VALUES))
    assert told(data, "all outlines have 10 numbers, and could be boxes with 3 keypoints each")
    assert told(data, "2 of 2 lines are outlines")
    assert len(read_instances(tmp_path)) == 2


def test_outlines_are_told_and_stay_outlines(tmp_path):
    """The closed square has zeros and ones where visibilities would be, and no box in front of them."""
    square = "0 0 0 1 0 1 1 0 1 0 0"
    data = read_boxes(make(tmp_path, BOX, "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5", square))
    assert data.target(2).xyxy.tolist() == [[0, 0, 200, 100]]
    assert told(data, "2 of 3 lines are outlines: masks for instance segmentation")
    assert not told(data, "keypoints")


def test_images_without_a_file_of_labels(tmp_path):
    make(tmp_path, BOX, None, BOX, None)
    data = read_boxes(tmp_path)
    assert len(data) == 4
    assert told(data, "2 of 4 images have no file of labels, p1.png first; taken as background; --unlabeled skip")
    skipped = read_boxes(tmp_path, selection=ClassSelection.parse(unlabeled="skip"))
    assert sorted(skipped.names) == ["images/p0.png", "images/p2.png"]
    assert sorted(index for own in skipped.splits.values() for index in own) == [0, 1]
    assert told(skipped, "p1.png first; left out")
    assert len(skipped.defects) == 1
    with pytest.raises(RecipeError, match="unlabeled is 'maybe'; expected one of background, skip"):
        ClassSelection.parse(unlabeled="maybe")


@pytest.mark.parametrize(
    ("images", "texts", "suffix", "names"),
    [
        ("Images", "Labels", ".TXT", "Classes.TXT"),
        ("IMAGES", "LABELS", ".txt", "_darknet.labels"),
        ("images/Train", "labels/Train", ".txt", "class_names.txt"),
    ],
)
def test_folders_and_suffixes_in_any_case(tmp_path, images, texts, suffix, names):
    make(tmp_path, BOX, BOX, images=images, texts=texts, suffix=suffix)
    (tmp_path / names).write_text("other thing\n")
    data = read_boxes(tmp_path)
    assert (data.class_names, len(data), len(data.xyxy)) == (["other thing"], 2, 2)


def test_settings_in_another_case_and_classes_as_numbers_with_a_point(tmp_path):
    make(tmp_path, "0.0" + BOX[1:], images="Images/Train", texts="Labels/Train")
    assert read_boxes(tmp_path).class_names == ["0"]
    (tmp_path / "data.yaml").write_text("train: images/train\nnames: [cat]\n")
    data = read_boxes(tmp_path)
    assert (data.class_names, len(data.xyxy)) == (["cat"], 1)


def test_one_folder_for_both_splits(tmp_path):
    make(tmp_path, BOX, BOX)
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\n")
    data = read_boxes(tmp_path)
    assert data.splits == {"train": [0, 1], "val": [0, 1]}
    assert [defect.note for defect in data.defects] == [True]
