"""Numbers as others write them: what is none, or is out of bounds, is not-a-number or None, and never an error."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any

MAX_SIDE = 1e9
"""Pixels of a side, and anything else that is counted: what is larger is no such number."""

_MIN_64, _MAX_64 = -(1 << 63), (1 << 63) - 1


def number_in(value: Any) -> float:
    """A number of JSON, or text that is one; not-a-number for all else."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return nan


def whole_number_in(value: Any) -> int | None:
    """A positive whole number; None for all else."""
    number = number_in(value)
    return int(number) if number == number and 0 < number < MAX_SIDE else None


def number_of(text: str | None) -> float:
    """A number, or not-a-number where the text is none."""
    return number_in(text or "nan")


def whole_number_of(text: str | None) -> int | None:
    """A positive whole number ("640" or "640.0"); None where the text is none."""
    return whole_number_in(text or "nan")


def integer_in(value: Any) -> int | None:
    """A whole number of 64 bits, also where it is written "7" or 7.0; None for all else.

    >>> integer_in("7"), integer_in(7.5), integer_in(10**30)
    (7, None, None)
    """
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) < 20 else None
    elif isinstance(value, float):
        value = int(value) if isfinite(value) and value.is_integer() else None
    return value if isinstance(value, int) and _MIN_64 <= value <= _MAX_64 else None


def image_key(value: Any) -> int | str | None:
    """An image's id: a number, or the text that it is."""
    number = integer_in(value)
    return number if number is not None or not isinstance(value, str | int) else str(value) or None


_UNSET = ("", "false", "f", "no", "n", "off", "none", "null")


def flag_in(value: Any) -> bool:
    """Whether a mark is set, which may be text: "0", "false", "no", "off", "none", "null" and "" are not.

    >>> flag_in("0"), flag_in("1"), flag_in(1), flag_in(None)
    (False, True, True, False)
    """
    if isinstance(value, str):
        word = value.strip().lower()
        return word not in _UNSET and number_in(word) != 0
    return bool(value)
