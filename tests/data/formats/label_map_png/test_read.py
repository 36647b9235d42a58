"""Maps of numbers, and one PNG an object."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.annotations.instances.label_maps import objects_in
from zorki.data.formats.instance_png import read as object_png
from zorki.data.formats.label_map_png import read as label_png
from zorki.data.formats.probe import Probe
from zorki.data.formats.readers import read_instances
from zorki.errors import DataError
from zorki.ops.rle import pack

read_object_png = partial(read_instances, format="instance_png")
read_label_png = partial(read_instances, format="label_map_png")

HIGH, WIDE = 12, 16


def make_image(path, size=(WIDE, HIGH)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 9, 9)).save(path)


def save(path, values, dtype=np.uint16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values).astype(dtype)).save(path)


def drawn(*boxes, size=(HIGH, WIDE)):
    """A map of rectangles: number, left, top, right, bottom."""
    values = np.zeros(size, np.int64)
    for number, left, top, right, bottom in boxes:
        values[top:bottom, left:right] = number
    return values


def told(data, note=False):
    return [(defect.path.name, defect.reason) for defect in data.defects if defect.note == note]


FEW = drawn((7, 0, 0, 3, 4), (300, 3, 0, 5, 12), (2, 10, 5, 16, 8))


@pytest.mark.parametrize("seed", range(10))
def test_objects_of_noise(seed):
    """The slow twin: one comparison with the whole map for each number."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 6, generator.integers(1, 30, 2)) * (seed % 3 + 1)
    found = objects_in(values)
    assert [one.number for one in found] == [number for number in np.unique(values) if number]
    for one in found:
        mask = values == one.number
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert one.text == pack(mask)
        assert one.xyxy == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert one.pixels == mask.sum()
    assert objects_in(values * 0) == []


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "val"):
        make_image(tmp_path / f"{split}/images/a.png")
        save(tmp_path / f"{split}/labels/a.png", FEW)
    (tmp_path / "manifest.csv").write_text("split,id\ntrain,a\n")
    return tmp_path


def test_maps_of_16_bits(folder):
    data = read_instances(folder)
    assert (data.format, data.class_names, data.splits) == ("label_map_png", ["object"], {"train": [0], "val": [1]})
    assert data.reason == "it holds maps of 16 bits that number objects, such as a.png"
    target = data.target(1)
    assert torch.equal(target.masks, torch.from_numpy(np.stack([number == FEW for number in (2, 7, 300)])))
    assert target.xyxy.tolist() == [[10, 5, 16, 8], [0, 0, 3, 4], [3, 0, 5, 12]]
    assert target.labels.tolist() == [0, 0, 0]
    assert data.defects == []
    assert read_instances(folder, class_names=["nucleus"]).class_names == ["nucleus"]
    with pytest.raises(DataError, match=r"does not know: object; it knows 2: cat, dog"):
        read_instances(folder, class_names=["cat", "dog"])


def test_images_and_maps_that_do_not_fit_are_told(folder):
    train = folder / "train"
    for name in ("small", "colors", "smeared", "broken", "bare", "empty"):
        make_image(train / f"images/{name}.png")
    save(train / "labels/small.png", FEW[:8])
    save(train / "labels/lone.png", FEW)
    save(train / "labels/empty.png", FEW * 0)
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (HIGH, WIDE, 3), np.uint8)).save(
        train / "labels/colors.png"
    )
    Image.new("L", (WIDE, HIGH)).save(train / "labels/smeared.jpg")
    (train / "labels/broken.png").write_bytes(b"x")
    data = read_label_png(folder)
    assert sorted(told(data)) == [
        ("broken.png", "this is no image of a known kind, or its header is broken; image and map were left out"),
        ("colors.png", "expected a number for every object (gray or a palette), and it holds colors; image and map "
         "were left out"),
        ("images", "1 image (bare.png) has no annotation, and 2 beside have one; left out, since it may hold "
         "anything"),
        ("labels", "1 map (lone.png) has no image; left out"),
        ("small.png", "the mask is 16 x 8 pixels, and its image 16 x 12; both were left out"),
        ("smeared.jpg", "a JPEG smears numbers; expected a PNG or TIFF with a number for every object; image and map "
         "were left out"),
    ]  # fmt: skip
    assert [data.names[index] for index in data.splits["train"]] == ["train/images/a.png", "train/images/empty.png"]
    assert len(data.target(1)) == 0


