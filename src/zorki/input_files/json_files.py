"""JSON files, with the line and column of what is wrong, and a look at their kind without reading all of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zorki.errors import DataError
from zorki.input_files.content import MAX_BYTES, open_file, read_bytes

_PROBE_BYTES = 1 << 16  # bytes at either end of a file that are looked at to recognize it
_LONG_NUMBER = re.compile(rb"\d{%d}" % (sys.get_int_max_str_digits() or 4300))


def read_json(path: Path, data: bytes | None = None, *, max_bytes: int = MAX_BYTES) -> Any:
    """The values of the file, or of `data`, which was read from it before.

    Raises:
        DataError: the file cannot be read, is larger than `max_bytes`, or is no JSON; the message tells line and
            column.
    """
    return parse_json(read_json_bytes(path, max_bytes=max_bytes) if data is None else data, str(path))


def read_json_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a JSON file, for `read_json` and for `key_lines`. Raises DataError as `read_json`."""
    try:
        return read_bytes(path, max_bytes=max_bytes)
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error


def parse_json(text: bytes | str, source: str) -> Any:
    """The values of a piece of JSON; `source` is where it comes from, for messages. Raises DataError as `read_json`."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{source}:{error.lineno}: the JSON is broken at column {error.colno}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: the JSON is not text in UTF-8: {error}") from error
    except RecursionError as error:
        raise DataError(f"{source}: the JSON is nested too deep to be read") from error
    except ValueError as error:  # a whole number of thousands of digits, which Python does not convert
        data = text.encode() if isinstance(text, str) else text
        found = _LONG_NUMBER.search(data)
        place = "" if found is None else f":{1 + data[: found.start()].count(10)}"  # 10 ends a line
        raise DataError(f"{source}{place}: the JSON holds a number that is too long to be read: {error}") from error


def list_in(value: Any) -> list[Any]:
    """A list of JSON; an empty one for all else, as where a tool writes null, or a damaged file a number."""
    return value if isinstance(value, list) else []


def ends(path: Path) -> bytes:
    """The beginning and the end of a file, as much as tells its kind; empty where it cannot be read."""
    try:
        with open_file(path) as file:
            head = file.read(_PROBE_BYTES)
            size = file.seek(0, 2)
            file.seek(max(len(head), size - _PROBE_BYTES))
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
