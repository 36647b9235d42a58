from pathlib import Path

import pytest
from PIL import Image

from zorki.data.scenes.masks import SceneSegmentation
from zorki.errors import DataError
from zorki.tasks.semantic_segmentation.data import SegmentationData

read = SegmentationData().read


def test_scenes():
    data = read(Path("scenes:20@32"))
    assert isinstance(data, SceneSegmentation)
    assert read(Path("scenes:20@32"), class_names=data.class_names).class_names == data.class_names
    with pytest.raises(DataError, match=r"scenes:20@32: other classes than the run's; they differ in tree"):
        read(Path("scenes:20@32"), class_names=[*data.class_names, "tree"])


def test_files(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
        Image.new("L", (3, 2), folder == "masks").save(tmp_path / folder / "1.png")
    data = read(tmp_path, class_names=["sky", "road"])
    assert data.target(0).classes.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert read(tmp_path, format="mask_pairs").format == "mask_folders"
    with pytest.raises(DataError, match=r"'mask_pair' is no format .* Did you mean mask_folders\?"):
        read(tmp_path, format="mask_pair")
    with pytest.raises(DataError, match="no folder in it holds SegmentationClass"):
        read(tmp_path, format="voc_masks")
    with pytest.raises(DataError, match="at most 5 are allowed"):
        read(tmp_path, max_pixels=5)
