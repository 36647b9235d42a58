"""Paths that annotations name and that lead out of the data's folder: followed only where the user allows it.

A file of annotations comes from others, and could name any file of this machine as an image, as labels or as a list of
names. Inside is what lies, by its path alone, in the folder that the user named, or in the one that was named for the
images; links that lie there may lead anywhere, since only the user can have put them there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from zorki.errors import DataError
from zorki.types import Defect

_BESIDE = frozenset({"annotations", "annotation", "labels"})
"""Folders of annotations alone, in small letters: the data are what lies beside them."""


@dataclass
class DataFolders:
    """What lies inside while a dataset is read, and which paths led out of it and to a file that is there."""

    root: Path
    folders: tuple[str, ...]
    refused: dict[str, None] = field(default_factory=dict)

    def defect(self) -> Defect | None:
        """What to say of the paths that were not followed."""
        if not self.refused:
            return None
        first = next(iter(self.refused))
        paths = "1 path" if len(self.refused) == 1 else f"{len(self.refused)} paths"
        reason = (
            f"{paths} of its annotations lead out of the data's folder, {first!r} first, and were not followed; "
            "--allow-outside follows them"
        )
        return Defect(self.root, reason, note=True)


# Of the reading that goes on; readers are called one within another, and formats know only what is at `root`.
_reading: ContextVar[DataFolders | None] = ContextVar("reading", default=None)
_allowed: ContextVar[bool] = ContextVar("allowed", default=False)


@contextmanager
def outside_allowed(allowed: bool) -> Iterator[None]:
    """Within, paths may lead out of the data's folder, where `allowed` or where it is so already."""
    token = _allowed.set(allowed or _allowed.get())
    try:
        yield
    finally:
        _allowed.reset(token)


@contextmanager
def reading_within(root: Path, *folders: Path | None) -> Iterator[DataFolders]:
    """Within, `leads_out` checks paths against the folders; errors tell what was not followed."""
    base = root if root.is_dir() else root.parent
    base = base.parent if base.name.lower() in _BESIDE else base
    inside = DataFolders(root, tuple(_plain(folder) for folder in (base, *folders) if folder is not None))
    token = _reading.set(inside)
    try:
        yield inside
    except DataError as error:
        if (defect := inside.defect()) is None or defect.reason in str(error):
            raise
        raise DataError(f"{error}\n  {defect}") from error
    finally:
        _reading.reset(token)


def outside_notes() -> list[Defect]:
    """What to say of the paths that were not followed so far, for the defects of the dataset that is read."""
    inside = _reading.get()
    defect = None if inside is None else inside.defect()
    return [] if defect is None else [defect]


def leads_out(folder: Path, name: str) -> bool:
    """Whether a path that annotations name, relative to a folder or absolute, must not be followed."""
    if not (os.path.isabs(name) or ".." in name) or _allowed.get() or (inside := _reading.get()) is None:
        return False
    path = _plain(folder / name)
    if any(path == one or path.startswith(one.rstrip(os.sep) + os.sep) for one in inside.folders):
        return False
    if os.path.exists(path):
        inside.refused[name] = None
    return True


def _plain(path: Path) -> str:
    return os.path.abspath(path)
