"""Markup from plain text: escaped, well-formed, and nothing else."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence

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


def breakable(text: str) -> str:
    """Escaped text that may be broken behind the joints of a name: ssd_ | squeezenet, and never within a word."""
    return "<wbr/>".join(escape(part) for part in re.findall(r".*?[_:/.-]+(?=\w)|.+", text, re.DOTALL))


def shorten(text: object, characters: int, *, middle: bool = False) -> str:
    """`text` on one line, of at most `characters` characters, with an ellipsis where it was cut.

    `middle` cuts there: names of classes often differ at their ends.

    >>> shorten("a long name", 6)
    'a lon…'
    """
    line = " ".join(str(text).split())
    if len(line) <= characters:
        return line
    tail = (characters - 1) // 2 if middle else 0
    return line[: max(characters - 1 - tail, 0)].rstrip() + ELLIPSIS + line[len(line) - tail :].lstrip()


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


def numbers(values: Sequence[object]) -> list[str]:
    """A column of numbers with as many decimals each, so that they can be compared at a glance.

    Where their sizes differ too much for that, and where there are no floats, each is written by `number`. Scores,
    which are shares of one, have four decimals however small they are, zeros among them too; where all of a column
    would be 0.0000 and are not, each is written by `number`. Whole numbers above one have no decimals.

    >>> numbers([0.7, 0.91234, None]), numbers([0.5321, 0.00003941]), numbers([12.5, 0.00003941])
    (['0.7000', '0.9123', '–'], ['0.5321', '0.0000'], ['12.5', '3.941e-05'])
    >>> numbers([0.0, 0.0]), numbers([0.0, 0.0004078]), numbers([1.0, 3.0])
    (['0.0000', '0.0000'], ['0.0000', '0.0004'], ['1', '3'])
    """
    floats = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    largest, smallest = max(floats, default=math.inf), min(filter(None, floats), default=math.inf)
    if largest >= 1e4 or 0 < largest < 1e-4 or (largest > 1 and smallest < 1e-3):
        return [number(value) for value in values]
    decimals = 4 if largest <= 1 else 4 - math.floor(math.log10(largest))
    if largest > 1 and all(value.is_integer() for value in floats):
        decimals = 0
    return [
        f"{value:,.{decimals}f}" if isinstance(value, float) and math.isfinite(value) else number(value)
        for value in values
    ]
