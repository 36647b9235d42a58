"""CreateML's JSON as Roboflow exports it."""

import json

import pytest
from PIL import Image

from zorki.data.formats.createml.read import probe
from zorki.data.formats.detect import detect
from zorki.data.formats.readers import read_boxes
from zorki.errors import DataError


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        entries = []
        for number in range(2):
            Image.new("RGB", (100, 60)).save(tmp_path / split / f"{number}.jpg")
            box = {"label": "cat", "coordinates": {"x": 50, "y": 35, "width": 60, "height": 30 + number}}
            entries.append({"image": f"{number}.jpg", "annotations": [box] if split == "train" else []})
        (tmp_path / split / "_annotations.createml.json").write_text(json.dumps(entries, indent=1))
    return tmp_path


def test_boxes_around_their_centers_and_background(folder):
    assert str(detect(folder).match("boxes")) == (
        "createml: it holds CreateML's JSON: train/_annotations.createml.json, valid/_annotations.createml.json"
    )
    data = read_boxes(folder)
    assert (data.format, data.class_names, data.splits) == ("createml", ["cat"], {"train": [0, 1], "val": [2, 3]})
    assert data.target(0).xyxy.tolist() == [[20, 20, 80, 50]]
    assert data.target(1).xyxy.tolist() == [[20, 19.5, 80, 50.5]]
    assert len(data.target(2)) == 0
    assert data.size(0) == (60, 100)
    assert read_boxes(folder / "train/_annotations.createml.json").names == ["0.jpg", "1.jpg"]


def test_what_is_wrong_is_told_with_its_image(folder):
    path = folder / "train/_annotations.createml.json"
    entries = json.loads(path.read_text())
    entries[1]["annotations"] = [
        {"label": "", "coordinates": {"x": 1, "y": 1, "width": 1, "height": 1}},
        {"label": "a"},
    ]
    entries += [{"annotations": []}, {"image": "gone.jpg", "annotations": []}]
    path.write_text(json.dumps(entries))
    reasons = [defect.reason for defect in read_boxes(folder).defects]
    assert reasons[:3] == [
        "1.jpg: a box has no label; left out",
        "1.jpg: an annotation has no coordinates; left out",
        "entry 3 names no image; left out",
    ]
    assert any("there is no image 'gone.jpg'" in reason for reason in reasons)
    path.write_text(json.dumps({"coordinates": {}, "annotations": []}))
    assert not probe(path).fits
    with pytest.raises(DataError, match="it is a file, and not CreateML's JSON"):
        read_boxes(path, "createml")
