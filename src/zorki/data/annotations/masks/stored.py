"""Masks in files: a number for every pixel, read as it is stored and never as a color, written with a palette.

What a file stores is its business alone: palette indices, gray of 1 to 16 bits, whole numbers. A PNG with a palette
looks colored and is not: its pixels are indices, and to read it as RGB would lose the classes.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zorki.data.images import (
    MAX_PIXELS,
    decoder_reason,
    file_reason,
    open_image,
    orientation_of,
    size_reason,
    turn_upright,
)
from zorki.draw.palette import color
from zorki.errors import DataError
from zorki.files import whole
from zorki.input_files.content import read_bytes

if TYPE_CHECKING:
    from jaxtyping import Int64, Integer
    from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Palette = list[tuple[int, int, int]]

MAX_COLORS = 4096
"""Colors of one file beyond which it is a photograph and no mask."""

MIDDLE = 128
"""From here on gray counts as white where masks of black and white were smeared."""

ALIKE = 0.3
"""Of a class's pixels at least have their own value to the right and below; .9 usually, .02 of shades."""

_IGNORED = (224, 224, 192)  # the color of value 255 in Pascal VOC's palette
_PNG_GRAY, _PNG_DEPTH = 25, 24  # bytes of the header: kind of color, and bits (PNG specification, section 11.2.1)


@dataclass(frozen=True)
class StoredMask:
    """The pixels of a mask file as they are stored.

    Args:
        values: (H, W), unsigned or int32: palette indices or gray values; of images in RGB 0xRRGGBB.
        rgb: `values` are colors.
        palette: 256 colors at most, where the file has a palette that is no plain gray ramp: this shows what is stored.
        lossy: the file is a JPEG, whose values are smeared at every edge.
    """

    values: Array
    rgb: bool = False
    palette: Palette | None = None
    lossy: bool = False

    def counts(self) -> dict[int, int]:
        """How many pixels each stored value has.

        Raises:
            DataError: there are more than `MAX_COLORS` colors.
        """
        if self.values.dtype in (np.uint8, np.uint16):
            found = np.bincount(self.values.ravel())
            present = np.flatnonzero(found)
            return dict(zip(present.tolist(), found[present].tolist(), strict=True))
        if self.rgb:
            # A few rows tell a photograph before all of it is sorted.
            step = max(1, len(self.values) // 16)
            if len(np.unique(self.values[::step])) > MAX_COLORS:
                raise DataError(f"it has more than {MAX_COLORS} colors: a photograph, and no mask")
        # Neighbors are mostly alike: only where runs begin need be counted, which is five times quicker.
        flat = self.values.ravel()
        starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])[: flat.size]
        present, which = np.unique(flat[starts], return_inverse=True)
        found = np.bincount(which, np.diff(starts, append=flat.size)).astype(np.int64)
        if self.rgb and len(present) > MAX_COLORS:
            raise DataError(f"it has {len(present)} colors: a photograph, and no mask")
        return dict(zip(present.tolist(), found.tolist(), strict=True))

    def halved(self) -> StoredMask:
        """The same of 0 and 255 alone: of gray values, those of 128 and more are 255; 1, where it `holds_ones`."""
        gray = self.values & 255 if self.rgb else self.values
        white = gray >= (1 if self.holds_ones() else MIDDLE)
        return StoredMask(np.where(white, 255, 0).astype(np.uint8), lossy=self.lossy)

    def holds_ones(self) -> bool:
        """Whether it holds 0 and 1 alone, and 1 lies as a class does, not scattered as what is left of a JPEG."""
        gray = self.values & 255 if self.rgb else self.values
        return not self.lossy and int(gray.max(initial=0)) == 1 and lie_together(gray == 1)

    def colors(self) -> Array:
        """(H, W), uint32: the color 0xRRGGBB that each pixel is shown in; a gray value's is gray."""
        return self.values if self.rgb else shown_colors(self.palette)[np.clip(self.values, 0, 255)]


def lie_together(pixels: Array) -> bool:
    """Whether pixels (H, W), bool, lie as those of a class do: many have another to the right and below."""
    own = pixels[:-1, :-1]
    alike = own & pixels[1:, :-1] & pixels[:-1, 1:]
    return bool(alike.sum() >= ALIKE * own.sum())


def shown_colors(palette: Palette | None) -> Array:
    """(256,), uint32: the colors 0xRRGGBB of values 0..255; an index beyond the palette is black, no palette gray."""
    if palette is None:
        return np.arange(256, dtype=np.uint32) * 0x010101
    table = np.zeros(256, np.uint32)
    table[: len(palette)] = [code_of(rgb) for rgb in palette]
    return table


def code_of(rgb: Sequence[int]) -> int:
    """A color as one number.

    >>> hex(code_of((128, 0, 64)))
    '0x800040'
    """
    return int(rgb[0]) << 16 | int(rgb[1]) << 8 | int(rgb[2])


def color_of(code: int) -> tuple[int, int, int]:
    """The inverse of `code_of`."""
    return code >> 16 & 255, code >> 8 & 255, code & 255


def is_gray(code: int) -> bool:
    """Whether a color is as red as green as blue."""
    return code == (code & 255) * 0x010101


def is_gray_ramp(palette: Palette) -> bool:
    """Whether every index is shown as the gray of its own number, so that the palette says nothing."""
    return all(rgb == (index, index, index) for index, rgb in enumerate(palette))


