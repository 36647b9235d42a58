from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zorki.data import formats
from zorki.errors import DataError
from zorki.tasks.instance_segmentation.data import InstanceData
from zorki.types import Instances

read = InstanceData().read


def test_scenes(tmp_path):
    data = read(Path("scenes:20@48"))
    assert isinstance(data.target(0), Instances)
    assert read(Path("scenes:20@48"), class_names=data.class_names).class_names == data.class_names
    with pytest.raises(DataError, match="other classes than the run's; they differ in cat"):
        read(Path("scenes:20@48"), class_names=[*data.class_names, "cat"])


def test_a_folder(tmp_path):
    values = np.zeros((6, 8), np.uint16)
    values[1:3, 2:4] = 1
    for name, pixels in (("images", np.zeros((6, 8, 3), np.uint8)), ("labels", values)):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    data = read(tmp_path)
    assert (data.format, len(data), data.target(0).xyxy.tolist()) == ("label_map_png", 3, [[2, 1, 4, 3]])
    assert read(tmp_path, format="label_png", class_names=["cell"]).class_names == ["cell"]


def test_a_folder_of_images_alone_tells_what_was_looked_for(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "1.png")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == list(
        formats.names("instances")
    )
