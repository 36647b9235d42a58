"""predictions.json, from lines written one by one: an hour of video need not fit into memory."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

from zorki.engine.prediction.journal import PART, Journal
from zorki.engine.prediction.result import Result
from zorki.files import NO_TEXT, plain, whole

PREDICTIONS = "predictions.json"


class PredictionsFile:
    """Writes predictions.json, whole or not at all: the file appears when all is written, or work was stopped.

    Before, and after a stop or a failure that leaves something to do, results lie in the `Journal` beside it. In the
    format that the task exchanges it is a list of entries; in zorki's own an object, whose "predictions" are the
    records of the images. docs/prediction.md has its keys.

        with PredictionsFile(folder, {"task": "classification"}, command) as file:
            file.add(result)

    Args:
        folder: where it comes to lie; must exist.
        head: what zorki's own format says of the runs; None: a list of entries.
        command: what must be equal to go on after a stop; None: it cannot go on, as with a camera.
        resume: go on.
    """

    def __init__(
        self, folder: Path, head: dict[str, Any] | None, command: dict[str, Any] | None = None, *, resume: bool = False
    ) -> None:
        self.path, self.head = folder / PREDICTIONS, head
        self.tail: dict[str, Any] = {}  # written behind the predictions
        self.journal = Journal(folder / PART, command or {})
        self.left = False  # whether there is something to go on with, at the end
        self._can_go_on, self._resume = command is not None, resume

    def __enter__(self) -> PredictionsFile:
        if self._resume:
            self.journal.go_on()
        else:
            self.journal.begin()
        return self

    def add(self, result: Result, *, done: bool, undrawn: str | None = None) -> None:
        """Adds what there is to say of one image, with paths relative to the folder.

        Args:
            done: nothing else comes of its source.
            undrawn: why it has no drawing.

        Raises:
            ZorkiError: no room.
        """
        folder = self.path.parent
        entries = result.to_coco() if self.head is None else [result.to_json(folder)]
        written = [path for path in (result.drawn, *result.files.values()) if isinstance(path, Path)]
        files = [path.relative_to(folder).as_posix() for path in written]
        self.journal.add(result.path, entries=entries, files=files, done=done, undrawn=undrawn)

    def add_done(self, source: str, undrawn: str | None = None, files: Sequence[Path] = ()) -> None:
        """Nothing else comes of a video, which has these files beside those of its frames.

        Raises:
            ZorkiError: no room.
        """
        names = [path.relative_to(self.path.parent).as_posix() for path in files]
        self.journal.add(source, files=names, done=True, undrawn=undrawn)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = kind is not None and issubclass(kind, GeneratorExit | KeyboardInterrupt)
        finished = kind is None or issubclass(kind, GeneratorExit) or not self._can_go_on
        self.left = self.journal.results > 0
        self.journal.close()
        try:
            if kind is None or (stopped and self.journal.results):
                self._assemble()
            self.left = self.left and not finished
        finally:
            if not self.left:
                self.journal.remove()

    def _assemble(self) -> None:
        indent = "  " if self.head is None else "    "
        texts = (textwrap.indent(_json(entry), indent) for entry in self._entries())
        with whole(self.path) as aside, aside.open("w", encoding="utf-8", errors=NO_TEXT) as file:
            file.write("[" if self.head is None else _json(self.head)[:-2] + ',\n  "predictions": [')
            first = next(texts, None)
            if first is not None:
                file.write("\n" + first)
                file.writelines(",\n" + text for text in texts)
            file.write("]" if first is None else f"\n{indent[2:]}]")
            if self.head is not None:
                file.write(",\n" + _json(self.tail)[2:] if self.tail else "\n}")
            file.write("\n")

    def _entries(self) -> Iterator[dict[str, Any]]:
        there = cache(lambda name: (self.path.parent / name).is_file())
        for entry in chain.from_iterable(line.get("entries", []) for line in self.journal.lines()):
            # A drawn video that failed after its first frames.
            drawn = entry.get("drawn")
            yield {**entry, "drawn": None} if drawn is not None and not there(drawn) else entry


def _json(values: dict[str, Any]) -> str:
    return json.dumps(plain(values), indent=2, ensure_ascii=False, allow_nan=False)
