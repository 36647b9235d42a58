from functools import partial

import numpy as np
import pytest
from PIL import Image

from zorki.data.annotations.masks.class_names import VOC
from zorki.data.formats.readers import read_instances
from zorki.data.formats.voc import read_instances as voc_objects
from zorki.errors import DataError

read_voc_objects = partial(read_instances, format="voc")

NUMBERS = ((1, 1, 255, 0), (0, 255, 2, 2), (0, 0, 0, 3))
CLASSES = ((15, 15, 255, 0), (0, 255, 8, 8), (0, 0, 0, 15))


def mask(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    one = Image.fromarray(np.array(values, np.uint8))
    # VOC's color of an index: its bits spread over the three channels (the development kit).
    colors = [[sum(((i >> 3 * b + c) & 1) << 7 - b for b in range(3)) for c in range(3)] for i in range(256)]
    one.putpalette([part for rgb in colors for part in rgb])
    one.save(path)


def sample(folder, name, numbers=NUMBERS, classes=CLASSES):
    (folder / "JPEGImages").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3)).save(folder / "JPEGImages" / f"{name}.jpg")
    if numbers is not None:
        mask(folder / "SegmentationObject" / f"{name}.png", numbers)
    if classes is not None:
        mask(folder / "SegmentationClass" / f"{name}.png", classes)


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
    sample(folder, "2007_2", ((0, 0, 0, 0), (0, 1, 1, 0), (0, 0, 0, 0)), ((0, 0, 0, 0), (0, 15, 15, 0), (0, 0, 0, 0)))
    sample(folder, "2007_3", None, None)  # most of VOC's images have no masks
    lists(folder, train="2007_1\n", val="2007_2\n", trainval="2007_1\n2007_2\n")
    data = read_instances(tmp_path)
    below = f"{where}/" if where else ""
    assert (data.format, data.reason) == (
        "voc", f"it holds Pascal VOC's masks of objects: {below}SegmentationObject",
    )  # fmt: skip
    assert data.class_names == list(VOC[1:])
    assert data.splits == {"train": [0], "val": [1]}
    found = data.target(0)
    assert [data.class_names[label] for label in found.labels.tolist()] == ["person", "cat", "person"]
    assert found.masks.int().tolist() == [[[int(value == number) for value in row] for row in NUMBERS]
                                          for number in (1, 2, 3)]  # fmt: skip
    assert found.xyxy.tolist() == [[0, 0, 2, 1], [2, 1, 4, 2], [3, 2, 4, 3]]
    assert data.target(1).xyxy.tolist() == [[1, 1, 3, 2]]
    assert told(data) == [
        f"ROOT/{below}JPEGImages: 1 image has no mask, 2007_3.jpg first; left out",
        f"ROOT/{below}SegmentationObject: 8.33% of the pixels of objects' maps are 255, which is ignored; background "
        "here",
    ]
    assert data.defects[0].note


def test_names_of_a_file(tmp_path):
    sample(tmp_path, "1", ((1, 1, 0, 0), (0, 0, 0, 2), (0,) * 4), ((2, 2, 0, 0), (0, 0, 0, 1), (0,) * 4))
    (tmp_path / "classes.txt").write_text("_background_\nnut\nbolt\n")
    data = read_instances(tmp_path)
    assert data.class_names == ["nut", "bolt"]
    assert data.target(0).labels.tolist() == [1, 0]
    again = read_instances(tmp_path, class_names=["bolt", "nut"])  # a run's
    assert again.target(0).labels.tolist() == [0, 1]


def test_objects_without_a_class_and_of_several_are_left_out(tmp_path):
    sample(tmp_path, "1", ((1, 1, 2, 2), (3, 3, 3, 4), (0,) * 4), ((15, 15, 0, 255), (8, 8, 12, 12), (0,) * 4))
    data = read_instances(tmp_path)
    where = "ROOT/SegmentationObject/1.png"
    assert told(data)[:2] == [
        f"{where}: object 2 has no class: its pixels are background or 255 in SegmentationClass; the object was left "
        "out",
        f"{where}: object 3 is of several classes: cat (2 pixels), dog (1 pixels); the object was left out",
    ]
    assert data.target(0).masks.sum((1, 2)).tolist() == [2, 1]
    assert not any(defect.note for defect in data.defects[:2])


