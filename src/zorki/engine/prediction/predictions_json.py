"""predictions.json, written entry by entry: an hour of video need not fit into memory."""

from __future__ import annotations

import json
import os
import textwrap
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from zorki.engine.prediction.result import Result
from zorki.errors import ZorkiError
from zorki.files import NO_TEXT, plain, unwritable

PREDICTIONS = "predictions.json"


class PredictionsFile:
    """Writes predictions.json, whole or not at all: the file appears when all is written, or work was stopped.

    In the format that the task exchanges it is a list of entries; in zorki's own an object, whose "predictions" are
    the records of the images. docs/prediction.md has its keys.

        with PredictionsFile(folder, {"task": "classification"}) as file:
            file.add(result)

    Args:
        folder: where it comes to lie; must exist.
        head: what zorki's own format says of the runs; None: a list of entries.
    """

    def __init__(self, folder: Path, head: dict[str, Any] | None) -> None:
        self.path, self.head = folder / PREDICTIONS, head
        self.tail: dict[str, Any] = {}  # written behind the predictions
        self._part = folder / f"{PREDICTIONS}.part"
        self._indent = "  " if head is None else "    "
        self._file: IO[str] | None = None
        self._empty = True

    def __enter__(self) -> PredictionsFile:
        try:
            self._file = self._part.open("w", encoding="utf-8", errors=NO_TEXT)
            if self.head is None:
                self._file.write("[")
            else:
                self._file.write(_json(self.head)[:-2] + ',\n  "predictions": [')
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self

    def add(self, result: Result) -> None:
        """Adds what there is to say of one image, with paths relative to the folder. Raises ZorkiError: no room."""
        entries = result.to_coco() if self.head is None else [result.to_json(self.path.parent)]
        if entries:
            self._write(",\n".join(textwrap.indent(_json(entry), self._indent) for entry in entries))

    def _write(self, text: str) -> None:
        """At once, so that Ctrl-C comes before it or behind it: a comma without an entry would spoil the file."""
        assert self._file is not None
        try:
            self._file.write(("\n" if self._empty else ",\n") + text)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._empty = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = kind is not None and issubclass(kind, GeneratorExit | KeyboardInterrupt)
        assert self._file is not None
        try:
            if kind is None or (stopped and not self._empty):
                self._file.write("]" if self._empty else f"\n{self._indent[2:]}]")
                if self.head is not None:
                    tail = _json(self.tail)
                    self._file.write(",\n" + tail[2:] if self.tail else "\n}")
                self._file.write("\n")
                self._file.close()
                os.replace(self._part, self.path)
        except OSError as failure:
            raise unwritable(self.path, failure) from failure
        finally:
            self._file.close()
            with suppress(OSError):
                self._part.unlink(missing_ok=True)


def _json(values: dict[str, Any]) -> str:
    return json.dumps(plain(values), indent=2, ensure_ascii=False, allow_nan=False)


def new_folder(out: str | Path | None, verb: str, above: str | Path = "runs") -> Path:
    """A folder for what a verb writes: `out`, which must be new or empty, else the next free of runs/VERB-1, ...

    Args:
        above: in place of runs.

    Raises:
        ZorkiError: `out` holds something already, or cannot be made.
    """
    if out is not None:
        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        if any(folder.iterdir()):
            raise ZorkiError(
                f"{folder}: holds files already, and nothing is written over anything; name a new folder, or leave "
                f"--out out for a new one in runs/"
            )
        return folder
    number = 1
    while True:
        folder = Path(above) / f"{verb}-{number}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise unwritable(folder, error) from error
