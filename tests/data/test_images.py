import io
import multiprocessing
import os
import pickle
import re
import struct
import threading
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from zorki.data import images, jpeg
from zorki.data.annotations.masks.stored import read_stored
from zorki.data.images import check_image, encode_image, image_size, interleaved, read_image, write_image
from zorki.errors import DataError, ZorkiError

rng = np.random.default_rng(0)


def pixels(image):
    return image.permute(1, 2, 0).tolist()


def gray(values):
    return [[[value] * 3 for value in row] for row in values]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, *extra):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = b"".join([chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture
def photo(tmp_path):
    """A JPEG of 40 x 24 with smooth colors, large enough to be cut."""
    small = rng.integers(0, 256, (6, 10, 3), dtype=np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(small).resize((40, 24), Image.Resampling.BICUBIC).save(path, quality=95)
    return path


# -- kinds of images: pixels that a pencil can check --


def test_rgb_png_and_what_comes_out(tmp_path):
    wanted = rng.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    Image.fromarray(wanted).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == torch.uint8
    assert image.shape == (3, 3, 5)
    assert pixels(image) == wanted.tolist()
    assert image.permute(1, 2, 0).is_contiguous()  # channels last in memory, as decoders write
    image.zero_()  # writable memory of its own
    assert pixels(read_image(tmp_path / "a.png")) == wanted.tolist()


def test_jpeg_agrees_with_pillow_on_both_roads(photo, monkeypatch):
    with Image.open(photo) as source_image:
        wanted = torch.from_numpy(np.array(source_image)).permute(2, 0, 1)
    image = read_image(photo)
    assert image.permute(1, 2, 0).is_contiguous()  # channels last in memory, as decoders write
    assert image.equal(wanted)
    monkeypatch.setattr(jpeg, "fast_decoder", lambda: None)
    assert read_image(photo).equal(wanted)


def test_gray_and_gray_with_alpha(tmp_path):
    Image.fromarray(np.array([[0, 100, 255]], np.uint8)).save(tmp_path / "l.png")
    assert pixels(read_image(tmp_path / "l.png")) == gray([[0, 100, 255]])
    Image.fromarray(np.array([[[100, 255], [100, 0], [0, 51]]], np.uint8), "LA").save(tmp_path / "la.png")
    assert pixels(read_image(tmp_path / "la.png")) == gray([[100, 255, 204]])


def test_gray_jpeg(tmp_path):
    Image.new("L", (16, 16), 77).save(tmp_path / "l.jpg", quality=100)
    assert set(read_image(tmp_path / "l.jpg").flatten().tolist()) == {77}


def test_one_bit(tmp_path):
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / "1.png")
    assert pixels(read_image(tmp_path / "1.png")) == gray([[255, 0, 255]])


@pytest.mark.parametrize(
    ("transparency", "second"),
    [(None, [0, 0, 255]), (1, [255, 255, 255]), (bytes([255, 51]), [204, 204, 255])],
    ids=["opaque", "one clear color", "an alpha for each color"],
)
def test_palette(tmp_path, transparency, second):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "p.png", **({} if transparency is None else {"transparency": transparency}))
    assert pixels(read_image(tmp_path / "p.png")) == [[[255, 0, 0], second]]


def test_gif_reads_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), color) for color in ((255, 0, 0), (0, 0, 255))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert pixels(read_image(tmp_path / "a.gif"))[0][0] == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_16_bit_gray_is_scaled_and_not_clipped(tmp_path, suffix):
    values = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)  # 128 / 257 = .498, 129 / 257 = .502
    Image.fromarray(values).save(tmp_path / f"i{suffix}")
    assert pixels(read_image(tmp_path / f"i{suffix}")) == gray([[0, 0, 1, 1, 128, 255]])


def test_16_bit_big_endian_tiff(tmp_path):
    pixels16 = np.array([[0, 25700, 65535]], ">u2")
    Image.frombytes("I;16B", (3, 1), pixels16.tobytes()).save(tmp_path / "b.tif")
    assert pixels(read_image(tmp_path / "b.tif")) == gray([[0, 100, 255]])


def test_16_bit_color_keeps_its_high_bytes(tmp_path):
    row = np.array([0, 0x64FF, 0xFFFF], ">u2").tobytes()
    (tmp_path / "c.png").write_bytes(png(1, 1, 16, 2, b"\0" + row))
    assert pixels(read_image(tmp_path / "c.png")) == [[[0, 0x64, 255]]]


def test_16_bit_gray_with_a_clear_value(tmp_path):
    row = np.array([0, 65535], ">u2").tobytes()
    (tmp_path / "t.png").write_bytes(png(2, 1, 16, 0, b"\0" + row, chunk(b"tRNS", b"\0\0")))
    assert read_image(tmp_path / "t.png").shape == (3, 1, 2)