def test_numbers_that_stand_for_several_objects_are_noted(folder):
    far = drawn((1, 0, 0, 2, 2), (1, 13, 9, 16, 12), (2, 4, 4, 6, 6), (2, 7, 4, 9, 6), (3, 0, 11, 1, 12))
    save(folder / "val/labels/a.png", far)
    data = read_label_png(folder)
    assert told(data, note=True) == [
        ("a.png", "number 1 is in 2 parts, up to 11 pixels apart: it may stand for several objects; it was taken for "
         "one"),
    ]  # fmt: skip
    assert len(data.target(1)) == 3


def test_maps_of_8_bits_where_more_objects_were(folder):
    size = (40, 40)
    many = np.zeros(size, np.int64)
    places = [(row, column) for row in range(0, 40, 2) for column in range(0, 40, 2)]
    for number, (row, column) in enumerate(places[:300], 1):
        many[row, column] = min(number, 255)  # as a cast that saturates does
    make_image(folder / "val/images/b.png", size)
    save(folder / "val/labels/b.png", many, np.uint8)
    reasons = told(read_label_png(folder), note=True)
    assert reasons[0] == ("b.png", "it has 8 bits and 255 objects: more were cut off, it seems; write maps of 16 bits")
    assert "number 255 is in 46 parts" in reasons[1][1]
    wide = np.where(many == 255, 0, many)
    save(folder / "val/labels/b.png", wide, np.uint16)
    assert told(read_label_png(folder), note=True) == []


def test_seams_of_8_bits_are_nobodys_and_of_16_an_object(folder):
    values = drawn((1, 0, 0, 3, 4), (255, 3, 0, 5, 12), (2, 10, 5, 16, 8))
    for split in ("train", "val"):
        palette = Image.fromarray(values.astype(np.uint8)).convert("P")
        palette.putdata(values.ravel().tolist())
        palette.save(folder / f"{split}/labels/a.png")
    data = read_label_png(folder)
    assert len(data.target(0)) == 2
    assert told(data, note=True)[-1] == (
        folder.name, "2 maps of 8 bits have pixels of 255, 12.50% of all, which is ignored; taken for background",
    )  # fmt: skip
    save(folder / "train/labels/a.png", values)
    assert len(read_label_png(folder).target(0)) == 3


def test_maps_of_8_bits_are_told_from_classes(folder):
    make_image(folder / "val/images/b.png")
    many = drawn(*[(number, 2 * number, 0, 2 * number + 1, 5) for number in range(1, 7)])
    for name in ("a", "b"):
        save(folder / f"val/labels/{name}.png", many, np.uint8)
    save(folder / "train/labels/a.png", drawn((1, 0, 0, 3, 4)), np.uint8)
    assert label_png.probe(folder) == Probe.yes("it holds maps that number objects, one piece each, such as a.png")
    save(folder / "train/labels/a.png", drawn((1, 0, 0, 3, 4), (1, 8, 0, 9, 9)), np.uint8)
    save(folder / "val/labels/b.png", many * (np.arange(HIGH)[:, None] != 2), np.uint8)
    assert label_png.probe(folder).reason == (
        "of 13 numbers in 3 maps of 8 bits, 6 stand for one piece each: they may be classes; --format label_map_png "
        "takes them for objects"
    )
    assert len(read_instances(folder, "label_map_png").target(0)) == 1
    save(folder / "train/labels/a.png", drawn((4, 0, 0, 3, 4)), np.uint8)
    assert "the numbers of objects have gaps, as those of classes do" in label_png.probe(folder).reason


