"""Figures as inline SVG: curves, bars, calibration, and the confusion matrix.

Text takes the page's color (`currentColor`), lines take its variables (`--series-0`, ...), with light-page colors
where there are none; so one string serves light and dark pages, and stands alone too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from zorki.draw.axes import Axis, Real, nice_ticks, x_axis, y_axis
from zorki.draw.canvas import BELOW, HEIGHT, LEFT, RIGHT, WIDTH, box, frame, grid, legend, svg, vertical_grid, write
from zorki.draw.heat import confusion as confusion
from zorki.draw.markup import element, escape, number, numbers, shorten
from zorki.draw.palette import series_style

__all__ = ["bars", "confusion", "curves", "reliability"]

Point = tuple[Real, Real]

_SPLITS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
_DASHES = ("5 4", "", "2 3")  # training is dashed, validation full, test dotted
_MAX_DOTS = 80  # points of a series that get a dot; longer ones get a plain line
_MAX_POINTS = 800  # points of a series that are drawn; longer ones are thinned to their extremes


def curves(
    series: Mapping[str, Sequence[Point]],
    *,
    title: str,
    x_label: str = "epoch",
    y_label: str = "",
    log_y: bool = False,
    best: Real | None = None,
    shares: bool = False,
    log_x: bool = False,
    marks: Mapping[str, Real] | None = None,
    bands: Mapping[str, Sequence[tuple[Real, Real, Real]]] | None = None,
) -> str:
    """Lines through (x, y) points, one a series, with grid, legend and each point's values on hover.

    Series whose names differ only in the split ("train/loss", "val/loss") share a color; training is dashed. Values
    that are not finite, and those not above 0 with `log_y`, are gaps; x must be finite. `best` is the x of the best
    checkpoint, marked with a vertical line. `shares` shows all of 0 to 1. `marks` are other values of x to mark so, by
    the names to write above. With `log_x` all x are above 0.
    `bands` are areas (x, low, high) behind the lines of the same names, on a linear scale.
    Of series longer than 800 points only lows and highs are drawn.
    """
    lines = {f"best: {best:g}": best} if _is_finite(best) else {}
    lines |= {f"{name}: {x:.2g}": x for name, x in (marks or {}).items()}
    kept = {name: _segments(points, log_y) for name, points in series.items()}
    points = [point for segments in kept.values() for segment in segments for point in segment]
    legend_row, rows = legend([(name, *_style(name, list(series))) for name in series])
    top = 36 + 20 * rows + (4 + 16 * len(lines) if lines else 10)
    bottom = top + HEIGHT
    if not points:
        note = write(WIDTH / 2, top + HEIGHT / 2, "no finite values", "middle", muted=True)
        return svg(title, bottom + BELOW, legend_row, frame(top, bottom), note)
    horizontal = x_axis([*(x for x, _ in points), *lines.values()], LEFT, WIDTH - RIGHT, log=log_x)
    edges = [edge for area in (bands or {}).values() for _, *ends in area for edge in ends if math.isfinite(edge)]
    vertical = y_axis([*(y for _, y in points), *edges, *([0, 1] if shares else [])], bottom, top, log=log_y)
    parts = [legend_row, grid(horizontal, vertical, x_label, y_label)]
    for row, (label, x) in enumerate(sorted(lines.items(), key=lambda mark: mark[1])):
        parts.append(_mark(horizontal.pixel(x), label, top, bottom, row, len(lines) == 1))
    for name, area in (bands or {}).items():
        parts.append(_band(area, horizontal, vertical, _style(name, list(series))[0]))
    for name, segments in kept.items():
        parts.append(_line(name, segments, horizontal, vertical, _style(name, list(series)), x_label))
    return svg(title, bottom + BELOW, *parts)


def bars(
    groups: Mapping[str, Mapping[str, Real | None]], *, title: str, x_label: str = "", maximum: Real | None = None
) -> str:
    """Horizontal bars: for each label one bar a group, such as {"train": {"cat": 500}, "val": {"cat": 60}}.

    Labels stand in the order in which they first appear. `maximum` fixes the right end, 1 for shares. A label that a
    group lacks, or whose value is None or not finite, gets no bar and a dash. Raises ValueError at values below 0.
    """
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    values = [float(value) for group in groups.values() for value in group.values() if _is_finite(value)]
    if values and min(values) < 0:
        raise ValueError(f"bars show counts and shares, which are not negative; got {min(values)} in {title!r}")
    legend_row, rows = legend(
        [(name, index, "", False) for index, name in enumerate(groups)] if len(groups) > 1 else []
    )
    top, thick = 36 + 20 * rows + 8, 16 if len(groups) == 1 else 11
    step = thick * max(1, len(groups)) + 8
    bottom = top + max(1, len(labels)) * step
    left = min(190, 24 + 7 * max((len(label) for label in labels), default=6))
    ticks = nice_ticks(0, maximum or max(values, default=0) or 1)
    end = maximum or ticks[-1]
    axis = Axis(0, end, left, WIDTH - RIGHT - 62, tuple(tick for tick in ticks if tick <= end))
    parts = [legend_row, vertical_grid(axis, top, bottom, x_label)]
    texts = {name: dict(zip(group, numbers(list(group.values())), strict=True)) for name, group in groups.items()}
    for place, label in enumerate(labels):
        y = top + place * step + 4
        name = write(left - 8, y + (step - 8) / 2 + 4.5, shorten(label, 24, middle=True), "end", hover=label)
        parts.append(name)
        for index, (group, members) in enumerate(groups.items()):
            text = texts[group].get(label, number(None))
            bar = (axis, y + index * thick, thick - 2)
            parts.append(_bar(*bar, members.get(label), text, index, f"{label}, {group}"))
    if not labels:
        parts.append(write(WIDTH / 2, (top + bottom) / 2 + 4, "nothing to count", "middle", muted=True))
    return svg(title, bottom + (BELOW if x_label else 28), *parts)


def reliability(
    confidence: Sequence[Real | None],
    accuracy: Sequence[Real | None],
    counts: Sequence[int],
    *,
    title: str = "Calibration",
    error: Real | None = None,
) -> str:
    """The reliability diagram (Guo et al., 2017, section 2): accuracy over confidence in equally wide bins.

    Bin i of n holds the predictions with confidence in [i/n, (i+1)/n): their mean confidence, accuracy and count; both
    means are None or NaN where the count is 0. A calibrated model has its bars' ends on the diagonal. The strip below
    shows how many predictions each bin holds. `error` is the expected calibration error, written into the plot.

    Raises ValueError where the three differ in length.
    """
    if not len(confidence) == len(accuracy) == len(counts):
        raise ValueError(f"bins differ in number: {len(confidence)}, {len(accuracy)} and {len(counts)}")
    top, bins = 64, max(1, len(counts))
    bottom, strip = top + HEIGHT, 46
    ticks = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    across = Axis(0, 1, LEFT, WIDTH - RIGHT, ticks)
    upward = Axis(0, 1, bottom, top, ticks)
    legend_row, _ = legend([("accuracy", 0, "", False), ("gap to the confidence", 1, "", False)])
    parts = [legend_row, grid(across, upward, "", "accuracy", labeled=False)]
    width = (WIDTH - RIGHT - LEFT) / bins
    for index, (sure, right, count) in enumerate(zip(confidence, accuracy, counts, strict=True)):
        parts.append(_bin(LEFT + index * width, width, (sure, right, count), max(counts), upward, bottom + 8, strip))
    diagonal = {"x1": LEFT, "y1": bottom, "x2": WIDTH - RIGHT, "y2": top, "style": "stroke:currentColor;opacity:.55"}
    parts.append(element("line", diagonal | {"stroke-dasharray": "4 4"}))
    if error is not None and math.isfinite(error):  # above the plot, where no bar can cross it
        parts.append(write(WIDTH - RIGHT, 21, f"expected calibration error {error:.4f}", "end"))
    parts += [write(across.pixel(tick), bottom + strip + 26, f"{tick:g}", "middle", muted=True) for tick in ticks]
    parts.append(write((LEFT + WIDTH - RIGHT) / 2, bottom + strip + 46, "confidence", "middle"))
    parts.append(write(LEFT - 8, bottom + strip / 2 + 12, "count", "end", muted=True))
    return svg(title, bottom + strip + 56, *parts)


def _bin(
    x: Real,
    width: Real,
    values: tuple[Real | None, Real | None, int],
    most: int,
    upward: Axis,
    strip_top: Real,
    strip: Real,
) -> str:
    sure, right, count = values
    tall = strip * count / most if most else 0.0
    style = "fill:currentColor;opacity:.3"
    parts = [element("rect", box(x + 1, strip_top + strip - tall, width - 2, tall) | {"style": style})]
    if count and _is_finite(sure) and _is_finite(right):
        low, high = sorted((right, sure))
        parts.append(element("rect", _span(x, width, 0, right, upward) | {"style": f"fill:{series_style(0)}"}))
        gap = f"fill:{series_style(1)};fill-opacity:.28;stroke:{series_style(1)}"
        parts.append(element("rect", _span(x, width, low, high, upward) | {"style": gap}))
    text = f"confidence {number(sure)}, accuracy {number(right)}, {number(count)} predictions"
    return element("g", {}, element("title", {}, escape(text)), *parts)


def _span(x: Real, width: Real, low: Real, high: Real, upward: Axis) -> dict[str, object]:
    return box(x + 1, upward.pixel(high), width - 2, upward.pixel(low) - upward.pixel(high))


def _bar(axis: Axis, y: Real, thick: Real, value: Real | None, text: str, index: int, name: str) -> str:
    is_finite = _is_finite(value)
    end = axis.pixel(min(float(value), axis.high)) if value is not None and is_finite else axis.start
    hover = element("title", {}, escape(f"{name}: {text}"))
    attributes = box(axis.start, y, end - axis.start, thick) | {"rx": 2, "style": f"fill:{series_style(index)}"}
    label = write(end + 6, y + thick / 2 + 4, text, muted=True, size=11)
    return (element("rect", attributes, hover) if is_finite else "") + label


def _is_finite(value: Real | None) -> TypeGuard[Real]:
    return value is not None and math.isfinite(value)


def _segments(points: Sequence[Point], log: bool) -> list[list[Point]]:
    """Runs of drawable points between the gaps; long series are thinned first."""
    segments: list[list[Point]] = [[]]
    for x, y in _thin(points):
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log):
            segments[-1].append((float(x), float(y)))
        elif segments[-1]:
            segments.append([])
    return [segment for segment in segments if segment]


def _thin(points: Sequence[Point]) -> Sequence[Point]:
    """The lowest and the highest point of each bucket, so that no peak is lost; gaps stay where a bucket is all gap."""
    if len(points) <= _MAX_POINTS:
        return points
    size = math.ceil(len(points) / (_MAX_POINTS // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        finite = [point for point in bucket if math.isfinite(point[1])] or [bucket[0]]
        ends = {min(finite, key=lambda point: point[1]), max(finite, key=lambda point: point[1])}
        kept += sorted(ends, key=lambda point: point[0])
    return kept


def _style(name: str, names: Sequence[str]) -> tuple[int, str, bool]:
    """Color, dashes and faintness of a series: one color for what is measured, dashes for the split."""
    stems = list(dict.fromkeys(_stem(other)[0] for other in names))
    stem, split = _stem(name)
    alone = sum(_stem(other)[0] == stem for other in names) == 1
    return stems.index(stem), "" if alone or split is None else _DASHES[split], split == 0 and not alone


def _stem(name: str) -> tuple[str, int | None]:
    words = name.replace("/", " ").replace("_", " ").split()
    split = next((_SPLITS[word.lower()] for word in words if word.lower() in _SPLITS), None)
    return " ".join(word for word in words if word.lower() not in _SPLITS), split


def _line(
    name: str,
    segments: Sequence[Sequence[Point]],
    horizontal: Axis,
    vertical: Axis,
    look: tuple[int, str, bool],
    x_label: str,
) -> str:
    index, dashes, faint = look
    style = f"fill:none;stroke:{series_style(index)};stroke-width:2;stroke-linejoin:round"
    style += ";opacity:.75" if faint else ""
    dots = sum(len(segment) for segment in segments) <= _MAX_DOTS
    parts = []
    for segment in segments:
        places = [(horizontal.pixel(x), vertical.pixel(y)) for x, y in segment]
        if len(places) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            parts.append(element("path", {"d": path, "style": style, "stroke-dasharray": dashes or "none"}))
        # The wide invisible stroke is what the mouse hits; a dot alone would be hard to meet.
        dot = f"fill:{series_style(index) if dots or len(places) == 1 else 'transparent'}"
        for (x, y), (across, up) in zip(segment, places, strict=True):
            hover = element("title", {}, escape(f"{name}: {number(y)} at {x_label} {x:g}"))
            attributes: dict[str, object] = {"cx": across, "cy": up, "r": 2.6 if dots or len(places) == 1 else 3}
            look_of_dot = {"style": f"{dot};stroke:transparent;stroke-width:9"}
            parts.append(element("circle", attributes | look_of_dot, hover))
    return element("g", {}, *parts) if parts else ""


def _band(area: Sequence[tuple[Real, Real, Real]], horizontal: Axis, vertical: Axis, index: int) -> str:
    finite = [point for point in area if all(map(math.isfinite, point))]
    if len(finite) < 2:
        return ""
    places = [(horizontal.pixel(x), vertical.pixel(low)) for x, low, _ in finite]
    places += [(horizontal.pixel(x), vertical.pixel(high)) for x, _, high in reversed(finite)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + "Z"
    return element("path", {"d": path, "style": f"fill:{series_style(index)};opacity:.18;stroke:none"})


def _mark(x: Real, label: str, top: Real, bottom: Real, row: int, alone: bool) -> str:
    """A vertical line with its label above the plot, where no curve can cross it.

    Of several, those further right stand higher and all labels left of their lines, so that no line crosses a label.
    """
    length = 6.6 * len(label)
    if alone:
        anchor = "end" if x > WIDTH - RIGHT - 40 else "start" if x < LEFT + 40 else "middle"
    else:
        anchor = "start" if x < length + 8 else "end"
    shift = 0 if alone else 4 if anchor == "start" else -4
    y = top - 5 - 16 * row
    line = {"x1": x, "x2": x, "y1": float(top if alone else y - 10), "y2": float(bottom), "stroke-dasharray": "3 3"}
    written = write(x + shift, y, label, anchor, size=12)
    return element("line", line | {"style": "stroke:currentColor;opacity:.6"}) + written
