"""Figures as inline SVG: curves, bars, calibration, and the confusion matrix.

Text takes the page's colour (`currentColor`), lines take its variables (`--series-0`, ...), with light-page colours
where there are none; so one string serves light and dark pages, and stands alone too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from zorki.draw.axes import Axis, nice_ticks, x_axis, y_axis
from zorki.draw.heat import confusion as confusion
from zorki.draw.markup import element, escape, number, numbers, shorten
from zorki.draw.palette import series_style

__all__ = ["bars", "confusion", "curves", "reliability"]

Point = tuple[float, float]

WIDTH, LEFT, RIGHT = 540, 60, 16  # the picture, and the margins beside the plot, in pixels
HEIGHT, BELOW = 230, 48  # the plot itself, and the room for ticks and axis label under it
_FONT = 13
_GRID = "stroke:var(--grid,#8884);stroke-width:1"
_SPLITS = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
_DASHES = ("5 4", "", "2 3")  # training is dashed, validation full, test dotted
_MOST_DOTS = 80  # points of a series that get a dot; longer ones get a plain line
_MOST_POINTS = 800  # points of a series that are drawn; longer ones are thinned to their extremes


def curves(
    series: Mapping[str, Sequence[Point]],
    *,
    title: str,
    x_label: str = "epoch",
    y_label: str = "",
    log_y: bool = False,
    best: float | None = None,
) -> str:
    """Lines through (x, y) points, one a series, with grid, legend and each point's values on hover.

    Series whose names differ only in the split ("train/loss", "val/loss") share a colour; training is dashed. Values
    that are not finite, and those not above 0 with `log_y`, are gaps; x must be finite. `best` is the x of the best
    checkpoint, marked with a vertical line.
    """
    kept = {name: _segments(points, log_y) for name, points in series.items()}
    points = [point for segments in kept.values() for segment in segments for point in segment]
    legend, rows = _legend([(name, *_look(name, list(series))) for name in series])
    top = 36 + 20 * rows + (20 if best is not None else 10)
    bottom = top + HEIGHT
    if not points:
        note = _text(WIDTH / 2, top + HEIGHT / 2, "no finite values", "middle", muted=True)
        return _svg(title, bottom + BELOW, legend, _frame(top, bottom), note)
    horizontal = x_axis([x for x, _ in points] + ([best] if best is not None else []), LEFT, WIDTH - RIGHT)
    vertical = y_axis([y for _, y in points], bottom, top, log=log_y)
    parts = [legend, _grid(horizontal, vertical, x_label, y_label)]
    if best is not None:
        parts.append(_best(horizontal.pixel(best), best, top, bottom))
    for name, segments in kept.items():
        parts.append(_line(name, segments, horizontal, vertical, _look(name, list(series)), x_label))
    return _svg(title, bottom + BELOW, *parts)


def bars(
    groups: Mapping[str, Mapping[str, float]], *, title: str, x_label: str = "", maximum: float | None = None
) -> str:
    """Horizontal bars: for each label one bar a group, such as {"train": {"cat": 500}, "val": {"cat": 60}}.

    Labels stand in the order in which they first appear. `maximum` fixes the right end, 1 for shares. A label that a
    group lacks, or whose value is not finite, gets no bar and a dash. Raises ValueError at values below 0.
    """
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    values = [float(value) for group in groups.values() for value in group.values() if math.isfinite(value)]
    if values and min(values) < 0:
        raise ValueError(f"bars show counts and shares, which are not negative; got {min(values)} in {title!r}")
    legend, rows = _legend([(name, index, "", False) for index, name in enumerate(groups)] if len(groups) > 1 else [])
    top, thick = 36 + 20 * rows + 8, 16 if len(groups) == 1 else 11
    step = thick * max(1, len(groups)) + 8
    bottom = top + max(1, len(labels)) * step
    left = min(190, 24 + 7 * max((len(label) for label in labels), default=6))
    ticks = nice_ticks(0, maximum or max(values, default=0) or 1)
    axis = Axis(0, maximum or ticks[-1], left, WIDTH - RIGHT - 62, ticks)
    parts = [legend, _vertical_grid(axis, top, bottom, x_label)]
    texts = {name: dict(zip(group, numbers(list(group.values())), strict=True)) for name, group in groups.items()}
    for place, label in enumerate(labels):
        y = top + place * step + 4
        name = _text(left - 8, y + (step - 8) / 2 + 4.5, shorten(label, 24, middle=True), "end", hover=label)
        parts.append(name)
        for index, (group, members) in enumerate(groups.items()):
            text = texts[group].get(label, number(None))
            bar = (axis, y + index * thick, thick - 2)
            parts.append(_bar(*bar, members.get(label), text, index, f"{label}, {group}"))
    if not labels:
        parts.append(_text(WIDTH / 2, (top + bottom) / 2 + 4, "nothing to count", "middle", muted=True))
    return _svg(title, bottom + (BELOW if x_label else 28), *parts)


def reliability(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    counts: Sequence[int],
    *,
    title: str = "Calibration",
    error: float | None = None,
) -> str:
    """The reliability diagram (Guo et al., 2017, section 2): accuracy over confidence in equally wide bins.

    Bin i of n holds the answers with confidence in [i/n, (i+1)/n): their mean confidence, accuracy and count; both
    means may be NaN where the count is 0. A calibrated model has its bars' ends on the diagonal. The strip below
    shows how many answers each bin holds. `error` is the expected calibration error, written into the plot.

    Raises ValueError where the three differ in length.
    """
    if not len(confidence) == len(accuracy) == len(counts):
        raise ValueError(f"bins differ in number: {len(confidence)}, {len(accuracy)} and {len(counts)}")
    top, bins = 64, max(1, len(counts))
    bottom, strip = top + HEIGHT, 46
    ticks = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    across = Axis(0, 1, LEFT, WIDTH - RIGHT, ticks)
    upward = Axis(0, 1, bottom, top, ticks)
    legend, _ = _legend([("accuracy", 0, "", False), ("gap to the confidence", 1, "", False)])
    parts = [legend, _grid(across, upward, "", "accuracy", labelled=False)]
    width = (WIDTH - RIGHT - LEFT) / bins
    for index, (sure, right, count) in enumerate(zip(confidence, accuracy, counts, strict=True)):
        parts.append(_bin(LEFT + index * width, width, (sure, right, count), max(counts), upward, bottom + 8, strip))
    diagonal = {"x1": LEFT, "y1": bottom, "x2": WIDTH - RIGHT, "y2": top, "style": "stroke:currentColor;opacity:.55"}
    parts.append(element("line", diagonal | {"stroke-dasharray": "4 4"}))
    if error is not None and math.isfinite(error):
        parts.append(_text(LEFT + 12, top + 22, f"expected calibration error {error:.4f}"))
    parts += [_text(across.pixel(tick), bottom + strip + 26, f"{tick:g}", "middle", muted=True) for tick in ticks]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, bottom + strip + 46, "confidence", "middle"))
    parts.append(_text(LEFT - 8, bottom + strip / 2 + 12, "answers", "end", muted=True))
    return _svg(title, bottom + strip + 56, *parts)


def _bin(
    x: float, width: float, values: tuple[float, float, int], most: int, upward: Axis, strip_top: float, strip: float
) -> str:
    sure, right, count = values
    tall = strip * count / most if most else 0.0
    style = "fill:currentColor;opacity:.3"
    parts = [element("rect", _box(x + 1, strip_top + strip - tall, width - 2, tall) | {"style": style})]
    if count and math.isfinite(right) and math.isfinite(sure):
        low, high = sorted((right, sure))
        parts.append(element("rect", _span(x, width, 0, right, upward) | {"style": f"fill:{series_style(0)}"}))
        gap = f"fill:{series_style(1)};fill-opacity:.28;stroke:{series_style(1)}"
        parts.append(element("rect", _span(x, width, low, high, upward) | {"style": gap}))
    text = f"confidence {number(float(sure))}, accuracy {number(float(right))}, {number(count)} answers"
    return element("g", {}, element("title", {}, escape(text)), *parts)


def _span(x: float, width: float, low: float, high: float, upward: Axis) -> dict[str, object]:
    return _box(x + 1, upward.pixel(high), width - 2, upward.pixel(low) - upward.pixel(high))


def _box(x: float, y: float, width: float, height: float) -> dict[str, object]:
    return {"x": float(x), "y": float(y), "width": float(max(0, width)), "height": float(max(0, height))}


def _bar(axis: Axis, y: float, thick: float, value: float | None, text: str, index: int, name: str) -> str:
    known = value is not None and math.isfinite(value)
    end = axis.pixel(min(float(value), axis.high)) if known and value is not None else axis.start
    hover = element("title", {}, escape(f"{name}: {text}"))
    attributes = _box(axis.start, y, end - axis.start, thick) | {"rx": 2, "style": f"fill:{series_style(index)}"}
    label = _text(end + 6, y + thick / 2 + 4, text, muted=True, size=11)
    return (element("rect", attributes, hover) if known else "") + label


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
    if len(points) <= _MOST_POINTS:
        return points
    size = math.ceil(len(points) / (_MOST_POINTS // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        finite = [point for point in bucket if math.isfinite(point[1])] or [bucket[0]]
        ends = {min(finite, key=lambda point: point[1]), max(finite, key=lambda point: point[1])}
        kept += sorted(ends, key=lambda point: point[0])
    return kept


def _look(name: str, names: Sequence[str]) -> tuple[int, str, bool]:
    """Colour, dashes and faintness of a series: one colour for what is measured, dashes for the split."""
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
    dots = sum(len(segment) for segment in segments) <= _MOST_DOTS
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


def _grid(horizontal: Axis, vertical: Axis, x_label: str, y_label: str, labelled: bool = True) -> str:
    top, bottom = vertical.end, vertical.start
    parts = []
    for tick in vertical.ticks:
        y = vertical.pixel(tick)
        parts.append(element("line", {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": y, "y2": y, "style": _GRID}))
        parts.append(_text(LEFT - 8, y + 4.5, vertical.label(tick), "end", muted=True))
    if labelled:
        parts.append(_vertical_grid(horizontal, top, bottom, x_label))
    if y_label:
        middle = (top + bottom) / 2
        turned = {"x": 15, "y": middle, "transform": f"rotate(-90 15 {middle:g})", "text-anchor": "middle"}
        parts.append(element("text", turned | {"fill": "currentColor", "font-size": _FONT}, escape(y_label)))
    return "".join(parts)


def _vertical_grid(axis: Axis, top: float, bottom: float, label: str) -> str:
    parts = []
    for tick in axis.ticks:
        x = axis.pixel(tick)
        parts.append(element("line", {"x1": x, "x2": x, "y1": float(top), "y2": float(bottom), "style": _GRID}))
        parts.append(_text(x, bottom + 19, axis.label(tick), "middle", muted=True))
    if label:
        parts.append(_text((axis.start + axis.end) / 2, bottom + 40, label, "middle"))
    return "".join(parts)


def _frame(top: float, bottom: float) -> str:
    style = "fill:none;" + _GRID
    return element("rect", _box(LEFT, top, WIDTH - RIGHT - LEFT, bottom - top) | {"style": style})


def _best(x: float, value: float, top: float, bottom: float) -> str:
    line = {"x1": x, "x2": x, "y1": float(top), "y2": float(bottom), "stroke-dasharray": "3 3"}
    # Above the plot, where no curve can cross it, and turned inwards near the edges.
    anchor = "end" if x > WIDTH - RIGHT - 40 else "start" if x < LEFT + 40 else "middle"
    label = _text(x, top - 5, f"best: {value:g}", anchor, size=12)
    return element("line", line | {"style": "stroke:currentColor;opacity:.6"}) + label


def _legend(entries: Sequence[tuple[str, int, str, bool]]) -> tuple[str, int]:
    """Swatches with names under the title, in as many rows as they need, and the number of rows."""
    parts, x, row = [], 4.0, 0
    for name, index, dashes, faint in entries:
        text = shorten(name, 40)
        width = 30 + 7.2 * len(text) + 16
        if x + width > WIDTH + 16 and x > 4:
            x, row = 4.0, row + 1
        y = 44.0 + 20 * row
        style = f"stroke:{series_style(index)};stroke-width:{2.5 if dashes else 4}" + (";opacity:.75" if faint else "")
        swatch = {"x1": x, "x2": x + 22, "y1": y, "y2": y, "style": style, "stroke-dasharray": dashes or "none"}
        parts += [element("line", swatch), _text(x + 29, y + 4.5, text, hover=name)]
        x += width
    return "".join(parts), row + 1 if entries else 0


def _text(
    x: float, y: float, text: str, anchor: str = "start", *, muted: bool = False, hover: str = "", size: int = _FONT
) -> str:
    attributes: dict[str, object] = {"x": float(x), "y": float(y), "text-anchor": anchor, "font-size": size}
    attributes["fill"] = "currentColor"
    if muted:
        attributes["opacity"] = ".72"
    title = element("title", {}, escape(hover)) if hover and hover != text else ""
    return element("text", attributes, title + escape(text))


def _svg(title: str, height: float, *parts: str) -> str:
    attributes = {"viewBox": f"0 0 {WIDTH} {height:g}", "role": "img", "class": "figure", "aria-label": title}
    heading = {"x": 4, "y": 21, "font-size": 15, "font-weight": 600, "fill": "currentColor"}
    return element("svg", attributes, element("text", heading, escape(shorten(title, 60))), *parts)
