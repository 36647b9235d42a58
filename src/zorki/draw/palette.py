"""One palette for images, figures and pages: eight hues that color-blind people tell apart, on light and on dark.

After M. Okabe and K. Ito, "Color Universal Design" (2008); its yellow and black, which vanish on a white or a dark
page, are olive and slate here.
"""

from __future__ import annotations

# (on a light page, on a dark page)
_HUES = (
    ("#0072b2", "#56a9e8"),  # blue
    ("#d55e00", "#ff8b47"),  # vermilion
    ("#009e73", "#2fc79b"),  # green
    ("#b8528f", "#e08cc0"),  # purple
    ("#c98a00", "#f0b93a"),  # amber
    ("#3fa5dc", "#93d0f5"),  # sky
    ("#7a7a1f", "#c6c65c"),  # olive
    ("#56606e", "#aab4c2"),  # slate
)

RIGHT = "#007e8a"  # teal and vermilion stay apart in every kind of color blindness; green and red do not
WRONG = "#c8500a"

# Shades of the same hues for more than eight colors: mixed with white, then with black.
_SHADES = ((0, 0.0), (255, 0.45), (0, 0.4), (255, 0.7), (0, 0.62))


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def color(index: int) -> tuple[int, int, int]:
    """The RGB color of class or track `index`, 0..255 each: always the same, and eight hues before a shade repeats.

    Forty colors differ; from there on they repeat. Negative indices count from the end, as in Python.

    >>> color(0)
    (0, 114, 178)
    """
    round_, hue = divmod(index % (len(_HUES) * len(_SHADES)), len(_HUES))
    towards, share = _SHADES[round_]
    red, green, blue = (round(part + (towards - part) * share) for part in _rgb(_HUES[hue][0]))
    return red, green, blue


def mark_color(good: bool | None) -> tuple[int, int, int]:
    """The RGB color of a right prediction, a wrong one, and of an ignored one."""
    return (120, 128, 138) if good is None else _rgb(RIGHT if good else WRONG)


def series_style(index: int) -> str:
    """The CSS color of the line or bar `index`: the page's variable, or the light color where there is no page."""
    hue = index % len(_HUES)
    return f"var(--series-{hue},{_HUES[hue][0]})"


def variables(dark: bool) -> str:
    """CSS declarations of the series' colors, for a light or a dark page."""
    return "".join(f"--series-{index}:{pair[int(dark)]};" for index, pair in enumerate(_HUES))