def test_32_bit_whole_numbers(tmp_path):
    Image.fromarray(np.array([[0, 25700]], np.int32)).save(tmp_path / "i.tif")
    assert pixels(read_image(tmp_path / "i.tif")) == gray([[0, 100]])
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "far.tif")
    with pytest.raises(DataError, match=r"far\.tif: .*run from 0 to 70000; 0 to 65535 can be read"):
        read_image(tmp_path / "far.tif")


@pytest.mark.parametrize(
    ("values", "wanted"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 1.4, 254.6], [0, 1, 255])], ids=["to 1", "to 255"]
)
def test_float_tiff(tmp_path, values, wanted):
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "f.tif")
    assert pixels(read_image(tmp_path / "f.tif")) == gray([wanted])


@pytest.mark.parametrize("value", [-0.5, 256.0, float("nan")])
def test_floats_out_of_range_are_refused(tmp_path, value):
    Image.fromarray(np.array([[0, value]], np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(DataError, match="floats of 0 to 1, or 0 to 255"):
        read_image(tmp_path / "f.tif")


def test_rgba_is_laid_over_white(tmp_path):
    colors = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 128]]], np.uint8)
    Image.fromarray(colors).save(tmp_path / "a.png")
    # 0 * 128/255 + 255 * 127/255 = 127; 100 * .50196 + 127 = 177.2; 200 * .50196 + 127 = 227.4
    assert pixels(read_image(tmp_path / "a.png")) == [[[10, 20, 30], [255, 255, 255], [127, 177, 227]]]


def test_cmyk_jpeg_and_tiff(tmp_path):
    # Full cyan with no other ink takes all red away. Pillow writes JPEGs with Adobe's marker, inverted.
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    image.save(tmp_path / "c.jpg", quality=100)
    image.save(tmp_path / "c.tif")
    assert b"Adobe" in (tmp_path / "c.jpg").read_bytes()
    for name in ("c.jpg", "c.tif"):
        red, green, blue = read_image(tmp_path / name)[:, 8, 8].tolist()
        assert (red <= 2, green >= 253, blue >= 253) == (True, True, True)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_exif_orientation(tmp_path, orientation, suffix):
    # The scene has red above and green to the left; each orientation stores it in its own way (EXIF 2.32, 4.6.4 A).
    scene = np.full((32, 48, 3), 255, np.uint8)
    scene[:16] = (255, 0, 0)
    scene[:, :16] = (0, 255, 0)
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],  # the first column is on the right
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),  # turning clockwise by 90 degrees makes it upright
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](scene)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"o{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **({"quality": 95} if suffix == ".jpg" else {}))
    image = read_image(path)
    assert image.permute(1, 2, 0).is_contiguous()  # channels last in memory, as decoders write
    assert image.shape == (3, 32, 48)
    assert image_size(path) == image_size(path.read_bytes()) == (32, 48)  # of the header, and of the pixels
    assert (image.permute(1, 2, 0).int() - torch.from_numpy(scene).int()).abs().float().mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_masks_stand_upright_as_images_do(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.array([[1, 2, 3]], np.uint8)).save(tmp_path / f"m{suffix}", exif=exif)
    assert read_stored(tmp_path / f"m{suffix}").values.tolist() == [[1], [2], [3]]


def tiff(pixels, extra=()):
    """A plain TIFF of 8 bits (TIFF 6.0) with the tag ExtraSamples as given: 1 and 2 are alpha, 0 is unspecified."""
    height, width, bands = pixels.shape
    entries = {
        256: (3, (width,)), 257: (3, (height,)), 258: (3, (8,) * bands), 259: (3, (1,)), 262: (3, (2,)), 273: (4, (8,)),
        277: (3, (bands,)), 278: (3, (height,)), 279: (4, (pixels.size,)), 338: (3, extra),
    }  # fmt: skip
    entries = {tag: (kind, values) for tag, (kind, values) in entries.items() if values}
    data = struct.pack("<2sHI", b"II", 42, 8 + pixels.size) + pixels.tobytes()
    end = len(data) + 2 + 12 * len(entries) + 4
    directory, beyond = struct.pack("<H", len(entries)), b""
    for tag, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        place = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", end + len(beyond))
        beyond += packed if len(packed) > 4 else b""
        directory += struct.pack("<HHI", tag, kind, len(values)) + place
    return data + directory + struct.pack("<I", 0) + beyond


