"""Files are written whole or not at all: written aside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zorki.errors import ZorkiError

# PyTorch's zip writer tells a full disk by its own words instead of by errno.
_FULL_DISK_WORDS = ("No space left", "file write failed", "unexpected pos", "enforce fail at inline_container")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to; what was written there becomes `path` at the end, or leaves no trace after an error.

    Raises:
        ZorkiError: the disk is full or the file is not allowed; the old file is as it was.
    """
    path = Path(path)
    aside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        if is_full_disk(error):
            free = shutil.disk_usage(path.parent).free / 1e6
            kept = "; the earlier one is whole" if path.exists() else ""
            raise ZorkiError(
                f"{path}: could not be written: the disk is full ({free:.0f} MB free){kept}. Free some space and go on."
            ) from error
        if isinstance(error, PermissionError):
            raise ZorkiError(f"{path}: could not be written: {error.strerror}") from error
        raise


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that there was no room for a file."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _FULL_DISK_WORDS)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all."""
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Writes indented JSON, whole or not at all; numbers that JSON lacks (nan, inf) become null."""
    write_text(path, json.dumps(_finite(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(values: Any) -> Any:
    if isinstance(values, float):
        return values if values - values == 0 else None
    if isinstance(values, dict):
        return {str(key): _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    return values
