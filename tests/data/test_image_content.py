"""What files of images hold that a header does not tell."""

import numpy as np
from PIL import Image

from zorki.data.image_content import content_notes, equal_files

rng = np.random.default_rng(0)


def noise(path, size=(12, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def copy(path, to):
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(path.read_bytes())
    return to


def told(root, **splits):
    return [str(defect).replace(str(root), "ROOT") for defect in content_notes(root, splits)]


def test_whole_images_have_no_note(tmp_path):
    assert (
        told(tmp_path, train=[noise(tmp_path / "a.png")], val=[noise(tmp_path / "b.jpg"), tmp_path / "gone.png"]) == []
    )


def test_the_same_bytes_in_two_splits(tmp_path):
    one, other = noise(tmp_path / "train/a.png"), noise(tmp_path / "train/b.png")
    twin = copy(one, tmp_path / "val/z.png")
    assert told(tmp_path, train=[one, other], val=[twin]) == [
        "ROOT: 1 image of train lies in val too, byte for byte (train/a.png = val/z.png): what is learned is evaluated"
    ]
    assert equal_files([one, other, twin]) == [[one, twin]]
    twin.write_bytes(twin.read_bytes()[:-1] + b"x")  # of the same size, and another file
    assert equal_files([one, other, twin]) == []


def test_many_copies_are_a_stand_in(tmp_path):
    one = noise(tmp_path / "a.png")
    copies = [copy(one, tmp_path / f"{number}.png") for number in range(2)]
    assert told(tmp_path, train=[one, *copies]) == [
        "ROOT/0.png: 3 files are this image, byte for byte: a stand-in for images that are not there?"
    ]


def test_images_of_one_color(tmp_path):
    paths = [noise(tmp_path / "a.png")]
    for suffix in ("jpg", "tif"):
        paths.append(tmp_path / f"b.{suffix}")
        Image.new("RGB", (40, 30), (90, 91, 90)).save(paths[-1])
    assert told(tmp_path, train=paths) == ["ROOT: 2 images are of nearly one color, b.jpg first"]


def test_fine_texture_is_no_plain_image_at_an_eighth_of_its_size(tmp_path):
    checks = np.indices((64, 64)).sum(0) % 2 * 20 + 100
    Image.fromarray(checks.astype(np.uint8)).save(tmp_path / "a.jpg")
    assert told(tmp_path, train=[tmp_path / "a.jpg"]) == []


def test_files_that_hold_too_much_for_one_color_are_not_decoded(tmp_path, monkeypatch):
    path = noise(tmp_path / "a.jpg", (100, 100))
    monkeypatch.setattr("zorki.data.image_content._is_flat", lambda image: 1 / 0)
    assert told(tmp_path, train=[path]) == []


def test_pages_that_are_passed_over(tmp_path):
    pages = [Image.fromarray(rng.integers(0, 256, (9, 9), dtype=np.uint8)) for _ in range(3)]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    assert told(tmp_path, train=[tmp_path / "stack.tif"]) == [
        "ROOT: 1 file holds several pages or frames, stack.tif (3) first: 2 passed over"
    ]


def test_twelve_bits_in_files_of_sixteen(tmp_path):
    values = rng.integers(0, 4096, (9, 9)).astype(np.uint16)
    values[0, 0] = 4095
    Image.fromarray(values).save(tmp_path / "a.png")
    assert told(tmp_path, train=[tmp_path / "a.png"]) == [
        "ROOT: the values of 1 image of 16 bits that were looked at end at 4095, 6.2% of the range, so that 16 of 256 "
        "levels are left; multiply them by 16"
    ]
    values[0, 0] = 60000  # one file that uses the range tells that all of them do
    Image.fromarray(values).save(tmp_path / "b.png")
    assert told(tmp_path, train=[tmp_path / "a.png", tmp_path / "b.png"]) == []