@pytest.mark.parametrize(("extra", "first"), [((), [200, 100, 50]), ((0,), [200, 100, 50]), ((2,), [255, 255, 255])])
def test_a_fourth_band_that_is_not_called_alpha_is_left_out(tmp_path, extra, first):
    (tmp_path / "nir.tif").write_bytes(tiff(np.array([[[200, 100, 50, 0]] * 2] * 2, np.uint8), extra))
    assert read_image(tmp_path / "nir.tif")[:, 0, 0].tolist() == first


def test_broken_exif_does_not_matter(tmp_path):
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "e.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03")
    assert read_image(tmp_path / "e.png").shape == (3, 8, 8)


# -- what is broken --


def broken(tmp_path):
    """Names of broken files, and what the message must say."""
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    return {
        "empty.jpg": r"the file is empty \(0 bytes\)",
        "text.jpg": "no image of a known kind",
        "folder.jpg": "a folder, not an image",
        "missing.jpg": "there is no such file",
    }


def test_what_is_no_image_is_refused_with_path_and_reason(tmp_path):
    for name, reason in broken(tmp_path).items():
        with pytest.raises(DataError, match=f"{name}: .*{reason}"):
            read_image(tmp_path / name)
        assert re.search(reason, check_image(tmp_path / name) or "")


def test_a_kind_that_runs_programs_is_not_opened(tmp_path):
    path = tmp_path / "postscript.jpg"
    Image.new("RGB", (4, 4)).save(path, format="eps")
    with pytest.raises(DataError, match=r"postscript\.jpg: this is no image of a known kind"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_truncated_files_are_seen_by_reading_and_by_checking(tmp_path, suffix):
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = tmp_path / f"cut{suffix}"
    image.save(path)
    assert check_image(path) is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    # Pillow itself opens no WebP that is cut.
    assert ("decoder" if suffix == ".webp" else "truncated") in (check_image(path) or "")
    with pytest.raises(DataError, match=f"cut{suffix}: the image cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif"])
def test_bytes_after_the_end_are_tolerated(tmp_path, suffix):
    path = tmp_path / f"long{suffix}"
    Image.new("RGB", (16, 16), (200, 100, 50)).save(path)
    path.write_bytes(path.read_bytes() + bytes(100_000))
    assert check_image(path) is None
    assert read_image(path).shape == (3, 16, 16)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "jpeg")
    thumbnail = b"Exif\0\0" + buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "jpeg")
    whole = buffer.getvalue()
    data = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + whole[2:]
    path = tmp_path / "t.jpg"
    path.write_bytes(data)
    assert check_image(path) is None
    path.write_bytes(data[:-500])
    assert "end marker is missing" in (check_image(path) or "")


def test_a_huge_image_is_refused_by_its_header(tmp_path):
    # 30,000 x 30,000, and the pixels are not even there.
    path = tmp_path / "huge.png"
    path.write_bytes(png(30_000, 30_000, 8, 2, b""))
    with pytest.raises(DataError, match=r"30000 x 30000, 900,000,000 pixels, and at most 178,956,970 are allowed"):
        read_image(path)
    assert "30000 x 30000" in (check_image(path) or "")


def test_the_limit_can_be_moved_and_pillow_keeps_its_own(tmp_path):
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    limit = Image.MAX_IMAGE_PIXELS
    assert read_image(tmp_path / "a.png", max_pixels=200).shape == (3, 10, 20)
    with pytest.raises(DataError, match="at most 199 are allowed"):
        read_image(tmp_path / "a.png", max_pixels=199)
    assert check_image(tmp_path / "a.png", 199) is not None
    assert limit == Image.MAX_IMAGE_PIXELS
    path = tmp_path / "huge.png"
    path.write_bytes(png(30_000, 30_000, 8, 2, b""))
    assert check_image(path, 10**9) is None  # above Pillow's limit, without its warning or error


def test_a_text_bomb_in_a_png_is_refused(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * (2 * PngImagePlugin.MAX_TEXT_CHUNK), zip=True)
    Image.new("RGB", (2, 2)).save(tmp_path / "bomb.png", pnginfo=info)
    with pytest.raises(DataError, match=r"bomb\.png"):
        read_image(tmp_path / "bomb.png")


