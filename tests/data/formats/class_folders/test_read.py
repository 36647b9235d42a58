import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zorki.data.formats.class_folders import read as folders
from zorki.data.formats.probe import Probe
from zorki.data.formats.readers import read_labels
from zorki.errors import DataError
from zorki.types import Defect, Label

read_folders = partial(read_labels, format="class_folders")


def make_image(path: Path, color=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), color).save(path)


def labels(dataset, split):
    return {dataset.names[index]: dataset.class_names[dataset.labels[index]] for index in dataset.splits[split]}


@pytest.fixture
def photos(tmp_path):
    for name in ("dog/1.jpg", "dog/deep/er/2.PNG", "Zebra/1.png", "cat/1.gif", "cat/10.jpg"):
        make_image(tmp_path / "photos" / name)
    return tmp_path / "photos"


def test_a_folder_for_each_class(photos):
    dataset = read_folders(photos)
    assert dataset.class_names == ["Zebra", "cat", "dog"]  # as torchvision sorts
    assert dataset.names == ["Zebra/1.png", "cat/1.gif", "cat/10.jpg", "dog/1.jpg", "dog/deep/er/2.PNG"]
    assert dataset.labels == [0, 1, 1, 2, 2]
    assert dataset.reason == "it holds a folder for each class: Zebra, cat, dog"
    assert "70, 15 and 15 %" in dataset.split_reason
    assert sorted(index for indices in dataset.splits.values() for index in indices) == [0, 1, 2, 3, 4]
    sample = dataset[4]
    assert (sample.target, sample.path) == (Label(2), photos / "dog/deep/er/2.PNG")
    assert sample.image[:, 0, 0].tolist() == [10, 20, 30]
    assert dataset.target(0) == Label(0)


def test_split_folders_by_any_word(tmp_path):
    for name in ("Training/cat/1.jpg", "Training/dog/1.jpg", "VALID/cat/2.jpg", "dev/dog/2.jpg", "test/dog/3.jpg"):
        make_image(tmp_path / name)
    dataset = read_folders(tmp_path)
    assert list(dataset.splits) == ["train", "val", "test"]
    assert labels(dataset, "train") == {"Training/cat/1.jpg": "cat", "Training/dog/1.jpg": "dog"}
    assert labels(dataset, "val") == {"VALID/cat/2.jpg": "cat", "dev/dog/2.jpg": "dog"}
    assert labels(dataset, "test") == {"test/dog/3.jpg": "dog"}
    assert dataset.split_reason == "train, val and test: as the data give them"
    assert dataset.defects == []


def test_a_class_may_be_called_train(tmp_path):
    for name in ("train/1.jpg", "train/steam/2.jpg", "car/1.jpg", "bus/1.jpg"):
        make_image(tmp_path / name)
    assert read_folders(tmp_path).class_names == ["bus", "car", "train"]


def test_hidden_files_and_leftovers_are_no_defects(photos):
    make_image(photos / ".cache/1.jpg")
    make_image(photos / "cat/.hidden.jpg")
    for name in ("@eaDir/1.jpg", "cat/@eaDir/1.jpg", "$RECYCLE.BIN/2.jpg", "System Volume Information/3.jpg"):
        make_image(photos / name)  # thumbnails of a network disk, and what was deleted
    for name in (
        "lost+found/4.jpg",
        "#recycle/cat/5.jpg",
        "__MACOSX/cat/1.jpg",
        ".@__thumb/1.jpg",
        ".Trash-1000/1.jpg",
    ):
        make_image(photos / name)
    for name in ("Thumbs.db", "cat/Thumbs.db", "cat/.DS_Store", "README.md"):
        (photos / name).touch()
    dataset = read_folders(photos)
    assert len(dataset) == 5
    assert dataset.defects == []


def test_what_is_left_out_is_told(photos):
    (photos / "cat/notes.txt").touch()
    (photos / "cat/1.xml").touch()
    make_image(photos / "loose.jpg")
    (photos / "owl").mkdir()
    dataset = read_folders(photos)
    assert dataset.class_names == ["Zebra", "cat", "dog"]
    assert dataset.defects == [
        Defect(photos / "cat", "2 files (.txt, .xml) left out: no images"),
        Defect(photos, "1 image was left out: outside of any class folder"),
        Defect(photos / "owl", "the class folder holds no image; the class was left out"),
    ]


def test_images_in_a_split_without_class_folders_are_told(tmp_path):
    for name in ("train/cat/1.jpg", "train/dog/1.jpg", "test/1.jpg", "extra/cat/2.jpg"):
        make_image(tmp_path / name)
    dataset = read_folders(tmp_path)
    assert dataset.names == ["train/cat/1.jpg", "train/dog/1.jpg"]
    assert dataset.defects == [
        Defect(tmp_path / "extra", "the folder holds images, but is no split, and was left out"),
        Defect(tmp_path / "test", "the folder holds images without class folders, and was left out"),
    ]


def test_a_class_that_train_lacks_is_told(tmp_path):
    for name in ("train/cat/1.jpg", "val/cat/2.jpg", "val/owl/1.jpg", "val/owl/2.jpg", "test/owl/3.jpg"):
        make_image(tmp_path / name)
    assert [defect.reason for defect in read_folders(tmp_path).defects] == [
        "class 'owl' has 2 samples in val and none in train",
        "class 'owl' has 1 sample in test and none in train",
    ]


