"""Points with names: which method is quick, which is good, and which is neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zorki.draw.axes import Axis, Real, log_ticks, y_axis
from zorki.draw.canvas import BELOW, HEIGHT, LEFT, RIGHT, WIDTH, frame, grid, svg, write
from zorki.draw.markup import element, escape, number
from zorki.draw.palette import series_style

_LINE = 14  # pixels, of a written line


def scatter(
    points: Mapping[str, tuple[Real, Real]], *, title: str, x_label: str, y_label: str, front: bool = True
) -> str:
    """Named points over a logarithmic x axis, larger being better on both axes.

    `front` draws the line of the points that no other beats on both axes. Points whose x is not above 0 are left out.
    """
    shown = {name: (float(x), float(y)) for name, (x, y) in points.items() if x > 0 and y == y}
    top, bottom = 40.0, 40.0 + 1.8 * HEIGHT
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
    labels = _label_places(places, (LEFT, top, WIDTH - RIGHT, bottom))
    for index, (name, (x, y)) in enumerate(shown.items()):
        across, up = (float(pixel) for pixel in places[name])
        label = labels.get(name)
        if label is not None and label.led:
            parts.append(_leader(across, up, label))
        hover = element("title", {}, escape(f"{name}: {number(y)} {y_label} at {number(x)} {x_label}"))
        parts.append(element("circle", {"cx": across, "cy": up, "r": 5, "style": f"fill:{series_style(index)}"}, hover))
        if label is not None:
            parts.append(write(label.left, label.top + _LINE - 3, name, "start", size=12))
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


@dataclass(frozen=True)
class _Label:
    """Where a name is written: its box in pixels; `led` where it is so far away that a line must lead there."""

    left: float
    top: float
    width: float
    led: bool

    def overlap(self, other: _Label) -> float:
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        return max(0.0, across) * max(0.0, _LINE - abs(self.top - other.top))


def _label_places(
    places: Mapping[str, tuple[Real, Real]], window: tuple[float, float, float, float]
) -> dict[str, _Label]:
    """Beside each point, or as near as other points and names leave room, within a window (left, top, right, bottom).

    Greedy, from the highest point down: of the places around it, ring by ring, the first that is free, else the one
    that covers least.
    """
    dots = [_Label(float(x) - 7, float(y) - 7, 14, False) for x, y in places.values()]
    found: dict[str, _Label] = {}
    for name, (x, y) in sorted(places.items(), key=lambda item: item[1][1]):
        tried = [label for label in _around(float(x), float(y), 6.4 * len(name)) if _lies_in(label, window)]
        covered = [sum(label.overlap(other) for other in (*dots, *found.values())) for label in tried]
        if tried:
            found[name] = tried[covered.index(min(covered))]
    return found


def _around(x: float, y: float, width: float) -> Iterator[_Label]:
    for ring in range(7):
        for down in (0, -1, 1):
            level = y - _LINE / 2 + down * _LINE * ring
            for left in (x + 10, x - 10 - width, x - width / 2, x + 40, x - 40 - width):
                if ring or left in (x + 10, x - 10 - width):
                    yield _Label(left, level, width, ring > 1 or (ring == 1 and abs(left - x) > 10 + width))


def _lies_in(label: _Label, window: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = window
    return left < label.left and label.left + label.width < right and top < label.top and label.top + _LINE < bottom


def _leader(x: float, y: float, label: _Label) -> str:
    """A thin line from a point to its name."""
    near = min(max(x, label.left), label.left + label.width)
    level = label.top + (_LINE + 1 if label.top < y else -1)
    style = "fill:none;stroke:currentColor;opacity:.5;stroke-width:1"
    return element("path", {"d": f"M{x:.1f} {y:.1f}L{near:.1f} {level:.1f}", "style": style})


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
