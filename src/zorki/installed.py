"""What installed packages bring to zorki, by entry points: models, datasets' formats, transforms; its own version.

Such code runs with all rights of the user, as every installed package does.
"""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

DISTRIBUTIONS = ("zorki-lite", "zorki")  # the first holds the code, the second brings torch along


def own_version() -> str:
    """Of zorki, as installed.

    >>> own_version().count(".") >= 1
    True
    """
    for name in DISTRIBUTIONS:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"  # a checkout that was put on the path


def installed(group: str) -> dict[str, Any]:
    """The modules or functions that the entry points of a group name, by the names of the entry points.

    One that cannot be loaded is left out with a warning: whatever its fault is, it must not keep the others from work.
    """
    found = {}
    for point in entry_points(group=group):
        try:
            found[point.name] = point.load()
        except Exception as error:
            warnings.warn(f"entry point {point.name} ({point.value}) cannot be loaded: {error!r}", stacklevel=2)
    return found
