import re

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data import windows
from zorki.data.images import read_image, write_image
from zorki.data.windows import HeldImage, open_windows
from zorki.errors import DataError

HEIGHT, WIDTH = 150, 170
GRID = [(0, 0, 64, 64), (0, 106, 64, 64), (40, 50, 64, 64), (86, 0, 64, 170), (10, 3, 1, 1), (0, 0, 150, 170)]


@pytest.fixture
def vips(monkeypatch):
    """Libvips, and no image so small that it is decoded whole."""
    monkeypatch.setattr(windows, "HELD_PIXELS", 0)
    return pytest.importorskip("pyvips")


def pixels(channels=3, kind=np.uint8):
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(kind).max + 1, (HEIGHT, WIDTH, channels), dtype=kind)


def same_as_whole(path, how):
    """Windows in any order hold what reading the whole image gives."""
    whole = read_image(path)
    with open_windows(path) as image:
        assert (image.height, image.width) == whole.shape[1:]
        assert how in image.how
        for top, left, height, width in [*GRID, *reversed(GRID)]:
            part = image.read(top, left, height, width)
            assert part.dtype == torch.uint8
            assert part.equal(whole[:, top : top + height, left : left + width])


@pytest.mark.parametrize("compression", ["none", "deflate", "lzw", "packbits"])
@pytest.mark.parametrize("big", [False, True])
def test_tiff_in_tiles(vips, tmp_path, compression, big):
    path = tmp_path / "a.tif"
    image = vips.Image.new_from_array(pixels())
    image.tiffsave(str(path), tile=True, tile_width=32, tile_height=48, compression=compression, bigtiff=big)
    same_as_whole(path, "from its tiles")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw", "strip_size": 2000}),
        ("a.png", {}),
        ("a.jpg", {"quality": 90}),
        ("a.jpg", {"quality": 90, "progressive": True}),
        ("a.webp", {"lossless": True}),
    ],
)
def test_other_files_row_by_row(vips, tmp_path, name, options):
    Image.fromarray(pixels()).save(tmp_path / name, **options)
    same_as_whole(tmp_path / name, "row by row")


MODES = {
    "gray.png": Image.fromarray(pixels(1)[..., 0]),
    "gray.tif": Image.fromarray(pixels(1)[..., 0]),
    "gray16.png": Image.fromarray(pixels(1, np.uint16)[..., 0]),
    "gray16.tif": Image.fromarray(pixels(1, np.uint16)[..., 0]),
    "alpha.png": Image.fromarray(pixels(4)),
    "alpha.tif": Image.fromarray(pixels(4)),
    "gray-alpha.png": Image.fromarray(pixels(2)),
    "bits.png": Image.fromarray(pixels(1)[..., 0]).convert("1"),
    "bits.tif": Image.fromarray(pixels(1)[..., 0]).convert("1"),
    "palette.png": Image.fromarray(pixels()).convert("P"),
    "palette.tif": Image.fromarray(pixels()).convert("P"),
    "gray.jpg": Image.fromarray(pixels(1)[..., 0]),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode_is_read_as_the_whole_image_is(vips, tmp_path, name):
    MODES[name].save(tmp_path / name)
    same_as_whole(tmp_path / name, "row by row")


def test_16_bit_colors_keep_their_high_bytes(vips, tmp_path):
    stored = pixels(3, np.uint16)
    vips.Image.new_from_array(stored, interpretation="rgb16").pngsave(str(tmp_path / "a.png"))
    with open_windows(tmp_path / "a.png") as image:
        assert image.read(20, 30, 5, 7).permute(1, 2, 0).numpy().tolist() == (stored >> 8)[20:25, 30:37].tolist()


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.bmp", lambda path: Image.fromarray(pixels()).save(path)),
        ("a.tif", lambda path: Image.fromarray(pixels(1)[..., 0].astype(np.float32) / 255).save(path)),
        ("a.tif", lambda path: Image.fromarray(pixels()).convert("CMYK").save(path)),
        ("a.jpg", lambda path: Image.fromarray(pixels()).save(path, exif=turned())),
    ],
)
def test_what_libvips_is_not_asked_for_is_decoded_whole(vips, tmp_path, name, save):
    path = tmp_path / name
    save(path)
    whole = read_image(path)
    with open_windows(path) as image:
        assert image.how.startswith("decoded whole, since ")
        assert image.read(10, 20, 30, 40).equal(whole[:, 10:40, 20:60])
        assert (image.height, image.width) == whole.shape[1:]


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_small_images_need_no_library(tmp_path, monkeypatch):
    monkeypatch.setattr(windows, "_vips", lambda: pytest.fail("asked for"))
    write_image(tmp_path / "a.png", torch.zeros(3, 4, 5, dtype=torch.uint8))
    with open_windows(tmp_path / "a.png") as image:
        assert isinstance(image, HeldImage)


def read_all(path):
    with open_windows(path) as image:
        for top in range(0, image.height, 10):
            image.read(top, 0, 10, image.width)


def refused(path):
    with pytest.raises(DataError) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_broken_files(vips, tmp_path):
    path = tmp_path / "a.png"
    assert "no such file" in refused(path)
    path.write_bytes(b"")
    assert "no image" in refused(path)
    Image.fromarray(pixels()).save(path)
    path.write_bytes(path.read_bytes()[:20000])
    assert "cannot be decoded" in refused(path)
    path = tmp_path / "a.tif"
    vips.Image.new_from_array(pixels()).tiffsave(str(path), tile=True, tile_width=32, tile_height=32)
    path.write_bytes(path.read_bytes()[:1000])
    assert re.search("cannot be decoded|header is broken", refused(path))


def test_what_is_too_large_is_told_what_would_help(vips, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.fromarray(pixels()).save(path)
    monkeypatch.setattr(windows, "WINDOWED_PIXELS", 25_000)
    assert "the image is 170 x 150, 25,500 pixels, and at most 25,000 are read by windows" in refused(path)
    with open_windows(path, max_pixels=25_500) as image:
        assert image.height == 150
    monkeypatch.setattr(windows, "WINDOWED_PIXELS", 30_000)
    monkeypatch.setattr(windows, "WHOLE_PIXELS", 25_000)
    monkeypatch.setattr(windows, "_vips", lambda: None)
    assert "pyvips is not installed: pip install 'zorki[large]', and at most 25,000 pixels are decoded" in refused(path)


def test_a_file_that_changed_is_read_anew(vips, tmp_path):
    path = tmp_path / "a.png"
    for level in (10, 20):
        Image.new("RGB", (30, 20), (level, 0, 0)).save(path)
        with open_windows(path) as image:
            assert int(image.read(0, 0, 1, 1)[0]) == level


@pytest.mark.parametrize("factor", [1, 2, 7, 40, 200])
def test_shrunk_images_are_means_of_squares(factor):
    image = torch.randint(0, 256, (3, 213, 190), dtype=torch.uint8)
    small = HeldImage(image).shrunk(factor)
    height, width = 213 // factor, 190 // factor
    assert small.shape == (3, height, width)
    whole = image[:, : height * factor, : width * factor].double()
    if height and width:
        means = torch.nn.functional.avg_pool2d(whole, factor)
        assert small.equal((means + 0.5).floor().to(torch.uint8))
