"""Evaluating files of tracks, whoever made them, against ground truth in MOTChallenge's format."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

from zorki.contracts import Results
from zorki.errors import DataError
from zorki.input_files.content import read_text
from zorki.metrics.tracks.many import score_tracks
from zorki.metrics.tracks.sequence import SequenceOverlap, TrackTable, overlap_tracks
from zorki.tracks.mot_text import read_mot

PEDESTRIAN = 1  # the class of MOTChallenge that counts
DISTRACTORS = (
    2,
    7,
    8,
    12,
)  # a person on a vehicle or standing still, a distractor, a reflection: neither right nor wrong
_INFO = "seqinfo.ini"


def evaluate_tracks(tracks: str | Path, ground_truth: str | Path) -> Results:
    """HOTA, IDF1, MOTA and their parts, over all videos and of each; by the rules of MOTChallenge.

    Args:
        tracks: a file of a tracker's results, or a folder with one a video: VIDEO.txt.
        ground_truth: a file; a folder with one a video, as VIDEO.txt or VIDEO/gt/gt.txt; or the folder of one video. A
            seqinfo.ini beside says how many frames there are; else the last that has a box is the last.

    Raises:
        DataError: a file cannot be read, a video has no tracks, tracks go on after the end of their video, or no box of
            the ground truth counts.
    """
    expected = _ground_truth_files(Path(ground_truth))
    found = _track_files(Path(tracks), expected)
    videos = {name: _video(found[name], path) for name, path in expected.items()}
    if not any(video.ground_truth_boxes for video in videos.values()):
        raise DataError(
            f"{ground_truth}: no box counts; expected some with class {PEDESTRIAN} and, in the seventh column, not 0"
        )
    scores = score_tracks(videos)
    return Results("all", scores.count, scores, {}, unit="frames")


def _ground_truth_files(path: Path) -> dict[str, Path]:
    """The file of each video, by the video's name."""
    if path.is_file():
        return {path.parent.parent.name if path.parent.name == "gt" else path.stem: path}
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file or folder; expected ground truth in MOTChallenge's format")
    if (path / "gt" / "gt.txt").is_file():
        return {path.resolve().name: path / "gt" / "gt.txt"}
    files = {found.parent.parent.name: found for found in sorted(path.glob("*/gt/gt.txt"))} or _texts(path)
    if not files:
        raise DataError(
            f"{path}: holds no ground truth; expected VIDEO/gt/gt.txt or VIDEO.txt, in MOTChallenge's format"
        )
    return files


def _texts(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.txt")) if file.is_file()}


def _track_files(path: Path, expected: Mapping[str, Path]) -> dict[str, Path]:
    """The file of each video that is expected."""
    if path.is_file():
        if len(expected) == 1:
            return dict.fromkeys(expected, path)
        raise DataError(f"{path}: one file, for {len(expected)} videos; expected a folder with VIDEO.txt of each")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file or folder; expected tracks in MOTChallenge's format")
    files = _texts(path)
    missing = [name for name in expected if name not in files]
    if missing:
        raise DataError(
            f"{path}: no tracks of {', '.join(missing[:5])}; expected {missing[0]}.txt, empty where nothing was found"
        )
    return {name: files[name] for name in expected}


def _video(tracks: Path, ground_truth: Path) -> SequenceOverlap:
    theirs, ours = read_mot(ground_truth), read_mot(tracks)
    count = _stated_length(ground_truth)
    for path, table in ((ground_truth, theirs), (tracks, ours)):
        last = _length(table)
        if count is not None and last > count:
            raise DataError(f"{path}: a box in frame {last}; the video has {count} frames, as its {_INFO} says")
    frames = max(_length(theirs), _length(ours)) if count is None else count
    return overlap_tracks(theirs, ours, frames, labels=(PEDESTRIAN,), distractors=DISTRACTORS)


def _length(table: TrackTable) -> int:
    return int(table.frame.max()) + 1 if len(table) else 0


def _stated_length(ground_truth: Path) -> int | None:
    """Frames of the video, where a seqinfo.ini says it."""
    path = ground_truth.parent.parent / _INFO
    if ground_truth.parent.name != "gt" or not path.is_file():
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
        return int(parser["Sequence"]["seqLength"])
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        raise DataError(f"{path}: expected [Sequence] with seqLength, the number of frames; {error}") from error
