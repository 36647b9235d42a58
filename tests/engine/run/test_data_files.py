"""A run goes on with the pixels it began with: size and time are compared first, bytes where they differ."""

import os

import numpy
import pytest
from PIL import Image

from zorki.engine.run.data_files import END, FILES, check_files, write_files
from zorki.engine.training.plan import new_plan, resumed_plan
from zorki.errors import WeightsError
from zorki.tasks.classification.task import Classification


def paint(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = numpy.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)  # of one size, whatever the pixels are


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for number in range(12):
        paint(root / "train" / ("ab"[number % 2]) / f"{number}.png", number)
    for name in "ab":
        paint(root / "val" / name / "x.png", ord(name))
    return root


def read(root):
    return Classification().data.read(root)


@pytest.fixture
def run(photos, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    dataset = read(photos)
    write_files(folder, dataset, dataset.splits["train"])
    return folder


def test_the_same_bytes_of_another_time_are_the_same_data(photos, run):
    for path in photos.rglob("*.png"):
        os.utime(path, ns=(1, 1))
    check_files(run, read(photos))


def test_other_pixels_of_the_same_size_are_refused_by_name(photos, run):
    for number in (1, 2, 3, 5):
        path = photos / "train" / "ab"[number % 2] / f"{number}.png"
        size = path.stat().st_size
        paint(path, 100 + number)
        os.utime(path, ns=(1, 1))
        assert path.stat().st_size == size
    with pytest.raises(WeightsError, match=r"4 training images .*train/a/2\.png.* and 1 more"):
        check_files(run, read(photos))


def test_another_size_is_refused_without_a_look_at_the_bytes(photos, run):
    path = photos / "train" / "a" / "0.png"
    kept = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"0")
    os.utime(path, ns=(kept, kept))
    with pytest.raises(WeightsError, match=r"1 training image has .*train/a/0\.png"):
        check_files(run, read(photos))


def test_images_that_are_not_trained_on_may_change(photos, run):
    paint(photos / "val" / "a" / "x.png", 9)
    os.utime(photos / "val" / "a" / "x.png", ns=(1, 1))
    check_files(run, read(photos))


@pytest.mark.parametrize("place", [0, END - 1, END + 1, -1])
def test_both_ends_of_a_file_count(tmp_path, photos, place):
    path = photos / "train" / "a" / "0.png"
    data = bytearray(path.read_bytes() + bytes(END))  # images may end in what no reader looks at
    path.write_bytes(data)
    folder = tmp_path / "large"
    folder.mkdir()
    dataset = read(photos)
    write_files(folder, dataset, dataset.splits["train"])
    data[place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match=r"0\.png"):
        check_files(folder, dataset)


def test_a_broken_list_is_told_with_its_line_and_a_missing_one_is_none(photos, run):
    with (run / FILES).open("a") as file:
        file.write("[1]\n")
    with pytest.raises(WeightsError, match=rf"{FILES}:13: expected name"):
        check_files(run, read(photos))
    (run / FILES).unlink()
    check_files(run, read(photos))


def test_a_plan_goes_on_with_its_pixels_alone(photos, tmp_path):
    settings = {"epochs": 1, "batch_size": 4, "workers": 0, "out": str(tmp_path / "runs"), "image_size": 32}
    plan = new_plan("lenet5", str(photos), None, settings, None, lambda text: None)
    assert len((plan.folder / FILES).read_text().splitlines()) == 12
    resumed_plan(plan.folder, None, {}, lambda text: None)
    paint(photos / "train" / "b" / "3.png", 50)
    os.utime(photos / "train" / "b" / "3.png", ns=(1, 1))
    with pytest.raises(WeightsError, match=r"train/b/3\.png"):
        resumed_plan(plan.folder, None, {}, lambda text: None)
