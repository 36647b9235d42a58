import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.data.annotations.masks.stored import (
    MAX_COLORS,
    class_palette,
    code_of,
    color_of,
    read_mask,
    read_stored,
    write_mask,
)
from zorki.draw.palette import color
from zorki.errors import DataError, ZorkiError

VALUES = np.array([[0, 1, 2], [3, 0, 255]], np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, rows):
    """A gray PNG of that many bits a pixel, by hand."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def save(path, values, mode=None):
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path)
    return path


def values_of(path):
    return read_mask(path)[0].tolist()


def test_a_palette_is_read_by_its_indices_and_never_as_rgb(tmp_path):
    image = Image.fromarray(VALUES)
    image.putpalette([9, 9, 9, 128, 0, 0, 0, 128, 0] + [7, 7, 7] * 253)
    image.save(tmp_path / "a.png")
    classes, palette = read_mask(tmp_path / "a.png")
    assert (classes.dtype, classes.tolist()) == (torch.int64, VALUES.tolist())
    assert palette[:3] == [(9, 9, 9), (128, 0, 0), (0, 128, 0)]
    # The same pixels as they are shown, for color maps.
    assert read_stored(tmp_path / "a.png").colors().tolist() == [
        [0x090909, 0x800000, 0x008000],
        [0x070707, 0x090909, 0x070707],
    ]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_palette_of_few_bits(tmp_path, bits):
    wanted = np.arange(2**bits, dtype=np.uint8)[None].repeat(2, 0)
    image = Image.fromarray(wanted)
    image.putpalette([part for index in range(2**bits) for part in color(index)])
    image.save(tmp_path / "a.png", bits=bits)
    assert (tmp_path / "a.png").read_bytes()[24] == bits  # of the header: Pillow wrote no more
    assert values_of(tmp_path / "a.png") == wanted.tolist()


@pytest.mark.parametrize(
    ("depth", "rows", "wanted"),
    [
        (1, b"\0\x40", [[0, 1, 0, 0]]),
        (2, b"\0\x1b", [[0, 1, 2, 3]]),
        (4, b"\0\x0b\x5f", [[0, 11, 5, 15]]),
        (8, b"\0\0\x0b\x05\xff", [[0, 11, 5, 255]]),
        (16, b"\0\0\0\x01\0\x00\x07\xff\xff", [[0, 256, 7, 65535]]),
    ],
)
def test_gray_is_not_stretched(tmp_path, depth, rows, wanted):
    # Decoders make 0, 17, 34, ... of four bits, since they think of brightness: classes would be multiplied.
    (tmp_path / "a.png").write_bytes(png(4, 1, depth, rows))
    assert read_mask(tmp_path / "a.png") == (pytest.approx(torch.tensor(wanted)), None)


def test_other_kinds(tmp_path):
    wanted = VALUES.tolist()
    assert values_of(save(tmp_path / "gray.png", VALUES)) == wanted
    assert values_of(save(tmp_path / "gray.bmp", VALUES)) == wanted
    assert values_of(save(tmp_path / "rgb.png", VALUES, "RGB")) == wanted  # gray, three times
    assert values_of(save(tmp_path / "rgba.png", VALUES, "RGBA")) == wanted
    assert values_of(save(tmp_path / "alpha.png", VALUES, "LA")) == wanted
    assert values_of(save(tmp_path / "deep.tif", VALUES.astype(np.uint16) * 200)) == (VALUES.astype(int) * 200).tolist()
    assert values_of(save(tmp_path / "whole.tif", VALUES.astype(np.int32) - 1)) == (VALUES.astype(int) - 1).tolist()
    assert values_of(save(tmp_path / "float.tif", VALUES.astype(np.float32))) == wanted
    assert values_of(save(tmp_path / "a.gif", VALUES[:, :2])) == [[0, 1], [2, 0]]  # Pillow leaves no gap
    assert values_of(save(tmp_path / "bits.png", VALUES > 1, "1")) == [[0, 0, 1], [1, 0, 1]]
    with pytest.raises(DataError, match=r"half\.tif: .* its gray values are no whole numbers"):
        read_mask(save(tmp_path / "half.tif", VALUES / np.float32(2)))
    with pytest.raises(DataError, match=r"endless\.tif: .* its gray values are no whole numbers"):
        read_mask(save(tmp_path / "endless.tif", np.where(VALUES == 0, np.float32(np.inf), np.float32(1))))


def test_colors_are_refused_with_what_they_are(tmp_path):
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[0, 0], rgb[1] = (128, 0, 64), (0, 0, 255)
    path = save(tmp_path / "a.png", rgb)
    with pytest.raises(DataError, match=r"a\.png: .* got 3 colors: \(0, 0, 255\), \(0, 0, 0\), \(128, 0, 64\)"):
        read_mask(path)
    assert read_stored(path).counts() == {0x0000FF: 3, 0: 2, 0x800040: 1}
    assert (code_of((128, 0, 64)), color_of(0x800040)) == (0x800040, (128, 0, 64))


def test_counts_of_any_type():
    from zorki.data.annotations.masks.stored import StoredMask

    assert StoredMask(VALUES).counts() == {0: 2, 1: 1, 2: 1, 3: 1, 255: 1}
    assert StoredMask(VALUES.astype(np.uint16) * 256).counts()[65280] == 1
    assert StoredMask(VALUES.astype(np.int32) - 1).counts() == {-1: 2, 0: 1, 1: 1, 2: 1, 254: 1}
    noise = np.random.default_rng(0).integers(0, 1 << 24, (200, 300), dtype=np.uint32)
    with pytest.raises(DataError, match=f"more than {MAX_COLORS} colors: a photograph"):
        StoredMask(noise, rgb=True).counts()


def test_broken_files(tmp_path):
    (tmp_path / "empty.png").touch()
    whole = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 9, (64, 64), dtype=np.uint8)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:400])
    (tmp_path / "text.png").write_text("no image")
    for name, reason in {
        "gone.png": "there is no such file",
        "empty.png": r"the file is empty \(0 bytes\)",
        "cut.png": "the image cannot be decoded",
        "text.png": "this is no image of a known kind",
    }.items():
        with pytest.raises(DataError, match=rf"{name}: {reason}"):
            read_mask(tmp_path / name)
    with pytest.raises(DataError, match=r"64 x 64, 4,096 pixels, and at most 4,095"):
        read_mask(tmp_path / "a.png", max_pixels=4095)


def test_written_masks_come_back(tmp_path):
    classes = torch.arange(256).reshape(16, 16)
    write_mask(tmp_path / "new" / "a.png", classes, [(1, 2, 3), (4, 5, 6)])
    again, palette = read_mask(tmp_path / "new" / "a.png")
    assert again.equal(classes)
    assert palette == class_palette([(1, 2, 3), (4, 5, 6)])
    assert palette[:3] == [(1, 2, 3), (4, 5, 6), color(2)]
    assert palette[255] == (224, 224, 192)
    write_mask(tmp_path / "few.png", torch.tensor([[0, 1]]))  # no fewer bits, and so no numbers cut off
    assert values_of(tmp_path / "few.png") == [[0, 1]]
    write_mask(tmp_path / "deep.png", classes * 257)
    again, palette = read_mask(tmp_path / "deep.png")
    assert (again.equal(classes * 257), palette) == (True, None)


def test_what_a_png_cannot_hold(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: a PNG holds numbers of 0 to 65535, and the mask's run from -1 to 3"):
        write_mask(tmp_path / "a.png", torch.tensor([[-1, 3]]))
    with pytest.raises(DataError, match="to 70000"):
        write_mask(tmp_path / "a.png", torch.tensor([[70000]]))
    with pytest.raises(DataError, match=r"masks are written as \.png"):
        write_mask(tmp_path / "a.jpg", torch.tensor([[0]]))
    (tmp_path / "file").touch()
    with pytest.raises(ZorkiError, match="could not be written"):
        write_mask(tmp_path / "file" / "a.png", torch.tensor([[0]]))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
