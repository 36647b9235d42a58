import builtins
import http.server
import os
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from PIL import Image

from zorki.engine.prediction import sources
from zorki.engine.prediction.sources import Source, VideoWriter, expand, frame_rate, frames
from zorki.errors import DataError, ZorkiError


def make_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 8), (1, 2, 3)).save(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("in/a.png", "in/deep/b.JPG", "in/.hidden.png", "other/a.png"):
        make_image(tmp_path / name)
    (tmp_path / "in/clip.MP4").touch()
    (tmp_path / "in/notes.txt").touch()
    return tmp_path


def test_files_folders_and_globs(folder):
    inside = folder / "in"
    assert expand([str(inside / "a.png")]) == [Source(inside / "a.png", "a.png", "image", str(inside / "a.png"))]
    assert [(source.name, source.kind) for source in expand([str(inside)])] == [
        ("a.png", "image"),
        ("clip.MP4", "video"),
        ("deep/b.JPG", "image"),
    ]
    assert [source.name for source in expand([f"{inside}/**/*"])] == ["a.png", "clip.MP4", "deep/b.JPG"]
    assert [source.name for source in expand([f"{folder}/*/a.*"])] == ["in/a.png", "other/a.png"]


def test_a_file_named_twice_comes_once_and_names_differ(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = expand(["other/a.png", "in", "./in/a.png", str(folder / "in")])
    assert [(source.name, source.given) for source in found] == [
        ("a.png", "other/a.png"),
        ("a-2.png", "in"),
        ("clip.MP4", "in"),
        ("deep/b.JPG", "in"),
    ]


def test_a_file_with_brackets_in_its_name_is_no_glob(folder):
    make_image(folder / "photo[1].png")
    assert [source.name for source in expand([f"{folder}/photo[1].png"])] == ["photo[1].png"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("in/b.png", r"there is no such file or folder: .* 'b\.png'\. Did you mean a\.png\?"),
        ("inn", r"Did you mean in\?"),
        ("in/notes.txt", r"neither an image nor a video, by its suffix; expected \.avif, .*\.webm"),
        ("empty", "no image or video in this folder or below it"),
        ("in/*.tif", r"in/\*\.tif: nothing matches"),
        ("in/*.txt", "1 files or folders match, and none is an image or video"),
    ],
)
def test_what_cannot_be_used(folder, monkeypatch, given, reason):
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(DataError, match=reason):
        expand([given])


# -- addresses --


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        data = {"/good.png": self.server.png, "/cut.png": self.server.png[:-10], "/page": b"<html>"}.get(
            self.path.split("?")[0]
        )
        if self.path == "/slow.png":
            time.sleep(0.5)
        elif self.path == "/moved.png":
            self.send_response(302)
            self.send_header("Location", "/good.png")
            self.end_headers()
        elif data is None:
            self.send_error(404, "Not here")
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path):
    make_image(tmp_path / "served.png")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.png = (tmp_path / "served.png").read_bytes()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_image_from_an_address(address, tmp_path):
    for url in (f"{address}/good.png?size=large", f"{address}/moved.png"):
        (source,) = expand([url])
        assert source.path.read_bytes() == (tmp_path / "served.png").read_bytes()
        assert (source.kind, source.given) == ("image", url)
        assert source.name == url.split("?")[0].rsplit("/", 1)[1]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("lost.png", "cannot be fetched: Not here"),
        ("page", "this is no image of a known kind"),
        ("cut.png", "the PNG is truncated"),
    ],
)
def test_addresses_that_cannot_be_used(address, path, reason):
    with pytest.raises(DataError, match=f"{address}/{path}: .*{reason}"):
        expand([f"{address}/{path}"])


def test_limits_of_size_and_time(address, monkeypatch):
    with pytest.raises(DataError, match="at most 127 are allowed"):
        expand([f"{address}/good.png"], max_pixels=127)
    monkeypatch.setattr(sources, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="more than 1e-05 MB"):
        expand([f"{address}/good.png"])
    monkeypatch.setattr(sources, "TIMEOUT", 0.1)
    with pytest.raises(DataError, match=r"the server was silent for 0\.1 seconds"):
        expand([f"{address}/slow.png"])


def test_no_server():
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/a\.png: cannot be fetched: .*refused"):
        expand(["http://127.0.0.1:1/a.png"])


# -- videos --


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
    with pytest.raises(DataError, match=r"are 32 x 32 .* and one of 16 x 32 came"):
        write((32, 32), (16, 32))
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
