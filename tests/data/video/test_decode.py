"""Frames by time: equal to those that a plain loop decodes from the start, however the file is made."""

import shutil
from fractions import Fraction

import numpy as np
import pytest

from zorki.data.video import decode
from zorki.data.video.decode import DECODED, frames_at, video_facts
from zorki.data.video.films import VideoFile
from zorki.errors import DataError

av = pytest.importorskip("av")


def write(path, times, *, codec="libx264", size=(48, 64), options=None, clock=1000):
    """A film in which frame k is shown at times[k] seconds, and has a bar as far to the right as k says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, clock)
        for k, time in enumerate(times):
            image = np.full((*size, 3), 30, dtype=np.uint8)
            image[:, : 1 + k % size[1]] = 200
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(time * clock), Fraction(1, clock)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def plain(path):
    """Every frame from the first to the last, with its time from the first's."""
    with av.open(str(path)) as container:
        found = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [(time - found[0][0], image) for time, image in found]


def shown(frames, time):
    return [image for begins, image in frames if begins <= time + 1e-6][-1]


STEADY = [k / 25 for k in range(60)]
VARIABLE = list(np.cumsum([0.0, *([0.02, 0.3, 0.05, 0.11] * 14)]))


@pytest.fixture(scope="module", params=["mp4", "mkv", "variable.mp4", "avi", "open.mkv", "b.mp4", "pyramid.mp4"])
def film(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / f"a.{request.param}"
    if request.param == "avi":
        return write(path, STEADY, codec="mpeg4", options={"g": "12"}, clock=25)
    if "b.mp4" in request.param:
        return write(path, STEADY, codec="mpeg4", options={"g": "12", "bf": "2"})
    if "pyramid" in request.param:
        return write(path, STEADY, options={"x264-params": "keyint=30:bframes=5:b-adapt=0:b-pyramid=normal"})
    options = {"g": "12", "x264-params": "open-gop=1:keyint=12:bframes=3"} if "open" in request.param else {"g": "12"}
    return write(path, VARIABLE if "variable" in request.param else STEADY, options=options)


def test_any_moment_shows_what_decoding_from_the_start_shows(film):
    frames = plain(film)
    times = [0.5, 0.0, 1.49, 0.73, 2.1, 0.73, 99.0, -1.0]
    for time, image in zip(times, frames_at(film, times), strict=True):
        assert np.array_equal(image, shown(frames, max(0.0, time))), time


@pytest.mark.parametrize("stride", [1, 2, 7])
def test_every_so_many_frames_are_those_of_the_plain_loop(film, stride):
    frames = plain(film)
    for start in (0, 5, 11, 26):
        times = [frames[k][0] + 0.005 for k in range(start, len(frames), stride)]
        for time, image in zip(times, frames_at(film, times), strict=True):
            assert np.array_equal(image, shown(frames, time)), time


def test_frames_that_nobody_asks_for_and_none_refers_to_are_left_out(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY, options={"x264-params": "keyint=60:bframes=3:b-adapt=0:b-pyramid=none"})
    before = DECODED.frames
    frames_at(path, [2.3])
    assert DECODED.frames - before < 45, "of 58, of which none refers to 22"


def test_a_frame_that_is_shown_for_longer_than_its_packet_says_is_not_left_out(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", STEADY, options={"x264-params": "keyint=60:bframes=3:b-adapt=0:b-pyramid=none"})
    frames = plain(path)
    unused = decode._Reader._is_unused

    def hasty(self, packet):  # as if every packet ended before the next time that is asked for
        packet.duration = 1
        return unused(self, packet)

    monkeypatch.setattr(decode._Reader, "_is_unused", hasty)
    times = [0.05, 0.99, 1.03, 1.7]
    for time, image in zip(times, frames_at(path, times), strict=True):
        assert np.array_equal(image, shown(frames, time)), time


def test_a_keyframe_is_sought_where_it_is_and_not_a_second_before(tmp_path):
    path = write(tmp_path / "a.mp4", [k / 25 for k in range(100)], options={"x264-params": "keyint=25:scenecut=0"})
    before = DECODED.frames
    frames_at(path, [2.01])
    assert DECODED.frames - before < 8, "frame 50 is a keyframe"


def test_facts_and_length(film):
    facts = video_facts(film)
    assert facts.size == (48, 64)
    last = plain(film)[-1][0]
    assert last < facts.duration < last + 0.6
    assert VideoFile(film).at([0.0, 1.0]).shape == (2, 3, 48, 64)


def test_a_late_moment_is_sought(tmp_path):
    path = write(tmp_path / "a.mp4", [k / 25 for k in range(200)], options={"g": "10"})
    video_facts(path)
    before = DECODED.frames
    frames_at(path, [7.0])
    assert DECODED.frames - before < 25, "of 200 frames"


def test_a_part_ends_where_it_ends(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY)
    frames = plain(path)
    part = VideoFile(path, 0.4, 0.8)
    assert part.duration == pytest.approx(0.4)
    assert len(part) == 10
    first, last = part.at([0.0, 5.0]).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(first, frames[10][1])
    assert np.array_equal(last, frames[19][1])
    with pytest.raises(DataError, match=r"begins at 9 s, and the video ends at 2.40 s"):
        VideoFile(path, 9.0, 10.0).at([0.0])


def test_what_lies_down_is_turned(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY[:5])
    turned = tmp_path / "turned.mp4"
    with av.open(str(path)) as source, av.open(str(turned), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    film = VideoFile(turned)
    assert film.size == (64, 48)
    assert film.at([0.0]).shape == (1, 3, 64, 48)


def test_a_broken_film_says_after_how_many_frames(tmp_path):
    path = write(tmp_path / "a.mkv", STEADY, options={"g": "12"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 5 // 8])
    count = len(plain(path))
    assert 10 < count < 55
    with pytest.raises(DataError, match=rf"breaks off after {count} frames"):
        frames_at(path, [0.1, 2.3])
    assert len(frames_at(path, [0.1])) == 1, "what is there is read"


def test_a_file_that_is_no_video_is_told(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"no video that can be read"):
        video_facts(tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"No such file"):
        video_facts(tmp_path / "b.mp4")
    path = write(tmp_path / "c.mp4", STEADY[:3])
    with pytest.raises(DataError, match=r"64 x 48 pixels, more than 100"):
        video_facts(path, 100)


def test_a_file_that_changed_is_read_anew(tmp_path):
    path = write(tmp_path / "a.mp4", STEADY)
    assert video_facts(path).duration == pytest.approx(2.4, abs=0.05)
    shutil.copy(write(tmp_path / "b.mp4", STEADY[:20]), path)
    decode._facts.cache_clear()
    assert video_facts(path).duration == pytest.approx(0.8, abs=0.05)


def test_a_text_that_is_called_a_video_is_told(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_text("hallo\n")
    with pytest.raises(DataError, match="no video that can be read"):
        video_facts(path)
