"""A shard as a file: JSON Lines, or Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from zorki.engine.prediction.result import Result
from zorki.errors import DataError, ZorkiError
from zorki.files import NO_TEXT, plain
from zorki.input_files.content import open_file
from zorki.input_files.json_files import parse_json

ShardFormat = Literal["jsonl", "parquet"]


@runtime_checkable
class ShardWriter(Protocol):
    """How the predictions of a shard are written."""

    suffix: str

    def entry(self, path: str, result: Result, files: Mapping[str, Any]) -> Any:
        """One image, as `write` takes it: its path from SOURCE, what was predicted, and files written for it."""

    def write(self, file: Path, entries: Sequence[Any]) -> None:
        """All of a shard. Raises OSError."""

    def paths(self, file: Path, name: str) -> Iterator[str]:
        """The paths of the images in a shard, whose name is for messages. Raises DataError."""


class JsonLines:
    """One JSON object an image, in a line."""

    suffix = "jsonl"

    def entry(self, path: str, result: Result, files: Mapping[str, Any]) -> str:
        """The line."""
        return json.dumps(record_of(path, result, files), allow_nan=False) + "\n"

    def write(self, file: Path, entries: Sequence[Any]) -> None:
        """See `ShardWriter`."""
        with file.open("w", encoding="ascii", newline="\n") as lines:
            lines.writelines(entries)

    def paths(self, file: Path, name: str) -> Iterator[str]:
        """See `ShardWriter`."""
        try:
            with open_file(file) as lines:
                for number, line in enumerate(lines, 1):
                    values = parse_json(line, f"{name}:{number}") if line.endswith(b"\n") else None
                    path = values.get("path") if isinstance(values, dict) else None
                    if not isinstance(path, str):
                        raise DataError(f'{name}:{number}: expected an object with a "path"')
                    yield path
        except (DataError, OSError) as error:
            raise _unreadable(name, error) from error


class Parquet:
    """Rows of the columns path, height, width, rows and prediction; see docs/many_images.md.

    Raises:
        ZorkiError: pyarrow is not installed.
    """

    suffix = "parquet"

    def __init__(self) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise ZorkiError(
                "--format parquet needs pyarrow, which is not installed: pip install 'zorki[parquet]'; or leave the "
                "format out, for JSON Lines"
            ) from error
        self._arrow = pyarrow
        number, text, whole = pyarrow.float64(), pyarrow.string(), pyarrow.int32()
        row = pyarrow.struct(
            [("label", whole), ("name", text), ("score", number), ("left", number), ("top", number), ("right", number),
             ("bottom", number), ("id", pyarrow.int64()), ("share", number)]
        )  # fmt: skip
        self._schema = pyarrow.schema(
            [("path", text), ("height", whole), ("width", whole), ("rows", pyarrow.list_(row)), ("prediction", text)]
        )

    def entry(self, path: str, result: Result, files: Mapping[str, Any]) -> dict[str, Any]:
        """The row, in plain values."""
        record = record_of(path, result, files)
        found = {name: record.pop(name) for name in ("path", "height", "width")}
        columns = result.columns()
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        text = json.dumps(record, allow_nan=False)
        return {**found, "path": _as_text(path), "rows": rows, "prediction": text}

    def write(self, file: Path, entries: Sequence[Any]) -> None:
        """See `ShardWriter`."""
        table = self._arrow.Table.from_pylist(list(entries), schema=self._schema)
        self._arrow.parquet.write_table(table, str(file), compression="zstd")

    def paths(self, file: Path, name: str) -> Iterator[str]:
        """See `ShardWriter`."""
        try:
            column = self._arrow.parquet.read_table(str(file), columns=["path"]).column("path")
        except (OSError, KeyError, ValueError) as error:  # ArrowInvalid is a ValueError
            raise _unreadable(name, error) from error
        yield from (_as_path(path.as_py()) for path in column)


FORMATS: dict[str, type[JsonLines] | type[Parquet]] = {"jsonl": JsonLines, "parquet": Parquet}


def record_of(path: str, result: Result, files: Mapping[str, Any]) -> dict[str, Any]:
    """What predictions.json has of an image, in plain JSON: path, height, width, and what the task says."""
    found = {"path": path, "height": result.height, "width": result.width, **result.record, **files}
    values: dict[str, Any] = plain(found)
    return values


def _as_text(path: str) -> str:
    """Bytes of names that are no text stand as \\udce9, since Parquet holds text alone."""
    return path.encode("utf-8", NO_TEXT).decode("utf-8")


def _as_path(text: str) -> str:
    return re.sub(r"\\ud([c-f][0-9a-f]{2})", lambda found: chr(int(f"d{found[1]}", 16)), text)


def _unreadable(name: str, error: Exception) -> DataError:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return DataError(f"{reason.removeprefix(f'{name}: ')}: {name} is no whole shard; remove it, and go on without it")
