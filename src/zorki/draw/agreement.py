"""Two numbers for each of many things, such as counts: what is right lies on the diagonal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from zorki.draw.axes import Axis, Real, nice_ticks
from zorki.draw.canvas import BELOW, LEFT, RIGHT, WIDTH, frame, grid, svg, write
from zorki.draw.markup import element, escape, number
from zorki.draw.palette import series_style

_SMALLEST, _LARGEST = 3.0, 12.0  # pixels: the radius of a point that stands for one thing, and of any


def agreement(points: Sequence[tuple[Real, Real]], *, title: str, x_label: str, y_label: str) -> str:
    """Points (x, y) on equal axes, and the diagonal on which x is y; equal points are one, of a larger area."""
    top, side = 40.0, float(WIDTH - RIGHT - LEFT)
    bottom = top + 0.75 * side
    if not points:
        note = write(WIDTH / 2, (top + bottom) / 2, "nothing to show", "middle", muted=True)
        return svg(title, bottom + BELOW, frame(top, bottom), note)
    ticks = nice_ticks(min(0, *(min(point) for point in points)), max(max(point) for point in points))
    low, high = ticks[0], ticks[-1]
    across, up = Axis(low, high, LEFT, WIDTH - RIGHT, ticks), Axis(low, high, bottom, top, ticks)
    ends = {"x1": across.pixel(low), "y1": up.pixel(low), "x2": across.pixel(high), "y2": up.pixel(high)}
    style = "stroke:currentColor;opacity:.35;stroke-width:1.5"
    parts = [grid(across, up, x_label, y_label), element("line", ends | {"style": style, "stroke-dasharray": "5 4"})]
    for (x, y), times in sorted(Counter(points).items()):
        radius = min(_LARGEST, _SMALLEST * math.sqrt(times))
        hover = f"{number(y)} {y_label} for {number(x)} {x_label}" + (f", {times} times" if times > 1 else "")
        place = {"cx": across.pixel(x), "cy": up.pixel(y), "r": radius}
        parts.append(
            element(
                "circle", place | {"style": f"fill:{series_style(0)};opacity:.6"}, element("title", {}, escape(hover))
            )
        )
    return svg(title, bottom + BELOW, *parts)
