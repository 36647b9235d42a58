"""Markup from plain text: escaped, well-formed, and nothing else."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping

# Characters that XML forbids, and lone surrogates (undecodable bytes of file names), which UTF-8 cannot write.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
NO_VALUE = "\N{EN DASH}"


def escape(text: object) -> str:
    """Text that stands for itself in HTML, SVG and in quoted attributes; forbidden characters become U+FFFD.

    >>> escape("<b>")
    '&lt;b&gt;'
    """
    return html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(text)), quote=True)


def element(name: str, attributes: Mapping[str, object], *children: str) -> str:
    """An SVG or XHTML element. Attribute values are escaped; children are markup already. Without any: `<name/>`."""
    inside = "".join(f' {key}="{escape(_plain(value))}"' for key, value in attributes.items())
    return f"<{name}{inside}>{''.join(children)}</{name}>" if children else f"<{name}{inside}/>"


def _plain(value: object) -> object:
    """Coordinates with two decimals at most: more only make the page larger."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def shorten(text: object, characters: int) -> str:
    """`text` on one line, of at most `characters` characters, with an ellipsis where it was cut.

    >>> shorten("a long name", 6)
    'a lon…'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= characters else line[: max(characters - 1, 0)].rstrip() + ELLIPSIS


def number(value: object) -> str:
    """A number for people: thousands apart, four significant digits, a dash for None, NaN; infinities by sign.

    >>> number(138357544), number(0.123456), number(float("nan"))
    ('138,357,544', '0.1235', '–')
    """
    if value is None:
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return NO_VALUE
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"
