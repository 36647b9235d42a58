import builtins
import os
import socket
import struct
import subprocess
import sys
import threading
from fractions import Fraction
from itertools import count, islice
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
import torch

from zorki.engine.prediction.video import VideoWriter, camera_frames, frame_rate, frames, newest, timed_frames
from zorki.errors import DataError, ZorkiError


def clip(path, count=6, height=33, width=48, rate=10):
    """Frames of one gray each: 0, 40, 80, ..., with the left half red."""
    with VideoWriter(path, rate) as video:
        for number in range(count):
            image = torch.full((3, height, width), 40 * number, dtype=torch.uint8)
            image[:, :, : width // 2] = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
            video.write(image)
    return path


@pytest.mark.parametrize("name", ["a.mp4", "new/a.avi"])
def test_what_is_written_is_read(tmp_path, name):
    pytest.importorskip("av")
    path = clip(tmp_path / name)
    seen = list(frames(path))
    assert [number for number, _ in seen] == list(range(6))
    assert frame_rate(path) == Fraction(10)
    for number, image in seen:
        assert image.shape == (3, 32, 48)  # the odd row is gone
        assert image.is_contiguous()
        assert (image[:, :, 30:].float().mean() - 40 * number).abs() < 6
        assert image[0, :, :20].float().mean() > 230
        assert image[1, :, :20].float().mean() < 30
    assert [file.name for file in path.parent.iterdir() if file.is_file()] == [path.name]


def test_frames_tell_their_time(tmp_path):
    """Of a video at 10 frames a second, three of whose frames are shown at .3, .4 and .8 seconds."""
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for time in (3, 4, 8):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    seen = [(number, round(seconds, 6)) for number, seconds, _ in timed_frames(tmp_path / "a.mp4")]
    assert seen == [(0, 0.3), (1, 0.4), (2, 0.8)]


def test_without_h264_mpeg4_is_written(tmp_path, monkeypatch):
    av = pytest.importorskip("av")

    def missing(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av, "Codec", missing)
    path = clip(tmp_path / "a.mp4")
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(list(frames(path))) == 6


def test_a_phone_s_video_is_turned_upright(tmp_path):
    pytest.importorskip("av")
    path = clip(tmp_path / "a.mp4")
    data = path.read_bytes()
    # The track header's matrix (ISO 14496-12, 8.3.2): (x, y) -> (-y, x), a turn by 90 degrees clockwise.
    one, lying = (
        struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30),
        [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0],
    )
    place = data.index(one, data.index(b"tkhd"))
    path.write_bytes(data[:place] + struct.pack(">9i", *lying, 1 << 30) + data[place + 36 :])
    image = next(frames(path))[1]
    assert image.shape == (3, 48, 32)
    assert image[0, :20].float().mean() > 230  # red was on the left, and is now above
    assert image[0, 30:].float().mean() < 10


def test_a_video_that_is_not_finished_leaves_nothing(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def write(*sizes, error=None):
        with VideoWriter(path) as video:
            for height, width in sizes:
                video.write(torch.zeros(3, height, width, dtype=torch.uint8))
            if error is not None:
                raise error

    with pytest.raises(KeyError):
        write((32, 32), error=KeyError())
    with pytest.raises(DataError, match="no frame was written"):
        write()
    with pytest.raises(DataError, match="two pixels at least"):
        write((1, 32))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.mp4", b"old")]
    with pytest.raises(DataError, match=r"videos are written as one of \.mp4"), VideoWriter(tmp_path / "a.txt"):
        pass


@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, "there is no such file"), (b"", "no video that can be read"), (b"text" * 100, "no video that can be read")],
)
def test_files_that_are_no_videos(tmp_path, data, reason):
    pytest.importorskip("av")
    if data is not None:
        (tmp_path / "a.mp4").write_bytes(data)
    for read in (frame_rate, lambda path: next(frames(path))):
        with pytest.raises(DataError, match=rf"a\.mp4: {reason}"):
            read(tmp_path / "a.mp4")


def test_without_pyav_the_message_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "av":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    for use in (lambda: next(frames(Path("a.mp4"))), lambda: VideoWriter(tmp_path / "a.mp4").__enter__()):
        with pytest.raises(ZorkiError, match=r"pip install 'zorki\[video\]'"):
            use()
    assert os.listdir(tmp_path) == []


# -- live --


