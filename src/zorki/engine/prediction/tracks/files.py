"""Files of tracks: a table, MOTChallenge's text, and what was counted; written frame by frame, whole or not at all."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from zorki.errors import ZorkiError
from zorki.files import NO_TEXT, unwritable
from zorki.tracks.mot_text import mot_line

TRACKS = ("frame", "seconds", "id", "label", "left", "top", "right", "bottom", "score")
COUNTS = ("frame", "seconds", "place", "label", "id", "direction", "in", "out", "inside")


class GrowingFile:
    """A text file that lies aside while it grows; it appears at the end, or when work is stopped, and not after errors.

    Its lines are on their way at once: a camera has no end.
    """

    def __init__(self, path: Path, head: Sequence[str] = ()) -> None:
        self.path, self._aside = path, path.with_name(path.name + ".part")
        self._head = head
        self._file: IO[str] | None = None

    def __enter__(self) -> GrowingFile:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._aside.open("w", encoding="utf-8", errors=NO_TEXT, newline="")
        except OSError as error:
            raise unwritable(self.path, error) from error
        if self._head:
            self.row(self._head)
        return self

    def row(self, cells: Sequence[Any]) -> None:
        """A line of a table. Raises ZorkiError where there is no room."""
        assert self._file is not None
        try:
            csv.writer(self._file, lineterminator="\n").writerow(cells)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def line(self, text: str) -> None:
        """Raises ZorkiError where there is no room."""
        assert self._file is not None
        try:
            self._file.write(text + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def flush(self) -> None:
        """Raises ZorkiError where there is no room."""
        assert self._file is not None
        try:
            self._file.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        finished = kind is None or issubclass(kind, GeneratorExit | KeyboardInterrupt)
        try:
            self._file.close()
            if finished:
                os.replace(self._aside, self.path)
        except OSError as failure:
            if finished:
                raise unwritable(self.path, failure) from failure
        finally:
            with suppress(OSError):
                self._aside.unlink(missing_ok=True)


class TrackFiles:
    """The files of one video.

    Args:
        tracks, mot, counts: where they come to lie; None for `counts`: nothing is counted.
    """

    def __init__(self, tracks: Path, mot: Path, counts: Path | None) -> None:
        self._tracks, self._mot = GrowingFile(tracks, TRACKS), GrowingFile(mot)
        self._counts = None if counts is None else GrowingFile(counts, COUNTS)

    @property
    def paths(self) -> list[Path]:
        return [file.path for file in self._every()]

    def __enter__(self) -> TrackFiles:
        entered: list[GrowingFile] = []
        try:
            for file in self._every():
                file.__enter__()
                entered.append(file)
        except ZorkiError as error:
            for file in entered:
                file.__exit__(type(error), error, None)
            raise
        return self

    def box(self, frame: int, seconds: float, identity: int, name: str, xyxy: Sequence[float], score: float) -> None:
        """A box of a track."""
        place = [f"{value:.3f}" for value in xyxy]
        self._tracks.row([frame, f"{seconds:.3f}", identity, name, *place, f"{score:.4f}"])
        self._mot.line(mot_line(frame, identity, xyxy, score))

    def crossing(self, frame: int, seconds: float, cells: Sequence[Any]) -> None:
        """Something that was counted."""
        if self._counts is not None:
            self._counts.row([frame, f"{seconds:.3f}", *cells])

    def flush(self) -> None:
        """After each frame."""
        for file in self._every():
            file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._every():
            file.__exit__(kind, error, trace)

    def _every(self) -> list[GrowingFile]:
        return [self._tracks, self._mot, *([] if self._counts is None else [self._counts])]
