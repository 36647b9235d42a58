"""Differences with their intervals, one under the other, around a line at zero."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeGuard

from zorki.draw.axes import Axis, Real, nice_ticks
from zorki.draw.canvas import BELOW, RIGHT, WIDTH, svg, vertical_grid, write
from zorki.draw.markup import element, escape, shorten
from zorki.draw.palette import series_style

_STEP = 30  # pixels from row to row
_LETTERS = 30  # of a name


def intervals(rows: Mapping[str, tuple[Real, Real | None, Real | None, str]], *, title: str, x_label: str) -> str:
    """A row for each name: (value, low, high, word), a dot with its interval; None and None: a dot alone."""
    ends = [part for value, low, high, _ in rows.values() for part in (value, low, high)]
    values = [float(part) for part in ends if _is_finite(part)]
    ticks = nice_ticks(min([0.0, *values]), max([0.0, *values]))
    left = min(230, 24 + 7 * max((min(_LETTERS, len(name)) for name in rows), default=6))
    axis = Axis(ticks[0], ticks[-1], left, WIDTH - RIGHT - 110, ticks)
    top, bottom = 40.0, 40.0 + _STEP * max(1, len(rows))
    zero = {"x1": axis.pixel(0), "x2": axis.pixel(0), "y1": top, "y2": bottom}
    parts = [vertical_grid(axis, top, bottom, x_label)]
    parts.append(element("line", zero | {"style": "stroke:currentColor;opacity:.7;stroke-width:1.5"}))
    for place, (name, (value, low, high, word)) in enumerate(rows.items()):
        y = top + _STEP * (place + 0.5)
        parts.append(write(left - 10, y + 4.5, shorten(name, _LETTERS, middle=True), "end", hover=name))
        parts.append(write(WIDTH - RIGHT - 100, y + 4.5, word, muted=True))
        if not _is_finite(value):
            continue
        told = f"{name}: {value:+.4g}"
        if _is_finite(low) and _is_finite(high):
            told += f", {low:+.4g} to {high:+.4g}"
            line = {"x1": axis.pixel(low), "x2": axis.pixel(high), "y1": y, "y2": y}
            parts.append(element("line", line | {"style": f"stroke:{series_style(0)};stroke-width:3"}))
        dot = {"cx": axis.pixel(value), "cy": y, "r": 5, "style": f"fill:{series_style(0)}"}
        parts.append(element("circle", dot, element("title", {}, escape(told))))
    return svg(title, bottom + BELOW, *parts)


def _is_finite(value: Real | None) -> TypeGuard[Real]:
    return value is not None and math.isfinite(value)
