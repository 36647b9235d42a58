"""Trials of a search as lines over all settings at once: parallel coordinates (Inselberg, 1985)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zorki.draw.axes import Real
from zorki.draw.canvas import FONT, GRID, HEIGHT, LEFT, RIGHT, WIDTH, svg, write
from zorki.draw.markup import element, escape, number, shorten
from zorki.draw.palette import series_style

TOP = 58.0  # under the title, the names of the axes, and their largest values
FAINT, CLEAR = 0.15, 0.8  # opacities of the lines with the lowest and the highest score


@dataclass(frozen=True)
class TrialLine:
    """One trial: its name, its settings by name, those that it has, and its score."""

    name: str
    values: Mapping[str, Real | str]
    score: Real


class _Scale:
    """A vertical axis: numbers from the lowest to the highest, or words beside each other."""

    def __init__(self, values: Sequence[Real | str], log: bool) -> None:
        self.words = list(dict.fromkeys(map(str, values))) if any(isinstance(one, str) for one in values) else []
        numbers = [float(one) for one in values if not isinstance(one, str)] if not self.words else [0.0]
        self.log = log and min(numbers) > 0
        self.low, self.high = min(numbers), max(numbers)

    def share(self, value: Real | str) -> float:
        """From 0 at the bottom to 1 at the top."""
        if self.words:
            return (self.words.index(str(value)) + 0.5) / len(self.words)
        if self.low == self.high:
            return 0.5
        low, high, at = (math.log(one) if self.log else one for one in (self.low, self.high, float(value)))
        return (at - low) / (high - low)

    def labels(self) -> list[tuple[float, str]]:
        """Shares of the axis, and what stands there."""
        if self.words:
            return [(self.share(word), shorten(word, 12)) for word in self.words]
        ends = [self.low] if self.low == self.high else [self.low, self.high]
        return [(self.share(value), f"{value:.3g}") for value in ends]


def parallel_coordinates(
    lines: Sequence[TrialLine],
    axes: Mapping[str, bool],
    *,
    title: str,
    score_label: str,
    marked: Sequence[str] = (),
) -> str:
    """A line a trial through its value on each axis, the score last: the clearer, the higher.

    Args:
        lines: without a value on an axis a line is broken there.
        axes: the settings in their order, and whether each is by factors.
        marked: names of lines that are drawn in another color, on top.
    """
    bottom = TOP + HEIGHT
    shown = [line for line in lines if math.isfinite(line.score)]
    if len(shown) < 2 or not axes:
        return svg(title, bottom + 20, write(WIDTH / 2, TOP + HEIGHT / 2, "too few trials", "middle", muted=True))
    names = [*axes, score_label]
    scales = [
        _Scale([line.values[name] for line in shown if name in line.values] or [0.0], axes[name]) for name in axes
    ]
    scales.append(_Scale([line.score for line in shown], False))
    step = (WIDTH - RIGHT - 2 * LEFT) / (len(names) - 1)
    places = [LEFT + step * index for index in range(len(names))]
    parts = [element("line", {"x1": x, "x2": x, "y1": TOP, "y2": bottom, "style": GRID}) for x in places]
    ranked = sorted(shown, key=lambda line: (line.name in marked, line.score))
    for line in ranked:
        values = [*(line.values.get(name) for name in axes), line.score]
        points = [
            None if value is None else (x, bottom - HEIGHT * scale.share(value))
            for x, scale, value in zip(places, scales, values, strict=True)
        ]
        clear = FAINT + (CLEAR - FAINT) * scales[-1].share(line.score)
        parts.append(_line(line, points, clear, line.name in marked, score_label))
    parts += [_words(x, scale, name, bottom) for x, scale, name in zip(places, scales, names, strict=True)]
    return svg(title, bottom + 20, *parts)


def _words(x: float, scale: _Scale, name: str, bottom: float) -> str:
    parts = [write(x, TOP - 20, shorten(name, 14), "middle")]
    for share, label in scale.labels():
        text = {"x": x, "y": bottom - HEIGHT * share + 4.5, "text-anchor": "middle", "font-size": FONT - 1}
        # A halo in the color of the page, so that lines do not run through it.
        halo = {"style": "paint-order:stroke;stroke:var(--card,#fff);stroke-width:4px", "fill": "currentColor"}
        parts.append(element("text", text | halo, escape(label)))
    return "".join(parts)


def _line(
    line: TrialLine, points: Sequence[tuple[float, float] | None], opacity: float, marked: bool, score_label: str
) -> str:
    steps, after_gap = [], True
    for point in points:
        if point is not None:
            steps.append(f"{'M' if after_gap else 'L'}{point[0]:.1f} {point[1]:.1f}")
        after_gap = point is None
    own = ", ".join(f"{name} {one if isinstance(one, str) else f'{one:.4g}'}" for name, one in line.values.items())
    hover = element("title", {}, escape(f"{line.name}: {score_label} {number(line.score)}; {own}"))
    color, width = (series_style(1), 3) if marked else (series_style(0), 1.5)
    style = f"fill:none;stroke:{color};stroke-width:{width};opacity:{1 if marked else opacity:.2f}"
    return element("path", {"d": " ".join(steps), "style": style}, hover)
