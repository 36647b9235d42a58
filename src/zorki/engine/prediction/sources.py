"""What can be predicted on: files, folders, globs, addresses, videos, cameras, and images in memory."""

from __future__ import annotations

import atexit
import contextlib
import glob
import math
import os
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL.ImageFile import ImageFile

from zorki.data.annotations.listing import is_image, missing_root, walk_files
from zorki.data.images import EXTENSIONS, MAX_PIXELS, check_image, image_size, read_array
from zorki.data.video.container import EXTENSIONS as VIDEO_EXTENSIONS
from zorki.data.video.films import is_frame_folder
from zorki.engine.prediction.images import as_array, in_memory
from zorki.engine.prediction.video import (
    TimedFrame,
    camera_frames,
    folder_frames,
    frame_rate,
    newest,
    timed_frames,
)
from zorki.errors import DataError
from zorki.input_files.addresses import AddressError, open_address, stated_length
from zorki.input_files.content import special_kind
from zorki.types.arrays import tensor_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

MAX_BYTES = 100_000_000
"""The largest image that is fetched from an address."""

TIMEOUT = 20.0
"""Seconds that a server may be silent."""

PATIENCE = 300.0
"""Seconds that one image may take to come."""


LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "udp", "tcp")
"""Schemes of addresses that send frames as they are taken, without an end."""

Kind = Literal["image", "video", "live"]


@dataclass(frozen=True)
class Source:
    """One image, video, or live stream to predict on.

    Attributes:
        path: the file; None where there is none. Images from an address lie in a temporary file that lives as long as
            the process.
        name: a relative path for the prediction's file, with forward slashes, which no other source of the list has.
        kind: what is live has no end.
        given: what the user typed.
        content: an image in memory; an address that FFmpeg reads; a camera's number; or the frames to come.
        named: the user named this very source; others were found in a folder or by a glob, or are one address of
            several.
        fault: why it cannot be read, where that is known before.
    """

    path: Path | None
    name: str
    kind: Kind
    given: str
    content: np.ndarray | str | int | Iterator[Any] | None = None
    named: bool = True
    fault: str = ""

    def __str__(self) -> str:
        """For results and messages: the path, or what the user typed."""
        return self.given if self.path is None or "://" in self.given else self.path.as_posix()

    def image(self, max_pixels: int = MAX_PIXELS, shorter_side: int | None = None) -> UInt8[Tensor, "3 H W"]:
        """As `array`, as a tensor."""
        return tensor_of(self.array(max_pixels, shorter_side))

    def array(self, max_pixels: int = MAX_PIXELS, shorter_side: int | None = None) -> UInt8[np.ndarray, "3 H W"]:
        """The image, decoded where it is in a file, as `read_array`. Raises DataError."""
        if self.fault:
            raise DataError(self.fault)
        if isinstance(self.content, np.ndarray):
            return self.content
        assert self.path is not None
        return read_array(self.path, max_pixels=max_pixels, shorter_side=shorter_side)

    def count_pixels(self, shorter_side: int | None = None) -> int:
        """Of an image that is still to be decoded by `image`; 0 of one in memory, or one that cannot be read."""
        if self.fault or self.path is None or isinstance(self.content, np.ndarray):
            return 0
        try:
            return math.prod(image_size(self.path, shorter_side))
        except DataError:
            return 0

    def frames(self, *, bgr: bool = False) -> Generator[tuple[int, UInt8[Tensor, "3 H W"]], None, None]:
        """The frames of a video or live stream, with their numbers from 0; of cameras always the newest.

        Raises:
            DataError: it cannot be read, or not to its end: after the frames before.
            ZorkiError: PyAV or OpenCV is not installed.
        """
        with contextlib.closing(self.timed_frames(bgr=bgr)) as stream:
            for frame in stream:
                yield frame.number, frame.image

    def timed_frames(self, *, bgr: bool = False) -> Generator[TimedFrame, None, None]:
        """As `frames`, with the time of each; of images from an iterator by 25 a second. Raises as `frames`."""
        if self.fault:
            raise DataError(self.fault)
        if isinstance(self.content, int):
            yield from newest(camera_frames(self.content))
        elif isinstance(self.content, Iterator):
            rate = self.frame_rate()
            for number, value in enumerate(self.content):
                yield TimedFrame(number, float(number / rate), as_array(value, f"{self.name}, frame {number}", bgr=bgr))
        else:
            folder = self.path if self.path is not None and self.path.is_dir() else None
            stream = timed_frames(self.path or str(self.content)) if folder is None else folder_frames(folder)
            yield from newest(stream) if self.kind == "live" else stream

    def frame_rate(self) -> Fraction:
        """Frames a second, as the video states; 25 where nothing is known."""
        if isinstance(self.content, int | Iterator) or self.fault or (self.path is not None and self.path.is_dir()):
            return Fraction(25)
        return frame_rate(self.path or str(self.content))


