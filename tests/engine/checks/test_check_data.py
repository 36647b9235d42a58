"""Faults planted into data that are clean before: each is named, and nothing else is."""

import json
import re
import shutil

import numpy as np
import pytest
from drawn_data import class_folders, coco, pattern, two_boxes
from PIL import Image

from zorki.engine.checks.check import check


def found(root, **settings):
    return {one.id: one for one in check(None, str(root), **settings).report.findings}


COUNTS = {"train": (40, 40), "val": (4, 4), "test": (8, 8)}


def test_clean_classes_are_clean(tmp_path):
    result = check(None, str(class_folders(tmp_path, COUNTS)))
    assert result.report.findings == []
    assert result.report.exit_code == 0
    assert result.report.left_out == []
    assert {"ZD012", "ZD015", "ZD001"} <= set(result.report.checked)


def test_images_of_test_in_train_are_named_copied_or_saved_anew(tmp_path):
    root = class_folders(tmp_path, COUNTS)
    shutil.copy(root / "test/along/100.png", root / "train/along/copy.png")
    Image.open(root / "test/across/90.png").save(root / "train/across/copy.bmp")  # other bytes, the same pixels
    Image.open(root / "test/across/91.png").save(root / "train/across/copy.jpg", quality=98, subsampling=0)
    leaks = found(root, skip="ZD004")
    assert set(leaks) == {"ZD012"}
    assert leaks["ZD012"].count == 2
    assert "train/along/copy.png" in leaks["ZD012"].files
    assert "copy.jpg" in " ".join(found(root, only="ZD004")["ZD004"].files)


def test_copies_and_their_labels_are_named(tmp_path):
    root = class_folders(tmp_path, COUNTS)
    shutil.copy(root / "train/along/40.png", root / "train/across/other.png")
    told = found(root)
    assert set(told) == {"ZD003", "ZD014"}
    assert "across and along" in told["ZD014"].reason or "along and across" in told["ZD014"].reason


def test_broken_and_blank_images_are_named(tmp_path):
    root = class_folders(tmp_path, COUNTS)
    whole = (root / "train/along/41.png").read_bytes()
    (root / "train/along/41.png").write_bytes(whole[:-60] + b"IEND" + whole[-56:])  # decoding alone finds it
    Image.new("RGB", (24, 24), (7, 7, 7)).save(root / "train/along/42.png")
    told = found(root)
    assert set(told) == {"ZD001", "ZD019"}
    assert told["ZD001"].files == ("train/along/41.png",)
    assert told["ZD019"].files == ("train/along/42.png",)


def test_classes_are_held_against_each_other(tmp_path):
    root = class_folders(tmp_path / "a", {"train": (60, 0), "val": (8, 0), "test": (8, 8)})
    told = found(root, skip="ZD02")
    assert "'along' (8)" in told["ZD007"].reason
    root = class_folders(tmp_path / "b", {"train": (40, 40), "val": (4, 4), "test": (0, 40)})
    assert "50% of test" in found(root)["ZD006"].reason
    root = class_folders(tmp_path / "c", {"train": (100, 5), "val": (10, 1)})
    assert set(found(root)) == {"ZD005"}
    root = class_folders(tmp_path / "d", COUNTS, names=("Dog ", "dog"))
    assert "'Dog ' and 'dog'" in found(root, only="ZD008")["ZD008"].reason


def test_shuffled_labels_are_named(tmp_path):
    for number in range(80):
        path = (
            tmp_path / "train" / ("across", "along")[int(np.random.default_rng(number).integers(2))] / f"{number}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pattern(number % 2, number)).save(path)
    assert "by chance" in found(tmp_path, only="ZD015")["ZD015"].reason


def test_clean_boxes_are_clean(tmp_path):
    assert found(coco(tmp_path, two_boxes, count=40), skip="ZD004") == {}, "the images themselves are much alike"


def test_boxes_twice_small_and_thin_are_named(tmp_path):
    def boxes(number):
        x, y = 3 + number % 7, 4 + number % 5
        thin = [(x, 40, x + 30, 41.2, 0)] if number < 3 else []
        return [*two_boxes(number), (x, y, x + 16, y + 14.3, 0), (50, 2, 54, 6, 1), *thin]

    told = found(coco(tmp_path, boxes, count=30))
    assert {"ZD009", "ZD010", "ZD011"} <= set(told)
    assert told["ZD009"].count == 30
    assert told["ZD010"].count == 33
    assert told["ZD011"].count == 3


@pytest.mark.parametrize("name", ["center x, center y, width, height", "x, y, width, height"])
def test_boxes_read_in_another_format_are_named(tmp_path, name):
    rows = ["path,xmin,ymin,xmax,ymax,class"]
    for number in range(30):
        Image.fromarray(pattern(0, number, (60, 80))).save(tmp_path / f"{number}.png")
        for x0, y0, x1, y1, label in [(5 + number, 4, 25 + number, 20, 0), (50, 30, 70, 55 - number / 5, 1)]:
            width, height = x1 - x0, y1 - y0
            first = (x0 + width / 2, y0 + height / 2) if name.startswith("center") else (x0, y0)
            rows.append(f"{number}.png,{first[0]},{first[1]},{width},{height},{'ab'[label]}")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    told = found(tmp_path, only="ZD016")
    assert f"as {name} all lie in their images" in told["ZD016"].reason


def test_masks_that_are_moved_are_named_by_how_far(tmp_path):
    for shift in (0, 1):
        for number in range(10):
            image = pattern(0, number, (64, 64)) // 8
            mask = np.zeros((64, 64), np.uint8)
            top, left = 10 + number, 12 + number
            image[top : top + 25, left : left + 20] += 150
            mask[top + shift : top + 25 + shift, left : left + 20] = 1
            for kind, pixels in (("images", image), ("masks", mask)):
                path = tmp_path / str(shift) / kind / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    assert found(tmp_path / "0", only="ZD017") == {}
    assert "(+0.0, +1.0) pixels (x, y)" in found(tmp_path / "1", only="ZD017")["ZD017"].reason.replace("-0.0", "+0.0")


def test_annotations_that_were_left_out_are_told_by_kind(tmp_path):
    root = coco(tmp_path, two_boxes, count=12)
    page = json.loads((root / "boxes.json").read_text())
    page["annotations"][0]["bbox"][2] = 0
    page["annotations"][2]["bbox"][3] = 0
    (root / "boxes.json").write_text(json.dumps(page))
    told = found(root, only="ZD002")
    assert told["ZD002"].count == 2
    assert re.match(r"2 annotations: .*the box .* has no area", told["ZD002"].reason)


def test_samples_without_any_object_are_named(tmp_path):
    assert found(coco(tmp_path / "a", two_boxes), only="ZD020") == {}
    told = found(coco(tmp_path / "b", lambda number: two_boxes(number) if number == 0 else []), only="ZD020")
    assert "show no object" in told["ZD020"].reason


def test_groups_that_names_tell_stay_on_one_side(tmp_path):
    root = class_folders(tmp_path, {"train": (20, 20), "val": (8, 8)})
    for split in ("train", "val"):
        for number, path in enumerate(sorted((root / split).rglob("*.png"))):
            path.rename(path.with_name(f"{split}_patient{number % 6 + (6 if split == 'val' else 0)}_{path.name}"))
    assert found(root, only="ZD013") == {}
    path = next((root / "val/along").iterdir())
    path.rename(path.with_name("x_patient3_9.png"))
    assert "'patient3'" in found(root, only="ZD013")["ZD013"].reason
