"""`zorki show` of images without annotation."""

import json

import numpy as np
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
