"""`zorki show` of images without annotation."""

import json

import numpy as np
import pytest
from PIL import Image

from zorki.cli import main


def test_loose_images_are_counted_and_shown(tmp_path, capsys):
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (6 + number, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    main(["show", str(tmp_path), "--out", str(tmp_path / "out/sheet.png"), "--json", str(tmp_path / "out.json")])
    said = capsys.readouterr().out
    assert f"{tmp_path}: 3 images and no annotation, of 8 x 6 to 8 x 8 pixels" in said
    assert f"zorki predict RUN {tmp_path}" in said
    assert (tmp_path / "out/sheet.png").is_file()
    assert json.loads((tmp_path / "out.json").read_text())["images"] == 3


def test_joints_that_span_nothing_leave_boxes_to_detection(tmp_path, capsys):
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    skeleton = (
        '<skeleton label="person"><points label="1" outside="1" points="0,0"/>'
        '<points label="2" outside="0" points="30,20"/></skeleton>'
    )
    box = '<box label="person" xtl="5" ytl="5" xbr="25" ybr="30"/>'
    image = f'<image id="0" name="a.png" width="60" height="40">{skeleton}{box}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations><version>1.1</version>{image}</annotations>")
    main(["show", str(tmp_path), "--out", str(tmp_path / "sheet.png")])
    told = capsys.readouterr().out
    assert "task: detection" in told
    assert "not pose: " in told
    with pytest.raises(SystemExit):
        main(["show", str(tmp_path), "--task", "pose", "--out", str(tmp_path / "other.png")])
    assert "no object in the data has joints" in capsys.readouterr().err
