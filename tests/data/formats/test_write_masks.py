import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data import formats
from zorki.data.annotations.masks.stored import class_palette, write_mask
from zorki.data.formats.readers import read_masks
from zorki.data.formats.writers import write_masks
from zorki.data.scenes.masks import SceneSegmentation
from zorki.draw.palette import color
from zorki.errors import DataError, ZorkiError

WRITERS = formats.writable("masks")


def read(root):
    return read_masks(root)


@pytest.fixture
def data(tmp_path):
    """Nine images in splits, two of one name, with a palette of their own, ignored pixels, and 3 classes."""
    root = tmp_path / "data"
    generator = np.random.default_rng(0)
    palette = [0, 0, 0, 10, 20, 30, 200, 0, 0]
    for number in range(9):
        split = ("train", "val", "test")[number // 3]
        name = "same.jpg" if number in (0, 3) else f"image {number}.{'png' if number % 2 else 'jpg'}"
        for folder in ("images", "masks"):
            (root / split / folder).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (17, 11), (25 * number,) * 3).save(root / split / "images" / name)
        values = generator.integers(0, 3, (11, 17)).astype(np.uint8)
        values[0, :number] = 255
        one = Image.fromarray(values)
        one.putpalette(palette + [1, 1, 1] * 253)
        one.save((root / split / "masks" / name).with_suffix(".png"))
    (root / "classes.txt").write_text("ground\ncat\na b\n")
    return read(root)


def content(data):
    """Masks by split and by the images' shade."""
    found = {}
    for split, indices in data.splits.items():
        for index in indices:
            sample = data[index]
            found[split, round(int(sample.image[0, 0, 0]) / 25)] = sample.target.classes.tolist()
    return found


@pytest.mark.parametrize("first", WRITERS)
@pytest.mark.parametrize("second", WRITERS)
def test_there_and_back_without_loss(data, tmp_path, first, second):
    assert write_masks(data, tmp_path / "first", first) == []
    once = read(tmp_path / "first")
    assert (once.format, [defect for defect in once.defects if not defect.note]) == (first, [])
    write_masks(once, tmp_path / "second", second)
    twice = read(tmp_path / "second")
    assert twice.format == second
    assert [defect.reason for defect in twice.defects] == [defect.reason for defect in once.defects]
    assert content(twice) == content(once) == content(data)
    assert twice.class_names == data.class_names == ["ground", "cat", "a b"]
    assert twice.palette == data.palette == [(0, 0, 0), (10, 20, 30), (200, 0, 0)]
    assert twice.counts.sum() == data.counts.sum()


def test_where_files_lie(data, tmp_path):
    write_masks(data, tmp_path / "pairs", "mask_folders")
    files = {path.relative_to(tmp_path / "pairs").as_posix() for path in (tmp_path / "pairs").rglob("*.*")}
    assert "classes.txt" in files
    assert {"train/images/train_images_same.jpg", "train/masks/train_images_same.png"} <= files
    assert {"val/images/image 5.png", "val/masks/image 5.png"} <= files
    write_masks(data, tmp_path / "voc", "voc")
    sets = tmp_path / "voc/ImageSets/Segmentation"
    assert (sets / "test.txt").read_text().splitlines() == ["image 6", "image 7", "image 8"]
    assert len((sets / "trainval.txt").read_text().splitlines()) == 6
    original = data.path(0).read_bytes()
    assert (tmp_path / "pairs/train/images/image 1.png").is_file()
    assert original in [path.read_bytes() for path in (tmp_path / "voc/JPEGImages").iterdir()]  # copied as it is


@pytest.mark.parametrize("to", WRITERS)
def test_scenes_become_files(tmp_path, to):
    scenes = SceneSegmentation(10, size=(24, 32))
    write_masks(scenes, tmp_path / "out", to)
    again = read(tmp_path / "out")
    assert again.class_names == scenes.class_names
    assert {split: len(own) for split, own in again.splits.items()} == {"train": 7, "val": 1, "test": 2}
    places = {path.split("/")[-1]: index for index, path in enumerate(again.names)}
    for index in range(10):
        sample = again[places[scenes.path(index).name]]
        assert sample.image.equal(scenes[index].image)
        assert sample.target.classes.equal(scenes.target(index).classes)
    assert again.palette == [color(index) for index in range(11)]


