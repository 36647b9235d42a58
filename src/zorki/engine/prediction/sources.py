"""What can be predicted on: files, folders, globs and addresses of images, and videos, read and written by PyAV."""

from __future__ import annotations

import atexit
import contextlib
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from zorki.data.annotations.listing import is_image, missing_root, walk_files
from zorki.data.images import EXTENSIONS, MAX_PIXELS, check_image
from zorki.errors import DataError, ZorkiError
from zorki.files import unwritable

VIDEO_EXTENSIONS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
"""Suffixes, in small letters, by which a file counts as a video."""

MAX_BYTES = 100_000_000
"""The largest image that is fetched from an address."""

TIMEOUT = 20.0
"""Seconds that a server may be silent."""

PATIENCE = 300.0
"""Seconds that one image may take to come."""

_WRITTEN = (".mp4", ".mov", ".m4v", ".mkv", ".avi")  # containers that take H.264 and MPEG-4 both


@dataclass(frozen=True)
class Source:
    """One image or video to predict on.

    `name` is a relative path for the answer's file, with forward slashes, and no other source of the list has it.
    `given` is what the user typed. Images from an address lie in a temporary file that lives as long as the process.
    """

    path: Path
    name: str
    kind: Literal["image", "video"]
    given: str


def expand(sources: Sequence[str], *, max_pixels: int = MAX_PIXELS) -> list[Source]:
    """Every image and video that the words name, in their order, each once.

    A word is a file, a folder (searched to its depths), a glob (`**` reaches through folders), or the http(s) address
    of an image, which is fetched. Files that the user names are taken at their word and judged when read; in folders
    and globs, files that are neither images nor videos are passed over.

    Raises:
        DataError: a word names nothing, or a file whose suffix is neither an image's nor a video's; nothing usable
            is in a folder; or an address cannot be fetched, is larger than 100 MB, or holds no image.
    """
    found: dict[str, Source] = {}
    names: set[str] = set()
    for given in sources:
        for source in _expand(given, max_pixels):
            # The same file may be named twice, by a folder and by its own name: one answer is enough.
            key = os.path.abspath(source.path)
            if key not in found:
                found[key] = replace(source, name=_free(source.name, names))
                names.add(found[key].name)
    return list(found.values())


def _free(name: str, taken: set[str]) -> str:
    """The name, or with the first number that makes it a new one: cat-2.jpg."""
    stem, suffix = os.path.splitext(name)
    tries = (f"{stem}-{number}{suffix}" for number in count(2))
    return name if name not in taken else next(other for other in tries if other not in taken)


def _expand(given: str, max_pixels: int) -> list[Source]:
    if urlsplit(given).scheme in ("http", "https"):
        return [_fetch(given, max_pixels)]
    path = Path(given).expanduser()
    if path.is_dir():
        return _folder(path, given)
    if path.exists():
        kind = _kind(path.name)
        if kind is None:
            raise DataError(f"{given}: neither an image nor a video, by its suffix; expected {_suffixes()}")
        return [Source(path, path.name, kind, given)]
    if glob.has_magic(given):
        return _glob(path, given)
    raise missing_root(path) or DataError(f"{given}: there is no such file")


def _folder(folder: Path, given: str) -> list[Source]:
    sources = [Source(folder / name, name, kind, given) for name in walk_files(folder) if (kind := _kind(name))]
    if not sources:
        raise DataError(f"{given}: no image or video in this folder or below it; looked for files named {_suffixes()}")
    return sources


def _glob(pattern: Path, given: str) -> list[Source]:
    matches = [Path(match) for match in sorted(glob.glob(str(pattern), recursive=True))]
    files = [(path, kind) for path in matches if path.is_file() and (kind := _kind(path.name))]
    if not files:
        what = f"{len(matches)} files or folders match, and none is an image or video" if matches else "nothing matches"
        raise DataError(f"{given}: {what}; looked for files named {_suffixes()}")
    above = Path(os.path.commonpath([path.parent for path, _ in files]))
    return [Source(path, path.relative_to(above).as_posix(), kind, given) for path, kind in files]


def _kind(name: str) -> Literal["image", "video"] | None:
    if is_image(name):
        return "image"
    return "video" if Path(name).suffix.lower() in VIDEO_EXTENSIONS else None


def _suffixes() -> str:
    return ", ".join([*sorted(EXTENSIONS), *sorted(VIDEO_EXTENSIONS)])


# -- images from an address --