def read_mask(path: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[Int64[Tensor, "H W"], Palette | None]:
    """The number of every pixel as the file stores it, and its palette where it has one, see `StoredMask`.

    Palette indices, gray of 1, 2, 4, 8 and 16 bits (not stretched to 255), whole numbers of 32 bits. RGB is taken
    where every pixel is gray. A JPEG is read too, smeared as it is.

    Raises:
        DataError: the file is missing, broken or larger than `max_pixels`, or holds colors instead of numbers.
    """
    import torch

    stored = read_stored(path, max_pixels=max_pixels)
    values = stored.values
    if stored.rgb:
        if not bool((values == (values & 255) * 0x010101).all()):
            raise DataError(f"{path}: expected a number for every pixel, gray or with a palette; got {_few(stored)}")
        values = values & 255
    return torch.from_numpy(values.astype(np.int64)), stored.palette


def read_stored(path: Path, *, max_pixels: int = MAX_PIXELS) -> StoredMask:
    """The pixels as the file stores them, colors too, upright. Of an animation or a stack, the first image.

    Raises:
        DataError: the file is missing, broken, or larger than `max_pixels`, or its gray values are no whole numbers.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path}: {file_reason(path, error)}") from error
    if not data:
        raise DataError(f"{path}: the file is empty (0 bytes)")
    try:
        return stored_in(data, max_pixels=max_pixels)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def stored_in(data: bytes, *, max_pixels: int = MAX_PIXELS) -> StoredMask:
    """As `read_stored`, of a file's bytes. Raises DataError with the reason alone."""
    try:
        with open_image(io.BytesIO(data)) as image:
            reason = size_reason(image.size, max_pixels)
            if reason is None:
                image.load()
                stored = _stored(image, data)
                # Asked after loading, as of images: some decoders turn the pixels themselves, and then drop the tag.
                return dataclasses.replace(stored, values=turn_upright(stored.values, orientation_of(image)))
    except Exception as error:  # decoders fail in many ways on broken files, and all of them are the file's fault
        raise DataError(decoder_reason(error)) from error
    raise DataError(reason)


def write_mask(path: Path, classes: Integer[Tensor, "H W"], palette: Sequence[Sequence[int]] | None = None) -> None:
    """Writes a PNG of 8 bits with a palette, or of 16 bits gray where a number is above 255; whole or not at all.

    Args:
        path: ends in .png; folders are made.
        classes: 0..65535; 255 is what is ignored.
        palette: RGB, 0..255, of the classes from 0 on; the others, and all where it is None, get `class_palette`'s.

    Raises:
        DataError: the suffix is not .png, or a number is negative or above 65535.
        ZorkiError: the file cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise DataError(f"{path}: masks are written as .png, which keeps every number, not as {path.suffix!r}")
    values = classes.detach().cpu().numpy()
    least, most = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if least < 0 or most > 65535:
        raise DataError(f"{path}: a PNG holds numbers of 0 to 65535, and the mask's run from {least} to {most}")
    if most > 255:
        image = Image.fromarray(values.astype(np.uint16))
    else:
        image = Image.fromarray(values.astype(np.uint8))
        # All 256 entries: with fewer, Pillow would choose fewer bits, and cut larger numbers off.
        image.putpalette([part for rgb in class_palette(palette) for part in rgb])
    with whole(path, flush=False) as aside:
        image.save(aside, format="png")


def class_palette(own: Sequence[Sequence[int]] | None = None) -> Palette:
    """256 colors: `own` ones, then those of the project's palette; 255, which is ignored, is cream as in VOC."""
    given: Palette = [(int(red), int(green), int(blue)) for red, green, blue in own or ()]
    colors = given[:256] + [color(index) for index in range(len(given), 256)]
    if len(given) < 256:
        colors[255] = _IGNORED
    return colors


def _stored(image: Image.Image, data: bytes) -> StoredMask:
    """Of a loaded image."""
    if image.format in ("JPEG", "MPO"):
        return StoredMask(np.asarray(image.convert("L")), lossy=True)
    mode = image.mode
    if mode == "P":
        flat = image.getpalette("RGB") or []
        palette: Palette = list(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))
        return StoredMask(np.asarray(image), palette=None if is_gray_ramp(palette) else palette)
    if mode == "1":
        return StoredMask(np.asarray(image).astype(np.uint8))
    if mode in ("L", "LA", "La"):
        return StoredMask(_unstretched(np.asarray(image if mode == "L" else image.getchannel("L")), data))
    if mode.startswith("I"):
        return StoredMask(_narrow(np.asarray(image)))
    if mode == "F":
        floats = np.asarray(image)
        if not bool((np.isfinite(floats) & (floats == np.round(floats))).all()):
            raise ValueError("its gray values are no whole numbers, so that it is no mask")
        return StoredMask(_narrow(floats.astype(np.int64)))
    channels = np.asarray(image if mode in ("RGB", "RGBA") else image.convert("RGB")).astype(np.uint32)
    return StoredMask(channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2], rgb=True)


def _unstretched(gray: Array, data: bytes) -> Array:
    """Gray as a PNG of 2 or 4 bits stores it: decoders stretch it to 0..255."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[_PNG_GRAY] != 0 or data[_PNG_DEPTH] not in (2, 4):
        return gray
    return gray // (255 // (2 ** data[_PNG_DEPTH] - 1))


def _narrow(values: Array) -> Array:
    """Whole numbers in the smallest unsigned type of 8, 16 or 32 bits; int32 where one is negative."""
    least, most = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if least < 0:
        return values.astype(np.int32)
    return values.astype(np.uint8 if most < 256 else np.uint16 if most < 65536 else np.uint32)


def _few(stored: StoredMask) -> str:
    """The commonest colors of a mask, for a message."""
    try:
        counts = stored.counts()
    except DataError as error:
        return f"colors: {error}"
    common = sorted(counts.items(), key=lambda item: -item[1])
    listed = ", ".join(f"({', '.join(map(str, color_of(code)))})" for code, _ in common[:5])
    return f"{len(counts)} colors: {listed}{', ...' if len(counts) > 5 else ''}"
