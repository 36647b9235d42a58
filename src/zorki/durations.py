"""Lengths of time as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PARTS = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?:in)?)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?", re.ASCII)


def seconds_of(text: str) -> float | None:
    """The seconds of a length of time with its units; None: it is none. A number alone is seconds.

    >>> seconds_of("1h30m"), seconds_of("90s"), seconds_of("600"), seconds_of("soon")
    (5400.0, 90.0, 600.0, None)
    """
    text = text.replace(" ", "").lower()
    found = _PARTS.fullmatch(f"{text}s" if text[-1:].isdigit() else text)
    if not text or found is None:
        return None
    return float(sum(float(part or 0) * unit for part, unit in zip(found.groups(), _UNITS.values(), strict=True)))


def duration_text(seconds: float) -> str:
    """A length of time to its two largest units.

    >>> duration_text(45), duration_text(720), duration_text(5400), duration_text(200_000)
    ('45 s', '12 min', '1 h 30 min', '2 d 8 h')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    larger, smaller, units = (*divmod(minutes, 60), ("h", "min"))
    if larger >= 48:
        larger, smaller, units = (*divmod(round(minutes / 60), 24), ("d", "h"))
    return f"{larger} {units[0]}" + (f" {smaller} {units[1]}" if smaller else "")


def short_text(seconds: float) -> str:
    """A length of time below a minute or so, to two digits.

    >>> short_text(0.0123), short_text(0.6), short_text(14.2)
    ('12 ms', '0.6 s', '14 s')
    """
    return (
        f"{seconds * 1000:.2g} ms" if seconds < 0.0995 else f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    )
