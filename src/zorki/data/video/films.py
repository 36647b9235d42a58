"""Films of every layout: a video file, a folder of frames, a strip of frames side by side, and frames in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zorki.data.annotations.listing import is_image, loose_files
from zorki.data.annotations.tracks.layout import frame_files
from zorki.data.images import MAX_PIXELS, check_image, image_size, read_array
from zorki.data.video.container import Array, need_av
from zorki.data.video.decode import frames_at, video_facts
from zorki.errors import DataError
from zorki.types import Film
from zorki.types.arrays import tensor_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

FRAME_RATE = 25.0
"""Frames a second of what does not tell it: folders of frames, strips, and frames in memory."""


KEPT_PIXELS = 1 << 20
"""Of a strip that is held once it was decoded, in each process: 64 of them are 200 MB at most."""


@dataclass(frozen=True)
class VideoFile(Film):
    """A video in a file, or the part of it from `start` to `end` in seconds; None: from its beginning, to its end."""

    path: Path
    start: float | None = None
    end: float | None = None
    max_pixels: int = MAX_PIXELS

    @property
    def rate(self) -> float:
        return video_facts(self.path, self.max_pixels).rate

    @property
    def duration(self) -> float:
        begin, end = self._bounds()
        return end - begin

    @property
    def size(self) -> tuple[int, int]:
        return video_facts(self.path, self.max_pixels).size

    @property
    def fingerprint(self) -> str:
        return f"{file_mark(self.path)} {self.start} {self.end}"

    def at(self, seconds: Sequence[float]) -> UInt8[Tensor, "T 3 H W"]:
        begin, end = self._bounds()
        # The last moment within is half a frame before the end: at the end itself the next part's first frame is shown.
        last = max(begin, end - 0.5 / self.rate)
        frames = frames_at(self.path, [min(max(begin + time, begin), last) for time in seconds])
        return tensor_of(frames).permute(0, 3, 1, 2)  # in memory as decoded: no copy, and quickly resized

    def _bounds(self) -> tuple[float, float]:
        facts = video_facts(self.path, self.max_pixels)
        begin = self.start or 0.0
        end = facts.duration if self.end is None else min(self.end, facts.duration)
        if end <= begin:
            raise DataError(
                f"{self.path}: the clip begins at {begin:g} s, and the video ends at {facts.duration:.2f} s"
            )
        return begin, end


@dataclass(frozen=True)
class FrameFolder(Film):
    """A film whose frames are images in a folder, by the numbers in their names; all of one size."""

    path: Path
    frame_rate: float = FRAME_RATE
    start: float | None = None
    end: float | None = None
    max_pixels: int = MAX_PIXELS

    @property
    def rate(self) -> float:
        return self.frame_rate

    @property
    def duration(self) -> float:
        return len(self._files()) / self.frame_rate

    @property
    def size(self) -> tuple[int, int]:
        return _known_size(self._files()[0])

    @property
    def fingerprint(self) -> str:
        return " ".join([str(self.frame_rate), *map(file_mark, self._files())])

    def at(self, seconds: Sequence[float]) -> UInt8[Tensor, "T 3 H W"]:
        files = self._files()
        numbers = [_number(time, self.frame_rate, len(files)) for time in seconds]
        images: dict[int, Array] = {}
        for number in numbers:
            if number not in images:
                images[number] = read_array(files[number], max_pixels=self.max_pixels).transpose(1, 2, 0)
        first = images[numbers[0]]
        for number, image in images.items():
            if image.shape != first.shape:
                raise DataError(
                    f"{files[number]}: the frame has {image.shape[1]} x {image.shape[0]} pixels, and others of "
                    f"the film have {first.shape[1]} x {first.shape[0]}"
                )
        return _stacked([images[number] for number in numbers])

    def _files(self) -> list[Path]:
        return _part(_frame_files(self.path), self.frame_rate, self.start, self.end, self.path)


@dataclass(frozen=True)
class Strip(Film):
    """A film in one image: square frames side by side, or one below the other in a tall one."""

    path: Path
    frame_rate: float = FRAME_RATE
    start: float | None = None
    end: float | None = None
    max_pixels: int = MAX_PIXELS

    @property
    def rate(self) -> float:
        return self.frame_rate

    @property
    def duration(self) -> float:
        return len(self._numbers()) / self.frame_rate

    @property
    def size(self) -> tuple[int, int]:
        side = min(_known_size(self.path))
        return side, side

    @property
    def fingerprint(self) -> str:
        return f"{file_mark(self.path)} {self.frame_rate} {self.start} {self.end}"

    def at(self, seconds: Sequence[float]) -> UInt8[Tensor, "T 3 H W"]:
        numbers = self._numbers()
        chosen = [numbers[_number(time, self.frame_rate, len(numbers))] for time in seconds]
        image = self._image()
        side = min(image.shape[1:])
        if image.shape[2] > image.shape[1]:
            return _tensor(np.stack([image[:, :, k * side : (k + 1) * side] for k in chosen]))
        return _tensor(np.stack([image[:, k * side : (k + 1) * side] for k in chosen]))

    def _image(self) -> Array:
        height, width = _known_size(self.path)
        read = _strip_image if height * width <= KEPT_PIXELS else _strip_image.__wrapped__
        return read(self.path, file_mark(self.path), self.max_pixels)

    def _numbers(self) -> list[int]:
        count = strip_count(self.path)
        if count is None:
            height, width = _known_size(self.path)
            raise DataError(
                f"{self.path}: {width} x {height} pixels are no strip of frames; expected square ones side by side"
            )
        return _part(list(range(count)), self.frame_rate, self.start, self.end, self.path)


@dataclass(frozen=True, eq=False)
class HeldFilm(Film):
    """Frames (T, 3, H, W) in memory."""

    frames: UInt8[Tensor, "T 3 H W"]
    frame_rate: float = FRAME_RATE

    @property
    def rate(self) -> float:
        return self.frame_rate

    @property
    def duration(self) -> float:
        return len(self.frames) / self.frame_rate

    @property
    def size(self) -> tuple[int, int]:
        return int(self.frames.shape[-2]), int(self.frames.shape[-1])

    @property
    def fingerprint(self) -> str:
        """A hash of the frames."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.frames.numpy()).data, digest_size=16).hexdigest()
        return f"{digest} {tuple(self.frames.shape)} {self.frame_rate}"

    def at(self, seconds: Sequence[float]) -> UInt8[Tensor, "T 3 H W"]:
        return self.frames[[_number(time, self.frame_rate, len(self.frames)) for time in seconds]]


