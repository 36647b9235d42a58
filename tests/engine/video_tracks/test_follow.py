"""Objects followed through files: prompts, tables, and the text files of benchmarks."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine.video_tracks.drifting import Drifting
from zorki.data.images import write_image
from zorki.engine.prediction.video import TimedFrame
from zorki.engine.run.open import TrainedModel
from zorki.engine.video_tracks.follow import FollowedFrame, follow, until_error, without_classes
from zorki.engine.video_tracks.prompts import boxes_from_rows, parse_boxes
from zorki.engine.video_tracks.track_files import check_formats, text_paths, track_writer
from zorki.errors import DataError, RecipeError
from zorki.recipe import Recipe
from zorki.tasks.tracking.task import Tracking
from zorki.types import Boxes, ClassInfo


@pytest.fixture
def run():
    return TrainedModel(Path("run"), "drifting", Tracking(), ClassInfo(("object",)), Recipe(), {}, Drifting())


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "frames"
    for number in (1, 2, 9, 10):  # by their numbers, 10 comes last
        write_image(folder / f"{number}.png", torch.full((3, 20, 30), number, dtype=torch.uint8))
    return folder


def test_boxes_are_typed_with_and_without_a_frame():
    found = parse_boxes(["1,2,3,4", "0: 5,6,7,8", "12:1,1,1.5,1"])
    assert {frame: boxes.xyxy.tolist() for frame, boxes in found.items()} == {
        0: [[1.0, 2.0, 4.0, 6.0], [5.0, 6.0, 12.0, 14.0]],
        12: [[1.0, 1.0, 2.5, 2.0]],
    }


@pytest.mark.parametrize(
    "text", ["1,2,3", "a:1,2,3,4", "-1:1,2,3,4", "1,2,x,4", "1,2,0,4", "1,2,3,-4", "inf,2,3,4", ""]
)
def test_what_is_no_box(text):
    with pytest.raises(RecipeError, match="--box"):
        parse_boxes([text])


def test_images_of_a_folder_are_frames_in_the_order_of_their_numbers(run, frames):
    found = list(follow(run, str(frames), parse_boxes(["2,3,4,5"]), fps=10))
    assert [int(frame.image[0, 0, 0]) for frame in found] == [1, 2, 9, 10]
    assert [frame.seconds for frame in found] == [0.0, 0.1, 0.2, 0.3]
    assert [frame.boxes.xyxy[0, 0].item() for frame in found] == [2.0, 3.0, 4.0, 5.0]
    assert [frame.given for frame in found] == [True, False, False, False]


def test_a_later_box_begins_anew_and_before_the_first_there_is_none(run, frames):
    found = list(follow(run, str(frames), parse_boxes(["1:2,3,4,5", "3:9,3,4,5", "3:0,0,2,2"])))
    assert [len(frame.boxes) for frame in found] == [0, 1, 1, 2]
    assert found[3].boxes.xyxy[:, 0].tolist() == [9.0, 0.0]


def test_a_frame_that_never_comes_is_told_after_those_before(run, frames):
    errors = []
    found = list(until_error(follow(run, str(frames), parse_boxes(["2,3,4,5", "7:2,3,4,5"])), errors))
    assert len(found) == 4
    assert "a box is given in frame 7, and the last frame was 3" in str(errors[0])


def test_a_broken_frame_ends_the_video_and_those_before_are_kept(run, frames):
    (frames / "9.png").write_bytes(b"no image")
    errors = []
    found = list(until_error(follow(run, str(frames), parse_boxes(["2,3,4,5"])), errors))
    assert [frame.number for frame in found] == [0, 1]
    assert isinstance(errors[0], DataError)


def test_of_a_camera_the_frame_after_a_dropped_one_takes_its_box(run, monkeypatch):
    taken = threading.Semaphore(1)  # a camera gives up frames that nobody takes in time

    def camera(number):
        for place in (0, 1, 4, 5):
            assert taken.acquire(timeout=60)
            yield TimedFrame(place, place / 30, np.full((3, 20, 30), place, np.uint8))

    monkeypatch.setattr("zorki.engine.prediction.sources.camera_frames", camera)
    found = []
    for frame in follow(run, 0, parse_boxes(["2,3,4,5", "3:9,3,4,5"]), max_frames=4):
        found.append(frame)
        taken.release()
    assert [(frame.number, frame.given) for frame in found] == [(0, True), (1, False), (4, True), (5, False)]
    assert [frame.boxes.xyxy[0, 0].item() for frame in found] == [2.0, 3.0, 9.0, 10.0]
    assert found[2].seconds == pytest.approx(4 / 30)


def test_a_file_that_was_cut_off_leaves_what_was_followed(run, tmp_path):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import VideoWriter
    from zorki.engine.track import track_to_files

    film = tmp_path / "film.mkv"
    noise = torch.Generator().manual_seed(0)
    with VideoWriter(film, 25) as video:
        for _ in range(20):
            video.write(torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8, generator=noise).numpy())
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    done = track_to_files(run, str(film), ["2,3,4,5"], out=tmp_path / "t.mkv", say=print)
    assert 1 < done.frames < 20
    assert len((tmp_path / "t.csv").read_text().splitlines()) == done.frames + 1
    assert (tmp_path / "t.mkv").stat().st_size > 0


def test_an_object_found_as_two_classes_is_followed_once():
    xyxy = torch.tensor([[50.0, 50, 60, 60], [0, 0, 10, 10], [0, 0, 10, 9], [5, 0, 15, 10]])
    found = without_classes(Boxes(xyxy, torch.tensor([0, 1, 2, 1]), torch.tensor([0.6, 0.9, 0.8, 0.7])))
    assert found.xyxy.tolist() == [xyxy[1].tolist(), xyxy[3].tolist(), xyxy[0].tolist()]
    assert found.labels.tolist() == [0, 0, 0]
    assert found.scores is None


def frame_of(number, *rows, given=False):
    boxes = boxes_from_rows([(x, y, x + w, y + h) for x, y, w, h in rows])
    if not given:
        boxes = dataclasses.replace(boxes, scores=torch.full((len(rows),), 0.25))
    return FollowedFrame(number, number / 25, torch.zeros((3, 4, 4), dtype=torch.uint8), boxes, given)


def test_the_files_hold_what_their_readers_expect(tmp_path):
    texts = text_paths(tmp_path / "t.csv", ["otb", "got10k", "vot", "mot"], 1)
    with track_writer(tmp_path / "t.csv", texts) as write:
        write(frame_of(0))
        write(frame_of(1, (2, 3, 10, 20), given=True))
        write(frame_of(2, (2.5, 3, 10, 20)))
        lost = frame_of(3, (2.5, 3, 10, 20))
        write(lost._replace(boxes=dataclasses.replace(lost.boxes, lost=torch.tensor([True]))))
        assert not (tmp_path / "t.csv").exists(), "files appear when they are whole"
    text = {name: path.read_text().splitlines() for name, (path,) in texts.items()}
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "frame,seconds,id,x,y,width,height,score,state",
        "1,0.040,1,2.00,3.00,10.00,20.00,1.0000,given",
        "2,0.080,1,2.50,3.00,10.00,20.00,0.2500,tracked",
        "3,0.120,1,2.50,3.00,10.00,20.00,0.2500,lost",
    ]
    assert text["otb"] == ["nan,nan,nan,nan", "3.00,4.00,10.00,20.00", *["3.50,4.00,10.00,20.00"] * 2]
    assert text["got10k"] == ["nan,nan,nan,nan", "2.000,3.000,10.000,20.000", *["2.500,3.000,10.000,20.000"] * 2]
    assert text["vot"] == ["0", "1", *["2.500,3.000,10.000,20.000"] * 2]
    assert text["mot"] == [
        "2,1,3.00,4.00,10.00,20.00,1.0000,-1,-1,-1", "3,1,3.50,4.00,10.00,20.00,0.2500,-1,-1,-1",
        "4,1,3.50,4.00,10.00,20.00,0.2500,-1,-1,-1",
    ]  # fmt: skip


def test_formats_of_one_object_have_a_file_for_each(tmp_path):
    with track_writer(None, text_paths(tmp_path / "t.csv", ["otb", "mot"], 2)) as write:
        write(frame_of(0, (0, 0, 1, 1), (5, 5, 2, 2), given=True))
    assert (tmp_path / "t-otb-1.txt").read_text() == "1.00,1.00,1.00,1.00\n"
    assert (tmp_path / "t-otb-2.txt").read_text() == "6.00,6.00,2.00,2.00\n"
    assert (tmp_path / "t-mot.txt").read_text().count("\n") == 2


def test_an_unknown_format_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match=r"no format of tracks is named 'otbb'\. Did you mean otb"):
        check_formats(["otbb"])


def test_a_video_is_drawn_and_its_table_lies_beside_it(run, frames, tmp_path):
    pytest.importorskip("av")
    from zorki.engine.prediction.video import timed_frames
    from zorki.engine.track import track_to_files

    out = tmp_path / "tracked.mp4"
    written = (out, tmp_path / "tracked.csv", tmp_path / "tracked-mot.txt")
    done = track_to_files(run, str(frames), ["2,3,4,5", "9,9,5,5"], out=out, formats=["mot"], say=print, fps=10)
    assert (done.frames, done.paths, done.error) == (4, written, None)
    assert [round(frame.seconds, 3) for frame in timed_frames(out)] == [0.0, 0.1, 0.2, 0.3]
    assert len((tmp_path / "tracked.csv").read_text().splitlines()) == 9
    assert len((tmp_path / "tracked-mot.txt").read_text().splitlines()) == 8
    with pytest.raises(RecipeError, match="is there already"):
        track_to_files(run, str(frames), ["2,3,4,5"], out=out, say=print)


def test_a_break_leaves_what_was_followed_and_nothing_where_nothing_was(run, frames, tmp_path):
    from zorki.engine.track import track_to_files

    (frames / "9.png").write_bytes(b"no image")
    done = track_to_files(run, str(frames), ["2,3,4,5"], out=tmp_path / "t.csv", say=print)
    assert (done.frames, type(done.error)) == (2, DataError)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3
    (frames / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError):
        track_to_files(run, str(frames), ["2,3,4,5"], out=tmp_path / "u.csv", say=print)
    assert not (tmp_path / "u.csv").exists()


def test_nothing_is_written_over_anything_and_nothing_where_nothing_was_followed(run, frames, tmp_path):
    from zorki.engine.track import track_to_files

    mine = tmp_path / "t-otb-2.txt"
    mine.write_text("mine")
    with pytest.raises(RecipeError, match=r"t-otb-2\.txt: is there already"):
        track_to_files(run, str(frames), ["2,3,4,5", "9,9,5,5"], out=tmp_path / "t.csv", formats=["otb"], say=print)
    with pytest.raises(RecipeError, match="a box is given in frame 9, and the last frame was 3"):
        track_to_files(run, str(frames), ["9:2,3,4,5"], out=tmp_path / "t.csv", say=print)
    assert mine.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "t-otb-2.txt"]


@pytest.mark.parametrize("fps", [0, float("nan"), float("inf")])
def test_a_rate_of_frames_is_a_number_above_0(run, frames, fps):
    from zorki.engine.track import track_to_files

    with pytest.raises(RecipeError, match=r"fps is .*; expected a number above 0"):
        track_to_files(run, str(frames), ["2,3,4,5"], say=print, fps=fps)


def test_a_source_that_is_none_leaves_no_folder(run, monkeypatch, tmp_path):
    from zorki.engine.track import track_to_files

    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        track_to_files(run, "none.mp4", ["2,3,4,5"], say=print)
    assert list(tmp_path.iterdir()) == []
