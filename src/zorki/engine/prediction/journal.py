"""Predictions as they come, a line each, so that what was stopped or killed loses none and can go on."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from zorki.engine.run.folder import BEST
from zorki.errors import RecipeError, ZorkiError
from zorki.files import plain, unwritable, whole

if TYPE_CHECKING:
    from zorki.engine.prediction.predictors.exported import ExportedModel
    from zorki.engine.run.open import TrainedModel

PART = "predictions.part.jsonl"
VERSION = 1  # of the lines


class Journal:
    """A file of lines of JSON: the command first, then results as they come; each line is on its way at once.

    A line of a result has `source`, `entries` for predictions.json, `files` that were written for it, and `done` where
    nothing else comes of its source. A video has a line for each frame and one of its own that says `done`.

    Args:
        path: of the file.
        command: what predicts, which must be equal to go on.
    """

    def __init__(self, path: Path, command: dict[str, Any]) -> None:
        self.path, self.command = path, plain(command)
        self.done: Counter[str] = Counter()  # sources of which nothing is left to do
        self.files: list[str] = []  # that were written for them, from the folder
        self.undrawn: dict[str, str] = {}  # sources without a drawing, and why
        self.results = 0
        self._file: IO[str] | None = None

    def begin(self) -> None:
        """Raises ZorkiError where it cannot be written."""
        self._open("w")
        self._write({"version": VERSION, "command": self.command})

    def go_on(self) -> None:
        """Keeps the sources that were done; what there is of a video that was not, or of half a line, goes.

        Raises:
            ZorkiError: there is nothing to go on with.
            RecipeError: it was begun by another command.
        """
        check_equal(str(self.path), str(self.path.parent), read_command(self.path), self.command)
        for line in self.lines():
            if line.get("done"):
                self.done[line["source"]] += 1
        with whole(self.path) as aside, aside.open("w", encoding="ascii") as file:
            file.write(_text({"version": VERSION, "command": self.command}))
            for line in self.lines():
                if line["source"] in self.done:
                    file.write(_text(line))
                    self._count(line)
        self._open("a")

    def add(self, source: str, **line: Any) -> None:
        """A line about a source. Raises ZorkiError where there is no room."""
        line = {"source": source, **plain(line)}
        self._write(line)
        self._count(line)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines after the first, up to one that was not written to its end."""
        with self.path.open(encoding="ascii") as file:
            next(file, None)
            for text in file:
                if not text.endswith("\n"):
                    return
                yield json.loads(text)

    def close(self) -> None:
        """Nothing more comes."""
        if self._file is not None:
            with suppress(OSError):  # the line that did not fit, once more
                self._file.close()

    def remove(self) -> None:
        """All of it stands elsewhere."""
        self.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _count(self, line: Mapping[str, Any]) -> None:
        self.results += "entries" in line
        self.files += line.get("files", [])
        if line.get("undrawn"):
            self.undrawn[line["source"]] = line["undrawn"]

    def _open(self, mode: str) -> None:
        try:
            self._file = self.path.open(mode, encoding="ascii")
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        try:
            self._file.write(_text(line))
            self._file.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error


def _text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"


def read_command(path: Path) -> dict[str, Any]:
    """The command that began a journal. Raises ZorkiError where there is none, or one of another version."""
    if not path.is_file():
        raise ZorkiError(
            f"{path.parent}: there is nothing to go on with: {path.name} is missing, which a prediction that was "
            "stopped leaves behind; leave --resume out to begin"
        )
    try:
        with path.open(encoding="ascii") as file:
            first = json.loads(file.readline())
        version, command = first["version"], first["command"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ZorkiError(
            f"{path}:1: expected the command that began it, in JSON; remove the file, and begin"
        ) from error
    if version != VERSION or not isinstance(command, dict):
        raise ZorkiError(f"{path}:1: version {version!r}; expected {VERSION}: go on with the zorki that began it")
    return command


def check_equal(path: str, folder: str, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises RecipeError where what began a folder, as the file at `path` says, is not what would go on."""
    for name in {**begun, **now}:
        was, is_now = begun.get(name), now.get(name)
        if was != is_now:
            raise RecipeError(
                f"{path}: was begun with {name} {was!r:.200}, and would go on with {is_now!r:.200}; expected the same: "
                f"zorki predict --resume {folder} goes on as it began"
            )


def fingerprints(runs: Sequence[TrainedModel | ExportedModel], weights: str | Path | None) -> list[str | None]:
    """Of the weights of each run, by content; None where they lie in no file."""
    return [_fingerprint(path) for path in ([Path(weights)] if weights else [_weights_of(run.folder) for run in runs])]


def _weights_of(run: Path) -> Path:
    return run if run.is_file() else run / BEST


def _fingerprint(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
