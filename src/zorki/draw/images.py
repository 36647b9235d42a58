"""Text, frames, boxes, legends and contact sheets on uint8 images (3, H, W), in numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zorki.data.images import interleaved
from zorki.draw.markup import ELLIPSIS
from zorki.draw.palette import color as color
from zorki.draw.palette import mark_color
from zorki.types import check_lengths

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from numpy import ndarray

Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Lines = tuple[Font, list[str]]

_PAPER: Color = (250, 250, 251)
_INK: Color = (32, 36, 42)
_WHITE: Color = (255, 255, 255)
_CAPTION_WIDTH = 160  # below this a caption of two words is not readable
_SHEET_LINES = 3  # of a caption on a sheet of many images
_STRIP = 8  # times its short side: what is longer is a strip, and its letters do not grow with its length
_WIDE_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")


def to_image(image: UInt8[ndarray, "3 H W"]) -> Image.Image:
    """The image as PIL has it."""
    return Image.fromarray(interleaved(image), "RGB")


def to_array(image: Image.Image) -> UInt8[ndarray, "3 H W"]:
    """A PIL image of any mode as a uint8 RGB array, in memory of its own."""
    return np.array(image.convert("RGB")).transpose(2, 0, 1)


def enlarge(image: UInt8[ndarray, "3 H W"], width: int) -> UInt8[ndarray, "3 H2 W2"]:
    """The image enlarged by the smallest whole factor that makes it at least `width` wide; pixels stay crisp."""
    factor = max(1, math.ceil(width / image.shape[2]))
    return image.repeat(factor, 1).repeat(factor, 2)


def shrink(image: UInt8[ndarray, "3 H W"], side: int) -> UInt8[ndarray, "3 H2 W2"]:
    """The image, smaller or larger, with its longer side of `side` pixels: bilinear, anti-aliased."""
    height, width = image.shape[1:]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return image if size == (width, height) else to_array(to_image(image).resize(size, Image.Resampling.BILINEAR))


def caption(
    image: UInt8[ndarray, "3 H W"], text: str, good: bool | None = None, *, min_width: int = _CAPTION_WIDTH
) -> UInt8[ndarray, "3 H2 W2"]:
    """The image with a strip of text under it, on teal with a tick (good), vermilion with a cross, or gray.

    Images narrower than `min_width` pixels are enlarged by a whole factor first. Long text is broken into at most
    three lines, then cut with an ellipsis. The letters grow with the image. An empty text gives no strip.
    """
    source_image = to_image(enlarge(image, min_width))
    if not text.strip():
        return to_array(source_image)
    size = max(13, round(_scale(source_image.width, *source_image.size) / 26))
    pad, glyph = round(size * 0.45), 0 if good is None else round(size * 1.15)
    font = _font(size, text)
    lines = _wrap(text, font, source_image.width - 2 * pad - glyph, 3)
    step = round(size * 1.3)
    canvas = Image.new("RGB", (source_image.width, source_image.height + step * len(lines) + 2 * pad), mark_color(good))
    canvas.paste(source_image, (0, 0))
    pen = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        _write(pen, (pad + glyph, source_image.height + pad + step * row), line, font, _WHITE)
    if good is not None:
        _mark(pen, (pad, source_image.height + pad + round(size * 0.2)), round(size * 0.75), good)
    return to_array(canvas)


def sheet(
    images: Sequence[UInt8[ndarray, "3 _ _"]],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell: int = 128,
    marks: Sequence[bool | None] | None = None,
) -> UInt8[ndarray, "3 H W"]:
    """A contact sheet: equal cells of `cell` pixels, each with its image, a caption, and a frame.

    Captions are broken into as many lines as the longest needs, three at most, then cut.

    Images keep their aspect; small ones are enlarged by whole factors. `marks` colors the frames: right, wrong,
    or None for neither; right and wrong carry a tick or a cross too. `columns` defaults to what makes the sheet
    about as wide as high, eight at most. No image gives one small sheet that says so.

    Raises ValueError where captions or marks are not as many as images, or `columns` or `cell` is below 1.
    """
    if cell < 1 or (columns is not None and columns < 1):
        raise ValueError(f"a sheet needs cells and columns of at least 1, not cell={cell}, columns={columns}")
    if not images:
        return caption(np.full((3, cell, cell), 235, np.uint8), "no images")
    check_lengths(images=images, captions=captions or images, marks=marks or images)
    columns = min(columns or min(8, math.ceil(math.sqrt(len(images)))), len(images))
    rows = math.ceil(len(images) / columns)
    gap, frame = max(4, cell // 12), max(2, cell // 40)
    size = max(10, cell // 10)
    texts = _captions(captions or (), marks, cell + 2 * frame, size)
    strip = round(size * (0.4 + 1.3 * max(len(lines) for _, lines in texts))) if texts else 0
    step_x, step_y = cell + 2 * frame + gap, cell + 2 * frame + strip + gap
    canvas = Image.new("RGB", (columns * step_x + gap, rows * step_y + gap), _PAPER)
    pen = ImageDraw.Draw(canvas)
    for index, image in enumerate(images):
        left, top = gap + index % columns * step_x, gap + index // columns * step_y
        good = marks[index] if marks else None
        edge = mark_color(good) if good is not None else (208, 212, 218)
        pen.rectangle((left, top, left + cell + 2 * frame - 1, top + cell + 2 * frame - 1), fill=edge)
        source_image = _fit(image, cell)
        corner = (left + frame + (cell - source_image.width) // 2, top + frame + (cell - source_image.height) // 2)
        pen.rectangle(
            (left + frame, top + frame, left + frame + cell - 1, top + frame + cell - 1), fill=(236, 238, 241)
        )
        canvas.paste(source_image, corner)
        if texts:
            box = (left, top + cell + 2 * frame, left + cell + 2 * frame - 1, top + cell + 2 * frame + strip - 1)
            _caption_cell(pen, box, texts[index], size, good)
    return to_array(canvas)


def legend(
    width: int, entries: Sequence[tuple[str, Color]], *, lines: int | None = None, height: int | None = None
) -> UInt8[ndarray, "3 H width"]:
    """A strip of swatches with names, `width` pixels wide, in as many lines as they need.

    The letters are those of an image of this width and `height`, by default as high as wide.

    With `lines` it has just so many, and what does not fit is left out: images of a film stay of one size. Without
    entries and lines it is 0 pixels high.
    """
    size = max(11, round(_scale(width, width, width if height is None else height) / 45))
    step, pad = round(size * 1.5), round(size * 0.5)
    rows: list[list[tuple[int, str, Color]]] = [[]] if entries else []
    left = pad
    for name, ink in entries:
        text = _cut(name, _font(size, name), width - 3 * pad - size)
        wide = size + pad + math.ceil(_font(size, text).getlength(text))
        if rows[-1] and left + wide > width - pad:
            rows.append([])
            left = pad
        rows[-1].append((left, text, ink))
        left += wide + 2 * pad
    shown = rows if lines is None else rows[:lines]
    count = len(rows) if lines is None else lines
    strip = Image.new("RGB", (width, count * step + (pad if count else 0)), _PAPER)
    pen = ImageDraw.Draw(strip)
    for number, row in enumerate(shown):
        top = number * step + pad
        for start, text, ink in row:
            pen.rectangle((start, top, start + size - 1, top + size - 1), fill=ink)
            _write(pen, (start + size + pad // 2, top - round(size * 0.1)), text, _font(size, text), _INK)
    return to_array(strip)


def boxes(
    image: UInt8[ndarray, "3 H W"],
    xyxy: Float[ndarray, "N 4"],
    texts: Sequence[str] | None = None,
    colors: Sequence[Color] | None = None,
    dashed: Sequence[bool] | None = None,
) -> UInt8[ndarray, "3 H W"]:
    """The image with boxes on it, those that are `dashed` in broken lines, in the pixels of the image; not enlarged.

    A box covers [x0, x1) x [y0, y1); parts beyond the image are not drawn, nor are boxes with a NaN. Texts stand on
    their box, inside it where the image ends above. Colors default to `color(row)`. Empty boxes are drawn as one
    pixel line, so that an annotation's mistakes can be seen.

    Raises ValueError where texts, colors or what is dashed are not as many as boxes.
    """
    for name, values in (("texts", texts), ("colors", colors), ("dashed", dashed)):
        check_lengths(xyxy=list(xyxy), **{name: values if values is not None else list(xyxy)})
    canvas = to_image(image)
    pen = ImageDraw.Draw(canvas)
    scale = _scale(max(canvas.size), *canvas.size)
    line, size = max(1, round(scale / 320)), max(10, round(scale / 45))
    for row, corners in enumerate(xyxy.tolist()):
        if not all(math.isfinite(corner) for corner in corners):
            continue
        ink = colors[row] if colors is not None else color(row)
        x0, y0 = (math.floor(corner + 0.5) for corner in corners[:2])
        x1, y1 = (math.floor(corner + 0.5) - 1 for corner in corners[2:])
        corners_drawn = (x0, y0, max(x0, x1), max(y0, y1))
        if dashed is not None and dashed[row]:
            _dashed_rectangle(pen, corners_drawn, ink, line)
        else:
            pen.rectangle(corners_drawn, outline=ink, width=line)
        if texts is not None and texts[row]:
            _tag(pen, (x0, y0), texts[row], size, ink, canvas.size)
    return to_array(canvas)


def _dashed_rectangle(pen: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], ink: Color, line: int) -> None:
    """Broken lines inside the corners, as long as their gaps."""
    left, top, right, bottom = corners
    dash = 4 * line
    for x in range(left, right + 1, 2 * dash):
        for y in (top, max(top, bottom - line + 1)):
            pen.rectangle((x, y, min(x + dash - 1, right), min(y + line - 1, bottom)), fill=ink)
    for y in range(top, bottom + 1, 2 * dash):
        for x in (left, max(left, right - line + 1)):
            pen.rectangle((x, y, min(x + line - 1, right), min(y + dash - 1, bottom)), fill=ink)


def label(canvas: Image.Image, middle: tuple[float, float], text: str, ink: Color) -> None:
    """Writes a text on a plate of that color into an image, centered there, and within its bounds."""
    size = max(10, round(_scale(max(canvas.size), *canvas.size) / 45))
    width = min(canvas.width, math.ceil(_font(size, text).getlength(text)) + 6)
    corner = (round(middle[0] - width / 2), round(middle[1] + size * 0.7))
    bounds = max(0, min(corner[0], canvas.width - width)), max(round(size * 1.4), min(corner[1], canvas.height))
    _tag(ImageDraw.Draw(canvas), bounds, text, size, ink, canvas.size)


def _scale(side: int, width: int, height: int) -> int:
    """The side by which letters and lines are measured: at most eight times the short one."""
    # The caption of a line scan of 60,000 x 1 pixels would otherwise be thousands of pixels high, a gigabyte of memory.
    return min(side, _STRIP * min(width, height))


def _tag(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, ink: Color, bounds: tuple[int, int]
) -> None:
    font = _font(size, text)
    text = _cut(text, font, bounds[0] - 6)
    width, height = math.ceil(font.getlength(text)) + 6, round(size * 1.4)
    left = max(0, min(corner[0], bounds[0] - width))
    top = corner[1] - height if corner[1] >= height else max(0, corner[1])
    pen.rectangle((left, top, left + width - 1, top + height - 1), fill=ink)
    # Rec. 601 luma: dark letters on the palette's light shades, white ones on the rest.
    light = 0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2] > 150
    _write(pen, (left + 3, top + round(size * 0.12)), text, font, _INK if light else _WHITE)


def _captions(texts: Sequence[str], marks: Sequence[bool | None] | None, width: int, size: int) -> list[_Lines]:
    """Each caption of a sheet with the font that it was measured in; beside a tick or a cross there is less room."""
    glyphs = [0 if mark is None else round(size * 1.3) for mark in marks or [None] * len(texts)]
    return [
        ((font := _font(size, text)), _wrap(text, font, width - glyph - round(size * 0.6), _SHEET_LINES))
        for text, glyph in zip(texts, glyphs, strict=True)
    ]


def _caption_cell(
    pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], text: _Lines, size: int, good: bool | None
) -> None:
    left, top = box[:2]
    font, lines = text
    if good is not None:
        pen.rectangle(box, fill=mark_color(good))
        _mark(pen, (left + round(size * 0.35), top + round(size * 0.5)), round(size * 0.75), good)
    start = left if good is None else left + round(size * 0.2) + round(size * 1.3)
    for row, line in enumerate(lines):
        place = (start, top + round(size * (0.25 + 1.3 * row)))
        _write(pen, place, line, font, _INK if good is None else _WHITE)


def _fit(image: ndarray, cell: int) -> Image.Image:
    """The whole image in a square of `cell`: enlarged by a whole factor, or made smaller smoothly."""
    source_image = to_image(image)
    longest = max(source_image.size)
    if longest <= cell:
        factor = cell // longest
        return source_image.resize(
            (source_image.width * factor, source_image.height * factor), Image.Resampling.NEAREST
        )
    scale = cell / longest
    size = (max(1, round(source_image.width * scale)), max(1, round(source_image.height * scale)))
    return source_image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _mark(pen: ImageDraw.ImageDraw, corner: tuple[int, int], size: int, good: bool) -> None:
    """A tick or a cross, drawn: the built-in font has neither, and color alone does not reach everybody."""
    left, top = corner
    width = max(2, size // 5)
    if good:
        tick = [(left, top + size * 0.55), (left + size * 0.38, top + size * 0.9), (left + size, top + size * 0.1)]
        pen.line(tick, fill=_WHITE, width=width, joint="curve")
    else:
        pen.line([(left, top + 1), (left + size * 0.9, top + size * 0.9)], fill=_WHITE, width=width)
        pen.line([(left, top + size * 0.9), (left + size * 0.9, top + 1)], fill=_WHITE, width=width)


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, font: Font, ink: Color) -> None:
    pen.text(corner, text, fill=ink, font=font)


def _clean(text: str) -> str:
    """One line that every font engine takes: control characters and lone surrogates become question marks."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _cut(text: str, font: Font, width: int) -> str:
    text = _clean(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + ELLIPSIS) > width:
        text = text[:-1]
    return text.rstrip() + ELLIPSIS if text else ""


def _wrap(text: str, font: Font, width: int, most: int) -> list[str]:
    """Lines no wider than `width`, broken between words; the last is cut where `most` lines are not enough."""
    words, lines = _clean(text).split(), [""]
    while words:
        joined = f"{lines[-1]} {words[0]}".strip()
        if lines[-1] and font.getlength(joined) > width:
            if len(lines) == most:
                lines[-1] = " ".join([lines[-1], *words])
                break
            lines.append("")
            continue
        lines[-1] = joined
        words.pop(0)
    return [_cut(line, font, width) for line in lines]


def _font(size: int, text: str) -> Font:
    """PIL's built-in font, which is on every machine; for letters that it lacks, one of the machine's, if any."""
    wide = None if text.isascii() else _wide_font(size)
    return wide or _built_in_font(size)


@cache
def _built_in_font(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _wide_font(size: int) -> Font | None:
    for name in _WIDE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None
