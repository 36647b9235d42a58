"""What every figure is drawn on: the SVG itself, text, grid, frame and legend."""

from __future__ import annotations

from collections.abc import Sequence

from zorki.draw.axes import Axis, Real
from zorki.draw.markup import element, escape, shorten
from zorki.draw.palette import series_style

WIDTH, LEFT, RIGHT = 540, 60, 16  # the image, and the margins beside the plot, in pixels
HEIGHT, BELOW = 230, 48  # the plot itself, and the room for ticks and axis label under it
FONT = 13
GRID = "stroke:var(--grid,#8884);stroke-width:1"


def box(x: Real, y: Real, width: Real, height: Real) -> dict[str, object]:
    """Attributes of a `<rect>`; sizes below 0 become 0, which SVG demands."""
    return {"x": float(x), "y": float(y), "width": float(max(0, width)), "height": float(max(0, height))}


def grid(horizontal: Axis, vertical: Axis, x_label: str, y_label: str, labeled: bool = True) -> str:
    """Lines and labels at the ticks of both axes; without `labeled` those of the vertical axis only."""
    top, bottom = vertical.end, vertical.start
    parts = []
    for tick in vertical.ticks:
        y = vertical.pixel(tick)
        parts.append(element("line", {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": y, "y2": y, "style": GRID}))
        parts.append(write(LEFT - 8, y + 4.5, vertical.label(tick), "end", muted=True))
    if labeled:
        parts.append(vertical_grid(horizontal, top, bottom, x_label))
    if y_label:
        middle = (top + bottom) / 2
        turned = {"x": 15, "y": middle, "transform": f"rotate(-90 15 {middle:g})", "text-anchor": "middle"}
        parts.append(element("text", turned | {"fill": "currentColor", "font-size": FONT}, escape(y_label)))
    return "".join(parts)


def vertical_grid(axis: Axis, top: Real, bottom: Real, label: str) -> str:
    """Vertical lines from `top` to `bottom` at the ticks of a horizontal axis, and its labels below."""
    parts = []
    for tick in axis.ticks:
        x = axis.pixel(tick)
        parts.append(element("line", {"x1": x, "x2": x, "y1": float(top), "y2": float(bottom), "style": GRID}))
        parts.append(write(x, bottom + 19, axis.label(tick), "middle", muted=True))
    if label:
        parts.append(write((axis.start + axis.end) / 2, bottom + 40, label, "middle"))
    return "".join(parts)


def frame(top: Real, bottom: Real) -> str:
    """The outline of an empty plot."""
    style = "fill:none;" + GRID
    return element("rect", box(LEFT, top, WIDTH - RIGHT - LEFT, bottom - top) | {"style": style})


def legend(entries: Sequence[tuple[str, int, str, bool]]) -> tuple[str, int]:
    """Swatches with names under the title, in as many rows as they need, and the number of rows.

    An entry is a name, the index of its color, its dashes ("" for a full line) and whether it is faint.
    """
    parts, x, row = [], 4.0, 0
    for name, index, dashes, faint in entries:
        text = shorten(name, 40)
        width = 30 + 7.2 * len(text) + 16
        if x + width > WIDTH + 16 and x > 4:
            x, row = 4.0, row + 1
        y = 44.0 + 20 * row
        style = f"stroke:{series_style(index)};stroke-width:{2.5 if dashes else 4}" + (";opacity:.75" if faint else "")
        swatch = {"x1": x, "x2": x + 22, "y1": y, "y2": y, "style": style, "stroke-dasharray": dashes or "none"}
        parts += [element("line", swatch), write(x + 29, y + 4.5, text, hover=name)]
        x += width
    return "".join(parts), row + 1 if entries else 0


def write(
    x: Real, y: Real, text: str, anchor: str = "start", *, muted: bool = False, hover: str = "", size: int = FONT
) -> str:
    """A `<text>` in the page's ink; `hover` is shown on hover where it says more than the text."""
    attributes: dict[str, object] = {"x": float(x), "y": float(y), "text-anchor": anchor, "font-size": size}
    attributes["fill"] = "currentColor"
    if muted:
        attributes["opacity"] = ".72"
    title = element("title", {}, escape(hover)) if hover and hover != text else ""
    return element("text", attributes, title + escape(text))


def svg(title: str, height: Real, *parts: str) -> str:
    """The figure: as wide as all are, `height` high, with its title above."""
    attributes = {"viewBox": f"0 0 {WIDTH} {height:g}", "role": "img", "class": "figure", "aria-label": title}
    heading = {"x": 4, "y": 21, "font-size": 15, "font-weight": 600, "fill": "currentColor"}
    return element("svg", attributes, element("text", heading, escape(shorten(title, 60))), *parts)


def standalone(figure: str) -> str:
    """A figure as a file of its own: with the name space, the paper and the letters that a page would give it."""
    style = "background:#fff;color:#1d2530;font-family:system-ui,sans-serif"
    return figure.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" style="{style}" ', 1)