class Camera:
    """OpenCV's camera, without one: three frames, blue first, and then nothing."""

    opened: ClassVar[list["Camera"]] = []

    def __init__(self, number):
        self.number, self.left = number, 3
        Camera.opened.append(self)

    def isOpened(self):
        return self.number == 0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.full((2, 4, 3), (1, 2, 10 * self.left), np.uint8)

    def release(self):
        self.released = True


@pytest.fixture
def cv2(monkeypatch):
    module = ModuleType("cv2")
    module.VideoCapture = Camera
    monkeypatch.setitem(sys.modules, "cv2", module)
    Camera.opened.clear()


def test_a_camera_s_frames_are_rgb_until_it_stops(cv2):
    live = camera_frames(0)
    seen = [(number, image[:, 0, 0].tolist(), tuple(image.shape)) for number, _, image in islice(live, 3)]
    with pytest.raises(DataError, match="camera 0: no frame came after 3"):
        next(live)
    assert seen == [(number, [10 * (2 - number), 2, 1], (3, 2, 4)) for number in range(3)]
    assert Camera.opened[0].released
    with pytest.raises(DataError, match="camera 1: cannot be opened"):
        next(camera_frames(1))


def test_without_opencv_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ZorkiError, match=r"camera 0 needs OpenCV.*pip install 'zorki\[cv\]'"):
        next(camera_frames(0))


def test_the_newest_frame_is_taken_and_those_before_are_dropped():
    came, asked = threading.Event(), threading.Event()

    def stream():
        yield 0
        asked.wait(5)
        yield from (1, 2, 3)
        came.set()
        asked.clear()
        asked.wait(5)
        raise DataError("unplugged")

    live = newest(stream())
    assert next(live) == 0
    asked.set()
    assert came.wait(5)
    assert next(live) == 3
    asked.set()
    with pytest.raises(DataError, match="unplugged"):
        next(live)


def test_a_stream_that_nobody_reads_further_is_closed():
    closed = threading.Event()

    def stream():
        try:
            yield from count()
        finally:
            closed.set()

    live = newest(stream())
    first = next(live)
    assert next(live) > first
    live.close()
    assert closed.wait(5)


SENDER = """
import sys, time
import av
import numpy as np

for _ in range(50):
    try:
        container = av.open(sys.argv[1], mode="w", format="rtsp", options={"rtsp_transport": "tcp"})
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 90, np.uint8), format="rgb24")
            for packet in stream.encode(frame):
                container.mux(packet)
        break
    except OSError:  # nobody listens yet
        time.sleep(0.1)
"""


def test_a_network_camera_speaks_rtsp(monkeypatch):
    """Against FFmpeg's own sender: the reader listens, and the sender pushes to it what a camera would serve."""
    av = pytest.importorskip("av")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"rtsp://127.0.0.1:{free.getsockname()[1]}/live"
    real = av.open

    def listening(where, *, options, timeout):
        assert options == {"rtsp_transport": "tcp"}
        return real(where, timeout=timeout, options={**options, "rtsp_flags": "listen", "listen_timeout": "9"})

    monkeypatch.setattr(av, "open", listening)
    with subprocess.Popen([sys.executable, "-c", SENDER, address]) as sender:  # of its own: PyAV holds Python's lock
        try:
            number, image = next(frames(address))
        finally:
            sender.kill()
    assert number == 0
    assert image.shape == (3, 32, 48)
    assert (image.float().mean() - 90).abs() < 6


def test_a_frame_of_another_size_is_fitted_into_the_first(tmp_path):
    pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with VideoWriter(path) as video:
        for height, width in ((32, 64), (64, 32), (7, 13), (1, 200)):
            video.write(torch.full((3, height, width), 250, dtype=torch.uint8))
    first, turned, small, strip = (image for _, image in frames(path))
    assert first.min() > 230
    assert turned.shape == first.shape == (3, 32, 64)
    assert turned[:, :, 26:38].min() > 200, "16 of 64 columns, in the middle"
    assert max(turned[:, :, :20].max(), turned[:, :, 44:].max()) < 40, "black beside it"
    assert small[:, :, 6:58].min() > 200
    assert strip[:, :10].max() < 60


def test_a_stopped_video_keeps_what_was_written(tmp_path):
    pytest.importorskip("av")

    def write():
        with VideoWriter(tmp_path / "a.mp4") as video:
            while True:
                video.write(torch.zeros(3, 32, 32, dtype=torch.uint8))
                yield

    writing = write()
    for _ in range(3):
        next(writing)
    writing.close()
    assert len(list(frames(tmp_path / "a.mp4"))) == 3
