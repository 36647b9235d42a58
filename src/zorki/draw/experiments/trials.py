"""Trials of a search as dots: a score over one setting, whether that is a number or a word."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zorki.draw.axes import Axis, Real, x_axis, y_axis
from zorki.draw.canvas import BELOW, HEIGHT, LEFT, RIGHT, WIDTH, frame, grid, svg, write
from zorki.draw.markup import element, escape, number
from zorki.draw.palette import series_style

_TOP = 40.0


def trial_dots(
    points: Sequence[tuple[Real | str, Real, str]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    marked: Sequence[int] = (),
) -> str:
    """A dot for each (x, y, name); words on x stand beside each other. Those at the places `marked` are ringed."""
    bottom = _TOP + HEIGHT
    shown = [(place, *point) for place, point in enumerate(points) if math.isfinite(point[1])]
    if not shown:
        note = write(WIDTH / 2, _TOP + HEIGHT / 2, "no trial is complete", "middle", muted=True)
        return svg(title, bottom + BELOW, frame(_TOP, bottom), note)
    words = (
        list(dict.fromkeys(str(x) for _, x, _, _ in shown)) if any(isinstance(x, str) for _, x, _, _ in shown) else []
    )
    vertical = y_axis([y for _, _, y, _ in shown], bottom, _TOP)
    horizontal = _horizontal([x for _, x, _, _ in shown], words, log_x)
    parts = [grid(horizontal, vertical, x_label, y_label, labeled=not words)]
    for index, word in enumerate(words):
        parts.append(write(horizontal.pixel(index), bottom + 19, word, "middle", muted=True))
    if words:
        parts.append(write((LEFT + WIDTH - RIGHT) / 2, bottom + 40, x_label, "middle"))
    for place, x, y, name in shown:
        across = horizontal.pixel(words.index(str(x)) if words else _real(x))
        hover = element(
            "title", {}, escape(f"{name}: {number(y)} at {x_label} {x if isinstance(x, str) else f'{x:.4g}'}")
        )
        dot = {"cx": across, "cy": vertical.pixel(y), "r": 4.5, "style": f"fill:{series_style(0)};opacity:.75"}
        parts.append(element("circle", dot, hover))
        if place in marked:
            ring = {
                "cx": across,
                "cy": vertical.pixel(y),
                "r": 8,
                "style": f"fill:none;stroke:{series_style(1)};stroke-width:2",
            }
            parts.append(element("circle", ring))
    return svg(title, bottom + BELOW, *parts)


def _horizontal(values: Sequence[Real | str], words: Sequence[str], log: bool) -> Axis:
    if words:
        return Axis(-0.5, len(words) - 0.5, LEFT, WIDTH - RIGHT, ())
    return x_axis([_real(value) for value in values], LEFT, WIDTH - RIGHT, log=log)


def _real(value: Real | str) -> Real:
    assert not isinstance(value, str)
    return value