def test_a_broken_map_does_not_hide_what_the_others_are(folder):
    make_image(folder / "val/images/b.png")
    many = drawn(*[(number, 2 * number, 0, 2 * number + 1, 5) for number in range(1, 8)])
    for name in ("val/labels/a.png", "val/labels/b.png", "train/labels/a.png"):
        save(folder / name, many, np.uint8)
    broken = folder / "train/labels/a.png"
    broken.write_bytes(broken.read_bytes()[:60])
    assert label_png.probe(folder).fits
    data = read_instances(folder)
    assert len(data) == 2
    assert any(name == "a.png" and "image and map were left out" in reason for name, reason in told(data))
    for name in ("a", "b"):
        (folder / f"val/labels/{name}.png").write_bytes(b"")
    assert "cannot be decoded" in label_png.probe(folder).reason or "empty" in label_png.probe(folder).reason


def test_a_mask_of_one_class_is_no_map_of_numbers(folder):
    for split in ("train", "val"):
        save(folder / f"{split}/labels/a.png", drawn((255, 0, 0, 3, 4)), np.uint8)
    assert label_png.probe(folder).reason.startswith("2 maps of 8 bits have no number but 0 and 255")
    with pytest.raises(DataError, match=r"no mask in the data[\s\S]*nothing but 255, which is ignored: a mask of a"):
        read_label_png(folder)


@pytest.fixture
def bowl(tmp_path):
    """Two images of train with three objects, of which two overlap, and one of test without masks."""
    for name in ("one", "two"):
        folder = tmp_path / f"stage1_train/{name}"
        make_image(folder / f"images/{name}.png")
        save(folder / "masks/b.png", 255 * (FEW == 7), np.uint8)
        save(folder / "masks/a.png", 255 * (drawn((1, 2, 2, 9, 9)) > 0), np.uint8)
        save(folder / "masks/c.png", FEW == 300, bool)
    make_image(tmp_path / "stage1_test/three/images/three.png")
    return tmp_path


def test_a_png_an_object(bowl):
    data = read_instances(bowl)
    assert (data.format, data.class_names, data.names) == (
        "instance_png", ["object"], [f"stage1_train/{name}/images/{name}.png" for name in ("one", "two")],
    )  # fmt: skip
    assert sorted(data.splits["train"] + data.splits["val"]) == [0, 1]
    wanted = np.stack([drawn((1, 2, 2, 9, 9)) > 0, FEW == 7, FEW == 300])
    assert torch.equal(data.target(0).masks, torch.from_numpy(wanted))
    assert told(data) == [("three", "there is no folder of masks; the image was left out")]


def test_the_same_objects_as_maps_and_as_pngs(bowl, tmp_path):
    for name in ("one", "two"):
        save(bowl / f"stage1_train/{name}/masks/a.png", 255 * (FEW == 2), np.uint8)
    maps = tmp_path / "maps"
    for name in ("one", "two"):
        make_image(maps / f"train/images/{name}.png")
        save(maps / f"train/labels/{name}.png", FEW)
    apart, together = read_object_png(bowl), read_label_png(maps)
    for index in range(2):
        assert torch.equal(apart.target(index).masks, together.target(index).masks)


def test_broken_masks_of_objects_are_told(bowl):
    masks = bowl / "stage1_train/one/masks"
    save(masks / "d.png", drawn(), np.uint8)
    save(masks / "e.png", drawn((1, 0, 0, 3, 4), size=(WIDE, HIGH)), np.uint8)
    (masks / "f.png").write_bytes(b"")
    (bowl / "stage1_train/two/images/two.png").write_bytes(b"")
    data = read_object_png(bowl)
    assert len(data.target(0)) == 3
    assert sorted(told(data)) == [
        ("d.png", "the mask is empty: every pixel is 0; the object was left out"),
        ("e.png", "the mask is 12 x 16 pixels, and its image 16 x 12, which its EXIF orientation may have turned: "
         "turn the mask too; the object was left out"),
        ("f.png", "the file is empty (0 bytes); the object was left out"),
        ("three", "there is no folder of masks; the image was left out"),
        ("two.png", "this is no image of a known kind, or its header is broken; left out with its masks"),
    ]  # fmt: skip


