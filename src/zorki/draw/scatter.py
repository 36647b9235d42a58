"""Points with names: which method is quick, which is good, and which is neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zorki.draw.axes import Axis, Real, log_ticks, y_axis
from zorki.draw.canvas import BELOW, HEIGHT, LEFT, RIGHT, WIDTH, frame, grid, svg, write
from zorki.draw.markup import element, escape, number
from zorki.draw.palette import series_style

_LINE = 14  # pixels between names that would overlap


def scatter(
    points: Mapping[str, tuple[Real, Real]], *, title: str, x_label: str, y_label: str, front: bool = True
) -> str:
    """Named points over a logarithmic x axis, larger being better on both axes.

    `front` draws the line of the points that no other beats on both axes. Points whose x is not above 0 are left out.
    """
    shown = {name: (float(x), float(y)) for name, (x, y) in points.items() if x > 0 and y == y}
    top, bottom = 40.0, 40.0 + 1.4 * HEIGHT
    if not shown:
        note = write(WIDTH / 2, top + HEIGHT / 2, "nothing to show", "middle", muted=True)
        return svg(title, bottom + BELOW, frame(top, bottom), note)
    xs, ys = [x for x, _ in shown.values()], [y for _, y in shown.values()]
    ticks = log_ticks(min(xs) / 1.05, max(xs) * 1.05)
    horizontal = Axis(ticks[0], ticks[-1], LEFT, WIDTH - RIGHT, ticks, True)
    vertical = y_axis(ys, bottom, top)
    parts = [grid(horizontal, vertical, x_label, y_label)]
    places = {name: (horizontal.pixel(x), vertical.pixel(y)) for name, (x, y) in shown.items()}
    if front:
        parts.append(_front(shown, places))
    labels = _label_places(places)
    for index, (name, (x, y)) in enumerate(shown.items()):
        across, up = places[name]
        hover = element("title", {}, escape(f"{name}: {number(y)} {y_label} at {number(x)} {x_label}"))
        parts.append(element("circle", {"cx": across, "cy": up, "r": 5, "style": f"fill:{series_style(index)}"}, hover))
        text_x, text_y, anchor = labels[name]
        parts.append(write(text_x, text_y, name, anchor, size=12))
    return svg(title, bottom + BELOW, *parts)


def _front(shown: Mapping[str, tuple[float, float]], places: Mapping[str, tuple[Real, Real]]) -> str:
    names = list(shown)
    best = [names[place] for place in front_of(list(shown.values()))]
    ordered = sorted(best, key=lambda name: shown[name])
    if len(ordered) < 2:
        return ""
    path = "M" + "L".join(f"{places[name][0]:.1f} {places[name][1]:.1f}" for name in ordered)
    style = "fill:none;stroke:currentColor;opacity:.35;stroke-width:1.5"
    return element("path", {"d": path, "style": style, "stroke-dasharray": "5 4"})


def _label_places(places: Mapping[str, tuple[Real, Real]]) -> dict[str, tuple[float, float, str]]:
    """Where each name is written: beside its point, moved down where it would lie on another name."""
    taken: list[tuple[float, float, float]] = []
    found = {}
    for name, (x, y) in sorted(places.items(), key=lambda item: item[1][1]):
        width = 7.0 * len(name)
        right = x + 10 + width < WIDTH - RIGHT
        start = x + 10 if right else x - 10 - width
        level = float(y) + 4
        while any(abs(level - other) < _LINE and start < end and begin < start + width for begin, end, other in taken):
            level += _LINE
        taken.append((start, start + width, level))
        found[name] = (start if right else start + width, level, "start" if right else "end")
    return found


def front_of(points: Sequence[tuple[Real, Real]]) -> list[int]:
    """Places of the points that no other beats on both axes, larger being better.

    >>> front_of([(1, 1), (2, 2), (3, 1)])
    [1, 2]
    """
    return [
        place
        for place, (x, y) in enumerate(points)
        if not any(ox >= x and oy >= y and (ox, oy) != (x, y) for ox, oy in points)
    ]
