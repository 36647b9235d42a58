"""Images in files: read as RGB whatever they hold, checked without decoding, written whole or not at all."""

from __future__ import annotations

import importlib
import io
import mmap
import os
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from zorki.data import jpeg
from zorki.errors import DataError
from zorki.files import whole
from zorki.input_files.content import open_file, read_bytes
from zorki.types.arrays import array_of, tensor_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]

# fmt: off
EXTENSIONS = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".jp2",
    ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
})
# fmt: on
"""Suffixes, in small letters, by which a file counts as an image."""

MAX_PIXELS = 178_956_970
"""The largest image that is decoded unless told otherwise: half a gigabyte as RGB, Pillow's own limit."""

# Pillow's names for the kinds of EXTENSIONS. It knows more, and would start Ghostscript for a PostScript file that is
# named .jpg; TGA comes last, since it has no magic number.
_KINDS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000", "TGA")
_JPEG = ("JPEG", "MPO")
_ORIENTATION = 0x0112  # the tag of EXIF 2.32, section 4.6.4
_WIDTH, _HEIGHT, _EXTRA_SAMPLES = 256, 257, 338  # tags of TIFF 6.0, sections 8 and 18
_open_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # a worker forked while another thread reads would wait for the lock forever
    os.register_at_fork(
        before=_open_lock.acquire, after_in_parent=_open_lock.release, after_in_child=_open_lock.release
    )


class TooManyPixels(DataError):
    """An image is larger than what is decoded at once."""


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS, shorter_side: int | None = None) -> UInt8[Tensor, "3 H W"]:
    """As `read_array`, as a tensor."""
    return tensor_of(read_array(path, max_pixels=max_pixels, shorter_side=shorter_side))


def read_array(
    path: Path, *, max_pixels: int = MAX_PIXELS, shorter_side: int | None = None
) -> UInt8[np.ndarray, "3 H W"]:
    """The image in a file as RGB, upright as its EXIF orientation says, in memory of its own.

    Transparent images are laid over white; a fourth band that a TIFF does not call alpha, such as infrared, is left
    out. 16-bit gray is scaled, value / 257 rounded; 16-bit color keeps its high bytes. Whole numbers of 32 bits are
    taken as 16-bit ones; floats as 0..1, or as 0..255 where one is above 1. CMYK is turned to RGB without a color
    profile. Of an animation, or of several pages, the first one is read.

    Args:
        shorter_side: a JPEG is decoded at 1/8, 1/4 or 1/2 of its size, the smallest at which its shorter side has at
            least so many pixels; None decodes all of them. Other kinds of files are always decoded whole.

    Raises:
        DataError: the file is missing, empty, no image, truncated, or holds more than `max_pixels` pixels; the
            size is checked by the header, before anything is decoded, and raises TooManyPixels.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: {file_reason(path, error)}") from error
    return decode_array(data, path, max_pixels=max_pixels, shorter_side=shorter_side)


def decode_image(
    data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS, shorter_side: int | None = None
) -> UInt8[Tensor, "3 H W"]:
    """As `decode_array`, as a tensor."""
    return tensor_of(decode_array(data, path, max_pixels=max_pixels, shorter_side=shorter_side))


def decode_array(
    data: bytes, path: Path, *, max_pixels: int = MAX_PIXELS, shorter_side: int | None = None
) -> UInt8[np.ndarray, "3 H W"]:
    """As `read_array`, of a file's bytes; `path` stands in the messages."""
    if not data:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    try:
        with open_image(io.BytesIO(data)) as image:
            reason = size_reason(image.size, max_pixels)
            if reason is None:
                return _decode(image, data, shorter_side)
    except Exception as error:  # decoders fail in many ways on broken files, and all of them are the file's fault
        raise DataError(f"{path}: {decoder_reason(error)}") from error
    raise TooManyPixels(f"{path}: {reason}")


