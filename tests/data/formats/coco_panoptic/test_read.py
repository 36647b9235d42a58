"""COCO's panoptic JSON: things and stuff, by numbers made by hand."""

import json

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations.subset import subset_masks
from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes, read_instances, read_masks
from zorki.errors import DataError

CATEGORIES = [
    {"id": 7, "name": "sky", "isthing": 0},
    {"id": 1, "name": "cat", "isthing": 1},
    {"id": 3, "name": "dog", "isthing": 1},
]
SKY, CAT, DOG, CROWD = 5, 256, 2 * 65536 + 3, 9
NUMBERS = np.array([
    [SKY, SKY, SKY, SKY, 0, 0],
    [SKY, CAT, CAT, SKY, DOG, DOG],
    [CROWD, CAT, CAT, CROWD, DOG, 0],
])  # fmt: skip


def as_colors(numbers):
    """R + 256 G + 256^2 B."""
    return np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], -1).astype(np.uint8)


def infos(**changes):
    listed = {SKY: (7, 0), CAT: (1, 0), DOG: (3, 0), CROWD: (1, 1)} | changes.get("more", {})
    return [{"id": number, "category_id": category, "iscrowd": crowd} for number, (category, crowd) in listed.items()]


def write(root, numbers=NUMBERS, segments=None, split="val", size=(6, 3), categories=CATEGORIES):
    for folder in (root / f"images/{split}", root / f"annotations/panoptic_{split}"):
        folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(root / f"images/{split}/1.jpg")
    Image.fromarray(as_colors(numbers)).save(root / f"annotations/panoptic_{split}/1.png")
    (root / f"annotations/panoptic_{split}.json").write_text(json.dumps({
        "images": [{"id": 40, "file_name": "1.jpg", "width": size[0], "height": size[1]}],
        "annotations": [{"image_id": 40, "file_name": "1.png", "segments_info": segments or infos()}],
        "categories": categories,
    }))  # fmt: skip


def told(data, note):
    return [(defect.path.name, defect.reason) for defect in data.defects if defect.note == note]


def test_the_classes_of_things_and_stuff(tmp_path):
    write(tmp_path)
    write(tmp_path, split="train")
    data = read_masks(tmp_path)
    assert (data.format, data.class_names) == ("coco_panoptic", ["cat", "dog", "sky"])
    assert {split: [data.names[index] for index in own] for split, own in data.splits.items()} == {
        "train": ["images/train/1.jpg"], "val": ["images/val/1.jpg"],
    }  # fmt: skip
    wanted = [[2, 2, 2, 2, 255, 255], [2, 0, 0, 2, 1, 1], [0, 0, 0, 0, 1, 255]]
    assert data.target(0).classes.tolist() == wanted
    assert data[1].target.classes.tolist() == wanted
    assert data.counts.tolist() == [[6, 3, 6]] * 2
    name = tmp_path.name
    assert (name, "16.67% of the pixels are of no segment (0): they are ignored") in told(data, note=True)
    assert told(data, note=False) == []
    assert subset_masks(data, [1]).target(0).classes.tolist() == wanted


def test_the_masks_of_things(tmp_path):
    write(tmp_path)
    data = read_instances(tmp_path)
    assert (data.format, data.class_names, data.category_ids) == ("coco_panoptic", ["cat", "dog"], [1, 3])
    target = data.target(0)
    assert target.xyxy.tolist() == [[1, 1, 3, 3], [4, 1, 6, 3], [0, 2, 4, 3]]
    assert (target.labels.tolist(), target.crowd.tolist()) == ([0, 1, 0], [False, False, True])
    for mask, number in zip(target.masks.numpy(), (CAT, DOG, CROWD), strict=True):
        assert np.array_equal(mask, number == NUMBERS)
    reason = "1 segment of stuff (sky) left out: objects are things (isthing 1); semantic segmentation takes both"
    assert (tmp_path.name, reason) in told(data, note=True)
    assert read_boxes(tmp_path).xyxy.tolist() == target.xyxy.tolist()


def test_what_json_and_image_do_not_share_is_told(tmp_path):
    write(tmp_path, np.where(NUMBERS == DOG, 77, NUMBERS))
    masks, objects = read_masks(tmp_path), read_instances(tmp_path)
    assert masks.counts.tolist() == [[6, 0, 6]]
    assert told(masks, note=False) == [
        ("1.png", "it holds a segment that segments_info does not list (3 pixels); ignored")
    ]
    assert ("1.png", "1 segment that segments_info lists has no pixel") in told(masks, note=True)
    assert told(objects, note=False) == [("1.png", "1 thing that is listed has no pixel; left out")]


def test_segments_that_cannot_be_used_are_told(tmp_path):
    segments = [*infos(), {"id": CAT, "category_id": 3}, {"id": 0, "category_id": 3}, {"id": 11, "category_id": 99}]
    write(tmp_path, segments=segments)
    data = read_masks(tmp_path)
    assert [reason for _, reason in told(data, note=False)] == [
        "1.png: a segment has the id of another; ignored",
        "1.png: a segment has no id of 1 to 16777215; ignored",
        "1.png: a segment is of a category that the file does not list; ignored",
    ]


def test_the_mark_changes_with_the_categories(tmp_path):
    write(tmp_path)
    before = read_masks(tmp_path).mark(0)
    write(tmp_path, segments=infos(more={DOG: (1, 0)}))
    assert read_masks(tmp_path).mark(0) != before


def test_runs_classes_and_selections(tmp_path):
    from zorki.class_selection import ClassSelection

    write(tmp_path)
    data = read_masks(tmp_path, class_names=["sky", "dog", "cat", "cow"])
    assert data.counts.tolist() == [[6, 3, 6, 0]]
    with pytest.raises(DataError, match="class that the model does not know: sky"):
        read_masks(tmp_path, class_names=["dog", "cat"])
    data = read_masks(tmp_path, selection=ClassSelection.parse("cat=animal,dog=animal,sky=-", None))
    assert (data.class_names, data.counts.tolist()) == (["animal"], [[9]])


@pytest.mark.parametrize("kind", ["masks", "instances"])
def test_an_image_that_is_missing_is_not_its_own_segments(tmp_path, kind):
    write(tmp_path)
    (tmp_path / "images/val/1.jpg").unlink()
    read = {"masks": read_masks, "instances": read_instances}[kind]
    with pytest.raises(DataError, match=r"there is no image '1\.jpg'|such as '1\.jpg' is there"):
        read(tmp_path, format="coco_panoptic")


def test_a_lone_file_and_segments_of_another_size(tmp_path):
    write(tmp_path)
    file = tmp_path / "annotations/panoptic_val.json"
    assert detect(file).match("masks").format == "coco_panoptic"
    assert read_masks(file).counts.tolist() == [[6, 3, 6]]
    write(tmp_path, size=(3, 6))
    for read in (read_masks, read_instances):
        with pytest.raises(DataError, match="the mask is 6 x 3 pixels, and its image 3 x 6"):
            read(tmp_path)