def _fetch(url: str, max_pixels: int) -> Source:
    from http.client import HTTPException
    from urllib.error import URLError

    folder = Path(tempfile.mkdtemp(prefix="zorki-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = Path(unquote(urlsplit(url).path)).name or "image"
    try:
        _download(url, folder / name)
    except TimeoutError as error:
        raise DataError(f"{url}: the server was silent for {TIMEOUT:g} seconds") from error
    except URLError as error:  # of which HTTPError, a status like 404, is one
        raise DataError(f"{url}: cannot be fetched: {error.reason}") from error
    except (OSError, ValueError, HTTPException) as error:
        raise DataError(f"{url}: cannot be fetched: {error}") from error
    reason = check_image(folder / name, max_pixels)
    if reason is not None:
        raise DataError(f"{url}: {reason}")
    return Source(folder / name, name, "image", url)


def _download(url: str, path: Path) -> None:
    from urllib.request import Request, urlopen

    started, size = time.monotonic(), 0
    request = Request(url, headers={"User-Agent": "zorki"})  # some servers refuse Python's own
    with urlopen(request, timeout=TIMEOUT) as response, open(path, "wb") as file:
        while chunk := response.read1(1 << 16):
            size += len(chunk)
            if size > MAX_BYTES:
                raise DataError(f"{url}: more than {MAX_BYTES / 1e6:g} MB; fetch it yourself and name the file")
            if time.monotonic() - started > PATIENCE:
                raise DataError(f"{url}: not here after {PATIENCE:g} seconds; fetch it yourself and name the file")
            file.write(chunk)


# -- videos --


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise ZorkiError("videos need PyAV, which is not installed: pip install 'zorki[video]'") from error
    return av


def frame_rate(path: Path) -> Fraction:
    """Frames a second, as the video states or as PyAV guesses; 25 where nothing is known.

    Raises:
        DataError: the file is missing or holds no video.
        ZorkiError: PyAV is not installed.
    """
    with _open_video(path) as container:
        stream = container.streams.video[0]
        return Fraction(stream.average_rate or stream.guessed_rate or 25)


def frames(path: Path) -> Iterator[tuple[int, UInt8[Tensor, "3 H W"]]]:
    """The frames of a video in the order in which they are shown, with their numbers from 0, turned upright.

    Raises:
        DataError: the file is missing, holds no video, or breaks off: after the frames before the break.
        ZorkiError: PyAV is not installed.
    """
    av = _av()
    with _open_video(path) as container:
        container.streams.video[0].thread_type = "AUTO"  # twice as fast
        number = -1
        try:
            for number, frame in enumerate(container.decode(video=0)):
                pixels = frame.to_ndarray(format="rgb24")
                # What phones store lying down says so; rotation counts degrees against the clock.
                pixels = np.rot90(pixels, round(getattr(frame, "rotation", 0) / 90))
                yield number, torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        except av.FFmpegError as error:
            raise DataError(f"{path}: the video breaks off after frame {number}: {error.strerror}") from error
    if number < 0:
        raise DataError(f"{path}: the video holds no frame")


@contextlib.contextmanager
def _open_video(path: Path) -> Iterator[Any]:
    av = _av()
    if not path.is_file():
        raise DataError(f"{path}: {'this is a folder, not a video' if path.is_dir() else 'there is no such file'}")
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise DataError(f"{path}: no video that can be read: {error.strerror}") from error
    with container:
        if not container.streams.video:
            raise DataError(f"{path}: the file holds no video, only {[stream.type for stream in container.streams]}")
        yield container


class VideoWriter:
    """Writes frames of one size as an MP4 or other video, whole or not at all: the file appears when all is written.

        with VideoWriter(path, rate) as video:
            video.write(image)

    Encodes H.264, or MPEG-4 part 2 where FFmpeg was built without it. Odd sizes lose their last row or column, since
    color is stored at half the resolution.
    """

    def __init__(self, path: Path, rate: Fraction | float = 25) -> None:
        self.path = path
        self.rate = Fraction(rate).limit_denominator(65535)
        self._part = path.with_name(f"{path.stem}.part{path.suffix}")  # FFmpeg chooses the container by the suffix
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        av = _av()
        if self.path.suffix.lower() not in _WRITTEN:
            raise DataError(f"{self.path}: videos are written as one of {', '.join(_WRITTEN)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._part), mode="w")
        except (OSError, av.FFmpegError) as error:
            raise unwritable(self.path, error) from error
        return self

    def write(self, image: UInt8[Tensor, "3 H W"]) -> None:
        """Adds a frame.

        Raises:
            DataError: its size differs from the first one's.
            ZorkiError: the disk is full.
        """
        av = _av()
        height, width = image.shape[-2] // 2 * 2, image.shape[-1] // 2 * 2
        if self._stream is None:
            self._stream = self._add_stream(height, width)
        if (self._stream.height, self._stream.width) != (height, width):
            raise DataError(
                f"{self.path}: the video's frames are {self._stream.height} x {self._stream.width} (height x width), "
                f"and one of {height} x {width} came"
            )
        pixels = np.ascontiguousarray(image[:, :height, :width].cpu().numpy().transpose(1, 2, 0))
        self._encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._stream is None:
                raise DataError(f"{self.path}: no frame was written, so there is no video")
            if kind is None:
                self._encode(None)
            self._container.close()
            if kind is None:
                os.replace(self._part, self.path)
        except (OSError, _av().FFmpegError) as failure:
            if kind is None:  # else the first error is the one to tell
                raise unwritable(self.path, failure) from failure
        finally:
            self._part.unlink(missing_ok=True)

    def _add_stream(self, height: int, width: int) -> Any:
        if min(height, width) == 0:
            raise DataError(f"{self.path}: a video's frames need two pixels at least in each direction")
        av = _av()
        try:
            codec = av.Codec("libx264", "w").name
        except (av.FFmpegError, ValueError):  # an FFmpeg without x264 does not know its name
            codec = "mpeg4"
        stream = self._container.add_stream(codec, rate=self.rate)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        if codec == "mpeg4":
            stream.bit_rate = max(400_000, int(height * width * self.rate) // 5)
        return stream

    def _encode(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, _av().FFmpegError) as error:
            raise unwritable(self.path, error) from error
