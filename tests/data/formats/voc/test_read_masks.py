from functools import partial

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations.masks.class_names import VOC
from zorki.data.formats.readers import read_masks
from zorki.data.formats.voc import read_masks as voc_masks
from zorki.errors import DataError

read_voc_masks = partial(read_masks, format="voc")

# The first colors of VOC's palette, each bit of an index spread over the three channels (its development kit).
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [9, 9, 9] * 252 + [224, 224, 192]


def sample(folder, name, values=((0, 1, 255),), masks="SegmentationClass", palette=PALETTE, with_mask=True):
    values = np.array(values, np.uint8)
    (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", values.shape[1::-1]).save(folder / "JPEGImages" / f"{name}.jpg")
    if with_mask:
        (folder / masks).mkdir(exist_ok=True)
        one = Image.fromarray(values)
        if palette is not None:
            one.putpalette(palette)
        one.save(folder / masks / f"{name}.png")


def lists(folder, **texts):
    for split, text in texts.items():
        path = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def told(data):
    return [str(defect).replace(f"{data.root}", "ROOT") for defect in data.defects]


@pytest.mark.parametrize("where", ["", "VOCdevkit/VOC2012"])
def test_a_set_in_full(tmp_path, where):
    folder = tmp_path / where
    sample(folder, "2007_1")
    sample(folder, "2007_2", ((20, 0, 0), (15, 15, 255)))
    sample(folder, "2007_3", with_mask=False)
    lists(folder, train="2007_1\n2007_3\n", val="2007_2\n", trainval="2007_1\n2007_2\n2007_3\n")
    data = read_masks(tmp_path)
    below = f"{where}/" if where else ""
    assert (data.format, data.reason) == (
        "voc",
        f"it holds Pascal VOC's masks of classes: {below}SegmentationClass beside {below}JPEGImages",
    )
    assert data.class_names == list(VOC)
    assert data.splits == {"train": [0], "val": [1]}
    assert data.target(0).classes.tolist() == [[0, 1, 255]]
    assert data.target(1).classes.tolist() == [[20, 0, 0], [15, 15, 255]]
    assert data.palette is None  # this one has colors for three classes alone
    assert told(data) == [
        f"ROOT/{below}JPEGImages: 1 image has no mask, 2007_3.jpg first; left out",
        f"ROOT/{below}ImageSets/Segmentation/train.txt:2: 1 image that it names, '2007_3' first, cannot be had with "
        "a mask; left out",
        "ROOT: class 'person' is in 1 image of val and in none of train",
        "ROOT: class 'tvmonitor' is in 1 image of val and in none of train",
        "ROOT: 22.22% of the pixels are ignored, of value 255",
    ]


def test_trainval_alone_is_train(tmp_path):
    for number in range(30):
        sample(tmp_path, str(number))
    lists(tmp_path, trainval="".join(f"{number}\n" for number in range(28)), test="28\n29\n")
    data = read_voc_masks(tmp_path)
    assert sorted(data.splits["train"] + data.splits["val"]) == [
        index for index, name in enumerate(data.names) if name not in ("JPEGImages/28.jpg", "JPEGImages/29.jpg")
    ]
    assert len(data.splits["test"]) == 2
    assert "val: 10% of train" in data.split_reason


def test_other_indices_and_names_of_their_own(tmp_path):
    sample(tmp_path, "1", ((0, 30, 255),))
    assert read_voc_masks(tmp_path).class_names[:2] == ["value 0", "value 30"]
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ncat\n")
    sample(tmp_path, "1", ((0, 1, 255),))
    assert read_voc_masks(tmp_path).class_names == ["_background_", "cat"]


def test_cvats_masks_hold_colors(tmp_path):
    sample(tmp_path, "1", palette=None, masks="SegmentationClass")
    rgb = np.array([[(0, 0, 0), (250, 50, 83), (0, 0, 0)]], np.uint8)
    Image.fromarray(rgb).save(tmp_path / "SegmentationClass" / "1.png")
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:250,50,83::\n")
    data = read_voc_masks(tmp_path)
    assert (data.class_names, data.target(0).classes.tolist()) == (["background", "cat"], [[0, 1, 0]])
    assert data.palette == [(0, 0, 0), (250, 50, 83)]


def test_what_is_no_such_folder(tmp_path):
    (tmp_path / "JPEGImages").mkdir()
    assert not voc_masks.probe(tmp_path).fits
    assert (
        voc_masks.probe(tmp_path).reason
        == "no folder in it holds SegmentationClass with masks beside JPEGImages with images"
    )
    with pytest.raises(DataError, match="expected folders JPEGImages and SegmentationClass"):
        read_voc_masks(tmp_path)
    for year in ("VOC2007", "VOC2012"):
        sample(tmp_path / year, "1")
    with pytest.raises(DataError, match="several folders in it hold such data: VOC2007, VOC2012; name one of them"):
        read_voc_masks(tmp_path)
    sample(tmp_path / "new", "1")
    (tmp_path / "new/SegmentationClass/1.png").rename(tmp_path / "new/SegmentationClass/9.png")
    with pytest.raises(DataError, match=r"no mask in .*SegmentationClass is named like an image in"):
        read_voc_masks(tmp_path / "new")
    with pytest.raises(DataError, match="there is no such file or folder"):
        read_voc_masks(tmp_path / "gone")