def test_the_order_of_a_run_is_kept(photos):
    (photos / "owl").mkdir()
    dataset = read_folders(photos, class_names=["owl", "dog", "cat", "Zebra"])
    assert dataset.class_names == ["owl", "dog", "cat", "Zebra"]
    assert dataset.labels == [3, 2, 2, 1, 1]
    assert dataset.defects == [Defect(photos / "owl", "the class folder holds no image", note=True)]


def test_a_class_that_the_run_does_not_know_is_an_error(photos):
    with pytest.raises(
        DataError, match=r"a class that the model does not know: Zebra; it knows 3: zebra, cat, dog\. Did"
    ):
        read_folders(photos, class_names=["zebra", "cat", "dog"])


def test_links_are_followed_but_not_in_circles(photos):
    (photos / "cat/more").symlink_to(photos / "dog/deep")
    (photos / "cat/around").symlink_to(photos / "cat")
    (photos / "wolf").symlink_to(photos / "dog")
    dataset = read_folders(photos)
    assert [name for name in dataset.names if not name.startswith(("dog", "Zebra"))] == [
        "cat/1.gif",
        "cat/10.jpg",
        "cat/more/er/2.PNG",
        "wolf/1.jpg",
        "wolf/deep/er/2.PNG",
    ]


def test_broken_files_are_found_without_decoding_and_by_decoding(photos):
    (photos / "cat/10.jpg").write_bytes(b"")
    dataset = pickle.loads(pickle.dumps(read_folders(photos)))
    assert [dataset.check(index) for index in range(5)] == [
        None,
        None,
        Defect(photos / "cat/10.jpg", "the file is empty (0 bytes)"),
        None,
        None,
    ]
    with pytest.raises(DataError, match=r"10\.jpg: the file is empty"):
        dataset[2]


def test_the_limit_of_size_is_the_caller_s(photos):
    dataset = read_folders(photos, max_pixels=11)
    assert "4 x 3" in str(dataset.check(0))
    with pytest.raises(DataError, match="at most 11 are allowed"):
        dataset[0]


def test_one_class_is_read(tmp_path):
    make_image(tmp_path / "cat/1.jpg")
    assert read_folders(tmp_path).class_names == ["cat"]


def test_one_folder_above_the_classes_is_told(photos):
    dataset = read_folders(photos.parent)
    assert dataset.class_names == ["photos"]
    hint = "the only class holds folders; if they are the classes (Zebra, cat, dog), name this folder"
    assert dataset.defects == [Defect(photos, hint, note=True)]


def test_the_reason_names_the_splits(tmp_path):
    make_image(tmp_path / "train/cat/1.jpg")
    assert folders.probe(tmp_path) == Probe.yes("train holds a folder for each class: cat")
    make_image(tmp_path / "test/dog/1.jpg")
    assert folders.probe(tmp_path) == Probe.yes("test, train hold a folder for each class: cat, dog")


def test_no_image_at_all_names_folder_and_suffixes(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat/1.txt").touch()
    with pytest.raises(DataError, match=rf"{tmp_path}: no image in this folder or below it; .*\.jpeg, \.jpg"):
        read_folders(tmp_path)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["1.jpg"], "there is no folder in it that could be a class"),
        (["train/1.jpg", "test/2.jpg"], "test, train hold no folder for each class, and none is a class by its name"),
    ],
)
def test_why_it_is_refused(tmp_path, files, reason):
    for name in files:
        make_image(tmp_path / name)
    assert not folders.probe(tmp_path).fits
    assert folders.probe(tmp_path).reason == reason
    with pytest.raises(DataError, match=reason):
        read_folders(tmp_path)
    assert folders.probe(tmp_path / files[0]).reason == "it is not a folder"


def test_masks_whose_images_are_missing_are_no_class(tmp_path):
    make_image(tmp_path / "masks/1.png")
    (tmp_path / "images").mkdir()
    assert folders.probe(tmp_path).reason == "images, masks are called as images with masks are, and images holds none"
    make_image(tmp_path / "images/1.png")
    assert folders.probe(tmp_path).reason == (
        "masks holds masks of the images in images, named alike: a class for every pixel; --format class_folders takes "
        "them for classes"
    )
    assert read_folders(tmp_path).class_names == ["images", "masks"]  # as asked for
    make_image(tmp_path / "images/2.png")
    (tmp_path / "images/1.png").unlink()
    assert folders.probe(tmp_path).fits  # no file of one has its name in the other


def test_a_folder_of_masks_alone_is_no_class(tmp_path):
    make_image(tmp_path / "masks/1.png")
    assert folders.probe(tmp_path).reason == "its only folder is called masks, as masks are, and no images lie beside"


def test_classes_whose_files_are_named_alike(tmp_path):
    """A mask on a face is no mask of an image, and a drawing none of a photo, unless one holds few values."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name in ("mask/1.png", "mask/2.png", "no_mask/1.png", "no_mask/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / name)
    assert read_labels(tmp_path).class_names == ["mask", "no_mask"]


def test_a_folder_that_cannot_be_read(photos, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=f"{photos}: the folder cannot be read: Permission denied"):
        read_folders(photos)