@pytest.mark.parametrize("to", WRITERS)
def test_background_and_ignored_pixels_alone_are_not_taken_for_black_and_white(tmp_path, to):
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    Image.new("RGB", (2, 1)).save(tmp_path / "data/images/1.png")
    write_mask(tmp_path / "data/masks/1.png", torch.tensor([[0, 255]]))
    (tmp_path / "data/classes.txt").write_text("ground\ncat\n")
    data = read(tmp_path / "data")
    data.splits = {"train": [0]}
    write_masks(data, tmp_path / "out", to)
    again = read(tmp_path / "out")
    assert (again.class_names, again.target(0).classes.tolist()) == (["ground", "cat"], [[0, 255]])


def test_another_value_for_what_is_ignored(data, tmp_path):
    class Other(type(data)):
        def target(self, index):
            mask = super().target(index)
            mask.classes[mask.classes == 255] = -1
            mask.ignore = -1
            mask.weights = torch.ones(mask.classes.shape)
            return mask

    other = Other(**vars(data))
    assert write_masks(other, tmp_path / "out", "mask_folders") == [
        "9 masks have weights of their pixels: they are not kept"
    ]
    assert content(read(tmp_path / "out")) == content(data)


def test_what_is_lost_is_told(data, tmp_path):
    data.splits = {"train": [0, 1], "val": [1, 2], "extra": [3]}
    data.class_names[2] = "Void"
    assert write_masks(data, tmp_path / "out", "voc") == [
        "5 images are in no split, and voc has no place for them: left out",
        "1 images are in several splits: each was written into the first",
        "readers know train, val and test, and take extra for no split",
        "a class called 'Void' is read back as what is ignored",
    ]
    data.splits = {"all": list(range(9))}
    write_masks(data, tmp_path / "all", "mask_folders")
    assert len(read(tmp_path / "all")) == 9


def test_links_and_no_images(data, tmp_path):
    write_masks(data, tmp_path / "linked", "mask_folders", images="link")
    linked = read(tmp_path / "linked")
    assert all(linked.path(index).is_symlink() for index in range(9))
    assert content(linked) == content(data)
    write_masks(data, tmp_path / "bare", "voc", images=None)
    assert sorted(path.name for path in (tmp_path / "bare").iterdir()) == [
        "ImageSets", "SegmentationClass", "classes.txt",
    ]  # fmt: skip
    assert len(list((tmp_path / "bare/SegmentationClass").iterdir())) == 9


def test_nothing_is_overwritten_and_nothing_is_left_after_an_error(data, tmp_path):
    write_masks(data, tmp_path / "out", "mask_folders")
    with pytest.raises(DataError, match="this is there already, and nothing is overwritten"):
        write_masks(data, tmp_path / "out", "mask_folders")
    with pytest.raises(DataError, match="expected one of voc, mask_folders"):
        write_masks(data, tmp_path / "other", "coco")
    data.mask_path(3).write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        write_masks(data, tmp_path / "other", "voc")
    (tmp_path / "file").touch()
    with pytest.raises(ZorkiError, match="could not be written"):
        write_masks(data, tmp_path / "file/out", "voc")
    data.class_names = [str(number) for number in range(256)]
    with pytest.raises(DataError, match="256 classes, and masks of 8 bits tell 255 apart"):
        write_masks(data, tmp_path / "other", "voc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file", "out"]


def test_a_palette_is_filled_up():
    assert class_palette([(1, 2, 3)])[:2] == [(1, 2, 3), color(1)]
    assert len(class_palette()) == len(class_palette([(1, 2, 3)] * 300)) == 256
