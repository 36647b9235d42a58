"""The bytes and the lines of files that others wrote: regular files alone, and no more than a bound.

To open a named pipe waits for somebody who writes to it, and a device may never end: both are refused, by what is open
and not by what lay there before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from zorki.errors import DataError

MAX_BYTES = 4 << 30
"""The largest file of annotations that is read at once."""

MAX_TEXT_BYTES = 256 << 20
"""The largest text file: a list of images, a file of labels, names of classes."""

LONGEST_LINE = 1 << 20
"""Characters of the longest line of a text file."""

LONGEST_PATH_LINE = 4096
"""Characters of the longest line that is one path, or two: what Linux takes for one."""

_PIECE = 1 << 20
_KINDS = {
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_file(path: Path | str, mode: str = "rb", **options: Any) -> IO[Any]:
    """As `open`, for reading, of a regular file.

    Raises:
        OSError: as `open`; of a pipe, a socket or a device with these words, and without waiting.
    """
    return open(path, mode, opener=_opener, **options)


def _opener(path: str, flags: int) -> int:
    number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for its other end
    kind = stat.S_IFMT(os.fstat(number).st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR):  # `open` itself refuses a folder, in words of its own
        return number
    os.close(number)
    raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a regular file", path)


def special_kind(path: Path | str) -> str | None:
    """What lies at `path`, in words, where it is neither a regular file nor a folder; None where it is one, or nothing.

    For libraries that open files themselves.
    """
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return None
    return None if kind in (stat.S_IFREG, stat.S_IFDIR) else _KINDS.get(kind, "something else")


def is_file(path: Path | str) -> bool:
    """Whether a regular file lies there; a name that is too long, or holds a zero byte, is no file's."""
    return os.path.isfile(path)


def read_bytes(path: Path | str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """All of a file.

    Raises:
        OSError: as `open_file`, or the file is larger than `max_bytes`.
    """
    with cast(BinaryIO, open_file(path)) as file:
        size = os.fstat(file.fileno()).st_size
        parts = [file.read(size)] if size <= max_bytes else []
        while size <= max_bytes and (piece := file.read(_PIECE)):  # what grows, or never told its size
            parts.append(piece)
            size += len(piece)
    if size > max_bytes:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes or more, and at most {max_bytes:,} are read", str(path))
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_text(path: Path | str, *, max_bytes: int = MAX_TEXT_BYTES, errors: str = "strict") -> str:
    """All of a text file in UTF-8, with or without a byte order mark, and "\\n" at the ends of its lines.

    Raises:
        OSError: as `read_bytes`.
        UnicodeDecodeError: it is no UTF-8, and `errors` is "strict".
    """
    text = read_bytes(path, max_bytes=max_bytes).decode("utf-8-sig", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def text_lines(
    path: Path | str,
    *,
    longest: int = LONGEST_LINE,
    max_bytes: int = MAX_TEXT_BYTES,
    errors: str = "strict",
    newline: str | None = None,
) -> Iterator[tuple[int, str]]:
    """The lines of a text file in UTF-8 with their numbers from 1 on, read as they are asked for.

    Args:
        longest: characters of a line, without its end.
        max_bytes: of the file.
        errors: "replace" takes bytes that are no UTF-8.
        newline: as `open`; None takes every kind of line end, and gives lines without it.

    Raises:
        DataError: the file cannot be read, is larger, is no UTF-8, or has a longer line; with file and line.
    """
    number = 0
    try:
        with open_file(path, "r", encoding="utf-8-sig", errors=errors, newline=newline) as file:
            if (size := os.fstat(file.fileno()).st_size) > max_bytes:
                raise DataError(f"{path}: it has {size:,} bytes, and at most {max_bytes:,} are read")
            while text := file.readline(longest + 2):
                number += 1
                line = text.rstrip("\r\n")
                if len(line) > longest:
                    raise DataError(f"{path}:{number}: the line is longer than {longest:,} characters")
                yield number, line if newline is None else text
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: it is not text in UTF-8: {error}; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read: {error.strerror or error}") from error
