"""Images and shards in a bucket, or wherever else fsspec reaches: s3://, gs://, memory://, sftp://, ..."""

from __future__ import annotations

import re
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from zorki.data.annotations.listing import is_image, is_visible
from zorki.data.video.container import is_video
from zorki.engine.prediction.sources import Source
from zorki.errors import DataError, ZorkiError

READERS = 16  # threads that fetch images: each waits for the network most of the time
AHEAD = 64  # images that are fetched before they are asked for: some batches


class Bucket:
    """A prefix of a bucket, taken for a folder; what is read and written passes through temporary files.

    Args:
        address: as s3://bucket/prefix. Who may read and write is found in the surroundings, as the package that reaches
            it does: of S3 AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL or a role.

    Raises:
        ZorkiError: fsspec knows no such kind of address, or its package is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address, self.videos = without_password(address.rstrip("/")), 0
        self._given, self._password = address.rstrip("/"), _password(address)
        self._files, self._root = self._reached(self._given)
        self._scratch = tempfile.mkdtemp(prefix="zorki-")  # goes with this object, or with the process
        weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._numbers = count()

    def __reduce__(self) -> tuple[type[Bucket], tuple[str]]:
        """Another process reaches it by itself."""
        return Bucket, (self._given,)

    def images(self) -> Iterator[str]:
        """See `Store`. What lies in one folder is held at a time."""
        self.videos = 0
        found = False
        stack = [self._entries("")]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
                continue
            found, (name, is_folder) = True, entry
            if is_folder:
                stack.append(self._entries(f"{name}/"))
            elif is_image(name):
                yield name
            else:
                self.videos += is_video(name)
        if not found:
            raise DataError(f"{self.address}: nothing lies there; check its spelling, and whether you may list it")

    def _entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        place = f"{self._root}/{folder}".rstrip("/")
        with self._told(folder, "cannot be listed"):
            try:
                listed = self._files.ls(place, detail=True)
            except FileNotFoundError:
                listed = []
        own = [
            (one["name"].rstrip("/").rpartition("/")[2], one)
            for one in listed
            if one["name"].strip("/") != place.strip("/")
        ]
        names = {(name, one["type"] == "directory") for name, one in own if is_visible(name)}
        return iter([(folder + name, is_folder) for name, is_folder in sorted(names)])

    def sources(self, names: Iterable[str]) -> Iterator[Source]:
        """See `Store`: the next ones are fetched meanwhile."""
        pool = ThreadPoolExecutor(READERS)
        waiting: deque[Future[Source]] = deque()
        try:
            for name in names:
                waiting.append(pool.submit(self._fetch, name))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _fetch(self, name: str) -> Source:
        given = f"{self.address}/{name}"
        if {".", ".."} & set(name.split("/")):
            return Source(None, name, "image", given, named=False, fault="its name leads out of the folder")
        copy = self._free_path(name)
        try:
            with self._told(name, "cannot be fetched"):
                self._files.get_file(f"{self._root}/{name}", str(copy))
        except DataError as error:
            copy.unlink(missing_ok=True)
            reason = str(error).removeprefix(f"{given}: ")
            return Source(None, name, "image", given, named=False, fault=reason)
        return Source(copy, name, "image", given, named=False)

    def release(self, source: Source) -> None:
        """Its copy goes."""
        if source.path is not None:
            source.path.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """See `Store`."""
        return [name for name, _ in self._entries("")]

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A copy."""
        copy = self._free_path(name)
        try:
            with self._told(name, "cannot be read"):
                self._files.get_file(f"{self._root}/{name}", str(copy))
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    @contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        """See `Store`: it is sent as one object, which is there as a whole or not at all."""
        aside = self._free_path(name)
        try:
            yield aside
            self._send(aside, name)
        finally:
            aside.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """In the temporary folder."""
        return self._outgoing / name

    def publish(self, path: Path) -> str:
        """Sends it."""
        name = path.relative_to(self._outgoing).as_posix()
        self._send(path, name)
        path.unlink()
        return name

    def remove(self, name: str) -> None:
        """See `Store`."""
        with self._told(name, "cannot be removed"), suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}")

    @property
    def _outgoing(self) -> Path:
        return Path(self._scratch, "out")

    def _free_path(self, name: str) -> Path:
        return Path(self._scratch, f"{next(self._numbers)}{Path(name).suffix}")

    def _send(self, path: Path, name: str) -> None:
        with self._told(name, "could not be written"):
            self._files.put_file(str(path), f"{self._root}/{name}")

    def _reached(self, address: str) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]

            # Listings are not kept: of many folders they would be all of the bucket.
            files, root = url_to_fs(address, use_listings_cache=False)
        except ImportError as error:
            package = f" ({error})" if "fsspec" not in str(error) else ""
            raise ZorkiError(
                f"{self.address}: buckets need packages that are not installed{package}: pip install 'zorki[buckets]'"
            ) from error
        except Exception as error:
            raise DataError(
                f"{self.address}: {self._reason(error)}; expected an address as s3://bucket/prefix"
            ) from None
        return files, str(root).rstrip("/")

    @contextmanager
    def _told(self, name: str, what: str) -> Iterator[None]:
        """Each package has errors of its own kinds. Raises DataError."""
        try:
            yield
        except Exception as error:
            place = f"{self.address}/{name}".rstrip("/")
            raise DataError(f"{place}: {what}: {self._reason(error)}") from None  # which may hold a password

    def _reason(self, error: Exception) -> str:
        text = next(iter(str(error).splitlines()), "") or type(error).__name__
        return text.replace(self._password, "***") if self._password else text


_USER = re.compile(r"^([^:/]+://)([^/@:]*):([^/@]*)@")


def without_password(address: str) -> str:
    """The address without a password or signature.

    >>> without_password("sftp://ann:secret@host/photos")
    'sftp://ann@host/photos'
    """
    return _USER.sub(r"\1\2@", address).partition("?")[0]


def _password(address: str) -> str:
    found = _USER.match(address)
    return found[3] if found else ""