def expand(sources: Any, *, max_pixels: int = MAX_PIXELS, bgr: bool = False, films: bool = False) -> list[Source]:
    """Every image, video and live stream that the sources name, in their order, each file once.

    A source is a file, a folder (searched to its depths), a glob (`**` reaches through folders), the http(s) address
    of an image, which is fetched, or of a video, the address of a network camera (rtsp://...), the number of a camera
    of this machine, or an image in memory: see `as_array`. Lists may hold all of these; an iterator yields the frames
    of a live stream, as images in memory. Files that the user names are taken at their word and checked when read; in
    folders and globs, files that are neither images nor videos are passed over.

    Args:
        films: a folder that holds images and nothing else is one film, its frames in the order of their numbers.

    Raises:
        DataError: a source names nothing, or a file whose suffix is neither an image's nor a video's; nothing usable
            is in a folder; an address cannot be fetched, is larger than 100 MB, or holds no image; or an image in
            memory is none.
    """
    found: dict[Any, Source] = {}
    names: set[str] = set()
    every = list(_flat(sources))
    for number, given in enumerate(every, 1):
        for source in _expand(given, number, max_pixels, bgr, films, alone=len(every) == 1):
            # The same file may be named twice, by a folder and by its own name: one prediction is enough.
            key = number if source.path is None else os.path.abspath(source.path)
            if key not in found:
                found[key] = replace(source, name=_free(source.name, names))
                names.add(found[key].name)
    return list(found.values())


def _flat(sources: Any) -> Iterator[Any]:
    if isinstance(sources, list | tuple):
        for source in sources:
            yield from _flat(source)
    else:
        yield sources


def can_go_on(sources: Sequence[Source]) -> bool:
    """Whether another process finds the same sources by the same words."""
    return all(source.kind != "live" and isinstance(source.content, str | None) for source in sources)


def words(sources: Any) -> list[str]:
    """What the user typed, flat. For sources that `can_go_on`."""
    return [os.fspath(source) for source in _flat(sources)]


def _free(name: str, taken: set[str]) -> str:
    """The name, or with the first number that makes it a new one: cat-2.jpg."""
    stem, suffix = os.path.splitext(name)
    tries = (f"{stem}-{number}{suffix}" for number in count(2))
    return name if name not in taken else next(other for other in tries if other not in taken)


def _expand(given: Any, number: int, max_pixels: int, bgr: bool, films: bool, *, alone: bool) -> list[Source]:
    if in_memory(given):
        return [_in_memory(given, number, bgr)]
    if isinstance(given, Iterator):
        return [Source(None, f"frames-{number}", "live", f"frames {number}", given)]
    if isinstance(given, int) and not isinstance(given, bool):
        return [_camera(given)]
    if not isinstance(given, str | os.PathLike):
        raise DataError(
            f"source {number} is {type(given).__name__}; expected a path, an address, a camera's number, an image as "
            "numpy array, Pillow image or tensor, or a list of these"
        )
    return _expand_words(os.fspath(given), max_pixels, films, alone)


def _in_memory(value: Any, number: int, bgr: bool) -> Source:
    """Pillow's images know their file."""
    file = value.filename if isinstance(value, ImageFile) and isinstance(value.filename, str) else ""
    given = file or f"image {number}"
    return Source(None, Path(file).name or f"image-{number}.png", "image", given, as_array(value, given, bgr=bgr))


def _camera(number: int) -> Source:
    if number < 0:
        raise DataError(f"camera {number}: expected a number from 0 on")
    return Source(None, f"camera-{number}", "live", f"camera {number}", number)


def _expand_words(given: str, max_pixels: int, films: bool, alone: bool) -> list[Source]:
    try:
        parts = urlsplit(given)
    except ValueError as error:  # brackets that are no address of IPv6
        if "://" in given:
            raise DataError(f"{given}: it is no address: {error}") from error
        parts = urlsplit("")
    if parts.scheme in LIVE or (parts.scheme in ("http", "https") and parts.path.endswith(".m3u8")):
        return [Source(None, Path(parts.path).stem or parts.scheme, "live", given, given)]
    if parts.scheme in ("http", "https"):
        if _kind(parts.path) == "video":
            return [Source(None, unquote(Path(parts.path).name), "video", given, given)]
        try:
            return [_fetch(given, max_pixels)]
        except DataError as error:
            if alone:
                raise
            return [
                Source(None, unquote(Path(parts.path).name) or "image", "image", given, named=False, fault=str(error))
            ]
    path = Path(given).expanduser()
    if given.isascii() and given.isdigit() and not path.exists():
        return [_camera(int(given))]
    if path.is_dir():
        return _folder(path, given, films)
    if path.exists():
        kind = _kind(path.name)
        if kind is None:
            raise DataError(f"{given}: neither an image nor a video, by its suffix; expected {_suffixes()}")
        return [Source(path, path.name, kind, given)]
    if glob.has_magic(given):
        return _glob(path, given)
    raise missing_root(path) or DataError(f"{given}: there is no such file")


