"""Images read by windows, so that those of any size can be worked on piece by piece.

libvips (pyvips) reads TIFF, PNG, JPEG and WebP so. What it lacks, and what fits into memory with ease, is
decoded whole, as uint8.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.images import (
    Array,
    decoder_reason,
    file_reason,
    mode_of,
    open_image,
    orientation_of,
    read_image,
    rgb_of,
    upright_size,
)
from zorki.errors import DataError

HELD_PIXELS = 1 << 24
"""Up to here an image is decoded whole: 50 MB."""

WHOLE_PIXELS = 500_000_000
"""The largest image that is decoded whole where it cannot be read by windows: 1.5 GB, and as much while decoding."""

WINDOWED_PIXELS = 10_000_000_000
"""The largest image that is read by windows."""

_LOADERS = {"TIFF": "tiffload", "PNG": "pngload", "JPEG": "jpegload", "MPO": "jpegload", "WEBP": "webpload"}
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # Pillow's
_BAND_ROWS = 256  # read at once to shrink an image


class WindowedImage(ABC):
    """An image whose parts are read when they are asked for; quickest row by row from the top.

    `height` and `width` are in pixels; `how` says for a person how the file is read.
    """

    height: int
    width: int
    how: str

    @abstractmethod
    def read(self, top: int, left: int, height: int, width: int) -> UInt8[Tensor, "3 height width"]:
        """The pixels of a window that lies inside the image, as RGB. Raises DataError where the file is broken."""

    def shrunk(self, factor: int) -> UInt8[Tensor, "3 h w"]:
        """The image made smaller by a whole factor: each pixel is the mean of a square; h = height // factor.

        What is left over at the right and the bottom is cut off.
        """
        height, width = self.height // factor, self.width // factor
        small = torch.empty((3, height, width), dtype=torch.uint8)
        rows = max(1, _BAND_ROWS // factor)
        for first in range(0, height, rows):
            last = min(first + rows, height)
            band = self.read(first * factor, 0, (last - first) * factor, width * factor)
            squares = band.reshape(3, last - first, factor, width, factor).sum((2, 4), dtype=torch.int32)
            small[:, first:last] = ((squares + factor * factor // 2) // (factor * factor)).to(torch.uint8)
        return small


class HeldImage(WindowedImage):
    """An image in memory."""

    def __init__(self, image: UInt8[Tensor, "3 H W"], how: str = "decoded whole") -> None:
        self.image, self.how = image, how
        self.height, self.width = image.shape[1:]

    def read(self, top: int, left: int, height: int, width: int) -> UInt8[Tensor, "3 height width"]:
        """A view of the image."""
        return self.image[:, top : top + height, left : left + width]


@contextlib.contextmanager
def open_windows(path: Path, *, max_pixels: int = 0) -> Iterator[WindowedImage]:
    """The image in a file, to be read by windows; the same pixels as `read_image`'s.

    Images of at most 2^24 pixels are decoded whole. Larger TIFF, PNG, JPEG and WebP files are read by
    windows where pyvips is installed: up to 10 billion pixels. The rest is decoded whole, up to 500 million pixels:
    images of other kinds, with an orientation to be turned to, of floats, of 32-bit numbers, CMYK, and TIFF files in
    one compressed piece.

    Args:
        max_pixels: allows images of so many pixels where that is more.

    Raises:
        DataError: the file is missing, no image, or too large; it says what would help.
    """
    header = _read_header(path)
    pixels = header.height * header.width
    if pixels > max(WINDOWED_PIXELS, max_pixels):
        raise DataError(
            f"{path}: the image is {header.width} x {header.height}, {pixels:,} pixels, and at most "
            f"{max(WINDOWED_PIXELS, max_pixels):,} are read by windows; cut it into several files"
        )
    reason = _why_whole(header)
    if pixels > HELD_PIXELS and reason is None:
        image = _open_streamed(path, header)
        if isinstance(image, WindowedImage):
            yield image
            return
        reason = image
    most = max(WHOLE_PIXELS, max_pixels)
    if pixels > most:
        raise DataError(
            f"{path}: the image is {header.width} x {header.height}, {pixels:,} pixels. It cannot be read by "
            f"windows, since {reason}, and at most {most:,} pixels are decoded whole"
        )
    how = "decoded whole" if pixels <= HELD_PIXELS else f"decoded whole, since {reason}"
    yield HeldImage(read_image(path, max_pixels=most), how)


@dataclass(frozen=True)
class _Header:
    """What the head of a file says: Pillow's names of its kind and mode, its upright size, its EXIF orientation."""

    kind: str
    mode: str
    height: int
    width: int
    orientation: int


def _read_header(path: Path) -> _Header:
    try:
        with open_image(path) as image:
            return _Header(image.format or "", mode_of(image), *upright_size(image), orientation_of(image))
    except OSError as error:
        raise DataError(
            f"{path}: {decoder_reason(error) if error.errno is None else file_reason(path, error)}"
        ) from error
    except Exception as error:  # broken headers fail in many ways
        raise DataError(f"{path}: {decoder_reason(error)}") from error


