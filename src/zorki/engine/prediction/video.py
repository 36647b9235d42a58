"""Videos and cameras: read frame by frame with PyAV and OpenCV, and written with PyAV."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from zorki.data.images import Array, interleaved
from zorki.data.preprocess.resize_image import resize_image
from zorki.data.video.container import Converter, need_av, open_video, stream_rate
from zorki.data.video.films import FrameFolder
from zorki.errors import DataError, ZorkiError
from zorki.files import unwritable
from zorki.types.arrays import array_of, tensor_of

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from torch import Tensor

CLOCK = Fraction(1, 12_800)
"""Seconds of a tick by which frames are timed that do not come at one rate."""

Frame = TypeVar("Frame")


class TimedFrame(NamedTuple):
    """A frame of a video: its number from 0, the seconds at which it is shown or was taken, and its pixels."""

    number: int
    seconds: float
    pixels: Array

    @property
    def image(self) -> UInt8[Tensor, "3 H W"]:
        """The pixels as a tensor."""
        return tensor_of(self.pixels)


_WRITTEN = (".mp4", ".mov", ".m4v", ".mkv", ".avi")  # containers that take H.264 and MPEG-4 both


def frame_rate(video: Path | str) -> Fraction:
    """Frames a second, as the video states or as PyAV guesses; 25 where nothing is known.

    Raises:
        DataError: the file is missing or holds no video.
        ZorkiError: PyAV is not installed.
    """
    with open_video(video) as container:
        return stream_rate(container.streams.video[0])


def frames(video: Path | str) -> Generator[tuple[int, UInt8[Tensor, "3 H W"]], None, None]:
    """The frames of a video in the order in which they are shown, with their numbers from 0; see `timed_frames`."""
    with contextlib.closing(timed_frames(video)) as stream:
        for frame in stream:
            yield frame.number, frame.image


def timed_frames(video: Path | str) -> Generator[TimedFrame, None, None]:
    """The frames of a video in the order in which they are shown, turned upright.

    Args:
        video: a file, or an address that FFmpeg reads, such as "rtsp://camera/1" or "https://example.org/a.mp4".

    Raises:
        DataError: the file is missing, holds no video, or breaks off: after the frames before the break.
        ZorkiError: PyAV is not installed.
    """
    av = need_av()
    with open_video(video) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"  # twice as fast
        rate, number, convert = stream_rate(stream), -1, Converter()
        try:
            for number, frame in enumerate(container.decode(video=0)):
                seconds = float(number / rate if frame.time is None else frame.time)
                yield TimedFrame(number, seconds, convert(frame).transpose(2, 0, 1).copy())
        except av.FFmpegError as error:
            raise DataError(f"{video}: the video breaks off after frame {number}: {error.strerror}") from error
    if number < 0:
        raise DataError(f"{video}: the video holds no frame")


def folder_frames(folder: Path) -> Generator[TimedFrame, None, None]:
    """The frames of a film whose frames are images in a folder. Raises DataError as `FrameFolder.at`."""
    film = FrameFolder(folder)
    step = 16  # that are read together
    for first in range(0, len(film), step):
        numbers = range(first, min(first + step, len(film)))
        frames = film.at([(number + 0.5) / film.rate for number in numbers])
        for number, image in zip(numbers, frames, strict=True):
            yield TimedFrame(number, number / film.rate, array_of(image))


def camera_frames(camera: int) -> Generator[TimedFrame, None, None]:
    """The frames of the machine's camera of that number, as they come, through OpenCV; by the machine's clock.

    Raises:
        DataError: there is no such camera, or it stops.
        ZorkiError: OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise ZorkiError(f"camera {camera} needs OpenCV, which is not installed: pip install 'zorki[cv]'") from error
    device = cv2.VideoCapture(camera)
    try:
        if not device.isOpened():
            raise DataError(f"camera {camera}: cannot be opened; is it connected, and not in use by another program?")
        for number in count():
            there, pixels = device.read()
            if not there:
                raise DataError(f"camera {camera}: no frame came after {number}; was it disconnected?")
            image = np.ascontiguousarray(pixels[:, :, ::-1]).transpose(2, 0, 1)
            yield TimedFrame(number, time.monotonic(), image)
    finally:
        device.release()


def newest(stream: Iterator[Frame]) -> Generator[Frame, None, None]:
    """The newest item of a live stream whenever one is asked for; those that came meanwhile are dropped.

    Without it a network slower than the camera would predict later and later. What is read is read by another thread;
    an error of the stream is raised after the items before it.
    """
    ready = threading.Condition()
    items: deque[Frame] = deque(maxlen=1)
    ended: list[BaseException | None] = []
    stopped = threading.Event()

    def read() -> None:
        error: BaseException | None = None
        try:
            for item in stream:
                with ready:
                    items.append(item)
                    ready.notify()
                if stopped.is_set():
                    break
        except BaseException as caught:  # raised again where the stream is used
            error = caught
        finally:
            if isinstance(stream, Generator):
                stream.close()  # in this thread: a generator cannot be closed while it runs
            with ready:
                ended.append(error)
                ready.notify()

    reader = threading.Thread(target=read, daemon=True, name="zorki-camera")
    reader.start()
    try:
        while True:
            with ready:
                ready.wait_for(lambda: items or ended)
                if not items:
                    break
                item = items.popleft()
            yield item
    finally:
        stopped.set()
    if ended[0] is not None:
        raise ended[0]


