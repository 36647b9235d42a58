import http.server
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zorki.engine.prediction import sources
from zorki.engine.prediction.sources import Source, expand
from zorki.errors import DataError


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


def test_brackets_of_a_folder_that_is_there_are_no_pattern(folder, monkeypatch):
    (folder / "set[1]").mkdir()
    for name in ("set[1]/a.png", "set[1]/b.png", "set1.png"):
        make_image(folder / name)
    monkeypatch.chdir(folder)
    assert [source.name for source in expand("set[1]/*.png")] == ["a.png", "b.png"]
    assert [source.name for source in expand(f"{folder}/set[1]/[b-z].png")] == ["b.png"]
    assert [source.name for source in expand("set[0-9].png")] == ["set1.png"], "elsewhere they are one"


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


@pytest.mark.parametrize("name", ["pipe.png", "pipe.mp4"])
def test_a_pipe_in_a_folder_is_told_and_not_waited_for(folder, name):
    os.mkfifo(folder / "other" / name)
    for given in (folder / "other", f"{folder}/other/*"):
        (pipe,) = [source for source in expand([str(given)]) if source.path.name == name]
        assert not pipe.named
        with pytest.raises(DataError, match=rf"{name}: it is a named pipe \(FIFO\), not a regular file"):
            pipe.image() if pipe.kind == "image" else next(pipe.frames())


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
        elif self.path == "/short.png":  # more is stated than comes
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.png) + 5))
            self.end_headers()
            self.wfile.write(self.server.png)
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
        ("lost.png", "cannot be fetched: 404 Not here"),
        ("short.png", r"\d+ bytes of \d+ came; try again"),
        ("page", "this is no image of a known kind"),
        ("cut.png", "the PNG is truncated"),
    ],
)
def test_addresses_that_cannot_be_used(address, path, reason):
    with pytest.raises(DataError, match=f"{address}/{path}: .*{reason}"):
        expand([f"{address}/{path}"])


def test_one_address_of_several_that_fails_costs_itself_alone(address):
    lost, good = expand([f"{address}/lost.png", f"{address}/good.png"])
    assert good.image().shape == (3, 8, 16)
    assert not lost.named
    with pytest.raises(DataError, match=r"lost\.png: cannot be fetched: 404 Not here"):
        lost.image()


@pytest.mark.parametrize("given", ["http://[::1/a.png", "http:///a.png", "http://a:b/a.png", "https://a b/a.png"])
def test_malformed_addresses_are_told(given):
    with pytest.raises(DataError, match=r"it is no address|it names no host"):
        expand([given])


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


# -- in memory, and without an end --


def test_images_in_memory_stand_among_files(folder):
    array, opened = np.zeros((2, 3, 3), np.uint8), Image.open(folder / "in/a.png")
    found = expand([array, [str(folder / "in/a.png"), opened], torch.ones(3, 4, 5, dtype=torch.uint8)])
    assert [(source.name, str(source)) for source in found] == [
        ("image-1.png", "image 1"),
        ("a.png", (folder / "in/a.png").as_posix()),
        ("a-2.png", str(folder / "in/a.png")),
        ("image-4.png", "image 4"),
    ]
    assert [tuple(source.image().shape) for source in found] == [(3, 2, 3), (3, 8, 16), (3, 8, 16), (3, 4, 5)]
    (blue_first,) = expand(np.full((1, 1, 3), (1, 2, 3), np.uint8), bgr=True)
    assert blue_first.image().flatten().tolist() == [3, 2, 1]
    assert [source.named for source in expand([str(folder / "in/a.png"), str(folder / "in")])] == [True, False, False]


@pytest.mark.parametrize(
    ("given", "name", "content"),
    [
        (0, "camera-0", 0),
        ("2", "camera-2", 2),
        ("rtsp://10.0.0.7:554/live/1", "1", "rtsp://10.0.0.7:554/live/1"),
        ("https://example.org/a/live.m3u8?key=1", "live", "https://example.org/a/live.m3u8?key=1"),
    ],
)
def test_cameras_and_streams_have_no_end(given, name, content):
    (source,) = expand(given)
    assert (source.kind, source.name, source.content, source.path) == ("live", name, content, None)


def test_a_file_whose_name_is_a_number_is_a_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("7").mkdir()
    make_image(Path("7/a.png"))
    assert [source.kind for source in expand("7")] == ["image"]


def test_a_video_at_an_address_is_not_fetched():
    (source,) = expand("https://example.org/films/a%20b.mp4")
    assert (source.kind, source.name, source.content) == ("video", "a b.mp4", "https://example.org/films/a%20b.mp4")


def test_an_iterator_yields_the_frames_of_a_stream():
    (source,) = expand(np.full((2, 2, 3), value, np.uint8) for value in (5, 6))
    assert source.kind == "live"
    assert [(number, int(image[0, 0, 0])) for number, image in source.frames()] == [(0, 5), (1, 6)]
    (source,) = expand(iter([np.zeros((2, 2, 3))]))
    with pytest.raises(DataError, match="frames-1, frame 0: a numpy array of float64"):
        next(source.frames())


@pytest.mark.parametrize(("given", "reason"), [(None, "source 2 is NoneType; expected a path"), (-1, "from 0 on")])
def test_what_is_no_source(given, reason):
    with pytest.raises(DataError, match=reason):
        expand([np.zeros((2, 2, 3), np.uint8), given])


def test_a_folder_of_frames_is_one_film_where_films_are_asked_for(tmp_path):
    for folder, count in (("films/a", 3), ("films/b", 20)):
        (tmp_path / folder).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (6, 4), (number, 0, 0)).save(tmp_path / folder / f"{number}.png")
    Image.new("RGB", (6, 4)).save(tmp_path / "films" / "one.png")
    sources = sorted(expand(tmp_path / "films", films=True), key=lambda source: source.name)
    assert [(source.name, source.kind) for source in sources] == [("a", "video"), ("b", "video"), ("one.png", "image")]
    frames = list(sources[1].frames())
    assert [int(image[0, 0, 0]) for _, image in frames] == list(range(20))
    assert [number for number, _ in frames] == list(range(20))
    assert sources[1].frame_rate() == 25
    assert [source.name for source in expand(tmp_path / "films" / "a", films=True)] == ["a"]
    assert len(expand(tmp_path / "films")) == 24
