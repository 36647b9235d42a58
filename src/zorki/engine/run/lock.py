"""One training, or prediction, at a time in a folder, which stays where it is meanwhile."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zorki.errors import ZorkiError

_held: set[int] = set()


@dataclass(frozen=True)
class RunLock:
    """A run's folder while it is trained in."""

    folder: Path
    _number: int | None = None  # of the open folder; None where the system or the disk has no such locks

    def check(self) -> None:
        """Raises ZorkiError where the folder was moved or deleted, or another one lies in its place.

        To be asked before anything is written: else a new folder would be made, without the run.
        """
        try:
            there = os.stat(self.folder)
        except OSError:
            there = None
        if there is not None and (self._number is None or os.path.samestat(there, os.fstat(self._number))):
            return
        raise ZorkiError(
            f"{self.folder}: the run's folder was moved or deleted while it was trained in, and nothing is made anew "
            "in its place. Go on from where it is now, at its last checkpoint: zorki train --resume FOLDER"
        )


@contextmanager
def run_lock(folder: Path, *, active: bool = True) -> Iterator[RunLock]:
    """Within, no other process trains or predicts into the folder; the lock ends with the process, however that ends.

    Args:
        active: False locks nothing, in the processes beside the first.

    Raises:
        ZorkiError: another process works there.
    """
    number = _locked(folder) if active else None
    try:
        yield RunLock(folder, number)
    finally:
        if number is not None:
            _held.discard(number)
            os.close(number)


def _locked(folder: Path) -> int | None:
    if sys.platform == "win32":  # which opens no folders
        return None
    import fcntl

    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return None  # what is wrong with it is told where it is read
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(number)
            raise ZorkiError(
                f"{folder}: another process works in this folder, and two would write the same files. Wait for its "
                "end, or stop it first"
            ) from None
        # Some network disks have no locks: the folder is watched all the same.
    _held.add(number)
    return number


def _let_go() -> None:
    # A lock lasts as long as any process has the folder open: a worker must not keep that of a killed parent.
    for number in _held:
        with suppress(OSError):
            os.close(number)
    _held.clear()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go)