class VideoWriter:
    """Writes frames of one size as an MP4 or other video, whole or not at all: the file appears when all is written.

    Being stopped, by Ctrl-C or since nobody wants further frames, ends the video; what it has by then is written.

        with VideoWriter(path, rate) as video:
            video.write(image)

    A frame of another size than the first is fitted into it, whole and in its middle, on black: streams may change
    their size on the way. Encodes H.264, or MPEG-4 part 2 where FFmpeg was built without it. Odd sizes lose their last
    row or column, since color is stored at half the resolution.
    """

    def __init__(self, path: Path, rate: Fraction | float = 25) -> None:
        self.path = path
        self.rate = Fraction(rate).limit_denominator(65535)
        self._part = path.with_name(f"{path.stem}.part{path.suffix}")  # FFmpeg chooses the container by the suffix
        self._container: Any = None
        self._stream: Any = None
        self._first: float | None = None
        self._ticks = -1

    def __enter__(self) -> VideoWriter:
        av = need_av()
        if self.path.suffix.lower() not in _WRITTEN:
            raise DataError(f"{self.path}: videos are written as one of {', '.join(_WRITTEN)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self._part), mode="w")
        except (OSError, av.FFmpegError) as error:
            raise unwritable(self.path, error) from error
        return self

    def write(self, image: UInt8[Tensor | np.ndarray, "3 H W"], seconds: float | None = None) -> None:
        """Adds a frame.

        Args:
            seconds: when it is shown, as those of all frames of the video or of none, which come at the rate; of
                frames at the same time, or one before another, each comes a moment later.

        Raises:
            DataError: frames of this size cannot be encoded.
            ZorkiError: the disk is full.
        """
        av = need_av()
        height, width = image.shape[-2] // 2 * 2, image.shape[-1] // 2 * 2
        if self._stream is None:
            self._first = seconds
            self._stream = self._add_stream(height, width)
        if (self._stream.height, self._stream.width) != (height, width):
            image = _fitted(array_of(image), self._stream.height, self._stream.width)
        pixels = interleaved(image[:, : self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        if seconds is not None:
            frame.time_base, frame.pts = CLOCK, self._next(seconds)
        self._encode(frame)

    def _next(self, seconds: float) -> int:
        """Ticks of the clock since the first frame."""
        self._first = seconds if self._first is None else self._first
        self._ticks = max(self._ticks + 1, round((seconds - self._first) / CLOCK))
        return self._ticks

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stopped = kind is not None and issubclass(kind, GeneratorExit | KeyboardInterrupt)
        finished = kind is None or (stopped and self._stream is not None)
        try:
            if kind is None and self._stream is None:
                raise DataError(f"{self.path}: no frame was written, so there is no video")
            if finished:
                self._encode(None)
            self._container.close()
            if finished:
                os.replace(self._part, self.path)
        except (OSError, need_av().FFmpegError) as failure:
            if finished:  # else the first error is the one to tell
                raise unwritable(self.path, failure) from failure
        finally:
            self._part.unlink(missing_ok=True)

    def _add_stream(self, height: int, width: int) -> Any:
        if min(height, width) == 0:
            raise DataError(f"{self.path}: a video's frames need two pixels at least in each direction")
        av = need_av()
        try:
            codec = av.Codec("libx264", "w").name
        except (av.FFmpegError, ValueError):  # an FFmpeg without x264 does not know its name
            codec = "mpeg4"
        stream = self._container.add_stream(codec, rate=self.rate)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        if self._first is not None:
            stream.codec_context.time_base = CLOCK
        if codec == "mpeg4":
            stream.bit_rate = max(400_000, int(height * width * self.rate) // 5)
        return stream

    def _encode(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as error:  # PyAV's, too, where they are of the file
            raise unwritable(self.path, error) from error
        except (need_av().FFmpegError, ValueError) as error:
            size = f"{self._stream.width} x {self._stream.height}"
            raise DataError(f"{self.path}: frames of {size} pixels cannot be encoded: {error}") from error


def _fitted(image: UInt8[np.ndarray, "3 _ _"], height: int, width: int) -> UInt8[np.ndarray, "3 height width"]:
    """The image, scaled to fit, in the middle of a black frame."""
    scale = min(height / image.shape[1], width / image.shape[2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[2] * scale))
    frame = np.zeros((3, height, width), np.uint8)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    frame[:, top : top + size[0], left : left + size[1]] = resize_image(image, *size)
    return frame
