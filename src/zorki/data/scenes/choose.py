"""The built-in scenes where data are named so: `scenes`, `scenes:COUNT`, `scenes:COUNT@SIZE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.errors import DataError

Found = TypeVar("Found", bound=Dataset[Any])


def scenes_of(
    parse: Callable[[str], Found | None],
    root: Path,
    format: str | None,
    class_names: Sequence[str] | None,
    selection: ClassSelection | None = None,
) -> Found | None:
    """The scenes that `root` asks for; None where it asks for none.

    Raises:
        DataError: their classes are not `class_names`, or other names are asked for.
    """
    scenes = parse(str(root)) if format in (None, "scenes") else None
    if scenes is None:
        return None
    if selection:
        raise DataError(f"{root}: scenes are made with their own classes; class_map and only_classes are for files")
    if class_names is not None and list(class_names) != scenes.class_names:
        strange = sorted(set(scenes.class_names) ^ set(class_names))
        raise DataError(f"{root}: other classes than the run's; they differ in {', '.join(strange) or 'their order'}")
    return scenes
