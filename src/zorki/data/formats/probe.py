"""What probing a folder gives: whether it is of a format, and why or why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zorki.errors import DataError


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Probe:
    """Whether a folder or file is of a format, and the reason in words for a person.

    `error()` is what is wrong where it is meant to be of the format, and is broken; else None.
    """

    fits: bool
    reason: str
    error: Callable[[], DataError | None] = _nothing

    @classmethod
    def yes(cls, reason: str) -> Probe:
        return cls(True, reason)

    @classmethod
    def no(cls, reason: str, error: Callable[[], DataError | None] = _nothing) -> Probe:
        return cls(False, reason, error)