def test_seams_and_background_of_the_classes_do_not_count(tmp_path):
    sample(tmp_path, "1", ((1, 1, 1, 1), (0,) * 4, (0,) * 4), ((15, 15, 0, 255), (0,) * 4, (0,) * 4))
    assert read_instances(tmp_path).target(0).masks.sum() == 4


def test_images_whose_masks_do_not_fit_are_left_out(tmp_path):
    sample(tmp_path, "good")
    sample(tmp_path, "small", ((1, 0),))
    sample(tmp_path, "colors")
    Image.new("RGB", (4, 3), (128, 0, 0)).save(tmp_path / "SegmentationObject/colors.png")
    sample(tmp_path, "broken")
    path = tmp_path / "SegmentationObject/broken.png"
    path.write_bytes(path.read_bytes()[:60])
    sample(tmp_path, "classes", classes=((15, 0),))
    sample(tmp_path, "bare", numbers=None)
    sample(tmp_path, "unnamed", classes=None)
    data = read_instances(tmp_path)
    assert data.names == ["JPEGImages/good.jpg"]
    assert all(str(tmp_path) in line for line in map(str, data.defects))
    objects = "ROOT/SegmentationObject"
    lines = told(data)
    assert f"{objects}/small.png: the mask is 2 x 1 pixels, and its image 4 x 3; both were left out" in lines
    assert (
        f"{objects}/colors.png: expected a number for every object (gray or a palette), and it holds colors; the "
        "image was left out"
    ) in lines
    assert any(line.startswith(f"{objects}/broken.png: ") for line in lines)
    assert (
        "ROOT/SegmentationClass/classes.png: the mask is 2 x 1 pixels, and its image 4 x 3; both were left out"
    ) in lines
    assert f"{objects}: 1 image has a mask of classes and none of objects, bare.jpg first; left out" in lines
    assert f"{objects}: 1 mask has no image with a mask of classes, unnamed.png first; left out" in lines
    assert len([defect for defect in data.defects if not defect.note]) == 6, lines


def test_more_objects_than_254_in_16_bits(tmp_path):
    numbers = np.arange(300, dtype=np.uint16).reshape(15, 20)
    for name in ("JPEGImages", "SegmentationObject", "SegmentationClass"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (20, 15)).save(tmp_path / "JPEGImages/1.jpg")
    Image.fromarray(numbers).save(tmp_path / "SegmentationObject/1.png")
    mask(tmp_path / "SegmentationClass/1.png", (numbers > 0).astype(np.uint8))
    assert len(read_instances(tmp_path).target(0)) == 299


def test_what_is_not_of_this_format(tmp_path):
    sample(tmp_path, "1", numbers=None)
    assert not voc_objects.probe(tmp_path).fits
    assert voc_objects.probe(tmp_path).reason == "no folder SegmentationObject with PNGs lies beside SegmentationClass"
    with pytest.raises(
        DataError, match=r"no folder SegmentationObject with PNGs .*; expected folders JPEGImages, Segm"
    ):
        read_instances(tmp_path, "voc")
    with pytest.raises(DataError, match="there is no"):
        read_voc_objects(tmp_path / "none")
    (tmp_path / "JPEGImages/1.jpg").rename(tmp_path / "1.jpg")
    assert "SegmentationClass with masks beside JPEGImages" in voc_objects.probe(tmp_path).reason


def test_no_object_at_all(tmp_path):
    sample(tmp_path, "1", ((0,) * 4,) * 3)
    with pytest.raises(DataError, match="no mask in the data: 1 image read as voc"):
        read_instances(tmp_path)
