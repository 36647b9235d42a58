"""The files that a run is trained on: sizes, times and digests, so that one that goes on learns from the same pixels.

files.jsonl holds one line a file: its name below the data's folder, bytes, time of change, digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from zorki.contracts import Dataset
from zorki.errors import WeightsError
from zorki.files import write_text

FILES = "files.jsonl"
THREADS = 8  # they wait for the disk; hashing leaves the interpreter's lock
END = 1 << 19  # bytes at either end of a file that are hashed; smaller files are hashed whole
NAMED = 3  # files in a message


@dataclass(frozen=True)
class FileState:
    """A file as it was: its size in bytes, its time of change in nanoseconds, and a digest of its bytes."""

    name: str
    size: int
    changed: int
    digest: str


def file_name(dataset: Dataset[object], index: int) -> str:
    """The file of a sample, below the data's folder where it lies there."""
    path = dataset.path(index)
    return (path.relative_to(dataset.root) if path.is_relative_to(dataset.root) else path).as_posix()


def write_files(folder: Path, dataset: Dataset[object], indices: Iterable[int]) -> None:
    """Keeps the state of the files of these samples in the run's folder; of data without files nothing.

    10,000 small images take about a second; of a larger file a megabyte is read, of images a part of what the first
    epoch reads anyway.
    """
    names = sorted({file_name(dataset, index) for index in indices})
    with ThreadPoolExecutor(THREADS) as pool:
        states = [one for one in pool.map(lambda name: _state(dataset.root, name), names) if one is not None]
    if states:
        write_text(folder / FILES, "".join(json.dumps(list(vars(one).values())) + "\n" for one in states))


def check_files(folder: Path, dataset: Dataset[object]) -> None:
    """Raises WeightsError where files have other bytes than when the run began; hashed are those of another time."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda was: was.name if _differs(dataset.root, was) else None, _read(folder / FILES))
        changed = [name for name in found if name is not None]
    if changed:
        names = ", ".join(changed[:NAMED]) + (f" and {len(changed) - NAMED} more" if len(changed) > NAMED else "")
        count = "1 training image has" if len(changed) == 1 else f"{len(changed)} training images have"
        raise WeightsError(
            f"{folder}: {count} other pixels in {dataset.root} than when the run began: {names}. Put them back, or "
            f"start a new run on the data of today from its weights: --weights {folder}"
        )


def _state(root: Path, name: str) -> FileState | None:
    path = root / name
    try:
        facts = path.stat()
        return FileState(name, facts.st_size, facts.st_mtime_ns, file_digest(path)) if path.is_file() else None
    except OSError:  # unreadable: told by the look at the data
        return None


def _differs(root: Path, was: FileState) -> bool:
    """Whether a file that is there has other bytes; what is missing is told with the data's names."""
    path = root / was.name
    try:
        facts = path.stat()
        if facts.st_size != was.size:
            return True
        return facts.st_mtime_ns != was.changed and file_digest(path) != was.digest
    except OSError:
        return False


def file_digest(path: Path) -> str:
    """A digest of a file's bytes; of one larger than a megabyte of both its ends. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(END))
        rest = os.fstat(file.fileno()).st_size - END
        if rest > END:
            file.seek(-END, os.SEEK_END)
        digest.update(file.read(END))
    return digest.hexdigest()


def _read(path: Path) -> Iterator[FileState]:
    """What a run keeps of its files; runs of older versions keep nothing. Raises WeightsError where it is broken."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                name, size, changed, digest = json.loads(line)
                yield FileState(str(name), int(size), int(changed), str(digest))
            except (ValueError, TypeError) as error:
                raise WeightsError(
                    f"{path}:{number}: expected name, size, time and digest of a file; restore it, or delete it to go "
                    "on without a look at the pixels"
                ) from error