def _folder(folder: Path, given: str, films: bool) -> list[Source]:
    sources: list[Source] = []
    seen: dict[Path, bool] = {}  # folders of images, and whether each is one film
    for name in walk_files(folder):
        path, kind = folder / name, _kind(name)
        if films and kind == "image":
            if seen.get(path.parent):
                continue
            if path.parent not in seen:
                seen[path.parent] = is_frame_folder(path.parent)
                if seen[path.parent]:
                    own = path.parent == folder
                    inner = folder.resolve().name if own else path.parent.relative_to(folder).as_posix()
                    sources.append(Source(path.parent, inner or "film", "video", given, named=own))
                    continue
        if kind is not None:
            sources.append(found_file(path, name, kind, given))
    if not sources:
        raise DataError(f"{given}: no image or video in this folder or below it; looked for files named {_suffixes()}")
    return sources


def _glob(pattern: Path, given: str) -> list[Source]:
    matches = [Path(match) for match in sorted(glob.glob(_without_names(pattern), recursive=True))]
    files = [(path, kind) for path in matches if not path.is_dir() and (kind := _kind(path.name))]
    if not files:
        what = f"{len(matches)} files or folders match, and none is an image or video" if matches else "nothing matches"
        raise DataError(f"{given}: {what}; looked for files named {_suffixes()}")
    above = Path(os.path.commonpath([path.parent for path, _ in files]))
    return [found_file(path, path.relative_to(above).as_posix(), kind, given) for path, kind in files]


def _without_names(pattern: Path) -> str:
    """The pattern for `glob`; of the folders that are there as they are spelled, brackets are no part of it."""
    there = next(above for above in pattern.parents if above.is_dir())
    return str(Path(glob.escape(str(there)), pattern.relative_to(there)))


def found_file(path: Path, name: str, kind: Kind, given: str) -> Source:
    """A file that the user did not name; a pipe among them, which would be waited for, has a fault."""
    special = special_kind(path)
    fault = "" if special is None else f"{path}: it is {special}, not a regular file"
    return Source(path, name, kind, given, named=False, fault=fault)


def _kind(name: str) -> Literal["image", "video"] | None:
    if is_image(name):
        return "image"
    return "video" if Path(name).suffix.lower() in VIDEO_EXTENSIONS else None


def _suffixes() -> str:
    return ", ".join([*sorted(EXTENSIONS), *sorted(VIDEO_EXTENSIONS)])


# -- images from an address --


def _fetch(url: str, max_pixels: int) -> Source:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    folder = Path(tempfile.mkdtemp(prefix="zorki-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = Path(unquote(urlsplit(url).path)).name or "image"
    try:
        _download(url, folder / name)
    except HTTPError as error:  # a status like 404
        raise DataError(f"{url}: cannot be fetched: {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise DataError(
            f"{url}: the server was silent for {TIMEOUT:g} seconds, or took longer for its headers"
        ) from error
    except URLError as error:
        raise DataError(f"{url}: cannot be fetched: {error.reason}") from error
    except (AddressError, OSError, HTTPException) as error:
        raise DataError(f"{url}: cannot be fetched: {error}") from error
    reason = check_image(folder / name, max_pixels)
    if reason is not None:
        raise DataError(f"{url}: {reason}")
    return Source(folder / name, name, "image", url)


def _download(url: str, path: Path) -> None:
    started, size = time.monotonic(), 0
    with open_address(url, silence=TIMEOUT) as response, open(path, "wb") as file:
        stated = stated_length(response)
        while chunk := response.read1(1 << 16):
            size += len(chunk)
            if size > MAX_BYTES:
                raise DataError(f"{url}: more than {MAX_BYTES / 1e6:g} MB; fetch it yourself and name the file")
            if time.monotonic() - started > PATIENCE:
                raise DataError(f"{url}: not here after {PATIENCE:g} seconds; fetch it yourself and name the file")
            file.write(chunk)
    if stated is not None and size != stated:
        raise DataError(f"{url}: {size:,} bytes of {stated:,} came; try again")
