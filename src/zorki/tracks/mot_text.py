"""MOTChallenge's text files: a line a box, `frame,id,left,top,width,height,score,class,visibility`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zorki.errors import DataError
from zorki.input_files.content import text_lines
from zorki.metrics.tracks.sequence import TrackTable

MIN_COLUMNS = 6
_FULL = 8  # columns of a line with a score and a class
_DEFAULTS = (1.0, 1.0)  # score, and class, where a line ends before them
_LONGEST = 1000


def mot_line(frame: int, identity: int, box: Sequence[float], score: float) -> str:
    """A line of a tracker's results.

    Args:
        frame: from 0; files count frames from 1, and call the corner of the first pixel (1, 1).
        box: left, top, right, bottom in pixels.
    """
    left, top, right, bottom = box
    place = ",".join(f"{value:.3f}" for value in (left + 1, top + 1, right - left, bottom - top))
    return f"{frame + 1},{identity},{place},{score:.4f},-1,-1,-1"


def read_mot(path: Path) -> TrackTable:
    """The boxes of a file, as they stand there; frames from 0.

    A line has 6 columns or more. The seventh is the score, of ground truth 0 where a box does not count; the eighth the
    class, 1 where there is none or a tracker wrote -1. Commas or blanks stand between.

    Raises:
        DataError: the file cannot be read, a line has too few columns or no numbers, a frame is below 1, or an identity
            stands twice in a frame; with file and line.
    """
    rows: list[tuple[float, ...]] = []
    lines: dict[tuple[int, int], int] = {}
    for number, text in text_lines(path, longest=_LONGEST):
        if not text.strip():
            continue
        row = _row(text, f"{path}:{number}")
        key = (int(row[0]), int(row[1]))
        if key in lines:
            raise DataError(
                f"{path}:{number}: id {key[1]} stands twice in frame {key[0]}, the first time in line {lines[key]}; "
                "expected one box an id and frame"
            )
        lines[key] = number
        rows.append(row)
    values = np.array(rows, dtype=np.float64).reshape(len(rows), _FULL)
    whole = values[:, [0, 1, 7]].astype(np.int64)
    return TrackTable(whole[:, 0] - 1, whole[:, 1], values[:, 2:6], values[:, 6], np.abs(whole[:, 2]))


def _row(text: str, place: str) -> tuple[float, ...]:
    cells = text.replace(",", " ").split()
    if len(cells) < MIN_COLUMNS:
        raise DataError(f"{place}: {len(cells)} columns; expected frame,id,left,top,width,height and more")
    try:
        row = [float(cell) for cell in cells[:_FULL]]
    except ValueError as error:
        raise DataError(f"{place}: {error}; expected numbers: frame,id,left,top,width,height,score,class") from error
    row += _DEFAULTS[len(row) - MIN_COLUMNS :]
    if not all(math.isfinite(value) and abs(value) < 2**53 for value in row):
        raise DataError(f"{place}: a value is not finite, or too large; expected frame,id,left,top,width,height")
    if row[0] < 1 or row[0] != int(row[0]) or row[1] != int(row[1]):
        raise DataError(f"{place}: frame {cells[0]} and id {cells[1]}; expected whole numbers, frames from 1 on")
    return tuple(row)
