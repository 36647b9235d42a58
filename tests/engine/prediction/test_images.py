import numpy as np
import pytest
import torch
from PIL import Image

from zorki.engine.prediction.images import as_image, in_memory
from zorki.errors import DataError

RED, GRAY = torch.tensor([200, 10, 20], dtype=torch.uint8), 77


@pytest.fixture
def rgb():
    """One red column, the others gray: neither channels nor axes can be mistaken."""
    array = np.full((2, 5, 3), GRAY, np.uint8)
    array[:, 0] = RED.numpy()
    return array


def check(image):
    assert image.shape == (3, 2, 5)
    assert image.dtype == torch.uint8
    assert (image[:, :, 0] == RED[:, None]).all()
    assert (image[:, :, 1:] == GRAY).all()


def test_all_libraries_hold_the_same_image(rgb):
    check(as_image(rgb))
    check(as_image(rgb[:, :, ::-1], bgr=True))
    check(as_image(np.asfortranarray(rgb)))
    check(as_image(Image.fromarray(rgb)))
    check(as_image(torch.from_numpy(rgb).permute(2, 0, 1)))
    check(as_image(torch.from_numpy(rgb[:, :, ::-1].copy()).permute(2, 0, 1), bgr=True))
    alpha = np.dstack([rgb, np.full((2, 5), 255, np.uint8)])
    check(as_image(alpha))
    check(as_image(alpha[:, :, [2, 1, 0, 3]], bgr=True))
    alpha[..., 3] = 0
    assert (as_image(alpha) == 255).all()  # laid over white


def test_gray_is_repeated_and_sixteen_bits_are_scaled_as_in_files(tmp_path):
    gray = np.array([[0, 128, 257 * 50], [65535, 1, 129]], np.uint16)
    expected = [[0, 0, 50], [255, 0, 1]]
    for value in (gray, gray[:, :, None], Image.fromarray(gray)):
        image = as_image(value)
        assert [channel.tolist() for channel in image] == [expected] * 3
    assert as_image(torch.full((1, 2, 2), 9, dtype=torch.uint8)).tolist() == [[[9, 9], [9, 9]]] * 3


def test_pillow_images_are_turned_upright(rgb, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(rgb).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        turned = as_image(image)
    assert turned.shape == (3, 5, 2)
    assert (turned[:, 0] == RED[:, None]).all()  # what was left is above


def test_the_image_is_a_copy(rgb):
    tensor = torch.from_numpy(rgb.copy()).permute(2, 0, 1)
    images = as_image(rgb), as_image(tensor)
    rgb[:], tensor[:] = 0, 0
    for image in images:
        check(image)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((4, 4, 3)), r"float64, which may hold 0\.\.1.*pass \(image \* 255\)\.round\(\)\.astype\('uint8'\)"),
        (np.zeros((4, 4, 3), np.int64), "a numpy array of int64; numpy images are"),
        (np.zeros((3, 4, 5), np.uint8), r"shape \(3, 4, 5\); .*pass image\.transpose\(1, 2, 0\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"a batch of shape .*list\(images\)"),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels"),
        (np.zeros(4, np.uint8), r"shape \(4,\); numpy images are"),
        (torch.zeros(3, 4, 4), r"a tensor of torch\.float32.*to\(torch\.uint8\)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "a tensor of torch.int64; torch images are"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), r"shape \(4, 4, 3\); .*pass image\.permute\(2, 0, 1\)"),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), r"a batch of shape .*list\(images\)"),
        (torch.zeros(3, 0, 4, dtype=torch.uint8), "has no pixels"),
        ("a.png", "str is no image"),
    ],
)
def test_what_is_no_image_is_refused_and_says_what_to_pass(value, reason):
    with pytest.raises(DataError, match=f"image 7: .*{reason}"):
        as_image(value, "image 7")


def test_what_is_meant_to_be_an_image(rgb):
    assert all(map(in_memory, (rgb, Image.fromarray(rgb), torch.zeros(3))))
    assert not any(map(in_memory, ("a.png", 0, [rgb], iter([rgb]))))
