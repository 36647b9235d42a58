"""Where many images come from, and where shards go: a folder of this machine, or, by `buckets`, one of elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Protocol, runtime_checkable

from zorki.data.annotations.listing import is_image, missing_root, walk_files
from zorki.data.video.container import is_video
from zorki.engine.prediction.sources import LIVE, Source, found_file
from zorki.errors import DataError
from zorki.files import whole


@runtime_checkable
class Store(Protocol):
    """A folder, here or elsewhere. Names are paths below it, with forward slashes."""

    @property
    def address(self) -> str:
        """For messages and manifests; without passwords."""

    @property
    def videos(self) -> int:
        """How many videos `images` has passed over."""

    def images(self) -> Iterator[str]:
        """Names of the images, sorted within each folder, of which one at a time is held. Raises DataError."""

    def sources(self, names: Iterable[str]) -> Iterator[Source]:
        """The images, in this order, as they are read; what cannot be fetched has a fault."""

    def release(self, source: Source) -> None:
        """Nothing more is read of it."""

    def names(self) -> list[str]:
        """Of the files and folders in the folder itself; none where there is no such folder. Raises DataError."""

    def local(self, name: str) -> AbstractContextManager[Path]:
        """A file to read from. Raises DataError where it cannot be fetched."""

    def whole(self, name: str) -> AbstractContextManager[Path]:
        """A file to write to, which becomes `name` at the end, at once, or leaves no trace. Raises ZorkiError."""

    def path(self, name: str) -> Path:
        """A path for a file that is written by others, and then handed to `publish`."""

    def publish(self, path: Path) -> str:
        """The name of a file that stands at such a path. Raises ZorkiError."""

    def remove(self, name: str) -> None:
        """Where it is there."""


class Folder:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.videos = folder, 0

    @property
    def address(self) -> str:
        """The path from the root."""
        return os.path.abspath(self.folder)

    def images(self) -> Iterator[str]:
        """See `Store`."""
        self.videos = 0
        for name in walk_files(self.folder):
            if is_image(name):
                yield name
            else:
                self.videos += is_video(name)

    def sources(self, names: Iterable[str]) -> Iterator[Source]:
        """See `Store`."""
        return (found_file(self.folder / name, name, "image", str(self.folder)) for name in names)

    def release(self, source: Source) -> None:
        """Nothing was made for it."""

    def names(self) -> list[str]:
        """See `Store`."""
        try:
            return sorted(os.listdir(self.folder)) if self.folder.exists() else []
        except OSError as error:
            raise DataError(f"{self.folder}: expected a folder: {error.strerror or error}") from error

    def local(self, name: str) -> AbstractContextManager[Path]:
        """The file itself."""
        return nullcontext(self.folder / name)

    def whole(self, name: str) -> AbstractContextManager[Path]:
        """See `Store`."""
        return whole(self.folder / name)

    def path(self, name: str) -> Path:
        """Where it stays."""
        return self.folder / name

    def publish(self, path: Path) -> str:
        """Its name."""
        return path.relative_to(self.folder).as_posix()

    def remove(self, name: str) -> None:
        """See `Store`."""
        with suppress(FileNotFoundError):
            (self.folder / name).unlink()


def is_address(place: str) -> bool:
    """Whether it is the address of a bucket, or of another place that fsspec reaches."""
    found = re.match(r"([a-z][a-z0-9+.-]+)://", place)
    return found is not None and found[1] not in ("http", "https", *LIVE)


def open_images(place: str) -> Store:
    """The folder, or prefix of a bucket, that images are read from.

    Raises:
        ZorkiError: there is no such folder, it is not a folder, or as `Bucket`.
    """
    if is_address(place):
        return _bucket(place)
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise missing_root(folder) or DataError(
            f"{place}: it is a file; shards are made of the images of one folder: name the folder"
        )
    return Folder(folder)


def open_output(place: str) -> Store:
    """The folder, or prefix of a bucket, that shards are written to, which need not be there yet.

    Raises:
        ZorkiError: as `Bucket`.
    """
    return _bucket(place) if is_address(place) else Folder(Path(place).expanduser())


def _bucket(address: str) -> Store:
    from zorki.engine.prediction.shards.buckets import Bucket

    return Bucket(address)
