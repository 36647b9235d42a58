"""Names of files and classes that would command a terminal come out escaped, in every verb that prints them."""

import contextlib
import json

import pytest
from PIL import Image

from zorki.cli import main

NAME = "cat\x1b[2K\x1b[1Adog\u202e"


@pytest.fixture
def data(tmp_path):
    """Two images of a class of that name, one of them broken, and a folder of boxes of it."""
    for name in (NAME, "other"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "classes" / name / f"{number}.png")
    (tmp_path / "classes" / NAME / f"{NAME}.png").write_bytes(b"")
    (tmp_path / "boxes").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "boxes" / "1.png")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5]}
    image = {"id": 1, "file_name": "1.png", "height": 8, "width": 8}
    lost = {"id": 2, "file_name": f"{NAME}.png", "height": 8, "width": 8}
    table = {"images": [image, lost], "annotations": [box], "categories": [{"id": 1, "name": NAME}]}
    (tmp_path / "boxes" / "_annotations.coco.json").write_text(json.dumps(table))
    return tmp_path


@pytest.mark.parametrize("words", [
    ["show", "classes"], ["show", "boxes"], ["convert", "boxes", "--to", "yolo"], ["show", f"{NAME}/nothing"],
    [f"{NAME}"], ["show", "boxes", f"--{NAME}"],
])  # fmt: skip
def test_no_verb_prints_a_control_character(data, monkeypatch, capsys, words):
    monkeypatch.chdir(data)
    out = ["--out", "out.png" if words[0] == "show" else "out"] if words[0] in ("show", "convert") else []
    with contextlib.suppress(SystemExit):
        main([*words, *out])
    shown = capsys.readouterr()
    text = shown.out + shown.err
    assert "1b[2K" in text
    assert not set(text) & set("\x1b\u202e\x07")
