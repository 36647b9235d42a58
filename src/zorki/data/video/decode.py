"""Frames of a video file by the time at which they are shown: sought, not decoded from the start."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zorki.data.images import MAX_PIXELS
from zorki.data.video.container import Array, Converter, need_av, open_video, quarter_turns, stream_rate
from zorki.errors import DataError

FAR = 5.0
"""Seconds ahead that are sought where the file does not tell its keyframes: nearer ones are decoded up to."""

MISSING = 0.2
"""Share of the length that a file states which may be missing at its end before it counts as broken."""

SKIPPING = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video"})
"""Codecs whose decoders leave out frames that no other refers to, and nothing else, when they are told so."""

MAX_REORDERED = 16
"""Frames that may be decoded before the one that is shown first, at most, as H.264 has it."""

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


def frames_at(path: Path, seconds: Sequence[float]) -> Array:
    """The frame that is shown at each of these times, uint8 (T, H, W, 3) RGB, upright; see `Film.at`.

    Each frame is decoded once, however many of the times are its own, and decoding begins at the keyframe before.

    Raises:
        DataError: the file cannot be read, breaks off before one of the times, or its frames are of several sizes.
    """
    av = need_av()
    with open_video(path) as container:
        try:
            return _Reader(path, container, seconds).read()
        except av.FFmpegError as error:
            raise DataError(f"{path}: the video breaks off after {_count(path)} frames: {error.strerror}") from error


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

    def __init__(self, path: Path, container: Any, seconds: Sequence[float]) -> None:
        self.path, self.container = path, container
        self.stream = container.streams.video[0]
        self.codec = self.stream.codec_context
        self.codec.thread_count = 1  # workers decode side by side; several threads only begin later
        self.base = float(self.stream.time_base)
        self.rate = float(stream_rate(self.stream))
        self.origin = self.stream.start_time or 0
        self.ticks = [self.origin + int((time + _EPSILON) / self.base) for time in seconds]
        self.sorted = sorted(set(self.ticks))
        entries = self.stream.index_entries
        first = entries[0].timestamp if len(entries) else self.origin
        # Files tell when keyframes are decoded, which is earlier than they are shown where frames refer to later ones.
        self._delay = min(max(0, self.origin - first), round(MAX_REORDERED / self.rate / self.base))
        self._fed = first  # when the last packet was to be decoded
        self._skips = self.codec.name in SKIPPING
        self._skipped: list[int] = []  # ticks of frames that may have been left out, after the one held
        self._convert = Converter()
        self._frames = self._decode()
        self._held: _Shown | None = None
        self._next: _Shown | None = None

    def read(self) -> Array:
        """The frames at all times, (T, H, W, 3)."""
        rows: dict[int, list[int]] = {}
        for row, tick in enumerate(self.ticks):
            rows.setdefault(tick, []).append(row)
        frames: Array | None = None
        last, image = None, None
        for tick in self.sorted:
            held = self._shown_at(tick)
            if last is None or image is None or held.tick != last.tick:
                last, image = held, self._convert(held.frame)
                DECODED.used += 1
            if frames is None:
                frames = np.empty((len(self.ticks), *image.shape), dtype=np.uint8)
            if image.shape != frames.shape[1:]:
                raise DataError(
                    f"{self.path}: frames are of several sizes, {frames.shape[2]} x {frames.shape[1]} and "
                    f"{image.shape[1]} x {image.shape[0]} pixels"
                )
            frames[rows[tick]] = image
        assert frames is not None, "there is a time"
        return frames

    def _shown_at(self, tick: int) -> _Shown:
        """The frame shown at that tick, which is not before that of the last call."""
        if self._is_far(tick):
            self._seek(tick)
        held = self._advance(tick)
        self._skipped = [one for one in self._skipped if one > held.tick]
        if any(one <= tick for one in self._skipped):
            # It is shown for longer than its packet says, and was left out: from here on all are decoded.
            self._skips, self._skipped = False, []
            self._seek(tick)
            held = self._advance(tick)
        return held

    def _advance(self, tick: int) -> _Shown:
        while (coming := self._peek()) is not None and (self._held is None or coming.tick <= tick):
            self._held, self._next = coming, None
        if self._held is None:
            raise DataError(f"{self.path}: the video holds no frame")
        if coming is None:
            self._check_end(tick)
        return self._held

    def _peek(self) -> _Shown | None:
        if self._next is None:
            self._next = next(self._frames, None)
        return self._next

    def _decode(self) -> Iterator[_Shown]:
        number = 0
        for packet in self.container.demux(self.stream):
            self.codec.skip_frame = "NONREF" if self._is_unused(packet) else "DEFAULT"
            if packet.dts is not None:
                self._fed = packet.dts
            for frame in packet.decode():
                DECODED.frames += 1
                tick = frame.pts if frame.pts is not None else self.origin + int(number / self.rate / self.base)
                number += 1
                yield _Shown(tick, frame)

    def _is_unused(self, packet: Any) -> bool:
        """Whether nobody asks for the packet's frame, so that it is left out where no other refers to it."""
        if not self._skips or packet.pts is None or not packet.duration:
            return False
        place = bisect_left(self.sorted, packet.pts)
        unused = place == len(self.sorted) or self.sorted[place] >= packet.pts + packet.duration
        if unused:
            self._skipped.append(packet.pts)
        return unused

    def _is_far(self, tick: int) -> bool:
        """Whether a keyframe lies well between the last packet and the frame that is asked for, as the file tells."""
        entries = self.stream.index_entries
        if len(entries) == 0:
            return (tick - (self.origin if self._held is None else self._held.tick)) * self.base > FAR
        place = entries.search_timestamp(tick - self._delay, backward=True)
        # To seek costs the frames that are on their way through the decoder.
        near = self._delay + 2 / self.rate / self.base
        return place >= 0 and entries[place].timestamp > self._fed + near

    def _seek(self, tick: int) -> None:
        """To a keyframe that is shown at the tick or before; earlier ones are tried where the first is shown later.

        Files sort keyframes by when they are decoded, which may be before frames that are shown earlier.
        """
        for back in (0, self._delay, *(round(seconds / self.base) for seconds in (1.0, 5.0, 25.0))):
            self.container.seek(max(self.origin, tick - back), stream=self.stream, backward=True)
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