def open_film(
    path: Path, start: float | None = None, end: float | None = None, max_pixels: int = MAX_PIXELS
) -> VideoFile | FrameFolder | Strip:
    """The film at a path: a folder of frames, a strip, or a video in whatever format FFmpeg knows.

    Args:
        start, end: of a part of it, in seconds; None: from its beginning, to its end.
    """
    if path.is_dir():
        return FrameFolder(path, start=start, end=end, max_pixels=max_pixels)
    kind = Strip if is_image(path.name) else VideoFile
    return kind(path, start=start, end=end, max_pixels=max_pixels)


def check_film(path: Path, max_pixels: int = MAX_PIXELS) -> str | None:
    """Why a film cannot be read, as far as a quick look tells; None where nothing is wrong.

    Raises:
        ZorkiError: PyAV is needed, and not installed.
    """
    try:
        if path.is_dir():
            return check_image(_frame_files(path)[0], max_pixels)
        if is_image(path.name):
            return check_image(path, max_pixels)
        need_av()
        video_facts(path, max_pixels)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def strip_count(path: Path) -> int | None:
    """How many square frames a strip holds, two at least; None of an image that is none."""
    height, width = _known_size(path)
    side = min(height, width)
    count, rest = divmod(max(height, width), side)
    return count if rest == 0 and count >= 2 else None


def is_strip(path: Path) -> bool:
    """Whether an image is a strip beyond doubt: of four square frames at least."""
    try:
        return (strip_count(path) or 0) >= 4
    except DataError:
        return False


def file_mark(path: Path) -> str:
    """A file's path, size and time of change: other words for other content, without reading it."""
    try:
        facts = os.stat(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"


def holds_frames(folder: Path) -> bool:
    """Whether a folder holds two images at least, and nothing beside them."""
    files = loose_files(folder)
    return len(files) >= 2 and all(is_image(name) for name in files)


def is_frame_folder(folder: Path) -> bool:
    """Whether a folder is one film: it holds frames, and they are no strips."""
    return holds_frames(folder) and not is_strip(_frame_files(folder)[0])


def _frame_files(folder: Path) -> list[Path]:
    files = frame_files(folder)
    if not files:
        raise DataError(f"{folder}: the folder holds no image")
    return files


def _known_size(path: Path) -> tuple[int, int]:
    """`image_size`, once for each file: films are asked for their length clip by clip, and a PNG is decoded for it."""
    return _size(path, file_mark(path))


@lru_cache(maxsize=4096)
def _size(path: Path, mark: str) -> tuple[int, int]:
    return image_size(path)


@lru_cache(maxsize=64)
def _strip_image(path: Path, mark: str, max_pixels: int) -> Array:
    """(3, H, W); strips are small, and asked for clip by clip."""
    return read_array(path, max_pixels=max_pixels)


def _part(items: list, rate: float, start: float | None, end: float | None, path: Path) -> list:  # type: ignore[type-arg]
    """The frames from `start` to `end`, in seconds."""
    first = 0 if start is None else round(start * rate)
    last = len(items) if end is None else min(len(items), round(end * rate))
    if last <= first:
        raise DataError(f"{path}: the clip begins at {start or 0:g} s, and the film ends at {len(items) / rate:.2f} s")
    return items[first:last]


def _number(seconds: float, rate: float, count: int) -> int:
    return min(max(0, int(seconds * rate + 1e-6)), count - 1)


def _stacked(frames: Sequence[Array]) -> Tensor:
    """(T, 3, H, W) of frames (H, W, 3)."""
    out = np.empty((len(frames), 3, *frames[0].shape[:2]), dtype=np.uint8)
    for place, frame in zip(out, frames, strict=True):
        place[...] = frame.transpose(2, 0, 1)
    return _tensor(out)


def _tensor(frames: Array) -> Tensor:
    return tensor_of(np.ascontiguousarray(frames))
