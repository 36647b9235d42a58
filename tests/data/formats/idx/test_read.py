import gzip
import multiprocessing
import pickle
import struct
from functools import partial

import numpy as np
import pytest

from zorki.data.formats.idx import read as idx
from zorki.data.formats.readers import read_labels
from zorki.errors import DataError
from zorki.types import Defect, Label

read_idx = partial(read_labels, format="idx")

rng = np.random.default_rng(0)


def packed(array, magic=None):
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return (magic or header[:4]) + header[4:] + array.astype(np.uint8).tobytes()


def write(path, array, magic=None):
    data = packed(array, magic)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture
def digits(tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    images, labels = rng.integers(0, 256, (50, 5, 4)), np.arange(50) % 10
    write(folder / "train-images-idx3-ubyte.gz", images[:40])
    write(folder / "train-labels-idx1-ubyte.gz", labels[:40])
    write(folder / "t10k-images.idx3-ubyte", images[40:])
    write(folder / "t10k-labels.idx1-ubyte", labels[40:])
    return folder, images, labels


def test_images_labels_and_splits(digits):
    folder, images, labels = digits
    dataset = read_idx(folder)
    assert len(dataset) == 50
    assert dataset.class_names == [str(digit) for digit in range(10)]
    assert dataset.splits["test"] == list(range(40, 50))
    assert sorted(dataset.splits["train"] + dataset.splits["val"]) == list(range(40))
    assert "val: 10% of train" in dataset.split_reason
    for index in (0, 39, 40, 49):
        sample = dataset[index]
        assert sample.image.tolist() == [images[index].tolist()] * 3
        assert sample.target == dataset.target(index) == Label(int(labels[index]))
    assert dataset.path(39) == folder / "train-images-idx3-ubyte.gz/39"
    assert dataset.path(40) == folder / "t10k-images.idx3-ubyte/0"
    with pytest.raises(IndexError):
        dataset[50]


def test_samples_do_not_share_memory_with_the_data(digits):
    dataset = read_idx(digits[0])
    wanted = dataset[3].image.clone()
    assert dataset[3].image.is_contiguous()
    dataset[3].image.zero_()
    assert dataset[3].image.equal(wanted)


def test_val_depends_on_the_number_alone(digits, tmp_path):
    folder, images, labels = digits
    more = tmp_path / "more"
    more.mkdir()
    write(more / "train-images-idx3-ubyte", np.concatenate([images, images]))
    write(more / "train-labels-idx1-ubyte", np.concatenate([labels, labels]))
    val = read_idx(more).splits["val"]
    assert [index for index in val if index < 40] == read_idx(folder).splits["val"]
    assert "test" not in read_idx(more).splits


def test_it_is_recognized_by_its_files(digits):
    assert idx.probe(digits[0]).reason.startswith("it holds IDX files: t10k-images.idx3-ubyte, t10k-labels")
    assert idx.probe(digits[0]).fits
    assert idx.probe(digits[0].parent).reason == "it holds no file named like train-images-idx3-ubyte[.gz]"
    assert not idx.probe(digits[0] / "t10k-images.idx3-ubyte").fits


def test_fashion_by_the_folder(digits):
    folder = digits[0].rename(digits[0].with_name("Fashion-MNIST"))
    dataset = read_idx(folder)
    assert dataset.class_names[:2] == ["T-shirt/top", "Trouser"]
    assert dataset.class_names[9] == "Ankle boot"
    assert "by the folder's name" in dataset.reason


def test_fashion_by_the_labels(digits, monkeypatch):
    folder = digits[0]
    digest = idx.md5((folder / "t10k-labels.idx1-ubyte").read_bytes()).hexdigest()
    monkeypatch.setattr(idx, "_FASHION_LABELS", frozenset({digest}))
    dataset = read_idx(folder)
    assert dataset.class_names == list(idx.FASHION)
    assert "whose labels these are (MD5)" in dataset.reason


def test_more_than_ten_classes(digits):
    folder = digits[0]
    write(folder / "t10k-labels.idx1-ubyte", np.arange(3, 13))
    assert read_idx(folder).class_names == [str(number) for number in range(13)]
    assert [defect.reason for defect in read_idx(folder).defects] == [
        f"class '{number}' has 1 sample in test and none in train" for number in (10, 11, 12)
    ]


def test_the_order_of_a_run(digits):
    folder, _, labels = digits
    order = [str(digit) for digit in reversed(range(10))]
    assert read_idx(folder, class_names=order).labels == [9 - label for label in labels]
    with pytest.raises(DataError, match="does not know: 7, 8, 9"):
        read_idx(folder, class_names=order[3:])


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"])
def test_a_broken_gzip_file(digits, name):
    path = digits[0] / name
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=rf"{name}: expected a whole gzip file, and it is broken"):
        read_idx(digits[0])
    path.write_bytes(b"no gzip at all")
    with pytest.raises(DataError, match=rf"{name}: expected a whole gzip file"):
        read_idx(digits[0])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed(np.zeros((10, 5, 4)), b"\0\0\x0d\x03"), r"expected the magic number 00000803 .*, got 00000d03"),
        (packed(np.zeros(10)), r"expected the magic number 00000803 .*3 dimensions\), got 00000801"),
        (b"", "got an empty file"),
        (packed(np.zeros((10, 5, 4)))[:9], "the header is truncated: expected 16 bytes, got 9"),
        (packed(np.zeros((10, 5, 4)))[:-1], r"expected 200 bytes .* shape \(10, 5, 4\), and only 199 came"),
        (packed(np.zeros((10, 5, 4))) + b"x", r"expected 200 bytes .*, and more came"),
        (packed(np.zeros((9, 5, 4))), r"t10k-labels.idx1-ubyte: 10 labels for the 9 images of t10k-images.idx3-ubyte"),
    ],
)
def test_files_that_are_not_what_they_say(digits, data, reason):
    (digits[0] / "t10k-images.idx3-ubyte").write_bytes(data)
    with pytest.raises(DataError, match=reason):
        read_idx(digits[0])


def test_a_missing_partner(digits):
    (digits[0] / "t10k-labels.idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-images\.idx3-ubyte: its partner, the t10k file of labels, is missing"):
        read_idx(digits[0])


def test_no_such_files(tmp_path):
    with pytest.raises(DataError, match=r"it holds no file named like .*; expected IDX files"):
        read_idx(tmp_path)


def test_the_limit_of_size(digits):
    dataset = read_idx(digits[0], max_pixels=19)
    assert dataset.check(0) == Defect(dataset.path(0), "the image is 4 x 5, and at most 19 pixels are allowed")
    assert read_idx(digits[0], max_pixels=20).check(0) is None
    with pytest.raises(DataError, match="at most 19 pixels are allowed"):
        dataset[0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns where torch has threads
def test_it_travels_to_workers(digits):
    dataset = read_idx(digits[0])
    assert pickle.loads(pickle.dumps(dataset))[45].image.equal(dataset[45].image)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(dataset.target, (45,)) == dataset.target(45)
