"""JSON files, with the line and column of what is wrong, and a look at their kind without reading all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki.errors import DataError

_LOOK = 1 << 16  # bytes at either end of a file that are looked at to recognize it


def read_json(path: Path, data: bytes | None = None) -> Any:
    """The values of the file, or of `data`, which was read from it before.

    Raises:
        DataError: the file cannot be read, or is no JSON; the message tells line and column.
    """
    try:
        return json.loads(path.read_bytes() if data is None else data)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: the JSON is broken at column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the JSON is not text in UTF-8: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path}: the JSON is nested too deep to be read") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error


def ends(path: Path) -> bytes:
    """The beginning and the end of a file, as much as tells its kind; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(_LOOK)
            size = file.seek(0, 2)
            file.seek(max(len(head), size - _LOOK))
            return head + b"\n" + file.read()
    except OSError:
        return b""


def is_whole(path: Path, data: bytes) -> bool:
    """Whether `ends` gave all of the file."""
    return path.stat().st_size <= len(data)


def has_key(data: bytes, keys: Sequence[str], then: str = "") -> bool:
    """Whether any of the keys stands in a piece of JSON, followed by a value that begins with `then`."""
    pattern = rf'"(?:{"|".join(map(re.escape, keys))})"\s*:\s*{re.escape(then)}'
    return re.search(pattern.encode(), data) is not None


def key_lines(data: bytes, key: str) -> list[int]:
    """The line of every place where a key stands, in the order of the file; none in a file of few lines."""
    if data.count(b"\n", 0, 1 << 16) < 3:
        return []
    lines, line, place = [], 1, 0
    for match in re.finditer(rf'"{re.escape(key)}"\s*:'.encode(), data):
        line += data.count(b"\n", place, match.start())
        place = match.start()
        lines.append(line)
    return lines


def number_in(value: Any) -> float:
    """A number of JSON, or text that is one; not-a-number for all else."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def whole_number_in(value: Any) -> int | None:
    """A positive whole number; None for all else."""
    number = number_in(value)
    return int(number) if number == number and 0 < number < 1e9 else None
