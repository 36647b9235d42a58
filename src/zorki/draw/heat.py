"""The confusion matrix as a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zorki.draw.axes import Real
from zorki.draw.markup import element, escape, number, shorten

MAX_CLASSES = 100  # beyond this neither names nor cells can be told apart
_MIN_FONT = 7.5  # pixels; a window in which letters would be smaller scrolls instead
_SCALE = 312  # the width of the color scale
_RIGHT = "var(--right,#007e8a)"
_WRONG = "var(--wrong,#c8500a)"


def confusion(matrix: Sequence[Sequence[Real]], class_names: Sequence[str], *, title: str = "") -> str:
    """Ground truth by row, prediction by column; cells colored by share of the row, right teal, wrong vermilion.

    `matrix[i][j]` counts images of class i taken for class j. The color's strength grows with the root of
    the share, so that a mistake of 1 % can be seen; the scale stands below. Counts are written where cells are large
    enough (25 classes), and everything is on hover. Of more than 100 classes, those with the most mistakes are shown.
    Rows without images stay empty. Without a title no heading stands above.

    Raises ValueError where the matrix is not square or has not one row a class.
    """
    size = len(class_names)
    if len(matrix) != size or any(len(row) != size for row in matrix):
        rows = f"{len(matrix)} rows of {sorted({len(row) for row in matrix})}"
        raise ValueError(f"a confusion matrix of {size} classes needs {size} rows of {size} counts, not {rows}")
    totals = [float(sum(row)) for row in matrix]
    shown = _worst(matrix) if size > MAX_CLASSES else list(range(size))
    cell = max(9.0, min(56.0, 600 / max(1, len(shown))))
    font = max(7.6, min(13.0, cell * 0.85))
    names = [shorten(class_names[index], 20, middle=True) for index in shown]
    margin = 34 + font * 0.62 * max((len(name) for name in names), default=4)
    note = "" if len(shown) == size else f"{MAX_CLASSES} of {size} classes: those with the most mistakes"
    heading = ". ".join(part for part in (title, note) if part)
    left, top = max(margin, 60.0), margin + (22 if heading else 0)
    side = cell * len(shown)
    parts = [
        _names(shown, class_names, names, cell, font, left, top),
        _axis_titles(left, top, side, 42 if heading else 18),
    ]
    for row, ground_truth in enumerate(shown):
        for column, predicted in enumerate(shown):
            if count := matrix[ground_truth][predicted]:
                words = _words(
                    class_names[ground_truth],
                    class_names[predicted],
                    count,
                    totals[ground_truth],
                    ground_truth == predicted,
                )
                place = (left + column * cell, top + row * cell, cell)
                parts.append(
                    _cell(place, count, count / totals[ground_truth], ground_truth == predicted, words, len(shown))
                )
    frame = {"x": left, "y": top, "width": side, "height": side, "style": "fill:none;stroke:var(--grid,#8884)"}
    width, height = left + max(side, _SCALE) + 12, top + side + 62
    look = {"x": 4, "y": 21, "font-size": 15, "font-weight": 600, "fill": "currentColor"}
    attributes = {"viewBox": f"0 0 {width:g} {height:g}", "role": "img", "class": "figure heat"}
    attributes |= {
        "aria-label": heading or "Confusion matrix",
        "style": f"--width:{width:.0f}px;--least:{width * _MIN_FONT / font:.0f}px",
    }
    text = element("text", look, escape(heading)) if heading else ""
    return element("svg", attributes, text, element("rect", frame), *parts, _scale(left, top + side + 18))


def _worst(matrix: Sequence[Sequence[Real]]) -> list[int]:
    """The classes with the most mistakes, as ground truth or as prediction, in their old order."""
    size = range(len(matrix))
    predicted_counts = [sum(matrix[row][column] for row in size) for column in size]
    mistakes = [sum(matrix[index]) + predicted_counts[index] - 2 * matrix[index][index] for index in size]
    return sorted(sorted(size, key=lambda index: -mistakes[index])[:MAX_CLASSES])


def _words(ground_truth: str, predicted: str, count: Real, total: Real, right: bool) -> str:
    share = f"{number(count)} of {number(total if isinstance(count, float) else int(total))} ({count / total:.1%})"
    return f"{ground_truth} recognized: {share}" if right else f"{ground_truth} taken for {predicted}: {share}"


def _cell(place: tuple[Real, Real, Real], count: Real, share: Real, right: bool, words: str, classes: int) -> str:
    x, y, side = place
    strength = _strength(share)
    style = f"fill:{_RIGHT if right else _WRONG};fill-opacity:{strength:.3f}"
    square = {"x": x, "y": y, "width": side, "height": side, "style": style}
    parts = [element("rect", square, element("title", {}, escape(words)))]
    if classes <= 25:
        text = _compact(count)
        size = min(13.0, side * 0.5, side * 1.5 / max(1, len(text)))
        center = {"x": x + side / 2, "y": y + side / 2 + size * 0.36, "text-anchor": "middle", "font-size": size}
        # Strong cells are dark on every page; weak ones show the page through, so they take its ink.
        ink = {"fill": "#fff" if strength > 0.62 else "currentColor", "pointer-events": "none"}
        parts.append(element("text", center | ink, escape(text)))
    return "".join(parts)


def _strength(share: Real) -> Real:
    """Opacity of a cell: the root of its share, from a tenth up, below which a dark page swallows it."""
    return 0.1 + 0.9 * math.sqrt(share)


def _compact(count: Real) -> str:
    if count >= 1e6:
        return f"{count / 1e6:.3g}M"
    return f"{count / 1e3:.3g}k" if count >= 1e4 else f"{count:.4g}"


def _names(
    shown: Sequence[int], full: Sequence[str], short: Sequence[str], cell: Real, font: Real, left: Real, top: Real
) -> str:
    parts = []
    for place, (index, name) in enumerate(zip(shown, short, strict=True)):
        center = (place + 0.5) * cell
        hover = element("title", {}, escape(full[index]))
        look = {"font-size": font, "fill": "currentColor"}
        row = {"x": left - 6, "y": top + center + font * 0.35, "text-anchor": "end"}
        x = left + center + font * 0.35
        column = {"x": x, "y": top - 6, "transform": f"rotate(-90 {x:.2f} {top - 6:.2f})"}
        parts += [
            element("text", row | look, hover + escape(name)),
            element("text", column | look, hover + escape(name)),
        ]
    return "".join(parts)


def _axis_titles(left: Real, top: Real, side: Real, above: Real) -> str:
    look = {"font-size": 13, "fill": "currentColor", "opacity": ".72", "text-anchor": "middle"}
    middle = top + side / 2
    across = element("text", {"x": left + side / 2, "y": above} | look, "prediction")
    turned = {"x": 16, "y": middle, "transform": f"rotate(-90 16 {middle:.2f})"}
    return across + element("text", turned | look, "ground truth")


def _scale(left: Real, top: Real) -> str:
    """Swatches of both hues: the root is not to be guessed."""
    parts = [element("text", {"x": left, "y": top + 12, "font-size": 11, "fill": "currentColor"}, "share of the row")]
    for place, share in enumerate((0.01, 0.05, 0.2, 0.5, 1.0)):
        x = left + 92 + place * 44
        for row, hue in enumerate((_RIGHT, _WRONG)):
            style = f"fill:{hue};fill-opacity:{_strength(share):.3f}"
            parts.append(element("rect", {"x": x, "y": top + row * 9, "width": 40, "height": 8, "style": style}))
        label = {"x": x + 20, "y": top + 31, "font-size": 11, "text-anchor": "middle", "fill": "currentColor"}
        parts.append(element("text", label, f"{share:.0%}"))
    return "".join(parts)
