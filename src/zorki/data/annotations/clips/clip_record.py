"""One clip as a format tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClipRecord:
    """One clip: a film, or a part of it.

    Attributes:
        name: its path relative to the data's folder, with forward slashes.
        path: of a video, a folder of frames, or a strip.
        start, end: seconds in the film; None: from its beginning, to its end.
        group: of clips that belong together, as the data say; empty: they do not.
        folder_group: a folder below the class's that it lies in; empty: none.
    """

    name: str
    path: Path
    start: float | None = None
    end: float | None = None
    group: str = ""
    folder_group: str = ""

    @property
    def key(self) -> str:
        """The name, with the times of a part: no other clip's."""
        part = self.start is not None or self.end is not None
        return f"{self.name}#{self.start or 0:g}-{'' if self.end is None else f'{self.end:g}'}" if part else self.name
