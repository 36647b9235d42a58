"""The parts of a report's sections: tables, definition lists, image grids, figures, text and notices, as HTML."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

from zorki.draw.images import to_image
from zorki.draw.markup import breakable, escape, number, numbers, shorten

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

Align = Literal["left", "right", "center"]

# Side and JPEG quality, tried in turn until a thumbnail is small: sixty of them stay below 1.5 MB as base64.
_SIZES = ((224, 82), (224, 65), (192, 50), (160, 40), (128, 30))
_MAX_BYTES = 18_000
_MAX_NAME = 40  # characters of a file's name; hovering shows all
_PHOTO_SIDE = 64  # images with a side below this are kept pixel by pixel


@dataclass(frozen=True)
class Thumbnail:
    """One image of a grid: a uint8 image, what stands under it, and whether the prediction was right, if evaluated.

    `name` is that of its file, by which it can be found again.

    `alt` describes the image to those who cannot see it, and defaults to the caption.
    """

    image: UInt8[ndarray, "3 H W"]
    caption: str
    good: bool | None = None
    alt: str = ""
    name: str = ""


def table(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str] | None = None,
    align: Mapping[str, Align] | None = None,
    caption: str = "",
) -> str:
    """A table of plain values, one mapping a row; a missing value or None is a dash.

    `columns` picks and orders the columns, by default all, as they first appear. Columns of numbers stand right;
    `align` overrules. A click on a heading sorts, where the page's script runs. Text is escaped.
    """
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    if not rows:
        return notice(f"{caption}: nothing to show." if caption else "Nothing to show.", kind="note")
    sides = {name: (align or {}).get(name) or _side([row.get(name) for row in rows]) for name in names}
    heads = "".join(f'<th scope="col" class="{sides[name]}">{escape(name)}</th>' for name in names)
    written = [numbers([row.get(name) for row in rows]) for name in names]
    lines = [
        "".join(_cell(row.get(name), texts[place], sides[name]) for name, texts in zip(names, written, strict=True))
        for place, row in enumerate(rows)
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption or "table")}">'
        f'<table class="sortable">{title}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def definition_list(mapping: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """Names and values, such as a recipe. A name in `notes` was chosen for the user: it is marked, with the reason.

    Raises ValueError where a note has no entry to stand by.
    """
    notes = notes or {}
    if strays := [name for name in notes if name not in mapping]:
        raise ValueError(f"notes without an entry: {strays}; entries are {list(mapping)}")
    parts = []
    for name, value in mapping.items():
        note = notes.get(name)
        mark = "" if note is None else f'<span class="badge">chosen</span><span class="why">{escape(note)}</span>'
        chosen = "" if note is None else ' class="chosen"'
        parts.append(f"<div{chosen}><dt>{escape(name)}</dt><dd><code>{escape(_value(value))}</code>{mark}</dd></div>")
    return f'<dl class="settings">{"".join(parts)}</dl>'


def image_grid(items: Sequence[Thumbnail]) -> str:
    """A grid of images with captions, as many a row as fit. Right and wrong predictions have a tick or a cross."""
    if not items:
        return notice("No images.", kind="note")
    parts = []
    for item in items:
        kind = {None: "", True: " right", False: " wrong"}[item.good]
        mark = {None: "", True: '<b class="mark" title="right">✓</b> ', False: '<b class="mark" title="wrong">✗</b> '}
        short = breakable(shorten(item.name, _MAX_NAME, middle=True))
        name = f'<span class="name" title="{escape(item.name)}">{short}</span>' if item.name else ""
        caption = f"<figcaption>{name}{mark[item.good]}{_counted(_lines(item.caption))}</figcaption>"
        parts.append(f'<figure class="tile{kind}">{_image(item)}{caption}</figure>')
    return f'<div class="grid">{"".join(parts)}</div>'


def figure(svg: str, caption: str = "") -> str:
    """An SVG made by `zorki.draw.figures`, with a caption; it shrinks with the window and scrolls where it cannot."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="plot"><div class="scroll">{svg}</div>{below}</figure>'


def columns(*blocks: str) -> str:
    """Blocks side by side where the window is wide enough, else one under another."""
    return f'<div class="columns">{"".join(f"<div>{block}</div>" for block in blocks)}</div>'


def swatches(entries: Sequence[tuple[str, tuple[int, int, int] | None]]) -> str:
    """A line of names, each behind a square of its RGB color, 0..255, or hatched for None: what images are marked with.

    A name too long for the page is broken.
    """
    hatched = "repeating-linear-gradient(135deg,#000 0 2px,#fff 2px 3px,#8888 3px 5px)"
    parts = [
        f'<span><i style="background:{hatched if color is None else f"rgb{color}"}"></i>{escape(name)}</span>'
        for name, color in entries
    ]
    return f'<p class="swatches">{" ".join(parts)}</p>'


def preformatted(text: str) -> str:
    """Text in a fixed-width font, with its line breaks: a command, a log."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def notice(text: str, kind: Literal["note", "warning", "error"] = "warning") -> str:
    """A framed paragraph that stands out: a note, a warning, an error."""
    return f'<p class="notice {kind}"><strong>{kind.capitalize()}</strong> {_lines(text)}</p>'


def encode(image: UInt8[ndarray, "3 H W"]) -> str:
    """The image as a `data:` address: JPEG of at most 224 pixels a side, PNG where both sides are below 64."""
    source_image, buffer = to_image(image), io.BytesIO()
    if max(source_image.size) < _PHOTO_SIDE:
        source_image.save(buffer, "PNG", optimize=True)
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    for side, quality in _SIZES:
        buffer = io.BytesIO()
        _within(source_image, side).save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _MAX_BYTES:
            break
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _within(image: Image.Image, side: int) -> Image.Image:
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if scale == 1.0 else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _image(item: Thumbnail) -> str:
    height, width = item.image.shape[1:]
    crisp = " crisp" if max(height, width) < _PHOTO_SIDE else ""
    # Written sizes keep the page from jumping while it loads.
    scale = 224 / max(height, width)
    shape = f'width="{max(1, round(width * scale))}" height="{max(1, round(height * scale))}"'
    alt = escape(item.alt or item.caption or "image")
    return f'<div class="photo"><img class="thumb{crisp}" {shape} alt="{alt}" src="{encode(item.image)}"/></div>'


def _lines(text: str) -> str:
    return "<br/>".join(escape(line) for line in text.splitlines())


def _counted(text: str) -> str:
    """Counts such as "3 x cat" do not break behind their number."""
    return re.sub(r"(?<=\d) x ", "\u00a0x ", text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return number(None)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(part) for part in value) or number(None)
    return str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _side(values: Sequence[Any]) -> Align:
    present = [value for value in values if value is not None]
    return "right" if present and all(_is_number(value) for value in present) else "left"


def _cell(value: Any, text: str, side: Align) -> str:
    # What is sorted is the number itself, not its text with thousands apart.
    sort = f' data-sort="{value}"' if _is_number(value) and math.isfinite(value) else ""
    # A path or a name without spaces may be broken anywhere; a word may not.
    long = " long" if max(map(len, text.split()), default=0) > 40 else ""
    return f'<td class="{side}{long}"{sort}>{escape(text)}</td>'
