"""Video files opened with PyAV, and their frames as RGB, turned upright."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from zorki.errors import DataError, ZorkiError

Array = np.ndarray[Any, np.dtype[Any]]

EXTENSIONS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})
"""Suffixes, in small letters, by which a file counts as a video."""

SILENCE = 20.0
"""Seconds that a server or a network camera may be silent."""


def is_video(name: str) -> bool:
    """Whether a file counts as a video, by its suffix."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def need_av() -> ModuleType:
    """PyAV. Raises ZorkiError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise ZorkiError("videos need PyAV, which is not installed: pip install 'zorki[video]'") from error
    return av


@contextlib.contextmanager
def open_video(video: Path | str) -> Iterator[Any]:
    """The container, which holds a video stream.

    Args:
        video: a file, or an address that FFmpeg reads, such as "rtsp://camera/1" or "https://example.org/a.mp4".

    Raises:
        DataError: the file is missing, or holds no video.
        ZorkiError: PyAV is not installed.
    """
    av = need_av()
    settings: dict[str, Any] = {}
    if isinstance(video, Path):
        if not video.is_file():
            what = "this is a folder, not a video" if video.is_dir() else "there is no such file"
            raise DataError(f"{video}: {what}")
    else:
        # Over UDP, FFmpeg's default, lost packets of a busy network become gray blocks.
        options = {"rtsp_transport": "tcp"} if video.startswith("rtsp") else {}
        settings = {"options": options, "timeout": (SILENCE, SILENCE)}
    try:
        container = av.open(str(video), **settings)
    except av.FFmpegError as error:
        raise DataError(f"{video}: no video that can be read: {error.strerror}") from error
    with container:
        if not container.streams.video:
            raise DataError(f"{video}: the file holds no video, only {[stream.type for stream in container.streams]}")
        if container.streams.video[0].codec_context is None:  # text, for one, counts as a video of an unknown codec
            raise DataError(f"{video}: no video that can be read: FFmpeg does not know its codec")
        yield container


def stream_rate(stream: Any) -> Fraction:
    """Frames a second, as the stream states or as PyAV guesses; 25 where nothing is known."""
    return Fraction(stream.average_rate or stream.guessed_rate or 25)


class Converter:
    """Decoded frames to RGB, upright: what phones store lying down says so."""

    def __init__(self) -> None:
        # One for all frames of a video: PyAV's `to_ndarray` sets it up anew for each, at five times the cost.
        self._reformatter = need_av().video.reformatter.VideoReformatter()

    def __call__(self, frame: Any) -> Array:
        """uint8 (H, W, 3)."""
        # One thread: what others there are begin anew for each film, and workers convert side by side.
        pixels: Array = self._reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        return np.rot90(pixels, quarter_turns(frame))


def quarter_turns(frame: Any) -> int:
    """By which a frame is turned upright, against the clock; PyAV counts degrees in the same direction."""
    return round(getattr(frame, "rotation", 0) / 90) % 4
