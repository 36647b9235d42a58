"""Frames of a video file by the time at which they are shown: sought, not decoded from the start."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from zorki.data.images import MAX_PIXELS
from zorki.data.video.container import Array, Converter, need_av, open_video, quarter_turns, stream_rate
from zorki.errors import DataError

FAR = 5.0
"""Seconds ahead that are sought where the file does not tell its keyframes: nearer ones are decoded up to."""

MISSING = 0.2
"""Share of the length that a file states which may be missing at its end before it counts as broken."""

_EPSILON = 1e-6  # seconds: a time that is a frame's own means that frame, whatever was rounded


@dataclass(frozen=True)
class VideoFacts:
    """What a video file states of itself: frames a second on average, seconds, and (height, width), upright."""

    rate: float
    duration: float
    size: tuple[int, int]


class DecodedCount:
    """Frames that this process has decoded, and how many of them somebody asked for."""

    def __init__(self) -> None:
        self.frames = self.used = 0


DECODED = DecodedCount()


def video_facts(path: Path, max_pixels: int = MAX_PIXELS) -> VideoFacts:
    """What the file states; its first frame is decoded, and what was read once is known.

    Raises:
        DataError: it holds no video, no frame of it can be decoded, or frames have more than `max_pixels`.
    """
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return _facts(path, changed, max_pixels)


@lru_cache(maxsize=4096)
def _facts(path: Path, changed: int, max_pixels: int) -> VideoFacts:
    with open_video(path) as container:
        stream = container.streams.video[0]
        height, width = stream.codec_context.height, stream.codec_context.width
        if height * width > max_pixels:
            raise DataError(f"{path}: frames of {width} x {height} pixels, more than {max_pixels:,}; see --max-pixels")
        stream.codec_context.thread_count = 1
        try:
            first = next(container.decode(stream), None)
        except need_av().FFmpegError as error:
            raise DataError(f"{path}: the video breaks off after 0 frames: {error.strerror}") from error
        if first is None:
            raise DataError(f"{path}: the video holds no frame")
        size = (first.width, first.height) if quarter_turns(first) % 2 else (first.height, first.width)
        rate = float(stream_rate(stream))
        return VideoFacts(rate, _duration(container, stream, rate), size)


def _duration(container: Any, stream: Any, rate: float) -> float:
    """The shorter of what container and stream state: an edit list cuts the one, other streams stretch the other."""
    stated = []
    if stream.duration is not None:
        stated.append(float(stream.duration * stream.time_base))
    if container.duration is not None:
        stated.append(container.duration / 1_000_000)
    if stated and min(stated) > 0:
        return min(stated)
    last = max((packet.pts for packet in container.demux(stream) if packet.pts is not None), default=0)
    return float((last - (stream.start_time or 0)) * stream.time_base) + 1 / rate


def frames_at(path: Path, seconds: Sequence[float]) -> list[Array]:
    """The frame that is shown at each of these times, uint8 (H, W, 3) RGB, upright; see `Film.at`.

    Each frame is decoded once, however many of the times are its own, and decoding begins at the keyframe before.

    Raises:
        DataError: the file cannot be read, or breaks off before one of the times.
    """
    av = need_av()
    found: dict[float, Array] = {}
    DECODED.used += len(set(seconds))
    with open_video(path) as container:
        reader = _Reader(path, container)
        try:
            for time in sorted(set(seconds)):
                found[time] = reader.frame_at(time)
        except av.FFmpegError as error:
            raise DataError(f"{path}: the video breaks off after {_count(path)} frames: {error.strerror}") from error
    return [found[time] for time in seconds]


def _count(path: Path) -> int:
    """The frames from the first on that can be decoded."""
    count = 0
    with open_video(path) as container:
        try:
            for _ in container.decode(video=0):
                count += 1
        except need_av().FFmpegError:
            pass
    return count


class _Shown(NamedTuple):
    """A decoded frame and the tick of the stream's clock at which it is shown."""

    tick: int
    frame: Any


class _Reader:
    """Goes forward through a video, by decoding or by seeking, whichever is nearer."""

    def __init__(self, path: Path, container: Any) -> None:
        self.path, self.container = path, container
        self.stream = container.streams.video[0]
        self.stream.codec_context.thread_count = 1  # workers decode side by side; several threads only begin later
        self.base = float(self.stream.time_base)
        self.rate = float(stream_rate(self.stream))
        self.origin = self.stream.start_time or 0
        self._convert = Converter()
        self._frames = self._decode()
        self._held: _Shown | None = None
        self._next: _Shown | None = None
        self._image: tuple[int, Array] | None = None  # the last one that was made, and its tick

    def frame_at(self, seconds: float) -> Array:
        """The frame shown at that time, which is not before that of the last call."""
        tick = self.origin + int((seconds + _EPSILON) / self.base)
        if self._is_far(tick):
            self._seek(tick)
        while (coming := self._peek()) is not None and (self._held is None or coming.tick <= tick):
            self._held, self._next = coming, None
        if self._held is None:
            raise DataError(f"{self.path}: the video holds no frame")
        if coming is None:
            self._check_end(tick)
        if self._image is None or self._image[0] != self._held.tick:
            self._image = self._held.tick, self._convert(self._held.frame)
        return self._image[1]

    def _peek(self) -> _Shown | None:
        if self._next is None:
            self._next = next(self._frames, None)
        return self._next

    def _decode(self) -> Iterator[_Shown]:
        for number, frame in enumerate(self.container.decode(self.stream)):
            DECODED.frames += 1
            tick = frame.pts if frame.pts is not None else self.origin + int(number / self.rate / self.base)
            yield _Shown(tick, frame)

    def _is_far(self, tick: int) -> bool:
        """Whether a keyframe lies between the last frame and the next that is wanted, as far as the file tells."""
        here = self.origin if self._held is None else self._held.tick
        entries = self.stream.index_entries
        if len(entries) == 0:
            return (tick - here) * self.base > FAR
        place = entries.search_timestamp(tick, backward=True)
        return place >= 0 and entries[place].timestamp > here

    def _seek(self, tick: int) -> None:
        """To a keyframe that is shown at the tick or before; earlier ones are tried where the first is shown later.

        Files sort keyframes by when they are decoded, which may be before frames that are shown earlier.
        """
        for back in (0.0, 1.0, 5.0, 25.0):
            self.container.seek(max(self.origin, tick - round(back / self.base)), stream=self.stream, backward=True)
            self._frames, self._next = self._decode(), None
            first = self._peek()
            if first is not None and first.tick <= tick:
                break
        else:
            self.container.seek(self.origin, stream=self.stream, backward=True)
            self._frames, self._next = self._decode(), None
        self._held = None

    def _check_end(self, tick: int) -> None:
        """Raises DataError where the file ends long before it says that it does, and that is where a frame is asked."""
        assert self._held is not None
        stated = video_facts(self.path).duration
        there = (self._held.tick - self.origin) * self.base + 1 / self.rate
        asked = (tick - self.origin) * self.base
        if asked > there + 1 / self.rate and stated - there > max(MISSING * stated, 2 / self.rate):
            raise DataError(
                f"{self.path}: the video breaks off after {_count(self.path)} frames: {there:.1f} s of {stated:.1f} s"
            )