def check_image(path: Path, max_pixels: int = MAX_PIXELS) -> str | None:
    """What is wrong with an image file, seen without decoding it; None where nothing is.

    Looks whether the file is there and not empty, whether its header can be read, whether its size is within
    `max_pixels`, and whether JPEG and PNG files have their end marker; bytes after it are tolerated.
    """
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size == 0:
                return "the file is empty (0 bytes)"
            with open_image(file) as image:
                reason = size_reason(image.size, max_pixels)
                kind = image.format
            if reason is not None:
                return reason
            with open_file(path) as again, mmap.mmap(again.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _end_reason(kind, data)
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            return file_reason(path, error)
        return decoder_reason(error)


def image_size(source: Path | bytes, shorter_side: int | None = None) -> tuple[int, int]:
    """Height and width of an image as `read_image` gives it, upright, from the header of its file (or its bytes).

    Args:
        shorter_side: as `read_image`.

    Raises:
        DataError: the file is missing or empty, or its header cannot be read.
    """
    try:
        with _opened(source) as file, open_image(file) as image:
            _reduce(image, shorter_side)
            return upright_size(image)
    except Exception as error:
        if isinstance(source, bytes):
            raise DataError(decoder_reason(error)) from error
        missing = isinstance(error, OSError) and error.errno is not None
        raise DataError(f"{source}: {file_reason(source, error) if missing else decoder_reason(error)}") from error  # type: ignore[arg-type]


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width of an image that is not loaded yet, as its pixels will be, upright.

    The size is taken as it is stored: Pillow from 11.1 says that of a TIFF as it will be turned, of other kinds as it
    stands.
    """
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
    return (width, height) if orientation_of(image) in (5, 6, 7, 8) else (height, width)


def mode_of(image: Image.Image) -> str:
    """Pillow's mode of an image; RGB where a TIFF's fourth band, which it takes for alpha, is not called so."""
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode == "RGBA":
        return "RGBA" if image.tag_v2.get(_EXTRA_SAMPLES) else "RGB"
    return image.mode


def _opened(source: Path | bytes) -> IO[Any] | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else open_file(source)


def interleaved(image: UInt8[Tensor | np.ndarray, "3 H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """The image as PIL and OpenCV have it: rows of pixels, three values each."""
    channels = array_of(image)
    pixels = channels.transpose(1, 2, 0)
    # A sixth of the time of `contiguous` and `ascontiguousarray`, which go through memory value by value.
    return pixels if pixels.flags.c_contiguous else np.dstack(list(channels))


JPEG_SIDE = 65_500
"""Pixels of the longest side that libjpeg writes."""


def encode_image(image: UInt8[Tensor | np.ndarray, "3 H W"], format: str = "jpeg", quality: int = 85) -> bytes:
    """The image as the bytes of a JPEG or PNG file; `quality`, 1 to 95, is for JPEG alone."""
    if format not in ("jpeg", "png"):
        raise DataError(f"an image can be encoded as jpeg or png, not as {format!r}")
    if format == "jpeg" and max(image.shape[1:]) > JPEG_SIDE:
        raise DataError(
            f"an image of {image.shape[2]} x {image.shape[1]} pixels is too long for JPEG, which ends at {JPEG_SIDE} a "
            "side; write it as .png"
        )
    buffer = io.BytesIO()
    pixels = interleaved(image)
    # zlib's level 4 takes 0.42 of the time of Pillow's 6 on a sheet of images, for 4 % more bytes.
    options = {"quality": quality} if format == "jpeg" else {"compress_level": 4}
    Image.fromarray(pixels).save(buffer, format=format, **options)
    return buffer.getvalue()


def check_writable(path: Path) -> str:
    """The kind of image, png or jpeg, that the path's suffix asks for. Raises DataError where it asks for another."""
    kinds = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
    if path.suffix.lower() not in kinds:
        raise DataError(f"{path}: images are written as .png, .jpg or .jpeg, not as {path.suffix or 'no suffix'!r}")
    return kinds[path.suffix.lower()]


def write_image(path: Path, image: UInt8[Tensor | np.ndarray, "3 H W"]) -> None:
    """Writes a JPEG (quality 95) or PNG file by the path's suffix, whole or not at all; folders are made.

    Raises:
        DataError: the suffix is neither .png nor .jpg nor .jpeg.
        ZorkiError: the file cannot be written.
    """
    data = encode_image(image, check_writable(path), quality=95)
    with whole(path, flush=False) as aside:
        aside.write_bytes(data)


def open_image(file: Any) -> Image.Image:
    """Pillow's lazy image, header read. Its own limit of size is lifted meanwhile: ours is checked instead."""
    with _open_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=_kinds())
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@cache
def _kinds() -> tuple[str, ...]:
    Image.preinit()
    for kind in ("Tiff", "WebP", "Jpeg2K", "Tga", "Avif"):  # `init` would load three times as many, that of PDF too
        with suppress(ImportError):
            importlib.import_module(f"PIL.{kind}ImagePlugin")
    return tuple(kind for kind in _KINDS if kind in Image.OPEN)  # some builds lack AVIF or WebP


def _reduce(image: Image.Image, shorter_side: int | None) -> bool:
    """Whether the image, which is not loaded yet, will be decoded at a part of its size; see `read_image`."""
    if shorter_side is None or image.format not in _JPEG:
        return False
    whole_size = image.size
    image.draft(image.mode, (shorter_side, shorter_side))
    return image.size != whole_size


def _decode(image: Image.Image, data: bytes, shorter_side: int | None) -> Array:
    reduced = _reduce(image, shorter_side)
    fast = jpeg.fast_decoder() if not reduced and image.format in _JPEG and image.mode == "RGB" else None
    pixels = None if fast is None else fast(data)
    # Where that decoder fails, Pillow tries again: it is more tolerant, and its messages are better.
    pixels = pixels_of(image) if pixels is None else turn_upright(pixels, orientation_of(image))
    # The channels stay last in memory, as decoders write them and as crops, resizing and colors are quickest on.
    pixels = np.ascontiguousarray(pixels)
    return (pixels if pixels.flags.writeable else pixels.copy()).transpose(2, 0, 1)