def _why_whole(header: _Header) -> str | None:
    """Why a file cannot be read by windows; None where it can."""
    if header.kind not in _LOADERS:
        return f"it is {header.kind}: write it as TIFF in tiles"
    if header.orientation != 1:
        return "its EXIF orientation has it turned: turn its pixels, and write it as TIFF in tiles"
    if header.mode not in _MODES and not header.mode.startswith("I;16"):
        return f"its pixels are of mode {header.mode}: convert them to 8 or 16 bits of gray or RGB"
    return None


def _vips() -> ModuleType | None:
    try:
        import pyvips
    except (ImportError, OSError):  # the package, or the library that it stands on, is not there
        return None
    pyvips.cache_set_max(0)  # the operations on a closed image would keep its file open
    return pyvips


def _open_streamed(path: Path, header: _Header) -> WindowedImage | str:
    """The image by libvips; or why that does not go."""
    vips = _vips()
    if vips is None:
        return "pyvips is not installed: pip install 'zorki[large]'"

    loader = getattr(vips.Image, _LOADERS[header.kind], None)
    if loader is None:
        return f"this libvips is built without {header.kind}"

    def load(access: str) -> Any:
        return loader(str(path), access=access, fail_on="truncated", revalidate=True)

    try:
        image = load("sequential")
        if (image.height, image.width) != (header.height, header.width):
            return "libvips reads another size from its header"
        if image.format not in ("uchar", "ushort") or image.bands > 4:
            return f"its pixels are {image.bands} numbers of kind {image.format}: convert them to 8 or 16 bits"
        if "tile-width" in image.get_fields():
            image = load("random")
            vips.Region.new(image).fetch(0, 0, 1, 1)  # so that what it cannot decode is known by now
            return _TiledFile(path, header, image, vips)
        vips.Region.new(image).fetch(0, 0, image.width, 1)
    except vips.Error as error:
        return f"libvips cannot: {_first_line(error)}"
    return _StreamedFile(path, header, lambda: load("sequential"), vips)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class _VipsFile(WindowedImage):
    """What both ways of reading by libvips have."""

    def __init__(self, path: Path, header: _Header, image: Any, vips: ModuleType) -> None:
        self.path, self.vips, self.image = path, vips, image
        self.region: Any = None
        self.thread = 0  # libvips wants a region to stay with one thread
        self.height, self.width, self.bands = image.height, image.width, image.bands
        self.kind = np.uint8 if image.format == "uchar" else np.uint16
        # A fourth number that the file does not call alpha, such as infrared, is left out.
        self.num_bands = 3 if (header.kind, header.mode) == ("TIFF", "RGB") else image.bands

    def fetch(self, top: int, left: int, height: int, width: int) -> Array:
        """Pixels (height, width, bands) as they are stored."""
        if self.region is None or self.thread != threading.get_ident():
            self.region, self.thread = self.vips.Region.new(self.image), threading.get_ident()
        try:
            data = self.region.fetch(left, top, width, height)
        except self.vips.Error as error:
            raise DataError(f"{self.path}: the image cannot be decoded: {_first_line(error)}") from error
        return np.frombuffer(data, self.kind).reshape(height, width, self.bands)

    def rgb(self, stored: Array) -> Tensor:
        pixels = rgb_of(stored[..., : self.num_bands])
        return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1)


class _TiledFile(_VipsFile):
    """A TIFF in tiles: any window can be read; libvips keeps the tiles of a few rows."""

    how = "read by windows from its tiles"

    def read(self, top: int, left: int, height: int, width: int) -> UInt8[Tensor, "3 height width"]:
        return self.rgb(self.fetch(top, left, height, width))


class _StreamedFile(_VipsFile):
    """A file that is decoded from the top: the rows of the windows that are read just now are held, as stored."""

    how = "decoded row by row"

    def __init__(self, path: Path, header: _Header, load: Callable[[], Any], vips: ModuleType) -> None:
        super().__init__(path, header, load(), vips)
        self.load = load
        self._start()

    def _start(self) -> None:
        self.first = 0
        self.held: Array = np.empty((0, self.width, self.bands), self.kind)

    def read(self, top: int, left: int, height: int, width: int) -> UInt8[Tensor, "3 height width"]:
        if top < self.first:  # what was decoded is gone: once more from the top
            self.image, self.region = self.load(), None
            self._start()
        end = self.first + len(self.held)
        if top + height > end:
            kept = self.held[max(0, top - self.first) :]
            for skipped in range(end, top, _BAND_ROWS):
                self.fetch(skipped, 0, min(_BAND_ROWS, top - skipped), self.width)
            begin = max(end, top)
            rows = self.fetch(begin, 0, top + height - begin, self.width)
            self.held = np.concatenate([kept, rows])
            self.first = top
        return self.rgb(self.held[top - self.first : top - self.first + height, left : left + width])