def test_jpegs_are_cut_in_the_middle(bowl):
    folder = bowl / "stage1_train/one/masks"
    wanted = read_object_png(bowl).target(0).masks
    for path in sorted(folder.iterdir()):
        with Image.open(path) as mask:
            mask.convert("L").save(path.with_suffix(".jpg"), quality=60)
        path.unlink()
    data = read_object_png(bowl)
    found = data.target(0).masks
    reason = "as after scaling or from JPEGs: values from 128 on are taken for the object"
    assert any(text.endswith(reason) for _, text in told(data, note=True))
    assert float((found == wanted).float().mean()) > 0.97
    assert all(abs(int(one.sum()) - int(other.sum())) < 8 for one, other in zip(found, wanted, strict=True))


def test_what_is_neither(tmp_path):
    make_image(tmp_path / "train/images/1.png")
    make_image(tmp_path / "train/masks/1.png")  # a folder of a split, not of an image
    assert object_png.probe(tmp_path).reason == "no folder in it holds one image in images and masks beside"
    with pytest.raises(DataError, match="expected a folder for each image"):
        read_object_png(tmp_path)
    shutil.rmtree(tmp_path / "train/masks")
    assert label_png.probe(tmp_path).reason == "no folder of images lies beside one of masks in it"
    with pytest.raises(DataError, match="expected folders such as images and labels"):
        read_label_png(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        read_label_png(tmp_path / "gone")


def test_a_file_that_names_classes_tells_maps_of_8_bits_from_numbers(tmp_path):
    for number in range(4):
        make_image(tmp_path / f"images/{number}.png")
        save(tmp_path / f"labels/{number}.png", drawn((1, 0, 0, 3, 4), (2, 4, 0, 8, 5)), np.uint8)
    assert label_png.probe(tmp_path).fits
    (tmp_path / "classes.txt").write_text("ground\ncat\ndog\n")
    assert not label_png.probe(tmp_path).fits
    assert label_png.probe(tmp_path).reason.startswith(
        "classes.txt names classes, and maps of 8 bits beside it hold these"
    )
    assert len(read_instances(tmp_path, "label_map_png").target(0)) == 2
    save(tmp_path / "labels/0.png", FEW)
    assert label_png.probe(tmp_path).fits  # 16 bits


def test_maps_of_one_number_each_are_masks_of_a_class(tmp_path):
    for number in range(9):
        split = "train" if number else "val"
        make_image(tmp_path / f"images/{split}/{number}.png")
        save(tmp_path / f"masks/{split}/{number}.png", drawn((1, 0, 0, 3, 4)), np.uint8)
    assert label_png.probe(tmp_path).reason == (
        "8 maps of 8 bits hold one number each beside 0, as masks of one class do; --format label_map_png takes it for "
        "an object"
    )
    found = read_label_png(tmp_path)  # in folders of images and of masks, splits may lie within
    assert {split: len(own) for split, own in found.splits.items()} == {"train": 8, "val": 1}


def test_smeared_masks_of_a_class_are_no_maps(tmp_path):
    rows, columns = np.mgrid[:24, :32]
    disc = ((rows - 11) ** 2 + (columns - 15) ** 2 < 8**2).astype(np.uint8) * 255
    make_image(tmp_path / "images/a.png", (64, 48))
    save(tmp_path / "masks/a.png", Image.fromarray(disc).resize((64, 48), Image.Resampling.BILINEAR), np.uint8)
    with pytest.raises(DataError, match=r"black and white with shades between, .* and no numbers of objects"):
        read_label_png(tmp_path)
