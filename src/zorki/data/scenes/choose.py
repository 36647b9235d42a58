"""The built-in scenes where data are named so: `scenes`, `scenes:COUNT`, `scenes:COUNT@SIZE`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from zorki.class_selection import ClassSelection
from zorki.contracts import Dataset
from zorki.errors import DataError

Found = TypeVar("Found", bound=Dataset[Any])


def is_scenes(root: Path, format: str | None) -> bool:
    """Whether `root` is a name of scenes, such as scenes:200@96, and no file."""
    return format in (None, "scenes") and (str(root) == "scenes" or str(root).startswith("scenes:"))


def scenes_of(
    parse: Callable[[str], Found | None],
    root: Path,
    class_names: Sequence[str] | None,
    selection: ClassSelection | None = None,
) -> Found:
    """The scenes that `root` asks for.

    Raises:
        DataError: it is no name of scenes, their classes are not `class_names`, or other names are asked for.
    """
    scenes = parse(str(root))
    if scenes is None:
        raise DataError(f"{root}: expected scenes, scenes:COUNT or scenes:COUNT@SIZE")
    if selection:
        raise DataError(f"{root}: scenes are made with their own classes; class_map and only_classes are for files")
    if class_names is not None and list(class_names) != scenes.class_names:
        strange = sorted(set(scenes.class_names) ^ set(class_names))
        raise DataError(f"{root}: other classes than the run's; they differ in {', '.join(strange) or 'their order'}")
    return scenes