def test_reading_in_threads(photo):
    wanted, seen = read_image(photo), []
    threads = [threading.Thread(target=lambda: seen.append(read_image(photo).equal(wanted))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 8


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of what is tried here
def test_workers_forked_while_a_thread_reads_can_read(photo):
    stop = threading.Event()

    def keep_reading():
        while not stop.is_set():
            check_image(photo)

    thread = threading.Thread(target=keep_reading)
    thread.start()
    try:
        for _ in range(30):
            worker = multiprocessing.get_context("fork").Process(target=check_image, args=(photo,))
            worker.start()
            worker.join(timeout=20)
            assert worker.exitcode == 0
    finally:
        stop.set()
        thread.join()


# -- writing --


def test_png_is_written_as_it_is_and_jpeg_nearly(tmp_path):
    image = torch.from_numpy(rng.integers(0, 256, (3, 5, 7), dtype=np.uint8))
    write_image(tmp_path / "new" / "a.PNG", image)
    assert read_image(tmp_path / "new" / "a.PNG").equal(image)
    flat = torch.full((3, 16, 16), 90, dtype=torch.uint8)
    write_image(tmp_path / "a.jpg", flat)
    assert (read_image(tmp_path / "a.jpg").int() - 90).abs().max() <= 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.PNG", "a.jpg", "new"]


@pytest.mark.parametrize(("height", "width"), [(3, 5), (1, 1), (7, 2)])
def test_pixels_stand_side_by_side_however_the_tensor_lies(height, width):
    values = torch.arange(3 * height * width, dtype=torch.uint8).reshape(3, height, width)
    for image in (values, values.permute(1, 2, 0).contiguous().permute(2, 0, 1), values.repeat(1, 2, 2)[:, ::2, ::2]):
        found = interleaved(image)
        assert found.flags.c_contiguous
        assert found.tolist() == pixels(image)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ZorkiError, match=r"a\.png: could not be written: the disk is full"):
        write_image(tmp_path / "a.png", torch.zeros(3, 2, 2, dtype=torch.uint8))
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"old")]


def test_other_kinds_are_not_written(tmp_path):
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    with pytest.raises(DataError, match=r"written as \.png, \.jpg or \.jpeg, not as '\.bmp'"):
        write_image(tmp_path / "a.bmp", image)
    with pytest.raises(DataError, match="not as 'webp'"):
        encode_image(image, "webp")


def test_what_is_too_long_for_jpeg_is_told(tmp_path):
    long = torch.zeros((3, 1, 65_501), dtype=torch.uint8)
    with pytest.raises(
        DataError, match=r"65501 x 1 pixels is too long for JPEG, which ends at 65500 .*write it as \.png"
    ):
        write_image(tmp_path / "a.jpg", long)
    write_image(tmp_path / "a.png", long)
    write_image(tmp_path / "b.jpg", long[:, :, 1:])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.jpg"]


def test_encoded_bytes_and_quality():
    image = torch.from_numpy(rng.integers(0, 256, (3, 32, 32), dtype=np.uint8))
    assert encode_image(image, "png").startswith(b"\x89PNG")
    small, large = encode_image(image, quality=20), encode_image(image, quality=90)
    assert small.startswith(b"\xff\xd8")
    assert len(small) < len(large)


def test_errors_travel_between_processes(tmp_path):
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "missing.png")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("mode", ["RGBA", "RGB", "LA", "L", "P", "CMYK"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_strips_give_the_same_pixels_and_hold_few_bytes_of_each(tmp_path, monkeypatch, mode, orientation):
    whole = Image.fromarray(rng.integers(0, 256, (600, 400, 4), dtype=np.uint8))
    image = whole if mode == "RGBA" else whole.convert("RGB").convert(mode) if mode == "CMYK" else whole.convert(mode)
    image.getexif()[0x0112] = orientation
    wanted = images.pixels_of(image).copy()
    monkeypatch.setattr(images, "_STRIP", 900)
    tracemalloc.start()
    found = images.pixels_of(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found, wanted)
    assert found.flags.c_contiguous
    assert peak < 600 * 400 * 4


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    ("side", "size"), [(None, (40, 82)), (21, (40, 82)), (20, (20, 41)), (10, (10, 21)), (1, (5, 11))]
)
def test_jpeg_at_a_part_of_its_size(tmp_path, mode, side, size):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # the file lies on its side
    Image.new(mode, (40, 82)).save(path, exif=exif)
    assert read_image(path, shorter_side=side).shape[1:] == size
    assert image_size(path, side) == size
    Image.new("RGB", (82, 40)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", shorter_side=side).shape == (3, 40, 82)


def test_a_reduced_jpeg_is_the_mean_of_its_pixels_nearly(tmp_path):
    path = tmp_path / "a.jpg"
    rows, columns = np.mgrid[:64, :96]
    waves = np.stack([128 + 100 * np.sin(rows / a + columns / b) for a, b in ((17, 31), (23, -19), (29, 13))], -1)
    Image.fromarray(waves.astype(np.uint8)).save(path, quality=95, subsampling=0)
    blocks = read_image(path).float().unflatten(2, (24, 4)).unflatten(1, (16, 4)).mean((2, 4))
    assert (read_image(path, shorter_side=16).float() - blocks).abs().max() <= 3
