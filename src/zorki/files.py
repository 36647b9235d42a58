"""Files are written whole or not at all: written aside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zorki.errors import ZorkiError

# PyTorch's zip writer and safetensors tell a full disk by their own words instead of by errno.
_FULL_DISK_WORDS = (
    "No space left",
    "File too large",
    "file write failed",
    "unexpected pos",
    "enforce fail at inline_container",
)


NO_TEXT = "backslashreplace"
"""How files are written whose text may hold surrogates, which are bytes of names that are no UTF-8."""


@contextmanager
def whole(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """A path to write to; what was written there becomes `path` at the end, or leaves no trace after an error.

    Args:
        path: where the file comes to lie; folders above it are made.
        flush: wait until the bytes are on the disk, since a rename can survive a power cut that the content does
            not. Without it thousands of small files that can be made again are written quicker.

    Raises:
        ZorkiError: the disk is full or the file is not allowed; the old file is as it was.
    """
    path = Path(path)
    aside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        if flush:
            with aside.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        with suppress(OSError):  # the folder itself may not be there
            aside.unlink()
        if isinstance(error, OSError) or is_full_disk(error):
            raise unwritable(path, error) from error
        raise


def check_writable(path: Path) -> None:
    """Raises ZorkiError where a file of that name cannot be written, before there is something to write.

    It makes nothing: what a full disk or a quota refuses shows later.
    """
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir():
        raise unwritable(path, IsADirectoryError(errno.EISDIR, "it is a folder"))
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise unwritable(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def unwritable(path: Path, error: BaseException) -> ZorkiError:
    """What to raise when `path` could not be written: why, and how much room a full disk has."""
    if not is_full_disk(error):
        blocking = next((above for above in path.absolute().parents if above.exists() and not above.is_dir()), None)
        reason = f"{blocking} is a file" if blocking else getattr(error, "strerror", None) or error
        return ZorkiError(f"{path}: could not be written: {reason}; mend that, or name another folder")
    folder = next(above for above in path.absolute().parents if above.is_dir())
    free, limit = shutil.disk_usage(folder).free, _size_limit()
    kept = "; the earlier one is whole" if path.exists() else ""
    number = error.errno if isinstance(error, OSError) else None
    # Writers without errno do not say which of these it was; a limit below what is free is met first.
    if number == errno.EFBIG or (number is None and limit is not None and limit < free):
        most = f"{limit / 1e6:.0f} MB, as `ulimit -f` sets it" if limit is not None else "that of its file system"
        why, way = f"it is larger than files may be here ({most})", "Raise that limit, or name another folder."
    elif number == errno.EDQUOT:
        why, way = "your quota on the disk is used up", "Free some space and go on."
    else:
        why, way = f"the disk is full ({free / 1e6:.0f} MB free)", "Free some space and go on."
    return ZorkiError(f"{path}: could not be written: {why}{kept}. {way}")


def _size_limit() -> int | None:
    """The size in bytes that this process may give a file; None where nothing limits it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that there was no room for a file."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return isinstance(error, OSError | RuntimeError) and any(words in str(error) for words in _FULL_DISK_WORDS)


def output_folder(out: str | Path | None, verb: str, above: str | Path = "runs") -> Path:
    """A folder for what a verb writes: `out`, which must be new or empty, else the next free of runs/VERB-1, ...

    Args:
        above: in place of runs.

    Raises:
        ZorkiError: `out` holds something already, or cannot be made.
    """
    if out is not None:
        folder = Path(out)
        if folder.is_file():
            raise ZorkiError(f"{folder}: is a file; expected a new folder")
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


@contextmanager
def new_output(out: str | Path | None, verb: str, above: str | Path = "runs") -> Iterator[Path]:
    """`output_folder` for a piece of work: where that fails, folders that were made for it and are empty go again."""
    wanted = Path(above) if out is None else Path(out)
    there = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
    folder = output_folder(out, verb, above)
    with emptied_on_error(folder, there):
        yield folder


@contextmanager
def emptied_on_error(folder: Path, there: Path) -> Iterator[None]:
    """Where the work fails, `folder`, those in it and those above it, up to `there`, go as far as they are empty."""
    try:
        yield
    except BaseException:
        if folder != there:
            for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
                with suppress(OSError):
                    inner.rmdir()
        with suppress(OSError):  # the first that holds something
            for made in (folder, *folder.parents):
                if made == there:
                    break
                made.rmdir()
        raise


def write_text(path: Path, text: str) -> None:
    r"""Writes UTF-8 text, whole or not at all.

    Bytes of names that are no text stand as \udcff, which is what JSON reads back.
    """
    with whole(path) as aside:
        aside.write_text(text, encoding="utf-8", errors=NO_TEXT)


def write_json(path: Path, values: Any) -> None:
    """Writes indented JSON, whole or not at all; numbers that JSON lacks (nan, inf) become null."""
    write_text(path, json.dumps(plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def plain(values: Any) -> Any:
    """Values that JSON can hold: numbers that it lacks become None, tuples become lists."""
    if isinstance(values, float):
        return values if values - values == 0 else None
    if isinstance(values, dict):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    return values
