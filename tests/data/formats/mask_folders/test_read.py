"""Layouts of images and masks, and what is wrong with them. What values mean: test_mask_meaning.py."""

import pickle
import re
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.annotations.image_lists import two_paths
from zorki.data.annotations.masks import pairing
from zorki.data.annotations.masks.pairing import beside, pair
from zorki.data.formats.class_folders import read as class_folders
from zorki.data.formats.mask_folders import read as mask_pairs
from zorki.data.formats.readers import read_labels, read_masks
from zorki.errors import DataError

read_mask_pairs = partial(read_masks, format="mask_folders")

MASK = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)


def make_image(path, size=(3, 2), shade=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade,) * 3).save(path)


def mask(path, values=MASK, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    one = Image.fromarray(values)
    if palette is not None:
        one.putpalette(palette)
    one.save(path)


def both(root, *pairs):
    for name, other in pairs:
        make_image(root / name)
        mask(root / other)


def content(data):
    """Pairs by split."""
    return {
        split: [(data.names[index], data.masks[index]) for index in indices]
        for split, indices in data.splits.items()
        if indices
    }


def told(data):
    """What is said of the data; the share of ignored pixels has a test of its own in test_levels."""
    words = [str(defect).replace(f"{data.root}", "ROOT") for defect in data.defects]
    return [one for one in words if "of the pixels are ignored" not in one]


def test_a_sample_in_full(tmp_path):
    both(tmp_path, ("images/1.jpg", "masks/1.png"))
    data = read_masks(tmp_path)
    assert (data.format, data.reason) == (
        "mask_folders",
        "it holds folders of images and of masks: images and masks",
    )
    sample = data[0]
    assert sample.path == tmp_path / "images/1.jpg"
    assert sample.image.shape == (3, 2, 3)
    assert (sample.target.classes.dtype, sample.target.ignore) == (torch.int64, 255)
    assert sample.target.classes.tolist() == MASK.tolist()
    assert data.class_names == ["class 0", "class 1", "class 2"]
    assert data.counts.tolist() == [[1, 2, 2]]
    assert (data.size(0), data.palette, data.may_be_mirrored) == ((2, 3), None, True)
    assert data.target(0).classes.equal(sample.target.classes)
    assert data.check(0) is None
    again = pickle.loads(pickle.dumps(data))
    assert again.target(0).classes.equal(sample.target.classes)


def test_the_target_alone_opens_no_image(tmp_path):
    both(tmp_path, ("images/1.jpg", "masks/1.png"))
    data = read_mask_pairs(tmp_path)
    (tmp_path / "images/1.jpg").unlink()
    assert data.target(0).classes.tolist() == MASK.tolist()
    assert str(data.check(0)) == f"{tmp_path}/images/1.jpg: there is no such file"


LAYOUTS = {
    "splits within": (
        ("images/train/1.jpg", "masks/train/1.png"), ("images/val/1.jpg", "masks/val/1.png"),
    ),
    "splits around": (
        ("Training/img/1.jpg", "Training/label/1.png"), ("valid/img/1.jpg", "valid/label/1.png"),
    ),
    "SegNet's": (("train/1.png", "trainannot/1.png"), ("val/1.png", "valannot/1.png")),
    "joined words": (
        ("train_images/1.jpg", "train_masks/1.png"), ("val_images/1.jpg", "val_masks/1.png"),
    ),
    "joined the other way": (
        ("images-train/1.jpg", "labels-train/1.png"), ("images-val/1.jpg", "labels-val/1.png"),
    ),
    "images plain": (("train/1.jpg", "train_labels/1.png"), ("val/1.jpg", "val_labels/1.png")),
    "beside each other": (("train/1.jpg", "train/1_mask.png"), ("valid/1.jpg", "valid/1_mask.png")),
    "Cityscapes'": (
        ("leftImg8bit/train/aachen/a_0_leftImg8bit.png", "gtFine/train/aachen/a_0_gtFine_labelIds.png"),
        ("leftImg8bit/val/bonn/a_0_leftImg8bit.png", "gtFine/val/bonn/a_0_gtFine_labelIds.png"),
    ),
    "two folders down": (
        ("a/b/image/train/1.jpg", "a/b/annotations/train/1.png"), ("a/b/image/val/1.jpg", "a/b/annotations/val/1.png"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path, name):
    train, val = LAYOUTS[name]
    both(tmp_path, train, val)
    assert mask_pairs.probe(tmp_path).fits
    assert mask_pairs.probe(tmp_path).fits
    data = read_mask_pairs(tmp_path)
    assert content(data) == {"train": [train], "val": [val]}
    assert data.split_reason == "train and val: as the data give them"
    assert told(data) == []


def test_a_flat_layout_is_split_by_names_or_by_lists_beside(tmp_path):
    both(tmp_path, *((f"images/{number}.jpg", f"masks/{number}.png") for number in range(20)))
    data = read_mask_pairs(tmp_path)
    assert {split: len(own) for split, own in data.splits.items()} == {"train": 10, "val": 4, "test": 6}
    (tmp_path / "train.txt").write_text("1\n2.jpg\nimages/3.jpg\n99\n")
    (tmp_path / "test.txt").write_text("somewhere/else/4.jpg\n")
    data = read_mask_pairs(tmp_path)
    assert data.splits["test"] == [data.names.index("images/4.jpg")]
    learned = {data.names[index] for split in ("train", "val") for index in data.splits[split]}
    assert learned == {"images/1.jpg", "images/2.jpg", "images/3.jpg"}
    assert told(data) == [
        "ROOT/train.txt:4: 1 image that it names, '99' first, cannot be had with a mask; left out",
        "ROOT: 16 images (images/0.jpg) in no split: neither trained on nor evaluated",
    ]


def test_segnets_lists_with_paths_of_another_computer(tmp_path):
    both(tmp_path, ("train/1.png", "trainannot/1.png"), ("test/1.png", "testannot/1.png"))
    (tmp_path / "train.txt").write_text("/SegNet/CamVid/train/1.png /SegNet/CamVid/trainannot/1.png\n")
    (tmp_path / "test.txt").write_text("/SegNet/CamVid/test/1.png /SegNet/CamVid/testannot/1.png\n")
    data = read_mask_pairs(tmp_path)
    assert data.reason == "test.txt, train.txt name an image and its mask in every line"
    assert content(data) == {
        "train": [("train/1.png", "trainannot/1.png")],
        "test": [("test/1.png", "testannot/1.png")],
    }
    assert data.class_names[:3] == ["Sky", "Building", "Pole"]
    assert len(data.class_names) == 11


def test_broken_lines_of_lists(tmp_path):
    both(tmp_path, ("a b/1.jpg", "m/1.png"), ("a b/2.jpg", "m/2.png"), ("a b/3.jpg", "m/3.png"))
    (tmp_path / "train.txt").write_text(
        "a b/1.jpg\tm/1.png\n\na b/2.jpg,m/2.png\na b/1.jpg m/1.png\na b/9.jpg m/1.png\na b/3.jpg m/9.png\nhello\n"
        "a b/2.jpg m/1.png\n"
    )
    (tmp_path / "val.txt").write_text("a b/3.jpg m/3.png\na b/1.jpg m/1.png\n")
    data = read_mask_pairs(tmp_path)
    assert content(data) == {
        "train": [("a b/1.jpg", "m/1.png"), ("a b/2.jpg", "m/2.png")],
        "val": [("a b/1.jpg", "m/1.png"), ("a b/3.jpg", "m/3.png")],
    }
    assert told(data) == [
        "ROOT/train.txt:4: 1.jpg was named before; left out",
        "ROOT/train.txt:5: there is no image 'a b/9.jpg'; left out",
        "ROOT/train.txt:6: there is no mask 'm/9.png'; left out",
        "ROOT/train.txt:7: 'hello' names no image and mask; expected two paths in the line; left out",
        "ROOT/train.txt:8: 2.jpg was named before with another mask; this line was left out",
        "ROOT: 1 image (a b/1.jpg) in train and in val: training images are evaluated on",
    ]
    assert two_paths("a.jpg") == []


def test_what_has_no_counterpart_is_left_out_and_told(tmp_path):
    both(tmp_path, ("train/images/1.jpg", "train/masks/1.png"))
    for name in ("train/images/2.jpg", "train/images/3.jpg", "test/1.jpg", "test/2.jpg"):
        make_image(tmp_path / name)
    mask(tmp_path / "train/masks/4.png")
    data = read_mask_pairs(tmp_path)
    assert data.names == ["train/images/1.jpg"]
    assert told(data) == [
        "ROOT/train/images: 2 images (2.jpg, ...) have no mask; left out",
        "ROOT/train/masks: 1 mask (4.png) has no image; left out",
        "ROOT/test: 2 images have no masks; left out",
    ]
    assert [defect.note for defect in data.defects][:3] == [False, False, True]


def test_files_that_do_not_fit(tmp_path):
    both(tmp_path, *((f"images/{number}.png", f"masks/{number}.png") for number in range(6)))
    make_image(tmp_path / "images/1.png", (3, 3))
    make_image(tmp_path / "images/2.png", (2, 3))
    (tmp_path / "masks/3.png").write_bytes(b"no image")
    (tmp_path / "images/4.png").write_bytes(b"")
    mask(tmp_path / "masks/5.png", np.full((2, 3), 255, np.uint8))
    data = read_mask_pairs(tmp_path)
    assert data.names == ["images/0.png"]
    assert told(data) == [
        "ROOT/masks/1.png: the mask is 3 x 2 pixels, and its image 3 x 3; both were left out",
        "ROOT/masks/2.png: the mask is 3 x 2 pixels, and its image 2 x 3, which its EXIF orientation may have "
        "turned: turn the mask too; both were left out",
        "ROOT/masks/3.png: this is no image of a known kind, or its header is broken; left out, and its image with it",
        "ROOT/images/4.png: this is no image of a known kind, or its header is broken; left out, and its mask with it",
        "ROOT/masks/5.png: every pixel is ignored, so that there is nothing to learn or to evaluate; left out with its "
        "image",
    ]


def test_a_mask_that_changed_since_it_was_read(tmp_path):
    both(tmp_path, ("images/1.png", "masks/1.png"))
    data = read_mask_pairs(tmp_path)
    mask(tmp_path / "masks/1.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"masks/1\.png: the mask is 4 x 4 pixels, and its image 3 x 2"):
        data[0]
    (tmp_path / "masks/1.png").write_bytes(b"")
    assert "the file is empty" in str(data.check(0))


def test_nothing_that_can_be_used(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="no folder of images lies beside one of masks in it; expected lists"):
        read_mask_pairs(tmp_path)
    make_image(tmp_path / "images/1.jpg")
    mask(tmp_path / "masks/2.png")
    with pytest.raises(DataError, match=r"no image and mask belong together by their names\n .*1 image \(1\.jpg\)"):
        read_mask_pairs(tmp_path)
    mask(tmp_path / "masks/1.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(DataError, match=r"none of 1 image with a mask can be used:\n"):
        read_mask_pairs(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        read_mask_pairs(tmp_path / "gone")
    with pytest.raises(DataError, match="it is not a folder"):
        read_mask_pairs(tmp_path / "images/1.jpg")


def test_several_folders_and_classes_of_pairs(tmp_path):
    both(tmp_path, ("a/images/1.jpg", "a/masks/1.png"), ("b/images/1.jpg", "b/masks/1.png"))
    with pytest.raises(DataError, match="several folders in it hold images with masks: a, b; name one of them"):
        read_mask_pairs(tmp_path)
    busi = tmp_path / "busi"
    both(busi, ("benign/b (1).png", "benign/b (1)_mask.png"), ("normal/n (1).png", "normal/n (1)_mask.png"))
    assert read_mask_pairs(busi).names == ["benign/b (1).png", "normal/n (1).png"]


def test_other_formats_are_not_taken_for_masks(tmp_path):
    make_image(tmp_path / "images/1.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/1.txt").write_text("0 0.5 0.5 1 1\n")  # YOLO's
    (tmp_path / "train.txt").write_text("images/1.jpg\n")
    assert not mask_pairs.probe(tmp_path).fits


def test_too_large_images_are_refused(tmp_path):
    both(tmp_path, ("images/1.jpg", "masks/1.png"))
    with pytest.raises(DataError, match="the image is 3 x 2, 6 pixels, and at most 5 are allowed"):
        read_mask_pairs(tmp_path, max_pixels=5)


# -- pairing by names --


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.jpg", "1.png"), ("1.jpg", "1_mask.gif"), ("0016E5_1.png", "0016E5_1_L.png"), ("1.jpg", "1-label.png"),
        ("a_leftImg8bit.png", "a_gtFine_labelIds.png"), ("img_01.jpg", "mask_01.png"), ("7_sat.jpg", "7_mask.png"),
        ("21_training.tif", "21_manual1.gif"), ("A.JPG", "a.png"), ("x y.jpg", "x_y.png"), ("i.v2.jpg", "i.v2.png"),
        ("image7.png", "label7.png"), ("ISIC_1.jpg", "ISIC_1_segmentation.png"), ("a/1.jpg", "b/1.png"),
    ],
)  # fmt: skip
def test_names_that_belong_together(one, other):
    assert pair([one], [other]).pairs == [(one, other)]


@pytest.mark.parametrize(("one", "other"), [("1.jpg", "2.png"), ("a_1.jpg", "b_1.png"), ("1.jpg", "11_mask.png")])
def test_names_that_do_not(one, other):
    found = pair([one], [other])
    assert (found.pairs, found.bare_images, found.bare_masks) == ([], [one], [other])


def test_the_best_of_several_masks():
    masks = ["a_gtFine_color.png", "a_gtFine_instanceIds.png", "a_gtFine_labelIds.png", "a_gtFine_labelTrainIds.png"]
    found = pair(["a_leftImg8bit.png"], masks)
    assert found.pairs == [("a_leftImg8bit.png", "a_gtFine_labelTrainIds.png")]
    assert found.bare_masks == []
    # Folders decide before bare names, and a bare name that two images have decides nothing.
    assert pair(["x/1.jpg", "y/1.jpg"], ["y/1.png", "x/1.png"]).pairs == [
        ("x/1.jpg", "x/1.png"),
        ("y/1.jpg", "y/1.png"),
    ]
    assert pair(["x/1.jpg", "y/1.jpg"], ["z/1.png"]).pairs == []
    # The exact name before one that differs by a separator.
    assert pair(["a-b.jpg", "a_b.jpg"], ["a_b.png"]).pairs == [("a_b.jpg", "a_b.png")]


def test_each_name_is_taken_apart_once(monkeypatch):
    """And by strings: of the files of a large dataset it is asked several times whether they are pairs."""
    stem, seen = pairing._stem, []
    monkeypatch.setattr(pairing, "_stem", lambda name: seen.append(name) or stem(name))
    names = [f"cat/{number}.png" for number in range(50)]
    assert beside(names) == (names, [])
    assert seen == names
    for name in ("a.b/C d.PNG", ".x", "a/.x.png", "b.", "a..", "x", "deep/er/A-1.tar.gz", "a./b-c"):
        path = PurePosixPath(name)
        assert stem(name) == str(path.with_name(re.sub(r"[-. ]", "_", path.stem.lower()))), name


def test_masks_beside_images():
    names = ["1.jpg", "1_mask.png", "2.jpg", "3_mask.png", "mask.png"]
    assert beside(names) == (["1.jpg", "2.jpg", "3_mask.png", "mask.png"], ["1_mask.png"])


# -- folders of any name --


def photo(path, size=(40, 30)):
    """An image of many values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


OTHER_LAYOUTS = {
    "masks beside images of any name": ("cxr/{}.png", "masks/{}.png"),
    "masks among images": ("{}.png", "masks/{}.png"),
    "FiftyOne's": ("data/{}.png", "labels/{}.png"),
    "of no known name": ("left/{}.png", "right/{}.png"),
    "in a split": ("train/cxr/{}.png", "train/masks/{}.png"),
}


@pytest.mark.parametrize("name", OTHER_LAYOUTS)
def test_masks_in_folders_of_any_name_are_no_classes(tmp_path, name):
    images, masks = OTHER_LAYOUTS[name]
    for number in range(3):
        photo(tmp_path / images.format(number))
        mask(tmp_path / masks.format(number), np.full((30, 40), number % 2, np.uint8))
    found = read_masks(tmp_path)
    assert (found.format, found.names, found.masks) == (
        "mask_folders",
        [images.format(number) for number in range(3)],
        [masks.format(number) for number in range(3)],
    )
    with pytest.raises(DataError, match="read as mask_folders: masks; classes of images are needed"):
        read_labels(tmp_path)
    assert "named alike: a class for every pixel" in class_folders.probe(tmp_path).reason


def test_mmsegmentations_layout(tmp_path):
    both(tmp_path, *((f"img_dir/{split}/{split}.png", f"ann_dir/{split}/{split}.png") for split in ("train", "val")))
    assert content(read_masks(tmp_path)) == {
        split: [(f"img_dir/{split}/{split}.png", f"ann_dir/{split}/{split}.png")] for split in ("train", "val")
    }


def test_folders_named_alike_whose_pixels_tell_no_masks(tmp_path):
    for name in ("photo/1.png", "painting/1.png"):
        photo(tmp_path / name)
    assert not mask_pairs.probe(tmp_path).fits
    for name in ("photo/1.png", "painting/1.png"):
        make_image(tmp_path / name)
    assert not mask_pairs.probe(tmp_path).fits  # both hold few colors
    mask(tmp_path / "painting/1.png")
    assert mask_pairs.probe(tmp_path).fits  # numbers beside colors