def pixels_of(image: Image.Image) -> Array:
    """Pixels (H, W, 3) in uint8 of Pillow's image, whatever its mode, upright: what `read_array` says of files."""
    image.load()
    # Asked after loading: some decoders turn the image themselves, and then drop the tag.
    mode, orientation = mode_of(image), orientation_of(image)
    if mode[0] in "IF":  # whose range is that of the whole image
        return turn_upright(_rgb(image, mode), orientation)
    # By strips, and into pixels that are upright already: with what Pillow holds that is 7 bytes a pixel at the peak,
    # where each whole copy on the way would be 3 or 4 more.
    width, height = image.size
    pixels = np.empty((width, height, 3) if orientation in (5, 6, 7, 8) else (height, width, 3), np.uint8)
    stored = _turn_back(pixels, orientation)
    rows = max(1, _STRIP // max(1, width))
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        stored[top:bottom] = _rgb(image.crop((0, top, width, bottom)), mode)
    return pixels


_STRIP = 1 << 18
"""Pixels that are converted at once."""


def _rgb(image: Image.Image, mode: str) -> Array:
    """Pixels (H, W, 3) in uint8 of a loaded image, or of a part of it; `mode` is that of the whole (`mode_of`)."""
    if mode.startswith("I"):
        return _repeat(_from_whole_numbers(np.asarray(image)))
    if mode == "F":
        return _repeat(_from_floats(np.asarray(image)))
    if mode != image.mode:
        return np.asarray(image)[..., :3]
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or image.has_transparency_data:
        return _over_white(np.asarray(image.convert("RGBA")))
    if mode in ("1", "L"):
        return _repeat(np.asarray(image.convert("L")))
    return np.asarray(image if mode == "RGB" else image.convert("RGB"))


def _repeat(gray: Array) -> Array:
    return np.broadcast_to(gray[..., None], (*gray.shape, 3))


def rgb_of(stored: Array) -> Array:
    """Pixels (H, W, 3) in uint8 of stored ones (H, W, 1 to 4) of 8 or 16 bits: gray or RGB, and then their alpha."""
    bands = stored.shape[2]
    if bands == 1:
        gray = stored[..., 0]
        return np.ascontiguousarray(_repeat(gray if gray.dtype == np.uint8 else _from_whole_numbers(gray)))
    if stored.dtype != np.uint8:
        stored = (stored >> 8).astype(np.uint8)
    if bands == 2:
        stored = stored[..., (0, 0, 0, 1)]
    return _over_white(stored) if stored.shape[2] == 4 else np.ascontiguousarray(stored)


def _over_white(rgba: Array) -> Array:
    alpha = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _from_whole_numbers(values: Array) -> Array:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ValueError(f"its gray values run from {low} to {high}; 0 to 65535 can be read")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _from_floats(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):  # so that not-a-number is refused too
        raise ValueError(f"its gray values run from {low:g} to {high:g}; floats of 0 to 1, or 0 to 255, can be read")
    scale = 255.0 if high <= 1 else 1.0
    return (values.astype(np.float64) * scale + 0.5).astype(np.uint8)


def orientation_of(image: Image.Image) -> int:
    """EXIF's, 1 to 8; 1 is upright."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block does not make the pixels worse
        return 1


def turn_upright(pixels: Array, orientation: int) -> Array:
    """A view of pixels (H, W) or (H, W, C) with the first row on top: EXIF's eight orientations."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return pixels[rows, columns]


def _turn_back(upright: Array, orientation: int) -> Array:
    """The view of upright pixels that `turn_upright` turns into them."""
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    turned = upright[rows, columns]
    return turned.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else turned


def size_reason(size: tuple[int, int], max_pixels: int) -> str | None:
    """What to say of an image of (width, height) with too many pixels; None where they are few enough."""
    width, height = size
    if width * height <= max_pixels:
        return None
    return f"the image is {width} x {height}, {width * height:,} pixels, and at most {max_pixels:,} are allowed"


def file_reason(path: Path, error: OSError) -> str:
    """Why a file could not be opened."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return "this is a folder, not an image"
    return f"the file cannot be read: {error.strerror or error}"


def decoder_reason(error: Exception) -> str:
    """Why a file could not be decoded."""
    if isinstance(error, UnidentifiedImageError):
        return "this is no image of a known kind, or its header is broken"
    return f"the image cannot be decoded: {error or type(error).__name__}"


def _end_reason(kind: str | None, data: mmap.mmap) -> str | None:
    """Whether the file goes on to the mark that ends images of its kind."""
    if kind in _JPEG and data.rfind(b"\xff\xd9", _start_of_scan(data)) < 0:
        return "the JPEG is truncated: its end marker is missing"
    if kind == "PNG" and data.rfind(b"IEND") < 0:
        return "the PNG is truncated: its IEND chunk is missing"
    return None


def _start_of_scan(data: mmap.mmap) -> int:
    """Where a JPEG's pixels begin. Segments before may hold a thumbnail, whose end marker is not the image's."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position
