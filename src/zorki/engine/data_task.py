"""Which task data are for, where nobody said: by the formats that know them. No torch is loaded for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zorki import registry
from zorki.data.annotations.listing import bare_images as listed_images
from zorki.data.formats.detect import detect
from zorki.data.formats.unread import unread
from zorki.errors import DataError, RecipeError, did_you_mean


def bare_images(root: Path) -> list[Path]:
    """The images of a folder without anything that tells what is on them; none where a format fits."""
    found = [root / name for name in listed_images(root)]
    return found if found and next(detect(root).matches(), None) is None and unread(root) is None else []


def read_first(kinds: list[Any], data: Path, **options: Any) -> tuple[Any, Any, Exception | None]:
    """The task and its dataset; files that may hold joints and cannot be read so are read by the next task.

    Why not by the first is told last. Where the next cannot read them either, the first one's error counts.
    """
    try:
        return kinds[0], kinds[0].data.read(data, **options), None
    except DataError as error:
        if "keypoints" not in kinds[0].data.needs or len(kinds) == 1:
            raise
        try:
            return kinds[1], kinds[1].data.read(data, **options), error
        except DataError:
            raise error from None


def tasks_for(task: str | None, data: str, format: str | None) -> list[Any]:
    """The task that was asked for, or those whose formats know the data, in the order in which they are tried."""
    tasks = registry.tasks()
    if task is not None:
        if task not in tasks:
            raise RecipeError(f"no task is named {task!r}.{did_you_mean(task, tasks)} There are: {', '.join(tasks)}")
        return [tasks[task]]
    detection = detect(Path(data))

    def fits(kind: Any) -> bool:
        try:
            return bool(detection.match(*kind.data.needs, format=format))
        except DataError:
            return False

    # Any folder of folders looks like classes, so tasks of labels are asked last; and they say best what is wrong.
    last = [kind for kind in tasks.values() if "labels" in kind.data.needs]
    # Joints stand in files of boxes, which say less.
    rest = sorted(
        (kind for kind in tasks.values() if kind not in last), key=lambda kind: "keypoints" not in kind.data.needs
    )
    found = _first_two(kind for kind in rest if kind.data.needs and fits(kind))
    # A broken file of boxes says what was meant, whatever folders of images lie beside it.
    boxed = bool(found) and "boxes" in found[0].data.needs
    if not boxed and format is None and (error := detection.error()) is not None:
        raise error
    return found or last[:1]


def _first_two(kinds: Iterator[Any]) -> list[Any]:
    """The first that fits, and after one of joints the next, see `_read`: each is looked for in files."""
    first = next(kinds, None)
    if first is None:
        return []
    second = next(kinds, None) if "keypoints" in first.data.needs else None
    return [first] if second is None else [first, second]
